"""AirflowProcess: a real Airflow in an environment of its own, which runs the DAG as it is asked
to."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]
DAGS = ROOT / "airflow" / "dags"
DAG = DAGS / "train_and_compare.py"
BIN = ROOT / ".venv" / "airflow" / "bin"


@dataclass(frozen=True)
class DagRun:
    state: str
    tasks: Mapping[str, str]
    """Task → its state."""
    result: Any
    """What the last task gave."""
    log: str


@dataclass(frozen=True)
class AirflowProcess:
    process: subprocess.Popen[str]
    log: Path

    def run(self, timeouts: Mapping[str, float] | None = None, **params: Any) -> DagRun:
        """Run the DAG to its end with these params, and with other timeouts of its sensors."""
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        start = self.log.stat().st_size
        asked = {"conf": params, "timeouts": timeouts or {}}
        self.process.stdin.write(f"{json.dumps(asked)}\n")
        self.process.stdin.flush()
        answer = self.process.stdout.readline()
        log = self.log.read_bytes()[start:].decode()
        assert answer, log
        return DagRun(**json.loads(answer), log=log)


def airflow_environment(home: Path) -> dict[str, str]:
    """What Airflow's own programs need; the test is skipped if it is not installed."""
    if not (BIN / "airflow").exists():
        missing = "Airflow is not installed: scripts/set-up-airflow.sh does that"
        if os.environ.get("CI"):
            pytest.fail(missing)
        pytest.skip(missing)
    return {
        "PATH": f"{BIN}{os.pathsep}{os.environ['PATH']}",
        "HOME": str(home),
        "LANG": "C.UTF-8",
        "NO_COLOR": "1",
        "PYTHONDONTWRITEBYTECODE": "1",
        "AIRFLOW_HOME": str(home),
        "AIRFLOW__CORE__DAGS_FOLDER": str(DAGS),
        "AIRFLOW__CORE__LOAD_EXAMPLES": "false",
        "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": f"sqlite:///{home}/airflow.db",
    }


def migrated(home: Path) -> dict[str, str]:
    """The environment of an Airflow that has its database."""
    environment = airflow_environment(home)
    subprocess.run(
        [BIN / "airflow", "db", "migrate"], env=environment, check=True, capture_output=True
    )
    return environment


@contextmanager
def airflow_process(
    environment: Mapping[str, str], folder: Path, **variables: str
) -> Iterator[AirflowProcess]:
    """Run the DAG in a process that takes what `variables` say for AWS."""
    log = folder / "airflow.log"
    with (
        log.open("ab") as output,
        subprocess.Popen(
            [BIN / "python", Path(__file__).with_name("run_dags.py"), DAG],
            cwd=folder,
            env={**environment, **variables},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=output,
            text=True,
        ) as process,
    ):
        try:
            yield AirflowProcess(process, log)
        finally:
            process.kill()

"""Runs the DAG with `dag.test()`, again and again, in Airflow's own environment, which has nothing
of ours: for each line of JSON that comes in, one goes out.

    {"conf": {…}, "timeouts": {task: seconds}} → {"state": …, "tasks": {task: state}, "result": …}
"""

from __future__ import annotations

import importlib.util
import json
import os
import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any
from unittest import mock

MOMENT = 0.2


def load(path: Path) -> Any:
    spec = importlib.util.spec_from_file_location(path.stem, path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return getattr(module, path.stem)


def moment(sleep: Callable[[float], None], seconds: float) -> None:
    sleep(min(seconds, MOMENT))


def run(dag: Any, asked: dict[str, Any]) -> dict[str, Any]:
    for name, seconds in asked["timeouts"].items():
        dag.get_task(name).timeout = seconds
    for task in dag.tasks:
        if hasattr(task, "poke_interval"):
            task.poke_interval = 0.2
    # `dag.test()` waits a second whenever no task is due, and one more per task that will not run.
    with mock.patch("time.sleep", partial(moment, time.sleep)):
        dag_run = dag.test(run_conf=asked["conf"])
    last = dag_run.get_task_instance("compare")
    return {
        "state": str(dag_run.state),
        "tasks": {task.task_id: str(task.state) for task in dag_run.get_task_instances()},
        "result": last.xcom_pull(task_ids="compare"),
    }


def main() -> None:
    # Whatever Airflow prints goes where its log does.
    with os.fdopen(os.dup(1), "w") as answers:
        os.dup2(2, 1)
        make = load(Path(sys.argv[1]))
        for line in sys.stdin:
            answers.write(f"{json.dumps(run(make(), json.loads(line)))}\n")
            answers.flush()


if __name__ == "__main__":
    main()

"""Shed: a home folder, worked on through the real command line, in real processes."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil

from tests.building import TOY_MODEL_TYPES, wait_until
from trainshed.client import Client
from trainshed.engine import Engine, open_engine
from trainshed.record import ModelRecord
from trainshed.request import build
from trainshed.settings import Settings

PROCESS_SECONDS = 120.0
"""No process of these tests takes longer, unless it is broken."""


@dataclass
class Shed:
    folder: Path
    """For all that a test leaves."""
    home: Path
    settings: Mapping[str, str] = field(default_factory=dict)
    processes: list[subprocess.Popen[str]] = field(default_factory=list)

    @property
    def ledger(self) -> Path:
        return self.folder / "ledger"

    @property
    def gate(self) -> Path:
        """While this file is not there, trainings with a gate go on."""
        return self.folder / "gate"

    def environment(self, **settings: str) -> dict[str, str]:
        inherited = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
        return {
            **inherited,
            "LANG": "C.UTF-8",
            "TRAINSHED_HOME": str(self.home),
            "TRAINSHED_MODEL_TYPES": str(TOY_MODEL_TYPES),
            "TRAINSHED_TICK_SECONDS": "0.05",
            "TRAINSHED_RETRY_SECONDS": "0.05",
            "TRAINSHED_VISIBILITY_SECONDS": "2",
            "TRAINSHED_STOP_GRACE_SECONDS": "0.5",
            **self.settings,
            **settings,
        }

    def call(
        self, *arguments: str, stdin: str | bytes = b"", **settings: str
    ) -> subprocess.CompletedProcess[str]:
        """Run `trainshed` to its end."""
        completed = subprocess.run(
            [*TRAINSHED, *arguments],
            env=self.environment(**settings),
            input=stdin.encode() if isinstance(stdin, str) else stdin,
            capture_output=True,
            timeout=PROCESS_SECONDS,
            check=False,
        )
        return subprocess.CompletedProcess(
            completed.args,
            completed.returncode,
            completed.stdout.decode(),
            completed.stderr.decode(),
        )

    def done(self, *arguments: str, stdin: str | bytes = b"", **settings: str) -> str:
        """Run `trainshed`, which must do well; give what it printed."""
        completed = self.call(*arguments, stdin=stdin, **settings)
        assert completed.returncode == 0, completed.stderr
        return completed.stdout

    def start(self, *arguments: str, **settings: str) -> subprocess.Popen[str]:
        """Start `trainshed`; it is killed at the end of the test at the latest."""
        process = subprocess.Popen(
            [*TRAINSHED, *arguments],
            env=self.environment(**settings),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        self.processes.append(process)
        return process

    @contextmanager
    def open(self) -> Iterator[Engine]:
        with open_engine(self._settings()) as engine:
            yield engine

    def _settings(self) -> Settings:
        return Settings.from_environment(self.environment())

    def submit(
        self, name: str, gated: bool = False, epochs: int = 1, **hyperparameters: Any
    ) -> str:
        """Queue a toy training, quicker than the command line does it; give its modelId."""
        options = {"ledger": str(self.ledger), **hyperparameters}
        if gated:
            options["gate"] = str(self.gate)
        request = build(name=name, model_type="toy", epochs=epochs, hyperparameters=options)
        with self.open() as engine:
            return Client(engine, self._settings()).submit(request)

    def record(self, model_id: str) -> ModelRecord:
        with self.open() as engine:
            record = engine.registry.get(model_id)
        assert record is not None
        return record

    def records(self) -> dict[str, ModelRecord]:
        """The newest record of each name."""
        with self.open() as engine:
            return {record.name: record for record in reversed(engine.registry.newest(1000))}

    def statuses(self) -> dict[str, str]:
        return {name: str(record.status) for name, record in self.records().items()}

    def slots_in_use(self) -> int:
        with self.open() as engine:
            return engine.registry.slots_in_use()

    def events(self, what: str) -> list[dict[str, Any]]:
        """What the trainings themselves have noted, `begin` or `end`, in order."""
        if not self.ledger.exists():
            return []
        entries = map(json.loads, self.ledger.read_text().splitlines())
        return [entry for entry in entries if entry["event"] == what]

    def wait_for(self, what: str, count: int) -> None:
        wait_until(lambda: len(self.events(what)) >= count, f"{count} trainings {what}")

    def times_trained(self) -> Counter[str]:
        """Name → how often it was trained to the end."""
        return Counter(entry["model_id"][:-37] for entry in self.events("end"))

    def trainings(self) -> list[psutil.Process]:
        """The training processes of this home that are alive at one moment: after the search, which
        takes time, and may see one end and its successor begin."""
        found = []
        for process in psutil.process_iter():
            try:
                if process.cmdline()[1:] == ["-m", "training_image"] and self._owns(process):
                    found.append(process)
            except psutil.Error:
                continue
        return [process for process in found if _is_alive(process)]

    def _owns(self, process: psutil.Process) -> bool:
        return process.environ().get("TRAINSHED_HOME") == str(self.home)


def _is_alive(process: psutil.Process) -> bool:
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


TRAINSHED = (sys.executable, "-m", "command_line.main")


class Sampler:
    """Counts the living trainings again and again while a `with` lasts."""

    def __init__(self, shed: Shed) -> None:
        self._shed = shed
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run)
        self.counts: list[int] = []

    def _run(self) -> None:
        while not self._stop.wait(0.02):
            self.counts.append(len(self._shed.trainings()))

    def __enter__(self) -> Sampler:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()


def most_at_once(begins: Sequence[Mapping[str, Any]], ends: Sequence[Mapping[str, Any]]) -> int:
    """How many trainings there were at most at any one moment, by their own clocks."""
    changes = sorted([(e["at"], 1) for e in begins] + [(e["at"], -1) for e in ends])
    running = most = 0
    for _, change in changes:
        running += change
        most = max(most, running)
    return most

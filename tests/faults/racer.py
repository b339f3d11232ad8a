"""A consumer for races, `python -m tests.faults.racer`: the real loop on the real local engine.

Ten thousand trainings that each start two Pythons would take an hour. Here they are forked from a
warm process instead; all else is real: the launcher's folders, the supervisor's lock and marks, the
claim, the training, the artifact with its manifest.
"""

from __future__ import annotations

import json
import os
import signal
import time
from dataclasses import replace
from datetime import UTC, datetime
from importlib import import_module
from multiprocessing import Pipe
from multiprocessing.connection import Connection
from pathlib import Path

from model_types import load_trainer
from queue_consumer.loop import run
from tests.toy_model_types.toy.train import note
from training_image.__main__ import main as train
from trainshed.engine import open_engine
from trainshed.local import supervisor
from trainshed.local.launcher import LocalLauncher
from trainshed.settings import Settings


class WarmLauncher(LocalLauncher):
    """Has its supervisors forked by the process at the other end of `warm`."""

    def __init__(self, folder: Path, warm: Connection) -> None:
        super().__init__(folder, grace_seconds=1.0)
        self._warm = warm

    def _start_supervisor(self, folder: Path) -> None:
        self._warm.send(folder)
        if self._warm.recv() != 0:
            raise OSError("its supervisor failed")


def start_warm_process(settings: Settings) -> Connection:
    """Fork it before a database is open: SQLite must not be carried into another process."""
    ours, theirs = Pipe()
    if os.fork() > 0:
        theirs.close()
        return ours
    ours.close()
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # nobody waits for a supervisor
    for port in ("registry", "artifacts", "datasets"):  # loaded here, once for all
        import_module(f"trainshed.local.{port}")
    load_trainer("toy", settings.model_type_folders)
    supervisor._run = _train_here
    try:
        while True:
            theirs.send(supervisor.main(theirs.recv(), 1.0))
    except EOFError:  # the consumer is gone
        os._exit(0)


def _train_here(folder: Path, grace_seconds: float, lock: int) -> dict[str, object]:
    """In the place of the supervisor's own: the training is run in this very process."""
    launch = json.loads((folder / "launch.json").read_text(encoding="utf-8"))
    os.environ.update(launch["environment"])
    ledger = json.loads(os.environ["TRAINSHED_HYPERPARAMETERS"])["ledger"]
    note(ledger, "alive")
    code = train(os.environ)
    note(ledger, "dead")
    return {"exit_code": code}


def main() -> None:
    settings = Settings.from_environment(os.environ)
    warm = start_warm_process(settings)

    def pause() -> bool:
        time.sleep(settings.tick_seconds)
        return True

    with open_engine(settings) as engine:
        engine = replace(engine, launcher=WarmLauncher(settings.home / "tasks", warm))
        run(engine, settings, lambda: datetime.now(UTC), pause, until_idle=True)


if __name__ == "__main__":
    main()

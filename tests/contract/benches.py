"""What the contract needs of an engine under test, and how each engine gives it."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Protocol

from trainshed.engine import Engine
from trainshed.local.artifacts import LocalArtifacts
from trainshed.local.database import open_database
from trainshed.local.launcher import LocalLauncher
from trainshed.local.queue import LocalQueue
from trainshed.local.registry import LocalRegistry
from trainshed.ports import Launcher

VISIBILITY_SECONDS = 30.0
MAX_RECEIVES = 3
GRACE_SECONDS = 0.3


class Bench(Protocol):
    """One engine, empty at first, which can be opened many times over."""

    def open(self) -> AbstractContextManager[Engine]:
        """A connection of its own, for one thread: what another process would have."""

    def launcher(self, program: str) -> Launcher:
        """A launcher whose trainings run `program`, Python source, instead of a training image."""

    def broken_launcher(self) -> Launcher:
        """A launcher whose tasks cannot start, for what they should run is not there."""

    def advance(self, seconds: float) -> None:
        """Let time pass for the queue: a clock is moved, or the time is really waited for."""


class LocalBench:
    def __init__(self, folder: Path) -> None:
        self._home = folder
        self._now = 1_750_000_000.0

    @contextmanager
    def open(self) -> Iterator[Engine]:
        with open_database(self._home / "trainshed.db") as database:
            yield Engine(
                LocalQueue(database, VISIBILITY_SECONDS, MAX_RECEIVES, clock=lambda: self._now),
                LocalRegistry(database),
                LocalArtifacts(self._home / "artifacts"),
                self.launcher("pass"),
            )

    def launcher(self, program: str) -> Launcher:
        return self._launcher(sys.executable, "-c", program)

    def broken_launcher(self) -> Launcher:
        return self._launcher("/no/such/program")

    def advance(self, seconds: float) -> None:
        self._now += seconds

    def _launcher(self, *command: str) -> Launcher:
        return LocalLauncher(self._home / "tasks", GRACE_SECONDS, command=command)


BENCHES: Mapping[str, Callable[[Path], Bench]] = {"local": LocalBench}
"""The engines that the contract is tested on; another one joins with a line here."""

"""An engine to take apart: everything local and real but the launcher and the time."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from pathlib import Path

import pytest

from tests.building import TOY_MODEL_TYPES, FakeClock, open_fast_database
from trainshed.engine import Engine
from trainshed.errors import LaunchRefused, LaunchUncertain
from trainshed.local.artifacts import LocalArtifacts
from trainshed.local.datasets import LocalDatasets
from trainshed.local.feedback import LocalFeedback
from trainshed.local.queue import LocalQueue
from trainshed.local.registry import LocalRegistry
from trainshed.ports import Launcher, LogPage, Phase, Task, TaskState
from trainshed.record import Launch
from trainshed.settings import Settings

VISIBILITY_SECONDS = 60.0
MAX_RECEIVES = 3


class FakeLauncher(Launcher):
    """Starts nothing, and keeps what it was asked for. A task's id is its client token."""

    def __init__(self) -> None:
        self.states: dict[str, TaskState] = {}
        self.launches: list[Launch] = []
        """One for each call, also where the task was there already."""
        self.stops: list[tuple[str, str]] = []
        self.refusal: str | None = None
        self.uncertain = False
        self.strays: list[Task] = []
        """What `tasks` gives."""
        self.discarded: list[tuple[str, bool]] = []
        self.logs: dict[str, str] = {}

    def launch(self, launch: Launch) -> str:
        self.launches.append(launch)
        if self.refusal is not None:
            raise LaunchRefused(self.refusal)
        if self.uncertain:
            raise LaunchUncertain
        self.states.setdefault(launch.token, TaskState(Phase.RUNNING))
        return launch.token

    def find(self, token: str) -> str | None:
        return token if token in self.states else None

    def describe(self, tasks: Collection[str]) -> dict[str, TaskState]:
        return {task: self.states[task] for task in tasks if task in self.states}

    def stop(self, task: str, reason: str) -> None:
        self.stops.append((task, reason))

    def tasks(self) -> list[Task]:
        return self.strays

    def discard(self, task: str, with_log: bool) -> None:
        self.discarded.append((task, with_log))

    def log(self, task: str, cursor: str | None = None) -> LogPage:
        return LogPage("" if cursor else self.logs.get(task, ""), "end")


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def launcher() -> FakeLauncher:
    return FakeLauncher()


@pytest.fixture
def settings(home: Path) -> Settings:
    return Settings(home=home, cap=2, model_type_folders=(TOY_MODEL_TYPES,), retry_seconds=30.0)


@pytest.fixture
def engine(home: Path, clock: FakeClock, launcher: FakeLauncher) -> Iterator[Engine]:
    with open_fast_database(home / "trainshed.db") as database:
        yield Engine(
            LocalQueue(database, VISIBILITY_SECONDS, MAX_RECEIVES, clock=clock.timestamp),
            LocalRegistry(database),
            LocalArtifacts(home / "artifacts"),
            LocalDatasets(),
            LocalFeedback(database),
            launcher,
        )

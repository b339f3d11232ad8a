"""Tasks: a launcher that starts nothing, and whose tasks end when they are told to."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace

from trainshed.engine import Engine
from trainshed.ports import Launcher, LogPage, Phase, Task, TaskState
from trainshed.record import Launch

_RUNNING = TaskState(Phase.RUNNING)


class Tasks(Launcher):
    """A task's id is its client token."""

    def __init__(self) -> None:
        self._states: dict[str, TaskState] = {}

    def instead_of_launcher(self, engine: Engine) -> Engine:
        return replace(engine, launcher=self)

    def end(self, task: str) -> None:
        """Let it have failed."""
        self._states[task] = TaskState(Phase.STOPPED, exit_code=1)

    def launch(self, launch: Launch) -> str:
        return launch.token

    def find(self, token: str) -> str | None:
        return token

    def describe(self, tasks: Collection[str]) -> dict[str, TaskState]:
        return {task: self._states.get(task, _RUNNING) for task in tasks}

    def stop(self, task: str, reason: str) -> None:
        self.end(task)

    def tasks(self) -> list[Task]:
        return []

    def discard(self, task: str, with_log: bool) -> None:
        self._states.pop(task, None)

    def log(self, task: str, cursor: str | None = None) -> LogPage:
        return LogPage("", cursor)

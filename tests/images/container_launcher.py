"""ContainerLauncher: the launcher that ECS is in the cloud, with containers on this machine."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field
from pathlib import Path

from trainshed.handoff import TASK_VARIABLE
from trainshed.ports import Launcher, LogPage, Phase, Task, TaskState
from trainshed.record import Launch

from .containers import Containers


@dataclass
class ContainerLauncher(Launcher):
    """A training gets its launch's environment, and the home folder at the path that it names."""

    containers: Containers
    home: Path
    started: dict[str, str] = field(default_factory=dict)
    """Client token → container."""

    def launch(self, launch: Launch) -> str:
        if launch.token not in self.started:
            environment = {**launch.environment, TASK_VARIABLE: launch.token}
            # The image knows where its own model type is; that folder's path here means nothing.
            environment.pop("TRAINSHED_MODEL_TYPES", None)
            self.started[launch.token] = self.containers.start(
                f"training-{launch.model_type.replace('_', '-')}",
                environment,
                "--init",  # as in the task definition
                *self.containers.sharing(self.home),
            )
        return launch.token

    def find(self, token: str) -> str | None:
        return token if token in self.started else None

    def describe(self, tasks: Collection[str]) -> dict[str, TaskState]:
        return {task: self._state(self.started[task]) for task in tasks}

    def stop(self, task: str, reason: str) -> None:
        self.containers("stop", "--time", "60", self.started[task], check=True)

    def tasks(self) -> list[Task]:
        return []  # nobody asks

    def discard(self, task: str, with_log: bool) -> None:
        """Containers go with the test."""

    def log(self, task: str, cursor: str | None = None) -> LogPage:
        return LogPage(self.containers.log(self.started[task]), None)

    def _state(self, container: str) -> TaskState:
        if self.containers.is_running(container):
            return TaskState(Phase.RUNNING)
        return TaskState(Phase.STOPPED, exit_code=self.containers.exit_code(container))

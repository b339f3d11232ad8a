"""FakeLauncher: tasks in memory, by the rules that ECS has for them.

A client token lives for the lower of 24 hours and the task's life and an hour; a stopped task is
forgotten after an hour; what is told of a task may be stale. It runs nothing: whoever drives it
says with `begin` and `end` what becomes of a task.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from trainshed.ports import Launcher, LogPage, Phase, Task, TaskState
from trainshed.record import Launch

from .world import no_lag

TOKEN_LIFE = timedelta(hours=24)
REMEMBERED = timedelta(hours=1)


@dataclass
class FakeTask:
    task: str
    launch: Launch
    began: datetime
    past: list[tuple[datetime, TaskState]] = field(default_factory=list)
    stop_reason: str | None = None
    """Why it has been asked to stop."""

    @property
    def model_id(self) -> str:
        return self.launch.environment["TRAINSHED_MODEL_ID"]

    @property
    def attempt(self) -> int:
        return int(self.launch.environment["TRAINSHED_ATTEMPT"])

    @property
    def state(self) -> TaskState:
        return self.past[-1][1]

    @property
    def has_ended(self) -> bool:
        return self.state.phase is Phase.STOPPED

    def state_at(self, then: datetime) -> TaskState | None:
        return next((state for at, state in reversed(self.past) if at <= then), None)


class FakeLauncher(Launcher):
    def __init__(
        self,
        clock: Callable[[], datetime],
        lag: Callable[[], timedelta] = no_lag,
        started: Callable[[FakeTask], None] = lambda task: None,
        asked_to_stop: Callable[[FakeTask], None] = lambda task: None,
        forgets: Callable[[], bool] = lambda: False,
    ) -> None:
        """`lag` says how stale the next answer is. `started` hears of every new task once, and
        `asked_to_stop` of every request to stop one that has not ended. `forgets` says whether a
        client token is taken for a new one, against the rule."""
        self._clock = clock
        self._lag = lag
        self._started = started
        self._asked_to_stop = asked_to_stop
        self._forgets = forgets
        self.all: dict[str, FakeTask] = {}
        """Every task there ever was, by its id."""

    def launch(self, launch: Launch) -> str:
        now = self._clock()
        same = [task for task in self.all.values() if task.launch.token == launch.token]
        for task in same:
            if now < self._token_ends(task) and not self._forgets():
                return task.task
        task = FakeTask(f"task/{launch.token[:12]}/{len(same) + 1}", launch, now)
        task.past.append((now, TaskState(Phase.STARTING)))
        self.all[task.task] = task
        self._started(task)
        return task.task

    def find(self, token: str) -> str | None:
        then = self._clock() - self._lag()
        found = [
            task
            for task in self.all.values()
            if task.launch.token == token and self._known(task, then)
        ]
        running = [task for task in found if not _stopped(task.state_at(then))]
        return next((task.task for task in (*running, *found)), None)

    def describe(self, tasks: Collection[str]) -> Mapping[str, TaskState]:
        then = self._clock() - self._lag()
        return {name: self._described(name, then) for name in tasks}

    def stop(self, task: str, reason: str) -> None:
        found = self.all.get(task)
        if found is not None and not found.has_ended:
            found.stop_reason = reason
            self._asked_to_stop(found)

    def tasks(self) -> list[Task]:
        then = self._clock() - self._lag()
        return [
            Task(task.task, task.model_id, task.attempt, task.began, running=True)
            for task in self.all.values()
            if (state := task.state_at(then)) is not None and not _stopped(state)
        ]

    def discard(self, task: str, with_log: bool) -> None:
        """Nothing is left behind."""

    def log(self, task: str, cursor: str | None = None) -> LogPage:
        return LogPage("", cursor)

    def knows_token(self, token: str) -> bool:
        """Whether a launch with it would give a task that is there."""
        now = self._clock()
        return any(
            task.launch.token == token and now < self._token_ends(task)
            for task in self.all.values()
        )

    def begin(self, task: FakeTask) -> None:
        """Its container runs from now on."""
        task.past.append((self._clock(), TaskState(Phase.RUNNING)))

    def end(self, task: FakeTask, state: TaskState) -> None:
        """It has stopped, in the way that `state` tells; nothing happens if it had before."""
        if not task.has_ended:
            task.past.append((self._clock(), state))

    def _described(self, name: str, then: datetime) -> TaskState:
        task = self.all.get(name)
        state = task.state_at(then) if task is not None and self._known(task, then) else None
        return state or TaskState(Phase.MISSING, reason="It is not known, or no longer.")

    def _known(self, task: FakeTask, then: datetime) -> bool:
        if task.began > then:
            return False
        return not task.has_ended or self._clock() < task.past[-1][0] + REMEMBERED

    def _token_ends(self, task: FakeTask) -> datetime:
        ends = task.began + TOKEN_LIFE
        return min(ends, task.past[-1][0] + REMEMBERED) if task.has_ended else ends


def _stopped(state: TaskState | None) -> bool:
    return state is not None and state.phase is Phase.STOPPED

"""The world of the model: an immutable value, and all that can become of it in one step.

Everything lies in it that outlives a consumer: messages, records, the count of slots, tasks with
their containers, artifacts. Where it may answer in more than one way, it does: each way is a world.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import cache
from typing import Any, NamedTuple

from trainshed.errors import (
    ArtifactDamaged,
    ArtifactExists,
    CapReached,
    Conflict,
    LaunchRefused,
    LaunchUncertain,
)
from trainshed.handoff import EXIT_FAILED, EXIT_NOT_CLAIMED, EXIT_OK
from trainshed.manifest import verify
from trainshed.ports import Phase, TaskState
from trainshed.record import ModelRecord, Status, client_token
from trainshed.request import TrainingRequest

from .exhaustive_ports import SETTINGS, Programs, stored
from .exhaustive_processes import IDLE, Call, Processes
from .exhaustive_records import Records

GONE, WAITING, HIDDEN = 0, 1, 2
"""What a message can be."""

_SIGTERM = 143
_PLATFORM = -1
"""The end of a container that has no exit code."""

_SLOT_HOLDERS = (Status.LAUNCHING, Status.IN_PROGRESS, Status.CANCELLING)


class Violation(Exception):
    """An invariant does not hold."""


class Task(NamedTuple):
    request: int
    """Whose it is."""
    attempt: int
    number: int
    """0, or more where the same launch has been repeated with a token that had run out."""
    container: int
    """Its process; IDLE once it has ended."""
    elapsed: int = 0
    exit_code: int | None = None
    stop: bool = False
    """Whether it has been asked to stop."""
    old: bool = False
    """Whether it began an hour ago or more."""

    @property
    def id(self) -> str:
        return f"task-{self.request}-{self.attempt}-{self.number}"


class World(NamedTuple):
    messages: tuple[int, ...]
    records: tuple[int | None, ...]
    slots: int = 0
    tasks: tuple[Task, ...] = ()
    artifacts: tuple[tuple[str, bytes], ...] = ()
    hours: int = 0
    """How many may still pass."""


class Step(NamedTuple):
    text: str
    answer: Any
    world: World


class Rules:
    """What can happen in a world of these requests."""

    def __init__(self, requests: Sequence[TrainingRequest], hours: int) -> None:
        self.records = Records()
        self.processes = Processes()
        self.programs = Programs(requests, self.records)
        self.begin = World((WAITING,) * len(requests), (None,) * len(requests), hours=hours)
        self._requests = requests
        self._tokens = {
            client_token(request.model_id, attempt): (index, attempt)
            for index, request in enumerate(requests)
            for attempt in range(1, 10)
        }
        self._verified = cache(self._verify)

    # What a process asks.

    def answers(self, world: World, call: Call, elapsed: int) -> Iterator[Step]:
        """Every answer that the call may get, and the world that it leaves."""
        verb, *given = call
        for text, answer, after in getattr(self, f"_{verb}")(world, elapsed, *given):
            yield Step(f"{verb} {text}", answer, after)

    def next(self, process: int, answer: Any, elapsed: int) -> int:
        """What becomes of a process that gets this answer to its call."""

        def heard() -> Any:
            match self.processes[process].call:
                case ("get", _) if answer is not None:
                    return self.records.read(answer, elapsed)
                case ("ready" | "holding",):
                    return [self.records.read(number, elapsed) for number in answer]
            return answer

        return self.processes.step(process, answer, heard, elapsed)

    def _receive(self, world: World, elapsed: int) -> Iterator[tuple[str, Any, World]]:
        waiting = [i for i, message in enumerate(world.messages) if message == WAITING]
        batches = {tuple(waiting), *((i,) for i in waiting)}
        for batch in sorted(batches):
            hidden = tuple(
                HIDDEN if i in batch else message for i, message in enumerate(world.messages)
            )
            yield f"→ {batch}", batch, world._replace(messages=hidden)

    def _delete(self, world: World, elapsed: int, index: int) -> Iterator[tuple[str, Any, World]]:
        yield str(index), None, world._replace(messages=_with(world.messages, index, GONE))

    def _put_new(
        self, world: World, elapsed: int, index: int, number: int
    ) -> Iterator[tuple[str, Any, World]]:
        if world.records[index] is not None:
            yield f"{index} → there already", False, world
            return
        number = self.records.written(number, elapsed)
        yield str(index), True, world._replace(records=_with(world.records, index, number))

    def _get(self, world: World, elapsed: int, index: int) -> Iterator[tuple[str, Any, World]]:
        yield f"{index} → {self._brief(world, index)}", world.records[index], world

    def _replace(
        self, world: World, elapsed: int, index: int, version: int, new: int, change: int, cap: int
    ) -> Iterator[tuple[str, Any, World]]:
        stored = world.records[index]
        assert stored is not None
        if change > 0 and cap is not None and world.slots >= cap:
            yield f"{index} → cap reached", CapReached, world
        elif self.records[stored].version != version:
            yield f"{index} → conflict", Conflict, world
        else:
            new = self.records.written(new, elapsed)
            after = world._replace(
                records=_with(world.records, index, new), slots=world.slots + change
            )
            self._check_change(stored, new)
            yield f"{index}: {self._brief(after, index)}", None, after

    def _slots_in_use(self, world: World, elapsed: int) -> Iterator[tuple[str, Any, World]]:
        yield f"→ {world.slots}", world.slots, world

    def _ready(self, world: World, elapsed: int) -> Iterator[tuple[str, Any, World]]:
        found = self._where(world, lambda record: record.status is Status.PENDING)
        yield f"→ {len(found)}", found, world

    def _holding(self, world: World, elapsed: int) -> Iterator[tuple[str, Any, World]]:
        found = self._where(world, lambda record: record.holds_slot)
        yield f"→ {len(found)}", found, world

    def _put(
        self, world: World, elapsed: int, key: str, content: bytes
    ) -> Iterator[tuple[str, Any, World]]:
        if key in dict(world.artifacts):
            yield f"{key} → there already", ArtifactExists, world
            return
        artifacts = tuple(sorted((*world.artifacts, (key, content))))
        yield key, None, world._replace(artifacts=artifacts)

    def _read(self, world: World, elapsed: int, key: str) -> Iterator[tuple[str, Any, World]]:
        yield key, dict(world.artifacts).get(key), world

    def _launch(self, world: World, elapsed: int, token: str) -> Iterator[tuple[str, Any, World]]:
        index, attempt = self._tokens[token]
        name = f"{index}, attempt {attempt}"
        yield f"{name} → no answer, not started", LaunchUncertain, world
        same = [task for task in world.tasks if (task.request, task.attempt) == (index, attempt)]
        if known := [task for task in same if not task.old]:  # else its token has run out
            yield f"{name} → {known[-1].id}, known", known[-1].id, world
            return
        yield f"{name} → refused", LaunchRefused, world
        task = Task(index, attempt, len(same), IDLE)
        # What the container is told was frozen in the record; the token stands for it.
        program = self.programs.claimer(index, attempt, task.id)
        task = task._replace(container=self.processes.start(task.id, program))
        after = world._replace(tasks=tuple(sorted((*world.tasks, task))))
        yield f"{name} → {task.id}", task.id, after
        yield f"{name} → no answer, {task.id} started", LaunchUncertain, after

    def _find(self, world: World, elapsed: int, token: str) -> Iterator[tuple[str, Any, World]]:
        same = [task for task in world.tasks if (task.request, task.attempt) == self._tokens[token]]
        for task in same:
            yield f"→ {task.id}", task.id, world
        # A list lags behind; and an hour after its end a task is forgotten.
        if all(not task.old or task.container == IDLE for task in same):
            yield "→ none", None, world

    def _describe(self, world: World, elapsed: int, *ids: str) -> Iterator[tuple[str, Any, World]]:
        [asked] = ids  # the cap is 1
        task = next(task for task in world.tasks if task.id == asked)
        if task.container != IDLE:
            state = TaskState(Phase.RUNNING)
        elif task.exit_code == _PLATFORM:
            state = TaskState(Phase.STOPPED)
        else:
            state = TaskState(Phase.STOPPED, exit_code=task.exit_code)
        yield f"{asked} → {state.phase.value} {state.exit_code}", ((asked, state),), world
        # A young task may not be known yet, and an old one that has ended not any more.
        if not task.old or task.container == IDLE:
            yield f"{asked} → missing", ((asked, TaskState(Phase.MISSING)),), world

    def _stop(self, world: World, elapsed: int, asked: str) -> Iterator[tuple[str, Any, World]]:
        tasks = tuple(
            task._replace(stop=True) if task.id == asked and task.container != IDLE else task
            for task in world.tasks
        )
        yield asked, None, world._replace(tasks=tasks)

    def settled(self, world: World, process: int, elapsed: int) -> int:
        """The process after all calls of its own that can have one answer only, whenever they are
        made, and change nothing: so they are made at once."""
        while (call := self.processes[process].call) is not None:
            match call:
                case ("replace", index, version, *_) if self._version(world, index) != version:
                    answer: Any = Conflict
                case ("put_new", index, _) if world.records[index] is not None:
                    answer = False
                case ("get", index) if self._is_terminal(world, index):
                    answer = world.records[index]
                case ("read", key) if key in dict(world.artifacts):
                    answer = dict(world.artifacts)[key]
                case ("delete", index) if world.messages[index] == GONE:
                    answer = None
                case ("stop", asked) if not any(
                    task.id == asked and task.container != IDLE and not task.stop
                    for task in world.tasks
                ):
                    answer = None
                case _:
                    break
            process = self.next(process, answer, elapsed)
        return process

    # What happens by itself.

    def events(self, world: World) -> Iterator[tuple[str, World]]:
        for index, message in enumerate(world.messages):
            if message == HIDDEN:
                shown = _with(world.messages, index, WAITING)
                yield f"message {index} is shown again", world._replace(messages=shown)
        for place, task in enumerate(world.tasks):
            if task.container != IDLE:
                for text, task_after, after in self._container_steps(world, task):
                    tasks = _with(after.tasks, place, task_after)
                    yield f"{task.id}: {text}", after._replace(tasks=tasks)

    def hour_passes(self, world: World) -> World | None:
        """None where it may not: where a container would take two hours from a read to a write."""
        if not world.hours or any(task.elapsed for task in world.tasks):
            return None
        return world._replace(
            hours=world.hours - 1,
            records=tuple(
                None if number is None else self.records.older(number) for number in world.records
            ),
            tasks=tuple(
                task._replace(old=True, elapsed=int(self._claims(task))) for task in world.tasks
            ),
        )

    def _container_steps(self, world: World, task: Task) -> Iterator[tuple[str, Task, World]]:
        process = self.processes[task.container]
        assert process.call is not None
        for step in self.answers(world, process.call, task.elapsed):
            container = self.next(task.container, step.answer, task.elapsed)
            after = self.processes[container]
            if after.result is True:
                program = self.programs.publisher(task.request, task.attempt)
                container = self.processes.start(("publish", *task[:2]), program)
                yield step.text, task._replace(container=container, elapsed=0), step.world
            elif after.call is None:
                exit_code = EXIT_NOT_CLAIMED if after.result is False else after.result
                yield step.text, _ended(task, int(str(exit_code))), step.world
            else:
                yield step.text, task._replace(container=container), step.world
        yield "its host is lost", _ended(task, _PLATFORM), world
        if task.stop:
            yield "stops as it was asked", _ended(task, _SIGTERM), world
        if self._works(task):
            yield "its training fails", _ended(task, EXIT_FAILED), world
            yield "ends before its artifact is whole", _ended(task, EXIT_OK), world

    def _claims(self, task: Task) -> bool:
        """Whether the container has read its record, and not claimed its attempt yet."""
        call = self.processes[task.container].call
        return call is not None and call[0] == "replace"

    def _works(self, task: Task) -> bool:
        """Whether the container has claimed its attempt and is at work."""
        call = self.processes[task.container].call
        return call is not None and call[0] not in ("get", "replace")

    # What must hold.

    def check(self, world: World) -> None:
        """Raise `Violation` where the world breaks an invariant."""
        working = [task for task in world.tasks if self._works(task)]
        if len(working) > SETTINGS.cap:
            raise Violation(f"I1: {len(working)} trainings run under a cap of {SETTINGS.cap}")
        if len({task.request for task in working}) < len(working):
            raise Violation("I3: two containers work on one model")
        held = 0
        for index, number in enumerate(world.records):
            if number is None:
                if world.messages[index] == GONE:
                    raise Violation(f"I6: message {index} has vanished")
                continue
            record = self.records[number]
            held += record.holds_slot
            if record.holds_slot is not (record.status in _SLOT_HOLDERS):
                raise Violation(f"I5: {index} is {record.status}, slot: {record.holds_slot}")
            if record.request is not None and record.attempt > record.request.max_attempts:
                raise Violation(f"I10: {index} is at attempt {record.attempt}")
            if record.status is Status.COMPLETED:
                self._check_artifact(world, record.attempt, index, record.digest)
        if held != world.slots:
            raise Violation(f"I5: {held} records hold a slot, {world.slots} are counted")
        for task in world.tasks:
            if task.container != IDLE:
                number = world.records[task.request]
                if number is None or self.records[number].attempt < task.attempt:
                    raise Violation(f"I4: no record knows of {task.id}")

    def plain(self, world: World) -> World:
        """The world with its containers settled, and without the exit codes that nobody is going
        to ask for."""
        return world._replace(tasks=tuple(self._plain(world, task) for task in world.tasks))

    def _plain(self, world: World, task: Task) -> Task:
        if task.container != IDLE:
            container = self.settled(world, task.container, task.elapsed)
            if self.processes[container].result is False:
                return _ended(task, _PLATFORM)
            if container != task.container:
                task = task._replace(container=container)
                return task._replace(elapsed=task.elapsed if self._claims(task) else 0)
            return task
        number = world.records[task.request]
        if number is not None:
            record = self.records[number]
            if record.status.is_terminal or record.attempt > task.attempt:
                return task._replace(exit_code=_PLATFORM)
        return task

    def _is_terminal(self, world: World, index: int) -> bool:
        number = world.records[index]
        return number is not None and self.records[number].status.is_terminal

    def _version(self, world: World, index: int) -> int | None:
        number = world.records[index]
        return None if number is None else self.records[number].version

    def is_done(self, world: World) -> bool:
        """Whether all is terminal and nothing is left to do."""
        return (
            all(message == GONE for message in world.messages)
            and all(
                number is not None and self.records[number].status.is_terminal
                for number in world.records
            )
            and all(task.container == IDLE for task in world.tasks)
        )

    def _check_change(self, old: int, new: int) -> None:
        before, after = self.records[old], self.records[new]
        if before.status.is_terminal:
            raise Violation(f"I2: {before.status} has become {after.status}")
        if before.status is Status.CANCELLING and after.status not in (
            Status.CANCELLING,
            Status.CANCELLED,
        ):
            raise Violation(f"I13: a cancelled model has become {after.status}")

    def _check_artifact(self, world: World, attempt: int, index: int, digest: str | None) -> None:
        if self._verified(world.artifacts, self._requests[index].model_id, attempt) != digest:
            raise Violation(f"I7: {index} is Completed, and its artifact is not whole")

    def _where(self, world: World, fits: Callable[[ModelRecord], bool]) -> tuple[int, ...]:
        """The numbers of the records that fit, in the order of their requests, which is by age."""
        return tuple(
            number for number in world.records if number is not None and fits(self.records[number])
        )

    def _brief(self, world: World, index: int) -> str:
        number = world.records[index]
        if number is None:
            return "nothing"
        record = self.records[number]
        return f"{record.status} {record.attempt}, version {record.version}, task {record.task}"

    @staticmethod
    def _verify(
        artifacts: tuple[tuple[str, bytes], ...], model_id: str, attempt: int
    ) -> str | None:
        try:
            return verify(stored(dict(artifacts)), model_id, attempt)
        except ArtifactDamaged:
            return None


def _with(values: tuple[Any, ...], place: int, value: Any) -> tuple[Any, ...]:
    return (*values[:place], value, *values[place + 1 :])


def _ended(task: Task, exit_code: int) -> Task:
    return task._replace(container=IDLE, elapsed=0, exit_code=exit_code, stop=False)

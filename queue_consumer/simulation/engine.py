"""The engine of a simulation: the ports in memory, for one consumer that never dies, on a clock
that its owner moves.

What a tick asks of an engine is quick here, however many records there are. Nothing is lost, hidden
or late, and nothing is meant for two threads.
"""

from __future__ import annotations

import uuid
from bisect import bisect_left, insort
from collections import deque
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from itertools import count, islice

from trainshed.errors import CapReached, Conflict
from trainshed.feedback import Feedback
from trainshed.handoff import EXIT_OK
from trainshed.local.artifacts import LocalArtifacts
from trainshed.local.queue import MAX_BATCH
from trainshed.manifest import Manifest
from trainshed.ports import (
    DeadLetter,
    FeedbackStore,
    Launcher,
    LogPage,
    Message,
    Phase,
    Queue,
    Registry,
    Report,
    SlotCount,
    Task,
    TaskState,
    Waiting,
)
from trainshed.record import Cause, Launch, ModelRecord, Status


class VirtualClock:
    """Stands still until it is moved."""

    def __init__(self, now: datetime) -> None:
        self.now = now

    def __call__(self) -> datetime:
        return self.now


class SimulatedQueue(Queue):
    """First in, first out. What was received is not given again."""

    def __init__(self, clock: VirtualClock) -> None:
        self._clock = clock
        self._ids = count()
        self._waiting: deque[Message] = deque()
        self._in_flight: dict[str, Message] = {}
        self._dead: dict[str, DeadLetter] = {}

    def send(self, body: str) -> str:
        message_id = str(uuid.UUID(int=next(self._ids)))
        self._waiting.append(Message(message_id, body, self._clock(), 1, receipt=message_id))
        return message_id

    def receive(self, limit: int) -> list[Message]:
        size = min(limit, MAX_BATCH, len(self._waiting))
        received = [self._waiting.popleft() for _ in range(size)]
        self._in_flight.update((message.message_id, message) for message in received)
        return received

    def delete(self, *messages: Message) -> None:
        for message in messages:
            self._in_flight.pop(message.message_id, None)

    def bury(self, message: Message, reason: str) -> None:
        if self._in_flight.pop(message.message_id, None) is not None:
            self._dead[message.message_id] = DeadLetter(
                message.message_id, message.body, reason, self._clock()
            )

    def depth(self) -> int:
        return len(self._waiting) + len(self._in_flight)

    def dead_letters(self, limit: int) -> list[DeadLetter]:
        return list(reversed(self._dead.values()))[:limit]

    def redrive(self, message_ids: Collection[str] | None) -> dict[str, str]:
        wanted = [each for each in self._dead if message_ids is None or each in message_ids]
        return {message_id: self.send(self._dead.pop(message_id).body) for message_id in wanted}


_Turn = tuple[int, datetime, str]


class SimulatedRegistry(Registry):
    """The records as they are, and beside them what a tick looks for, kept up at each write."""

    def __init__(self) -> None:
        self._records: dict[str, ModelRecord] = {}
        self._pending: list[_Turn] = []
        """In the order of their turns."""
        self._holding: dict[str, ModelRecord] = {}
        self._unfinished = 0
        self._reports: dict[tuple[str, int], Report] = {}

    def put_new(self, *records: ModelRecord) -> bool:
        written = 0
        for record in records:
            if record.model_id not in self._records:
                self._write(None, record)
                written += 1
        return written == len(records)

    def get(self, model_id: str) -> ModelRecord | None:
        return self._records.get(model_id)

    def replace(self, old: ModelRecord, new: ModelRecord, cap: int | None = None) -> None:
        if new.holds_slot and not old.holds_slot and cap is not None and cap <= len(self._holding):
            raise CapReached
        stored = self._records.get(old.model_id)
        if stored is None or stored.version != old.version:
            raise Conflict
        self._write(stored, new)

    def slots_in_use(self) -> int:
        return len(self._holding)

    def count_slots(self) -> SlotCount:
        return SlotCount(len(self._holding), held=len(self._holding), changes=0)

    def mend_slots(self, count: SlotCount) -> None:
        """There is nothing to mend: the records that hold a slot are the count."""

    def ready(self, limit: int, now: datetime) -> list[ModelRecord]:
        turns = (self._records[model_id] for _, _, model_id in self._pending)
        return list(islice((record for record in turns if _may_begin(record, now)), limit))

    def ahead_of(self, record: ModelRecord, now: datetime) -> int:
        before = self._pending[: bisect_left(self._pending, _turn(record))]
        return sum(_may_begin(self._records[model_id], now) for _, _, model_id in before)

    def holding(self) -> list[ModelRecord]:
        return sorted(
            self._holding.values(), key=lambda record: record.launched_at or record.created_at
        )

    def unfinished(self) -> int:
        return self._unfinished

    def waiting(self) -> Waiting:
        asked = [created_at for _, created_at, _ in self._pending]
        return Waiting(len(asked), min(asked, default=None))

    def newest(
        self, limit: int, status: Status | None = None, name: str | None = None
    ) -> list[ModelRecord]:
        return self._newest(
            limit, lambda each: status in (None, each.status) and name in (None, each.name)
        )

    def starting_with(self, prefix: str, limit: int) -> Sequence[ModelRecord]:
        return self._newest(limit, lambda each: each.model_id.startswith(prefix))

    def report(self, model_id: str, attempt: int, report: Report) -> None:
        self._reports[model_id, attempt] = report

    def reports(self, attempts: Collection[tuple[str, int]]) -> Mapping[tuple[str, int], Report]:
        return {key: self._reports[key] for key in attempts if key in self._reports}

    def _newest(self, limit: int, fits: Callable[[ModelRecord], bool]) -> list[ModelRecord]:
        found = sorted(filter(fits, self._records.values()), key=lambda each: each.model_id)
        return sorted(found, key=lambda each: each.created_at, reverse=True)[:limit]

    def _write(self, old: ModelRecord | None, new: ModelRecord) -> None:
        if old is not None and old.status is Status.PENDING:
            del self._pending[bisect_left(self._pending, _turn(old))]
        if new.status is Status.PENDING:
            insort(self._pending, _turn(new))
        if new.holds_slot:
            self._holding[new.model_id] = new
        else:
            self._holding.pop(new.model_id, None)
        self._unfinished += (not new.status.is_terminal) - (
            old is not None and not old.status.is_terminal
        )
        self._records[new.model_id] = new


def _turn(record: ModelRecord) -> _Turn:
    return -record.priority, record.created_at, record.model_id


def _may_begin(record: ModelRecord, now: datetime) -> bool:
    return record.not_before is None or record.not_before <= now


class SimulatedArtifacts(LocalArtifacts):
    """Every artifact is there as soon as it is looked for, and is a manifest that names no file."""

    def read(self, key: str) -> bytes:
        _, model_id, attempt, _ = key.split("/")
        return Manifest(
            model_id=model_id,
            model_type="",
            attempt=int(attempt),
            created_at=datetime.fromtimestamp(0, UTC),
            files={},
        ).encode()

    def keys(self, prefix: str) -> list[str]:
        return []


class SimulatedFeedback(FeedbackStore):
    """Nobody says anything to an answer: no consumer asks for it."""

    def put(self, feedback: Sequence[Feedback]) -> list[bool]:
        return [True for _ in feedback]

    def of(self, name: str) -> Iterator[Feedback]:
        return iter(())


class SimulatedLauncher(Launcher):
    """Starts tasks that end by themselves. A task's id is its client token."""

    def __init__(
        self,
        clock: VirtualClock,
        attempts: Mapping[str, Sequence[float]],
        ends_at: Callable[[datetime], None],
    ) -> None:
        """`attempts` says how many seconds each attempt of a model takes; the platform interrupts
        all but the last. `ends_at` hears of every new task when it will end."""
        self._clock = clock
        self._attempts = attempts
        self._ends_at = ends_at
        self._tasks: dict[str, tuple[datetime, TaskState]] = {}
        """When it ends, and how."""

    def launch(self, launch: Launch) -> str:
        if launch.token not in self._tasks:
            attempts = self._attempts[launch.environment["TRAINSHED_MODEL_ID"]]
            attempt = int(launch.environment["TRAINSHED_ATTEMPT"])
            end = self._clock() + timedelta(seconds=attempts[attempt - 1])
            ending = TaskState(Phase.STOPPED, EXIT_OK)
            if attempt < len(attempts):
                ending = TaskState(Phase.STOPPED, cause=Cause.INTERRUPTION, reason="Interrupted.")
            self._tasks[launch.token] = end, ending
            self._ends_at(end)
        return launch.token

    def find(self, token: str) -> str | None:
        return token if token in self._tasks else None

    def describe(self, tasks: Collection[str]) -> dict[str, TaskState]:
        return {task: self._state(task) for task in tasks}

    def stop(self, task: str, reason: str) -> None:
        """It goes on: nobody cancels in a simulation, and what took long took so long."""

    def tasks(self) -> list[Task]:
        return []

    def discard(self, task: str, with_log: bool) -> None:
        """Nothing is left behind."""

    def log(self, task: str, cursor: str | None = None) -> LogPage:
        return LogPage("", cursor)

    def _state(self, task: str) -> TaskState:
        end, ending = self._tasks[task]
        return ending if end <= self._clock() else TaskState(Phase.RUNNING)

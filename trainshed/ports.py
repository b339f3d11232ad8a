"""What an engine must offer: a queue, a registry, an artifact store and a launcher.

The verbs are the domain's. What follows from them is written here once; an adapter has the
primitives only. `tests/contract` holds every engine to all of it, the races included.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from enum import Enum
from pathlib import Path
from typing import Annotated, Protocol

from pydantic import BaseModel, ConfigDict, Field

from trainshed.errors import CapReached, Conflict, Stale, UnknownModel
from trainshed.feedback import Feedback
from trainshed.record import Cause, Launch, ModelRecord, Status


@dataclass(frozen=True)
class Message:
    """A received message. It comes again if it is not deleted before its visibility timeout."""

    message_id: str
    """A UUID, the same at every redelivery."""
    body: str
    sent_at: datetime
    receives: int
    """How often it has been received, this time included."""
    receipt: str
    """Of this one receive."""


@dataclass(frozen=True)
class DeadLetter:
    message_id: str
    body: str
    reason: str
    died_at: datetime


class Queue(Protocol):
    """At least once, in no promised order."""

    @abstractmethod
    def send(self, body: str) -> str:
        """Put a message on the queue and give its id."""

    @abstractmethod
    def receive(self, limit: int) -> list[Message]:
        """Up to `limit` messages (at most 10), hidden from others for the visibility timeout.

        A message received too often becomes a dead letter instead.
        """

    @abstractmethod
    def delete(self, *messages: Message) -> None:
        """Take received messages off the queue; nothing happens to one that has been already."""

    @abstractmethod
    def bury(self, message: Message, reason: str) -> None:
        """Move a received message to the dead letters. It is never in neither place."""

    @abstractmethod
    def depth(self) -> int:
        """How many messages wait or are in flight; may lag behind on an engine with many hosts."""

    @abstractmethod
    def dead_letters(self, limit: int) -> list[DeadLetter]:
        """The dead letters, the newest first."""

    @abstractmethod
    def redrive(self, message_ids: Collection[str] | None) -> Mapping[str, str]:
        """Put these dead letters (all if None) back on the queue, each under a new message id, so
        that it gets a new record. Gives old id → new id of those that were found."""


class Report(BaseModel):
    """What a running attempt last told of itself."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    at: datetime
    epoch: int = 0
    epochs: int = 0
    loss: float | None = None
    score: float | None = None
    score_name: str = ""
    samples_per_second: float | None = None
    seconds_left: float | None = None
    failure: str | None = None
    """Why the training failed, in the container's own words."""


@dataclass(frozen=True)
class Waiting:
    """The Pending records."""

    count: int
    oldest: datetime | None
    """When the oldest one was asked for."""


@dataclass(frozen=True)
class SlotCount:
    """The slots in use, counted in two ways that must agree."""

    used: int
    """As the registry keeps count."""
    held: int
    """The records that hold one."""
    changes: int
    """How often a slot had been taken or given back by then."""


Change = tuple[ModelRecord, ModelRecord]
"""A record as it was seen, and what it is to become."""


class Registry(Protocol):
    """One record per model, and the count of slots in use."""

    @abstractmethod
    def put_new(self, *records: ModelRecord) -> bool:
        """Write each record unless one with its modelId exists; say whether all were written."""

    @abstractmethod
    def get(self, model_id: str) -> ModelRecord | None: ...

    @abstractmethod
    def replace(self, old: ModelRecord, new: ModelRecord, cap: int | None = None) -> None:
        """Write `new` if the stored record still has the version of `old`.

        Where `new` takes a slot that `old` did not hold, in the same transaction: only if fewer
        than `cap` are in use. Where it gives one back, likewise. Raises `Conflict`, `CapReached`.
        """

    def replace_together(self, changes: Sequence[Change], cap: int | None = None) -> bool:
        """`replace` for all of these, of different models, in one write; or, where one of them
        meets a conflict or the cap, or the engine has no such write, nothing. Say whether it was
        done."""
        return False

    @abstractmethod
    def slots_in_use(self) -> int: ...

    @abstractmethod
    def count_slots(self) -> SlotCount:
        """Count the slots in use anew, over all records. Raises `Conflict` if they change too
        often to be counted."""

    @abstractmethod
    def mend_slots(self, count: SlotCount) -> None:
        """Keep count from `count.held` on. Raises `Conflict` if a slot was taken or given back
        since it was counted."""

    @abstractmethod
    def ready(self, limit: int, now: datetime) -> list[ModelRecord]:
        """Pending records that may be launched now: highest priority first, then oldest."""

    @abstractmethod
    def ahead_of(self, record: ModelRecord, now: datetime) -> int:
        """How many records that may be launched now go before this one, which is Pending."""

    @abstractmethod
    def holding(self) -> list[ModelRecord]:
        """The records that hold a slot, oldest launch first."""

    @abstractmethod
    def unfinished(self) -> int:
        """How many records are not terminal. Never grows with history."""

    @abstractmethod
    def waiting(self) -> Waiting: ...

    @abstractmethod
    def newest(
        self, limit: int, status: Status | None = None, name: str | None = None
    ) -> list[ModelRecord]:
        """The newest records, the newest first."""

    @abstractmethod
    def starting_with(self, prefix: str, limit: int) -> Sequence[ModelRecord]:
        """Records whose modelId starts with `prefix`, newest first."""

    @abstractmethod
    def report(self, model_id: str, attempt: int, report: Report) -> None:
        """Keep the newest report of an attempt. It changes no record."""

    @abstractmethod
    def reports(self, attempts: Collection[tuple[str, int]]) -> Mapping[tuple[str, int], Report]:
        """The newest report of each of `attempts` (modelId, attempt) that has one."""

    def amend(
        self,
        model_id: str,
        transition: Callable[[ModelRecord], ModelRecord],
        cap: int | None = None,
        seen: ModelRecord | None = None,
    ) -> ModelRecord:
        """Apply a transition to the record as it is now, again if somebody else was faster. Whoever
        has `seen` it a moment ago saves a read, as long as nobody has changed it since.

        Gives the record as written. Raises `UnknownModel`, `CapReached` and what `transition`
        raises (`Stale` where its guard does not hold).
        """
        if seen is not None:
            # What a record that has changed since would raise says nothing of the one that is.
            with suppress(Conflict, Stale):
                new = transition(seen)
                if new is not seen:
                    self.replace(seen, new, cap)
                    return new
        while True:
            old = self.get(model_id)
            if old is None:
                raise UnknownModel(f"There is no model {model_id!r}.")
            new = transition(old)
            if new is old:
                return old
            try:
                self.replace(old, new, cap)
            except Conflict:
                continue
            return new

    def amend_each(
        self,
        records: Sequence[ModelRecord],
        transition: Callable[[ModelRecord], ModelRecord],
        cap: int | None = None,
    ) -> list[ModelRecord]:
        """`amend` each of these records, which were seen a moment ago: in one write if none has
        changed since and the cap has room for all, else one after the other up to the cap.

        Gives those that were written; it leaves out those that `transition` finds `Stale`.
        """
        with suppress(Stale):
            changes = [(record, transition(record)) for record in records]
            if len(changes) > 1 and self.replace_together(changes, cap):
                return [new for _, new in changes]
        written = []
        for record in records:
            try:
                written.append(self.amend(record.model_id, transition, cap, record))
            except CapReached:
                break
            except Stale:
                continue
        return written


class FileEntry(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    size: Annotated[int, Field(ge=0)]
    """In bytes."""
    sha256: Annotated[str, Field(pattern="^[0-9a-f]{64}$")]


@dataclass(frozen=True)
class StoredFile:
    key: str
    written_at: datetime


@dataclass(frozen=True)
class Upload:
    """A file that is on its way into the store, or whose writer has died on it."""

    key: str
    """The key that it is for; on an engine that cannot say so, where it lies."""
    upload_id: str
    begun_at: datetime


class ArtifactStore(Protocol):
    """Files under keys; each key is written once."""

    @abstractmethod
    def put(self, key: str, path: Path) -> None:
        """Store a file: wholly or not at all, seen by others only when whole.

        Raises `ArtifactExists` if the key is taken, also when two race for it.
        """

    @abstractmethod
    def get(self, key: str, path: Path) -> None:
        """Copy the file to `path`. Raises `FileNotFoundError`."""

    @abstractmethod
    def read(self, key: str) -> bytes:
        """A small file's content. Raises `FileNotFoundError`."""

    @abstractmethod
    def entry(self, key: str) -> FileEntry | None:
        """Size and sha256 of what is stored now; None if there is nothing."""

    @abstractmethod
    def keys(self, prefix: str) -> list[str]:
        """The keys below `prefix`, sorted."""

    @abstractmethod
    def files(self, prefix: str) -> list[StoredFile]:
        """What lies below `prefix` and when it was written, sorted by key."""

    @abstractmethod
    def uploads(self) -> list[Upload]:
        """The uploads that have not ended, sorted by key."""

    @abstractmethod
    def abort(self, upload: Upload) -> None:
        """Take away what an upload has brought so far; nothing happens if it has ended."""

    @abstractmethod
    def delete(self, key: str) -> None:
        """Take a file away for good; nothing happens if there is none. Its key is free again."""


class FeedbackStore(Protocol):
    """What people say of a model's answers, by the model's name."""

    @abstractmethod
    def put(self, feedback: Sequence[Feedback]) -> list[bool]:
        """Keep each under its id, and say of each whether it is new; one whose name has that id
        already is left as it is. When this returns, all of them outlive a crash.

        Raises `InvalidFeedback` for one that is too large to be kept.
        """

    @abstractmethod
    def of(self, name: str) -> Iterator[Feedback]:
        """All that was said of the models of a name, ordered by id, read as it is taken."""


class DatasetStore(Protocol):
    """Where a training finds its data set."""

    @abstractmethod
    def place(self, path: Path) -> str:
        """Put a file or folder where trainings can reach it; give the `dataset` of a request."""

    @abstractmethod
    def fetch(self, dataset: str, folder: Path) -> Path:
        """Bring a request's `dataset` into `folder`, or find it where it lies.

        Raises `UnknownDataset`.
        """


class Phase(Enum):
    STARTING = "starting"
    RUNNING = "running"
    STOPPED = "stopped"
    MISSING = "missing"
    """The launcher says that it knows no such task, or not yet, or not any more."""


@dataclass(frozen=True)
class TaskState:
    phase: Phase
    exit_code: int | None = None
    """Of a stopped task; None where there is none, which is never success."""
    cause: Cause | None = None
    """What the platform itself says of a bad end, where it says anything."""
    reason: str = ""
    """The platform's own words."""


@dataclass(frozen=True)
class Task:
    """A task that a launcher has started, or has begun to."""

    task: str
    model_id: str
    attempt: int
    """What its launch named."""
    since: datetime
    """When it was started; of one that has ended, when that was."""
    running: bool
    """Whether it has not been seen to end."""
    litter: bool = False
    """Whether it has ended and left behind more than its log."""


@dataclass(frozen=True)
class LogPage:
    text: str
    cursor: str | None
    """Where the next page begins."""


class Launcher(Protocol):
    """Starts training containers. Knows nothing of records."""

    @abstractmethod
    def launch(self, launch: Launch) -> str:
        """Start a task, or find the one that this client token started; give its id.

        Raises `LaunchRefused` when certainly none was started, and `LaunchUncertain` otherwise.
        """

    @abstractmethod
    def find(self, token: str) -> str | None:
        """The task that was started with this client token, if one is known."""

    @abstractmethod
    def describe(self, tasks: Collection[str]) -> Mapping[str, TaskState]:
        """The state of each task that could be read; one that is left out is unknown, not dead."""

    @abstractmethod
    def stop(self, task: str, reason: str) -> None:
        """Ask a task to stop: SIGTERM, then SIGKILL after the grace time. May be asked again."""

    @abstractmethod
    def tasks(self) -> list[Task]:
        """Every task that has not ended, and of those that have, those that take up room here."""

    @abstractmethod
    def discard(self, task: str, with_log: bool) -> None:
        """Take away what a task that has ended has left behind, its log only if told so. Nothing
        happens to one that runs."""

    @abstractmethod
    def log(self, task: str, cursor: str | None = None) -> LogPage:
        """What the task has printed since `cursor`, as much as there is now."""

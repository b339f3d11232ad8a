"""ModelRecord: the registry's row of a model, its statuses and the legal transitions.

A transition is a pure function from a record to the next one. It raises `Stale` where its guard
does not hold, so a late, doubled or old-attempt event changes nothing. Whoever applies it writes
the result only if the stored version is still the one that it was computed from
(`Registry.amend` in `ports.py`), which makes each transition one conditional write.
"""

from __future__ import annotations

import hashlib
import re
from datetime import datetime
from enum import StrEnum

from pydantic import BaseModel, ConfigDict, Field

from trainshed.errors import Stale, WrongStatus
from trainshed.request import TrainingRequest, name_in

_UUID = r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}"
MODEL_ID = re.compile(rf"(?P<name>[a-z0-9][a-z0-9-]{{0,62}})-(?P<id>{_UUID})")
"""A whole modelId: the name, a hyphen and the UUID of the request or of the message."""

_BY_A_USER = "Cancelled by a user."


class Status(StrEnum):
    PENDING = "Pending"
    LAUNCHING = "Launching"
    IN_PROGRESS = "In Progress"
    CANCELLING = "Cancelling"
    COMPLETED = "Completed"
    FAILED = "Failed"
    CANCELLED = "Cancelled"
    REJECTED = "Rejected"

    @property
    def is_terminal(self) -> bool:
        return not _NEXT[self]


_NEXT: dict[Status, frozenset[Status]] = {
    Status.PENDING: frozenset({Status.LAUNCHING, Status.CANCELLED}),
    Status.LAUNCHING: frozenset(
        {Status.IN_PROGRESS, Status.PENDING, Status.COMPLETED, Status.FAILED, Status.CANCELLING}
    ),
    Status.IN_PROGRESS: frozenset(
        {Status.PENDING, Status.COMPLETED, Status.FAILED, Status.CANCELLING}
    ),
    Status.CANCELLING: frozenset({Status.CANCELLED}),
    Status.COMPLETED: frozenset(),
    Status.FAILED: frozenset(),
    Status.CANCELLED: frozenset(),
    Status.REJECTED: frozenset(),
}

_RUNNING = frozenset({Status.LAUNCHING, Status.IN_PROGRESS})


class Cause(StrEnum):
    """Why an attempt ended badly. The platform's causes are retried, the code's are not."""

    INVALID_REQUEST = "invalid request"
    TRAINING_ERROR = "training error"
    OUT_OF_MEMORY = "out of memory"
    BAD_ARTIFACT = "bad artifact"
    TIMEOUT = "timeout"
    START_FAILED = "failed to start"
    HOST_LOST = "host lost"
    SPOT_INTERRUPTION = "spot interruption"
    INTERRUPTION = "interruption"
    """Somebody else than Trainshed told it to stop: a host that shuts down, an operator."""
    STORAGE_UNAVAILABLE = "storage unavailable"
    """The container could not read its data set or write its artifact."""

    @property
    def is_platform(self) -> bool:
        return self in _PLATFORM_CAUSES


_PLATFORM_CAUSES = frozenset(
    {
        Cause.START_FAILED,
        Cause.HOST_LOST,
        Cause.SPOT_INTERRUPTION,
        Cause.INTERRUPTION,
        Cause.STORAGE_UNAVAILABLE,
    }
)


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Launch(_Frozen):
    """The parameters of one launch, frozen in the record before the launcher sees them."""

    token: str
    """The client token: the same one with the same parameters gives the same task back."""
    model_type: str
    environment: dict[str, str]
    image_digest: str | None = None
    """As in the request."""


class Event(_Frozen):
    """One line of a record's own history."""

    at: datetime
    status: Status
    text: str


class ModelRecord(_Frozen):
    model_id: str
    name: str
    model_type: str | None
    """None only where the message was never read: rejected, or cancelled before it was taken in."""
    request: TrainingRequest | None
    """With all defaults filled in; None likewise."""
    status: Status
    version: int = 0
    """Grows by one with every write."""
    priority: int
    created_at: datetime
    updated_at: datetime
    not_before: datetime | None = None
    """A Pending record is not launched before this: the delay of a retry."""

    attempt: int = 0
    """How many launches were begun; 0 before the first."""
    holds_slot: bool = False
    launch: Launch | None = None
    launched_at: datetime | None = None
    task: str | None = None
    """The launcher's id of the current attempt's task, once it is known."""
    tasks: dict[int, str] = Field(default_factory=dict)
    """Attempt → its task, also once it is over: for its log."""
    claimed_at: datetime | None = None
    """When the attempt's container began to work; at most one container can."""
    stop_cause: Cause | None = None
    """Set when the attempt is being stopped for a cause of ours, such as its timeout."""

    ended_at: datetime | None = None
    cause: Cause | None = None
    reason: str | None = None
    """Why it ended as it did, or why its launch or its next attempt waits, in words."""
    artifact: str | None = None
    """The prefix of a Completed model's artifact."""
    digest: str | None = None
    """The sha256 of its manifest.json."""
    history: tuple[Event, ...] = ()

    def stored(self) -> str:
        """The JSON that a registry keeps, which `ModelRecord.model_validate_json` reads.

        What is None in the request and the launch is left out: a training image that is older than
        this consumer refuses a field that it does not know, also one that says nothing.
        """
        parts = {"request": self.request, "launch": self.launch}
        return self.model_dump_json(
            exclude={name: _unsaid(part) for name, part in parts.items() if part is not None}
        )

    def _moved(self, now: datetime, status: Status, text: str, **changes: object) -> ModelRecord:
        """The next version of this record. Raises `Stale` if the move is not in the table."""
        if status is not self.status and status not in _NEXT[self.status]:
            raise Stale(f"{self.model_id} is {self.status} and cannot become {status}.")
        event = Event(at=now, status=status, text=text)
        return self.model_copy(
            update={
                "status": status,
                "version": self.version + 1,
                "updated_at": now,
                "history": (*self.history, event),
                **({"ended_at": now} if _NEXT[status] == frozenset() else {}),
                **changes,
            }
        )

    def _follow(self, task: str) -> dict[str, object]:
        """The changes that make `task` the current attempt's."""
        return {"task": task, "tasks": {**self.tasks, self.attempt: task}}

    def _require_running(self, attempt: int) -> None:
        """The guard of everything that the world tells us of an attempt."""
        if self.attempt != attempt or self.status not in _RUNNING:
            raise Stale(
                f"Attempt {attempt} of {self.model_id} is over;"
                f" it is {self.status} at attempt {self.attempt}."
            )


def _unsaid(part: BaseModel) -> set[str]:
    """The fields that are None where nobody gives them."""
    fields = type(part).model_fields
    return {name for name in fields if fields[name].default is None and getattr(part, name) is None}


def artifact_prefix(model_id: str, attempt: int) -> str:
    """Where an attempt's artifact lies; it carries the attempt, so that no two can meet."""
    return f"models/{model_id}/{attempt}"


def checkpoints_prefix(model_id: str) -> str:
    """Where a model's checkpoints lie until it has ended: `<this>/<attempt>/<epoch>/<file>`."""
    return f"models/{model_id}/checkpoints"


def is_checkpoint(key: str) -> bool:
    """Whether this is the key of a file that is of use only until its model has ended."""
    match key.split("/"):
        case ["models", _, "checkpoints", _, *_]:
            return True
    return False


def client_token(model_id: str, attempt: int) -> str:
    """64 hexadecimal characters, the same for the same attempt."""
    return hashlib.sha256(f"{model_id}|{attempt}".encode()).hexdigest()


def pending(request: TrainingRequest, sent_at: datetime, now: datetime) -> ModelRecord:
    """∅ → Pending. `request` has its defaults filled in; it was queued at `sent_at`, which is what
    its age is counted from."""
    trigger = f", asked for by {request.trigger}" if request.trigger else ""
    return ModelRecord(
        model_id=request.model_id,
        name=request.name,
        model_type=request.model_type,
        request=request,
        status=Status.PENDING,
        priority=request.priority,
        created_at=sent_at,
        updated_at=now,
        history=(Event(at=now, status=Status.PENDING, text=f"accepted from the queue{trigger}"),),
    )


def rejected_id(body: str, message_id: str) -> str:
    """The modelId of a rejected message. It is made from the message's id, whatever the body says,
    so that no accepted model can be hit."""
    return f"{name_in(body) or 'rejected'}-{message_id}"


def rejected(body: str, message_id: str, reason: str, now: datetime) -> ModelRecord:
    """∅ → Rejected."""
    return ModelRecord(
        model_id=rejected_id(body, message_id),
        name=name_in(body) or "rejected",
        model_type=None,
        request=None,
        status=Status.REJECTED,
        priority=0,
        created_at=now,
        updated_at=now,
        ended_at=now,
        cause=Cause.INVALID_REQUEST,
        reason=reason,
        history=(Event(at=now, status=Status.REJECTED, text=reason),),
    )


def cancelled_early(model_id: str, now: datetime) -> ModelRecord:
    """∅ → Cancelled: its message, which is still on the queue, will find that it has a record.
    Raises `WrongStatus` unless this is a whole modelId."""
    if not (found := MODEL_ID.fullmatch(model_id)):
        raise WrongStatus(f"{model_id!r} is no whole modelId.")
    return ModelRecord(
        model_id=model_id,
        name=found["name"],
        model_type=None,
        request=None,
        status=Status.CANCELLED,
        priority=0,
        created_at=now,
        updated_at=now,
        ended_at=now,
        reason=_BY_A_USER,
        history=(Event(at=now, status=Status.CANCELLED, text="cancelled on the queue"),),
    )


def hasten(record: ModelRecord, now: datetime) -> ModelRecord:
    """Lift the delay of a Pending record's next attempt. Raises `WrongStatus`."""
    if record.status is not Status.PENDING or not record.not_before or record.not_before <= now:
        raise WrongStatus(f"{record.model_id} is {record.status}: it waits for no delay.")
    return record._moved(now, record.status, "delay lifted by a user", not_before=None)


def reserve(record: ModelRecord, attempt: int, launch: Launch, now: datetime) -> ModelRecord:
    """Pending → Launching: take a slot for attempt `attempt` and freeze its launch parameters."""
    if record.status is not Status.PENDING or record.attempt != attempt - 1:
        raise Stale(f"{record.model_id} is {record.status} at attempt {record.attempt}.")
    return record._moved(
        now,
        Status.LAUNCHING,
        f"attempt {attempt}: slot reserved",
        attempt=attempt,
        holds_slot=True,
        launch=launch,
        launched_at=now,
        not_before=None,
        task=None,
        claimed_at=None,
        stop_cause=None,
        reason=None,
        cause=None,
    )


def note_doubt(record: ModelRecord, attempt: int, reason: str, now: datetime) -> ModelRecord:
    """Note that the launcher did not say whether the task was started; it is asked again. Each
    reason is noted once, so that a record does not grow while nothing changes."""
    if record.attempt != attempt or record.task is not None or not record.holds_slot:
        raise Stale(f"{record.model_id} knows its task, or is at another attempt.")
    text = f"attempt {attempt}: {reason}"
    if any(event.text == text for event in record.history):
        return record
    return record._moved(now, record.status, text, reason=reason)


def note_task(record: ModelRecord, attempt: int, task: str, now: datetime) -> ModelRecord:
    """Launching → In Progress: the launcher gave `task`. A Cancelling record learns it too."""
    if record.attempt != attempt or record.task is not None:
        raise Stale(f"{record.model_id} knows its task already, or is at another attempt.")
    if record.status is Status.CANCELLING:
        return record._moved(
            now, record.status, f"attempt {attempt}: task found", **record._follow(task)
        )
    record._require_running(attempt)
    return record._moved(
        now,
        Status.IN_PROGRESS,
        f"attempt {attempt}: task started",
        reason=None,
        **record._follow(task),
    )


def claim(record: ModelRecord, attempt: int, task: str, now: datetime) -> ModelRecord:
    """Launching or In Progress → In Progress: the container of `task` begins to work.

    The first claim wins, and its task becomes the one that the record follows; the same task may
    claim again, for a first answer may be lost on the way.
    """
    record._require_running(attempt)
    if record.claimed_at is not None:
        if record.task == task:
            return record
        raise Stale(f"Attempt {attempt} of {record.model_id} is claimed by another container.")
    return record._moved(
        now,
        Status.IN_PROGRESS,
        f"attempt {attempt}: training began",
        reason=None,
        **record._follow(task),
        claimed_at=now,
    )


def complete(
    record: ModelRecord, attempt: int, task: str, digest: str, now: datetime
) -> ModelRecord:
    """Launching or In Progress → Completed: the task ended well and its manifest verified."""
    _require_task(record, attempt, task)
    return record._moved(
        now,
        Status.COMPLETED,
        f"attempt {attempt}: artifact verified",
        holds_slot=False,
        reason=None,
        artifact=artifact_prefix(record.model_id, attempt),
        digest=digest,
    )


def fail(
    record: ModelRecord, attempt: int, task: str | None, cause: Cause, reason: str, now: datetime
) -> ModelRecord:
    """Launching or In Progress → Failed."""
    _require_task(record, attempt, task)
    return record._moved(
        now,
        Status.FAILED,
        f"attempt {attempt}: {reason}",
        holds_slot=False,
        cause=cause,
        reason=reason,
    )


def send_back(
    record: ModelRecord,
    attempt: int,
    task: str | None,
    cause: Cause,
    reason: str,
    not_before: datetime,
    now: datetime,
) -> ModelRecord:
    """Launching or In Progress → Pending: the platform ended the attempt, and another is left."""
    _require_task(record, attempt, task)
    return record._moved(
        now,
        Status.PENDING,
        f"attempt {attempt}: {reason}",
        holds_slot=False,
        not_before=not_before,
        launch=None,
        task=None,
        claimed_at=None,
        stop_cause=None,
        cause=cause,
        reason=reason,
    )


def stop_for(record: ModelRecord, attempt: int, cause: Cause, now: datetime) -> ModelRecord:
    """Note that a running attempt is being stopped, and why. Its slot stays until it has."""
    record._require_running(attempt)
    if record.stop_cause is not None:
        raise Stale(f"{record.model_id} is being stopped already.")
    return record._moved(
        now, record.status, f"attempt {attempt}: being stopped, {cause}", stop_cause=cause
    )


def cancel(record: ModelRecord, now: datetime) -> ModelRecord:
    """Pending → Cancelled, Launching or In Progress → Cancelling. Raises `WrongStatus`."""
    if record.status is Status.PENDING:
        return record._moved(now, Status.CANCELLED, "cancelled", cause=None, reason=_BY_A_USER)
    if record.status in _RUNNING:
        return record._moved(now, Status.CANCELLING, f"attempt {record.attempt}: being cancelled")
    raise WrongStatus(f"{record.model_id} is {record.status}: there is nothing to cancel.")


def cancelled(record: ModelRecord, attempt: int, task: str | None, now: datetime) -> ModelRecord:
    """Cancelling → Cancelled: the attempt has been seen stopped, or never started."""
    if record.status is not Status.CANCELLING or (record.attempt, record.task) != (attempt, task):
        raise Stale(f"{record.model_id} is {record.status} at attempt {record.attempt}.")
    return record._moved(now, Status.CANCELLED, "cancelled", holds_slot=False, reason=_BY_A_USER)


def _require_task(record: ModelRecord, attempt: int, task: str | None) -> None:
    """The guard of a verdict: it is about the task that the record follows now."""
    record._require_running(attempt)
    if record.task != task:
        raise Stale(f"Attempt {attempt} of {record.model_id} is followed by another task.")

"""Doctor: what is out of place, and how to mend it. A consumer mends what its records tell it of;
this looks for what no record tells of.

It may look, and mend, while consumers and trainings run: only what has been as it is for
`SETTLED` counts, and before anything is mended it is looked at again.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta

from queue_consumer.dispatch import LAUNCH_HORIZON
from trainshed.engine import Engine
from trainshed.errors import ArtifactDamaged, Conflict
from trainshed.manifest import MANIFEST_NAME, verify
from trainshed.ports import Phase, StoredFile, Task, Upload
from trainshed.record import ModelRecord, Status
from trainshed.settings import Settings
from trainshed.words import between

SETTLED = timedelta(minutes=15)
"""Nothing younger is a finding: it may be about to settle by itself."""

_MANY = 1_000_000
_ROOM = "models"
_CHECKPOINTS = "checkpoints"


@dataclass(frozen=True)
class Finding:
    what: str
    """The kind of it, such as `task without a record`."""
    subject: str
    says: str
    """What is wrong, in words."""
    remedy: str
    """What mends it: what `mend` would do, or where there is none, somebody else."""
    mend: Callable[[], str] | None = None
    """Mends it if it is still so, and says what was done."""


def examine(engine: Engine, settings: Settings, now: datetime) -> Iterator[Finding]:
    """Look at everything; each part of it is found as it is when it is asked for."""
    yield from _tasks(engine, now)
    yield from _records(engine, settings, now)
    yield from _slots(engine)
    yield from _files(engine, now)
    yield from _uploads(engine, now)
    yield from _damaged(engine)
    yield from _dead_letters(engine)


def _tasks(engine: Engine, now: datetime) -> Iterator[Finding]:
    tasks = engine.launcher.tasks()
    # An empty registry is the wrong one, or is being restored: then nothing is stopped or deleted.
    trusted = bool(engine.registry.newest(1))
    nothing = "nothing: there is no record at all; is this registry the right one?"
    for task in tasks:
        if now - task.since < SETTLED or _is_followed(engine, task):
            continue
        name = f"attempt {task.attempt} of {task.model_id or 'nobody'}"
        if task.running:
            yield Finding(
                "task without a record",
                task.task,
                f"No record follows {name}, which has run for {between(task.since, now)}.",
                "stops it" if trusted else nothing,
                _stopping(engine, task) if trusted else None,
            )
            continue
        is_unknown = engine.registry.get(task.model_id) is None
        if task.litter or is_unknown:
            yield Finding(
                "task folder left behind",
                task.task,
                f"{name} has been over for {between(task.since, now)}"
                + (", and no record knows its model." if is_unknown else "."),
                ("deletes what it has left, with its log" if is_unknown else "keeps its log only")
                if trusted
                else nothing,
                _discarding(engine, task, is_unknown) if trusted else None,
            )


def _is_followed(engine: Engine, task: Task) -> bool:
    """Whether a record holds a slot for the task, or may yet get to know that it does."""
    record = engine.registry.get(task.model_id) if task.model_id else None
    if record is None or not record.holds_slot or record.attempt != task.attempt:
        return False
    return record.claimed_at is None or record.task == task.task


def _stopping(engine: Engine, task: Task) -> Callable[[], str]:
    def mend() -> str:
        if _is_followed(engine, task):
            return "A record follows it by now."
        engine.launcher.stop(task.task, "no record follows it")
        return "It was told to stop."

    return mend


def _discarding(engine: Engine, task: Task, with_log: bool) -> Callable[[], str]:
    def mend() -> str:
        if _is_followed(engine, task):
            return "A record follows it by now."
        engine.launcher.discard(task.task, with_log)
        return "What it had left was deleted."

    return mend


def _records(engine: Engine, settings: Settings, now: datetime) -> Iterator[Finding]:
    consumer = "a consumer's next tick" if settings.aws else "a consumer's next tick: trainshed run"
    holding = engine.registry.holding()
    states = engine.launcher.describe([record.task for record in holding if record.task])
    for record in holding:
        held = now - (record.launched_at or record.updated_at)
        state = states.get(record.task) if record.task else None
        if record.task is None and held >= LAUNCH_HORIZON + SETTLED:
            yield Finding(
                "record without a task",
                record.model_id,
                f"It has been {record.status} for {between(now - held, now)}, and has no task.",
                f"{consumer} looks for its task, and ends the attempt if there is none",
            )
        elif (
            state is not None
            and state.phase is Phase.MISSING
            and now - record.updated_at >= 2 * SETTLED
        ):
            yield Finding(
                "record without a task",
                record.model_id,
                f"It is {record.status}, and the launcher knows no such task as {record.task}.",
                f"{consumer} ends the attempt, and tries again while attempts are left",
            )
    free = settings.cap - len(holding)
    ready = engine.registry.ready(1, now - SETTLED) if free > 0 else []
    if ready and now - max(ready[0].created_at, ready[0].updated_at) >= SETTLED:
        yield Finding(
            "nobody consumes",
            ready[0].model_id,
            f"It has been ready for {between(ready[0].updated_at, now)}, and {free} slot(s) of"
            f" {settings.cap} are free.",
            f"{consumer} launches it",
        )


def _slots(engine: Engine) -> Iterator[Finding]:
    try:
        count = engine.registry.count_slots()
    except Conflict:  # slots change hands so often that somebody is using them well
        return
    if count.used == count.held:
        return

    def mend() -> str:
        try:
            engine.registry.mend_slots(count)
        except Conflict:
            raise Conflict("A slot changed hands meanwhile: look again.") from None
        return f"{count.held} are counted now."

    yield Finding(
        "slot without an attempt" if count.used > count.held else "attempt without a slot",
        "slots",
        f"{count.used} slot(s) are counted as in use; {count.held} record(s) hold one.",
        f"sets the count to {count.held}, unless a slot changes hands meanwhile",
        mend,
    )


def _files(engine: Engine, now: datetime) -> Iterator[Finding]:
    found: dict[tuple[str, str], list[StoredFile]] = defaultdict(list)
    for file in engine.artifacts.files(_ROOM):
        _, model_id, part, *_ = (*file.key.split("/"), "", "")
        found[model_id, part].append(file)
    records = {model_id: engine.registry.get(model_id) for model_id, _ in found}
    # If no file has a record, this registry may be another platform's: nothing is deleted then.
    trusted = any(records.values())
    for (model_id, part), files in found.items():
        newest = max(file.written_at for file in files)
        wrong = _wrong_with(records[model_id], part, {file.key for file in files})
        if wrong is None or now - newest < SETTLED:
            continue
        what, says = wrong
        prefix = f"{_ROOM}/{model_id}/{part}"
        remedy = f"deletes {len(files)} file(s)"
        if not trusted:
            remedy = "nothing: no file here has a record; is this registry the right one?"
        yield Finding(
            what,
            prefix,
            f"{says} Its newest file is of {between(newest, now)} ago.",
            remedy,
            _deleting(engine, model_id, part, prefix) if trusted else None,
        )


def _wrong_with(record: ModelRecord | None, part: str, keys: set[str]) -> tuple[str, str] | None:
    """What is wrong with the files of one attempt, or with a model's checkpoints, if anything."""
    if record is None:
        return "artifact without a record", "No record knows this model."
    if part == _CHECKPOINTS:
        if not record.status.is_terminal:
            return None
        return "leftover checkpoints", f"The model is {record.status} and goes on no more."
    is_over = not record.holds_slot or str(record.attempt) != part
    if record.artifact == f"{_ROOM}/{record.model_id}/{part}" or not is_over:
        return None
    if f"{_ROOM}/{record.model_id}/{part}/{MANIFEST_NAME}" not in keys:
        return "half-uploaded artifact", "It has no manifest, and its attempt is over."
    return "artifact without a record", f"The model is {record.status}, and not by this attempt."


def _deleting(engine: Engine, model_id: str, part: str, prefix: str) -> Callable[[], str]:
    def mend() -> str:
        keys = engine.artifacts.keys(prefix)
        if _wrong_with(engine.registry.get(model_id), part, set(keys)) is None:
            return "A record knows it by now."
        for key in keys:
            engine.artifacts.delete(key)
        return f"{len(keys)} file(s) were deleted."

    return mend


def _uploads(engine: Engine, now: datetime) -> Iterator[Finding]:
    for upload in engine.artifacts.uploads():
        _, model_id, part, *_ = (*upload.key.split("/"), "", "", "")
        if now - upload.begun_at < SETTLED or _may_go_on(engine, model_id, part):
            continue
        yield Finding(
            "half-uploaded artifact",
            upload.key,
            f"An upload was begun {between(upload.begun_at, now)} ago and never ended; its attempt"
            " is over.",
            "deletes what has been uploaded",
            _aborting(engine, upload, model_id, part),
        )


def _may_go_on(engine: Engine, model_id: str, part: str) -> bool:
    record = engine.registry.get(model_id)
    if record is None or not record.holds_slot:
        return False
    return part in (_CHECKPOINTS, str(record.attempt))


def _aborting(engine: Engine, upload: Upload, model_id: str, part: str) -> Callable[[], str]:
    def mend() -> str:
        if _may_go_on(engine, model_id, part):
            return "It may go on by now."
        engine.artifacts.abort(upload)
        return "It was deleted."

    return mend


def _damaged(engine: Engine) -> Iterator[Finding]:
    for record in engine.registry.newest(_MANY, status=Status.COMPLETED):
        attempt = int((record.artifact or "").rsplit("/", 1)[-1])
        try:
            digest = verify(engine.artifacts, record.model_id, attempt)
        except ArtifactDamaged as damage:
            says = str(damage)
        else:
            if digest == record.digest:
                continue
            says = "Its manifest.json is not the one that was verified."
        yield Finding(
            "damaged artifact",
            record.model_id,
            says,
            "nothing but a backup, or another training: submit it again",
        )


def _dead_letters(engine: Engine) -> Iterator[Finding]:
    for letter in engine.queue.dead_letters(_MANY):
        yield Finding(
            "dead letter",
            letter.message_id,
            letter.reason,
            f"you: trainshed dead-letters redrive {letter.message_id}",
        )

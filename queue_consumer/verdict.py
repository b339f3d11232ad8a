"""Verdict: what the end of an attempt means for its record.

The platform's causes send a record back to Pending while attempts are left; the code's causes fail
it. A missing exit code is never success. With a record that has ended go its checkpoints.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta

from trainshed.checkpoints import Checkpoints
from trainshed.engine import Engine
from trainshed.errors import ArtifactDamaged, Stale
from trainshed.handoff import (
    EXIT_INTERRUPTED,
    EXIT_OK,
    EXIT_OUT_OF_MEMORY,
    EXIT_STORAGE_UNAVAILABLE,
)
from trainshed.manifest import verify
from trainshed.ports import TaskState
from trainshed.record import (
    Cause,
    ModelRecord,
    Status,
    cancelled,
    complete,
    fail,
    send_back,
)
from trainshed.settings import Settings

MAX_RETRY_DELAY = timedelta(minutes=15)

_SIGKILLED = 137
_INTERRUPTED = "The training was interrupted: it was told to stop (SIGTERM), not by Trainshed."
_TOO_LONG = (
    "The training took longer than its timeout_minutes and was stopped."
    " Ask for a longer timeout, fewer epochs or less data."
)


def judge(
    engine: Engine, settings: Settings, record: ModelRecord, state: TaskState, now: datetime
) -> ModelRecord | None:
    """Write the verdict on the attempt of `record`, whose task has been seen stopped.

    Gives the record as written, or None if another consumer was faster.
    """
    if state.exit_code != EXIT_OK or record.status is Status.CANCELLING:
        return end_badly(engine, settings, record, *_why(engine, settings, record, state), now)
    attempt, task = record.attempt, record.task or ""
    try:
        digest = verify(engine.artifacts, record.model_id, attempt)
    except ArtifactDamaged as damage:
        reason = f"The training ended well, but not its artifact: {damage}"
        return end_badly(engine, settings, record, Cause.BAD_ARTIFACT, reason, now)
    else:
        return _write(engine, record, lambda current: complete(current, attempt, task, digest, now))


def end_badly(
    engine: Engine,
    settings: Settings,
    record: ModelRecord,
    cause: Cause,
    reason: str,
    now: datetime,
) -> ModelRecord | None:
    """End the attempt of `record`, which is over or never began: cancelled, sent back or failed.

    Gives the record as written, or None if another consumer was faster.
    """
    attempt, task = record.attempt, record.task

    def verdict(current: ModelRecord) -> ModelRecord:
        if current.status is Status.CANCELLING:
            return cancelled(current, attempt, task, now)
        if current.stop_cause is Cause.TIMEOUT:  # it ended so because we stopped it
            return fail(current, attempt, task, Cause.TIMEOUT, _TOO_LONG, now)
        if not cause.is_platform:
            return fail(current, attempt, task, cause, reason, now)
        attempts = current.request.max_attempts if current.request else 1
        if attempt >= attempts:
            spent = f"{reason} That was attempt {attempt} of {attempts}."
            return fail(current, attempt, task, cause, spent, now)
        not_before = now + _delay(settings, attempt)
        return send_back(current, attempt, task, cause, reason, not_before, now)

    return _write(engine, record, verdict)


def _write(
    engine: Engine, record: ModelRecord, verdict: Callable[[ModelRecord], ModelRecord]
) -> ModelRecord | None:
    try:
        written = engine.registry.amend(record.model_id, verdict, seen=record)
    except Stale:  # another consumer has judged it, or the record follows another task by now
        return None
    if written.status.is_terminal:
        Checkpoints(engine.artifacts, record.model_id).clear()
    return written


def _why(
    engine: Engine, settings: Settings, record: ModelRecord, state: TaskState
) -> tuple[Cause, str]:
    """What ended the attempt: the platform's own word, else the container's, else the exit code."""
    if state.cause is Cause.OUT_OF_MEMORY:
        return state.cause, _out_of_memory(settings, record, state.reason)
    if state.cause is not None:
        return state.cause, state.reason
    if state.exit_code is None:
        return Cause.HOST_LOST, state.reason or "It stopped without an exit code."
    if state.exit_code == EXIT_INTERRUPTED:
        return Cause.INTERRUPTION, _INTERRUPTED
    if record.claimed_at is None:
        return Cause.START_FAILED, (
            f"Its container ended with exit code {state.exit_code} before it began; see its log."
        )
    key = (record.model_id, record.attempt)
    report = engine.registry.reports([key]).get(key)
    failure = report.failure if report is not None else None
    if state.exit_code == EXIT_OUT_OF_MEMORY:
        return Cause.OUT_OF_MEMORY, _out_of_memory(settings, record, failure or "")
    if state.exit_code == EXIT_STORAGE_UNAVAILABLE:
        return Cause.STORAGE_UNAVAILABLE, failure or "Its storage could not be used; see its log."
    if failure:
        return Cause.TRAINING_ERROR, failure
    if state.exit_code == _SIGKILLED:
        return Cause.TRAINING_ERROR, (
            "The training was killed (SIGKILL), most often for lack of memory."
            f" {_more_memory(settings, record)}"
        )
    return (
        Cause.TRAINING_ERROR,
        f"The training ended with exit code {state.exit_code}; see its log.",
    )


def _out_of_memory(settings: Settings, record: ModelRecord, words: str) -> str:
    told = f" ({words.removesuffix('.')})" if words else ""
    return f"The training ran out of memory{told}. {_more_memory(settings, record)}"


def _more_memory(settings: Settings, record: ModelRecord) -> str:
    """What to set so that it fits."""
    if settings.aws is not None:
        more = f"more `memory` in {record.model_type}/model_type.json"
    else:
        more = "more of this machine's memory: a lower TRAINSHED_CAP trains fewer models at once"
    batch_size = record.request.hyperparameters.get("batch_size") if record.request else None
    if batch_size is None:
        return f"Give it {more}."
    return f"Ask for a batch_size below {batch_size}, or give it {more}."


def _delay(settings: Settings, attempt: int) -> timedelta:
    """Growing with each attempt, and bounded."""
    return min(timedelta(seconds=settings.retry_seconds * 2 ** (attempt - 1)), MAX_RETRY_DELAY)

"""Verdict: what the end of an attempt means for its record.

The platform's causes send a record back to Pending while attempts are left; the code's causes fail
it. A missing exit code is never success.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta

from trainshed.engine import Engine
from trainshed.errors import ArtifactDamaged, Stale
from trainshed.handoff import EXIT_OK
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
        return end_badly(engine, settings, record, *_why(engine, record, state), now)
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
        return engine.registry.amend(record.model_id, verdict)
    except Stale:  # another consumer has judged it, or the record follows another task by now
        return None


def _why(engine: Engine, record: ModelRecord, state: TaskState) -> tuple[Cause, str]:
    """What ended the attempt: the platform's own word, else the container's, else the exit code."""
    if state.cause is not None:
        return state.cause, state.reason
    if state.exit_code is None:
        return Cause.HOST_LOST, state.reason or "It stopped without an exit code."
    if record.claimed_at is None:
        return Cause.START_FAILED, (
            f"Its container ended with exit code {state.exit_code} before it began; see its log."
        )
    key = (record.model_id, record.attempt)
    report = engine.registry.reports([key]).get(key)
    if report is not None and report.failure:
        return Cause.TRAINING_ERROR, report.failure
    if state.exit_code == _SIGKILLED:
        return Cause.TRAINING_ERROR, (
            "The training was killed (SIGKILL), most often for lack of memory."
            " Try a smaller batch_size, or give its model type more memory."
        )
    return (
        Cause.TRAINING_ERROR,
        f"The training ended with exit code {state.exit_code}; see its log.",
    )


def _delay(settings: Settings, attempt: int) -> timedelta:
    """Growing with each attempt, and bounded."""
    return min(timedelta(seconds=settings.retry_seconds * 2 ** (attempt - 1)), MAX_RETRY_DELAY)

"""Reconcile: the world → the registry. Looks at every record that holds a slot.

Failing to read a state is not a state: a task that the launcher cannot describe is left alone.
"""

from __future__ import annotations

import logging
from datetime import datetime, timedelta

from queue_consumer.dispatch import Clock, launch
from queue_consumer.verdict import judge
from trainshed.engine import Engine
from trainshed.errors import Stale, StorageUnavailable
from trainshed.ports import Phase, TaskState
from trainshed.record import Cause, ModelRecord, Status, stop_for
from trainshed.settings import Settings

BELIEVED_AFTER = timedelta(minutes=15)
"""ECS may not know a task that it has just started, for minutes: so long after the record's last
change nobody believes that there is no such task."""

_logger = logging.getLogger(__name__)


def reconcile(engine: Engine, settings: Settings, clock: Clock) -> list[ModelRecord]:
    """Bring every record that holds a slot up to what its task has become.

    Gives the records whose attempt this has ended.
    """
    ended: list[ModelRecord | None] = []
    records = engine.registry.holding()
    states = engine.launcher.describe([record.task for record in records if record.task])
    for record in records:
        try:
            if record.task is None:
                # Its consumer may have died before it could note the task; repeating finds it.
                ended.append(launch(engine, settings, record, clock))
            elif record.task in states:
                state = states[record.task]
                ended.append(_follow(engine, settings, record, record.task, state, clock()))
        except StorageUnavailable as error:
            # One artifact that cannot be read must not keep the others waiting.
            _logger.warning("%s: %s It is looked at again.", record.model_id, error)
    return [record for record in ended if record is not None]


def _follow(
    engine: Engine,
    settings: Settings,
    record: ModelRecord,
    task: str,
    state: TaskState,
    now: datetime,
) -> ModelRecord | None:
    # Counted from the last word of it, not from when its slot was taken: a launch may have been
    # repeated for long before it started a task.
    if state.phase is Phase.MISSING and now - record.updated_at < BELIEVED_AFTER:
        return None
    if state.phase in (Phase.STOPPED, Phase.MISSING):
        return judge(engine, settings, record, state, now)
    if record.status is Status.CANCELLING:
        engine.launcher.stop(task, "cancelled")
    elif record.stop_cause is not None:
        engine.launcher.stop(task, record.stop_cause)
    elif _is_overdue(record, now):
        attempt = record.attempt
        try:
            engine.registry.amend(
                record.model_id, lambda current: stop_for(current, attempt, Cause.TIMEOUT, now)
            )
        except Stale:  # it ended, or is being cancelled, meanwhile
            return None
        engine.launcher.stop(task, Cause.TIMEOUT)
    return None


def _is_overdue(record: ModelRecord, now: datetime) -> bool:
    began = record.claimed_at or record.launched_at
    if began is None or record.request is None:
        return False
    return now - began >= timedelta(minutes=record.request.timeout_minutes)

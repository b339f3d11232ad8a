"""Dispatch: Pending records → slots → launches, exactly once each.

The cap is judged where the slot is taken, in one transaction, never from a list of tasks. A launch
rests on the record alone: its parameters and its client token are frozen there before the launcher
hears of it, so whoever finds the record can repeat the launch, and gets the same task back.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from contextlib import suppress
from datetime import datetime, timedelta

from queue_consumer.verdict import end_badly
from trainshed.engine import Engine
from trainshed.errors import LaunchRefused, LaunchUncertain, Stale
from trainshed.handoff import launch_of
from trainshed.record import Cause, ModelRecord, note_doubt, note_task, reserve
from trainshed.settings import Settings

_logger = logging.getLogger(__name__)

Clock = Callable[[], datetime]

LAUNCH_HORIZON = timedelta(minutes=45)
"""No launch is repeated later than this after its slot was taken, for client tokens expire."""

BATCH = 10
"""How many records get their slots at once: RunTask takes half a second, and the time from a slot's
taking to its launch should be short."""

_SPARE = 10
"""How many more records than slots are looked at: other consumers take some of them."""


def fill_slots(
    engine: Engine, settings: Settings, clock: Clock, deadline: datetime | None = None
) -> int:
    """Launch Pending records while there are slots, and none from `deadline` on; give how many
    launches were tried.

    A batch gets its slots at once, and its tasks are noted at once. Whatever of it the deadline, or
    a death, has kept from being launched or noted, the next `reconcile` launches.
    """

    def is_over() -> bool:
        return deadline is not None and clock() >= deadline

    launches = 0
    free = settings.cap - engine.registry.slots_in_use()
    waiting = engine.registry.ready(free + _SPARE, clock()) if free > 0 else []
    while waiting and free > 0 and not is_over():
        size = min(free, BATCH)
        batch, waiting = waiting[:size], waiting[size:]
        reserved = _reserve(engine, settings, batch, clock)
        free -= len(reserved)
        started: list[tuple[ModelRecord, str]] = []
        for record in reserved:
            if is_over():
                break
            launches += 1
            outcome = _start(engine, settings, record, clock)
            if isinstance(outcome, str):
                started.append((record, outcome))
        _note_tasks(engine, started, clock)
    return launches


def launch(
    engine: Engine, settings: Settings, record: ModelRecord, clock: Clock
) -> ModelRecord | None:
    """Launch the current attempt, or find the task that an earlier try has started; note the task.

    Past the horizon it only looks: the task may be there, but is not started any more. An attempt
    that the launcher refuses, or that has no task by then, is ended: then this gives its record.
    """
    outcome = _start(engine, settings, record, clock)
    if isinstance(outcome, str):
        _note_tasks(engine, [(record, outcome)], clock)
        return None
    return outcome


def _reserve(
    engine: Engine, settings: Settings, records: Sequence[ModelRecord], clock: Clock
) -> list[ModelRecord]:
    """Give each its slot for its next attempt, up to the cap; leave out what is not Pending, or at
    another attempt, by now."""
    seen = {record.model_id: record for record in records}

    def take_slot(current: ModelRecord) -> ModelRecord:
        record = seen[current.model_id]
        attempt = record.attempt + 1
        return reserve(current, attempt, launch_of(record, attempt, settings), clock())

    return engine.registry.amend_each(records, take_slot, settings.cap)


def _start(
    engine: Engine, settings: Settings, record: ModelRecord, clock: Clock
) -> ModelRecord | str | None:
    """The task of the current attempt; or, as it has none, its record where that is ended by now,
    and None where the launcher leaves it open."""
    if record.launch is None or record.launched_at is None:
        raise ValueError(f"{record.model_id} has no launch to repeat")
    try:
        if clock() - record.launched_at < LAUNCH_HORIZON:
            return engine.launcher.launch(record.launch)
        return _find(engine, record.launch.token)
    except LaunchRefused as refusal:
        return end_badly(engine, settings, record, Cause.START_FAILED, str(refusal), clock())
    except LaunchUncertain as error:
        _logger.warning("%s: %s It is tried again.", record.model_id, error)
        doubt = str(error)
        with suppress(Stale):
            engine.registry.amend(
                record.model_id,
                lambda current: note_doubt(current, record.attempt, doubt, clock()),
                seen=record,
            )
        return None


def _note_tasks(engine: Engine, started: Sequence[tuple[ModelRecord, str]], clock: Clock) -> None:
    """Note the task of each record, but where its container's claim, or another consumer, was
    faster."""
    tasks = {record.model_id: (record.attempt, task) for record, task in started}
    engine.registry.amend_each(
        [record for record, _ in started],
        lambda current: note_task(current, *tasks[current.model_id], clock()),
    )


def _find(engine: Engine, token: str) -> str:
    task = engine.launcher.find(token)
    if task is None:
        raise LaunchRefused("No task was seen to start within 45 minutes.")
    return task

"""Dispatch: Pending records → slots → launches, exactly once each.

The cap is judged where the slot is taken, in one transaction, never from a list of tasks. A launch
rests on the record alone: its parameters and its client token are frozen there before the launcher
hears of it, so whoever finds the record can repeat the launch, and gets the same task back.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from contextlib import suppress
from datetime import datetime, timedelta

from queue_consumer.verdict import end_badly
from trainshed.engine import Engine
from trainshed.errors import CapReached, LaunchRefused, LaunchUncertain, Stale
from trainshed.handoff import launch_of
from trainshed.record import Cause, ModelRecord, note_doubt, note_task, reserve
from trainshed.settings import Settings

_logger = logging.getLogger(__name__)

Clock = Callable[[], datetime]

LAUNCH_HORIZON = timedelta(minutes=45)
"""No launch is repeated later than this after its slot was taken, for client tokens expire."""

_SPARE = 10
"""How many more records than slots are looked at: other consumers take some of them."""


def fill_slots(
    engine: Engine, settings: Settings, clock: Clock, deadline: datetime | None = None
) -> int:
    """Launch Pending records while there are slots, and none from `deadline` on; give how many
    launches were tried."""
    launches = 0
    for record in engine.registry.ready(settings.cap + _SPARE, clock()):
        if deadline is not None and clock() >= deadline:
            break
        try:
            reserved = _reserve(engine, settings, record, clock())
        except CapReached:
            break
        except Stale:  # another consumer was faster, or it has been cancelled
            continue
        launch(engine, settings, reserved, clock)
        launches += 1
    return launches


def launch(
    engine: Engine, settings: Settings, record: ModelRecord, clock: Clock
) -> ModelRecord | None:
    """Launch the current attempt, or find the task that an earlier try has started; note the task.

    Past the horizon it only looks: the task may be there, but is not started any more. An attempt
    that the launcher refuses, or that has no task by then, is ended: then this gives its record.
    """
    if record.launch is None or record.launched_at is None:
        raise ValueError(f"{record.model_id} has no launch to repeat")
    try:
        if clock() - record.launched_at < LAUNCH_HORIZON:
            task = engine.launcher.launch(record.launch)
        else:
            task = _find(engine, record.launch.token)
    except LaunchRefused as refusal:
        return end_badly(engine, settings, record, Cause.START_FAILED, str(refusal), clock())
    except LaunchUncertain as error:
        _logger.warning("%s: %s It is tried again.", record.model_id, error)
        doubt = str(error)
        with suppress(Stale):
            engine.registry.amend(
                record.model_id,
                lambda current: note_doubt(current, record.attempt, doubt, clock()),
            )
        return None
    with suppress(Stale):  # the container's claim, or another consumer, was faster
        engine.registry.amend(
            record.model_id, lambda current: note_task(current, record.attempt, task, clock())
        )
    return None


def _reserve(engine: Engine, settings: Settings, record: ModelRecord, now: datetime) -> ModelRecord:
    attempt = record.attempt + 1
    parameters = launch_of(record, attempt, settings)
    return engine.registry.amend(
        record.model_id, lambda current: reserve(current, attempt, parameters, now), settings.cap
    )


def _find(engine: Engine, token: str) -> str:
    task = engine.launcher.find(token)
    if task is None:
        raise LaunchRefused("No task was seen to start within 45 minutes.")
    return task

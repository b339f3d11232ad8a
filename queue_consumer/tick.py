"""A tick: what a consumer does each time it is woken. Any number may run at once, anywhere."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from queue_consumer.dispatch import Clock, fill_slots
from queue_consumer.intake import take_in
from queue_consumer.reconcile import reconcile
from trainshed.engine import Engine
from trainshed.record import ModelRecord
from trainshed.settings import Settings


@dataclass(frozen=True)
class Outcome:
    """What one tick did."""

    ended: Sequence[ModelRecord]
    """The records whose attempt it has ended."""
    taken_in: int
    launches: int


def tick(
    engine: Engine, settings: Settings, clock: Clock, deadline: datetime | None = None
) -> Outcome:
    """See what has ended, launch what has a slot, take in what was asked for; in this order, so
    that a slot that came free is filled at once: a queue is waited for, for up to a second. From
    `deadline` on nothing is launched."""
    ended = reconcile(engine, settings, clock)
    launches = fill_slots(engine, settings, clock, deadline)
    # Read each time: a model type that was added since is one that may be asked for.
    taken_in = take_in(engine, settings.read_catalogue(), clock())
    if taken_in:
        launches += fill_slots(engine, settings, clock, deadline)
    return Outcome(ended, taken_in, launches)


def is_idle(engine: Engine) -> bool:
    """Whether there is nothing left to do: no message, and every record terminal."""
    return engine.queue.depth() == 0 and engine.registry.unfinished() == 0

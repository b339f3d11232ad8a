"""A tick: what a consumer does each time it is woken. Any number may run at once, anywhere."""

from __future__ import annotations

from queue_consumer.dispatch import Clock, fill_slots
from queue_consumer.intake import take_in
from queue_consumer.reconcile import reconcile
from trainshed.engine import Engine
from trainshed.model_type import read_catalogue
from trainshed.settings import Settings


def tick(engine: Engine, settings: Settings, clock: Clock) -> None:
    """See what has ended, take in what was asked for, launch what has a slot; in this order, so
    that a slot that came free is filled at once."""
    reconcile(engine, settings, clock)
    # Read each time: a model type that was added since is one that may be asked for.
    take_in(engine, read_catalogue(settings.model_type_folders), clock())
    fill_slots(engine, settings, clock)


def is_idle(engine: Engine) -> bool:
    """Whether there is nothing left to do: no message, and every record terminal."""
    return engine.queue.depth() == 0 and engine.registry.unfinished() == 0

"""The loop of a consumer that is not woken by a scheduler: `trainshed run`."""

from __future__ import annotations

from collections.abc import Callable

from queue_consumer.dispatch import Clock
from queue_consumer.tick import is_idle, tick
from trainshed.engine import Engine
from trainshed.settings import Settings


def run(
    engine: Engine,
    settings: Settings,
    clock: Clock,
    pause: Callable[[], bool],
    until_idle: bool = False,
) -> bool:
    """Tick until `pause`, called between two ticks, gives False; or until nothing is left to do.

    Says whether nothing was.
    """
    while True:
        tick(engine, settings, clock)
        if until_idle and is_idle(engine):
            return True
        if not pause():
            return False

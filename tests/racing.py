"""Races: many at once, each in a thread of its own, let off together."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier
from typing import TypeVar

from trainshed.errors import TrainshedError

T = TypeVar("T")


def race(runners: int, run: Callable[[int, Barrier], T]) -> Sequence[T | TrainshedError]:
    """Call `run(number, start)` in each of `runners` threads; it gets ready, then calls
    `start.wait()`. Gives what each one returned, or the error of ours that it met."""
    start = Barrier(runners, timeout=60)

    def guarded(number: int) -> T | TrainshedError:
        try:
            return run(number, start)
        except TrainshedError as error:
            return error

    with ThreadPoolExecutor(runners) as pool:
        return list(pool.map(guarded, range(runners)))

"""What the fakes and the simulator have in common: a time of their own, and seeded chance.

`simulator.simulate(seed)` runs one schedule and gives its trace; it raises `invariants.Violation`,
which holds the trace up to there. Nothing here looks at the real time or at real chance.
"""

from __future__ import annotations

import heapq
import random
import uuid
from collections import Counter
from collections.abc import Callable
from datetime import datetime, timedelta

from tests.building import NOW

NO_LAG = timedelta(0)


def no_lag() -> timedelta:
    """How stale a list is that is never stale."""
    return NO_LAG


class VirtualClock:
    """Stands still until it is moved, and never goes back."""

    def __init__(self) -> None:
        self.now = NOW

    def __call__(self) -> datetime:
        return self.now

    def advance(self, seconds: float) -> None:
        self.now += timedelta(seconds=seconds)

    def seconds(self) -> float:
        """Since the beginning of the world."""
        return (self.now - NOW).total_seconds()


class Faults:
    """The faults of one schedule: whether any may strike yet, how likely each is, how often it has.

    Not all of them in every schedule: where most are silent, one that is loud leads further.
    """

    def __init__(self, seed: int, may_strike: bool) -> None:
        self.may_strike = may_strike
        self.count: Counter[str] = Counter()
        self._seed = seed
        self._loudness: dict[str, float] = {}

    def loudness(self, fault: str) -> float:
        """What the probability of a fault is multiplied by in this schedule."""
        if fault not in self._loudness:
            chance = random.Random(f"{self._seed} loudness of {fault}")
            self._loudness[fault] = chance.choice((0.0, 1.0, 1.0, 4.0))
        return self._loudness[fault]


class Chance:
    """The choices that are made for one program or part of a world. The same seed gives the same
    ones, whatever others choose meanwhile."""

    def __init__(self, seed: str, faults: Faults) -> None:
        self._random = random.Random(seed)
        self._faults = faults

    def strikes(self, fault: str, probability: float) -> bool:
        """Whether a fault strikes now."""
        if not self._faults.may_strike:
            return False
        if self._random.random() >= probability * self._faults.loudness(fault):
            return False
        self._faults.count[fault] += 1
        return True

    def happens(self, probability: float) -> bool:
        """The same of what is no fault."""
        return self._random.random() < probability

    def below(self, limit: int) -> int:
        return int(self._random.random() * limit)

    def between(self, low: float, high: float) -> float:
        return low + self._random.random() * (high - low)

    def uuid(self) -> str:
        return str(uuid.UUID(int=self._random.getrandbits(128), version=4))


class Agenda:
    """What is to happen when."""

    def __init__(self, clock: VirtualClock) -> None:
        self._clock = clock
        self._entries: list[tuple[datetime, int, Callable[[], None]]] = []
        self._number = 0

    def after(self, seconds: float, event: Callable[[], None]) -> None:
        self._number += 1
        then = self._clock.now + timedelta(seconds=seconds)
        heapq.heappush(self._entries, (then, self._number, event))

    def skip(self, seconds: float) -> bool:
        """Let time pass if nothing is to happen in it; say whether it did."""
        then = self._clock.now + timedelta(seconds=seconds)
        if self._entries and self._entries[0][0] <= then:
            return False
        self._clock.now = then
        return True

    def next(self) -> Callable[[], None]:
        """Go on to what comes next."""
        then, _, event = heapq.heappop(self._entries)
        self._clock.now = max(self._clock.now, then)
        return event

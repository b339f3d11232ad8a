"""What the fakes and the simulator have in common: a time of their own, and seeded chance.

`simulator.simulate(seed)` runs one schedule and gives its trace; it raises `invariants.Violation`,
which holds the trace up to there. Nothing here looks at the real time or at real chance.
"""

from __future__ import annotations

import random
import uuid
from collections import Counter
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


class Chance:
    """The choices of one schedule. The same seed gives the same ones."""

    def __init__(self, seed: int) -> None:
        self._random = random.Random(seed)
        self.faults_left = True
        """Turned off when the world is to come to rest."""
        self.faults: Counter[str] = Counter()
        """How often each fault has struck."""

    def strikes(self, fault: str, probability: float) -> bool:
        """Whether a fault strikes now."""
        if not self.faults_left or self._random.random() >= probability:
            return False
        self.faults[fault] += 1
        return True

    def below(self, limit: int) -> int:
        return int(self._random.random() * limit)

    def between(self, low: float, high: float) -> float:
        return low + self._random.random() * (high - low)

    def uuid(self) -> str:
        return str(uuid.UUID(int=self._random.getrandbits(128), version=4))

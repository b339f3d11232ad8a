"""What the parts of a run report, and the page shows."""

from __future__ import annotations

import statistics
from collections.abc import Iterable, Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Spread:
    """A figure of repeats that took turns with what it is compared to."""

    median: float
    low: float
    high: float

    @classmethod
    def of(cls, values: Iterable[float]) -> Spread:
        """Raises `ValueError` where there are none."""
        found = sorted(values)
        if not found:
            raise ValueError("A figure needs one repeat or more.")
        return cls(statistics.median(found), found[0], found[-1])


@dataclass(frozen=True)
class Goal:
    bound: float
    at_least: bool
    """Or else at most."""

    def is_met(self, value: float) -> bool:
        return value >= self.bound if self.at_least else value <= self.bound


@dataclass(frozen=True)
class Row:
    """A figure that counts, with its goal."""

    name: str
    figure: Spread
    unit: str
    """"×", "s", "MB", "%", or nothing."""
    goal: Goal | None
    note: str = ""
    """What is behind it, in a few words of Markdown."""


@dataclass(frozen=True)
class Table:
    """Figures in full."""

    caption: str
    header: Sequence[str]
    rows: Sequence[Sequence[str]]


@dataclass(frozen=True)
class Part:
    title: str
    text: str
    """Markdown: what was measured and how; every peer with its settings, and why these."""
    rows: Sequence[Row]
    tables: Sequence[Table]
    skipped: Sequence[str] = ()
    """What was not run, and why."""

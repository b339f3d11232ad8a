"""Figures: waits, use of the slots and hours, of records that have trained, simulated or real."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from statistics import median

from queue_consumer.simulation.trace import attempts_of
from trainshed.record import ModelRecord


@dataclass(frozen=True)
class Waits:
    """From a request to its first launch, in seconds."""

    models: int
    median: float
    p95: float
    """So long, or less, waited 95 of 100; it is one of the waits."""
    longest: float


@dataclass(frozen=True)
class Figures:
    """What became of some trainings. All spans are in seconds."""

    waits: Waits
    groups: dict[tuple[str, int], Waits]
    """By model type and priority."""
    attempts: int
    span: float
    """From the first request to the last end."""
    drain: float
    """From the last request to the last end."""
    slots: float
    """How long slots were held, all added up."""

    def use(self, cap: int) -> float:
        """The part of `cap` slots that was held, of the whole span; from 0 to 1."""
        return self.slots / (cap * self.span) if self.span else 0.0

    def cost(self, price: float) -> float:
        """Where a slot costs `price` per hour while it is held."""
        return self.slots / 3600 * price

    def cost_of_all(self, cap: int, price: float) -> float:
        """Where each of `cap` slots costs `price` per hour, also while it is free."""
        return self.span / 3600 * cap * price


def measure(records: Collection[ModelRecord]) -> Figures:
    """Measure records that have trained, of which there must be one at least."""
    attempts = {record.model_id: attempts_of(record) for record in records}
    waits: dict[tuple[str, int], list[float]] = defaultdict(list)
    for record in records:
        launched, _ = attempts[record.model_id][0]
        wait = (launched - record.created_at).total_seconds()
        waits[record.model_type or "", record.priority].append(max(wait, 0.0))
    asked = [record.created_at for record in records]
    last_end = max(spans[-1][1] for spans in attempts.values())
    return Figures(
        waits=_waits([wait for group in waits.values() for wait in group]),
        groups={group: _waits(waits[group]) for group in sorted(waits)},
        attempts=sum(map(len, attempts.values())),
        span=max((last_end - min(asked)).total_seconds(), 0.0),
        drain=max((last_end - max(asked)).total_seconds(), 0.0),
        slots=sum(
            (ended - began).total_seconds() for spans in attempts.values() for began, ended in spans
        ),
    )


def _waits(waits: Iterable[float]) -> Waits:
    ordered: Sequence[float] = sorted(waits)
    nearest_rank = math.ceil(0.95 * len(ordered)) - 1
    return Waits(len(ordered), median(ordered), ordered[nearest_rank], ordered[-1])

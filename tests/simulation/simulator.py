"""Simulator: one schedule of the whole platform, from a seed.

`simulate(seed)` runs the project's own tick, client and training container on the fakes, lets their
calls interleave, and strikes with every fault there is; later the faults end and the world must
come to rest. It gives a `Trace`, the same for the same seed, and raises `Violation` where an
invariant does not hold. `python -m tests.simulation SEED` shows a schedule.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from trainshed.record import Cause, Status

from .invariants import Violation
from .simulation import CHAOS, Plan, Simulation


@dataclass(frozen=True)
class End:
    """What has become of a model."""

    status: Status
    attempt: int
    cause: Cause | None


@dataclass(frozen=True)
class Trace:
    seed: int
    text: str
    """A line for each call and event."""
    ends: Mapping[str, End]
    """By modelId."""
    faults: Mapping[str, int]
    """How often each fault has struck."""


def simulate(seed: int, plan: Plan = CHAOS) -> Trace:
    """Run one schedule. Raises `Violation`, which says how to replay it."""
    simulation = Simulation(seed, plan)
    try:
        simulation.run()
    except Violation as violation:
        violation.add_note(f"seed {seed}: `python -m tests.simulation {seed}` shows all of it")
        violation.trace = simulation.text
        raise
    finally:
        simulation.close()
    ends = {
        record.model_id: End(record.status, record.attempt, record.cause)
        for record in simulation.records()
    }
    return Trace(seed, simulation.text, ends, dict(simulation.faults.count))

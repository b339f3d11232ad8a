"""Fates: what the platform does to a task, whatever the consumers do."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from trainshed.handoff import EXIT_OK
from trainshed.ports import Phase, TaskState
from trainshed.record import Cause

from .world import Chance

_SIGKILLED = 137


class Blow(Enum):
    """What ends a task before its time."""

    NONE = "none"
    START_FAILED = "failed to start"
    SPOT = "spot capacity taken back"
    MEMORY = "killed for lack of memory"
    HOST = "host lost"
    OPERATOR = "told to stop by an operator"
    HANGS = "hangs"


_LIKELIHOOD = (
    (Blow.START_FAILED, 0.07),
    (Blow.SPOT, 0.12),
    (Blow.MEMORY, 0.05),
    (Blow.HOST, 0.07),
    (Blow.OPERATOR, 0.1),
    (Blow.HANGS, 0.06),
)


@dataclass(frozen=True)
class Fate:
    blow: Blow
    starts_after: float
    """Seconds from its launch."""
    struck_after: float
    """Seconds from its start, if it lives so long."""
    epoch_seconds: float
    is_stubborn: bool
    """Whether it heeds no SIGTERM."""


def fate_of(chance: Chance, early: bool) -> Fate:
    """`early`: the blow falls within the first epoch, so that nothing rests on a race with it."""
    blow = next((blow for blow, odds in _LIKELIHOOD if chance.happens(odds)), Blow.NONE)
    return Fate(
        blow=blow,
        starts_after=chance.between(1, 90),
        struck_after=30.0 if early else chance.between(0, 500),
        epoch_seconds=chance.between(60, 200),
        is_stubborn=chance.happens(0.1),
    )


def end_state(blow: Blow | None, exit_code: int | None) -> TaskState:
    """What ECS says of a task that has ended so. `exit_code`: None of a container that was lost
    with its host or never began."""
    match blow:
        case Blow.START_FAILED:
            return TaskState(
                Phase.STOPPED, cause=Cause.START_FAILED, reason="CannotPullContainerError"
            )
        case Blow.MEMORY:
            reason = "OutOfMemoryError: container killed"
            return TaskState(Phase.STOPPED, _SIGKILLED, Cause.OUT_OF_MEMORY, reason)
        case Blow.SPOT if exit_code != EXIT_OK:
            return TaskState(Phase.STOPPED, exit_code, Cause.SPOT_INTERRUPTION, "SpotInterruption")
        case Blow.HOST:
            return TaskState(Phase.STOPPED, reason="Host EC2 terminated")
    return TaskState(Phase.STOPPED, exit_code)

"""Users: what they put on the queue, and when they change their minds."""

from __future__ import annotations

import json
from dataclasses import dataclass

from .world import Chance

_WRONG = (
    "no json",
    "[1]",
    '{"name": "No Good"}',
    '{"name": "unknown", "model_type": "no_such"}',
    '{"name": "negative", "model_type": "simulated", "epochs": -1}',
)
_ENDINGS = ("well", "well", "well", "well", "error", "invalid data", "out of memory", "no files")


@dataclass(frozen=True)
class Wish:
    body: str
    after: float
    """Seconds from the beginning of the world."""
    repeated_after: float | None
    """When the same message is sent once more."""
    cancelled_after: float | None
    """When its user cancels it; counted from when it was sent."""


def wishes(chance: Chance, count: int, in_chaos: bool) -> list[Wish]:
    """Where there is no chaos, a model's end rests on no race with a user or a timeout."""
    return [_wish(chance, number, in_chaos) for number in range(count)]


def _wish(chance: Chance, number: int, in_chaos: bool) -> Wish:
    name = f"m{number}"
    if chance.happens(0.12):
        body = _WRONG[chance.below(len(_WRONG))]
    elif in_chaos and chance.happens(0.1):
        body = json.dumps({"name": name, "image": "simulated-training:latest", "epochs": 2})
    else:
        request = {
            "name": name,
            "model_type": "simulated",
            "epochs": 1 + chance.below(3),
            "hyperparameters": {"ending": _ENDINGS[chance.below(len(_ENDINGS))]},
            "priority": chance.below(10),
            "max_attempts": 1 + chance.below(4),
            "timeout_minutes": (5, 40, 40)[chance.below(3)] if in_chaos else 20,
        }
        if chance.happens(0.7):
            request["request_id"] = chance.uuid()
        body = json.dumps(request)
    return Wish(
        body,
        after=chance.between(0, 900 if in_chaos else 200),
        repeated_after=chance.between(0, 900) if chance.happens(0.1) else None,
        cancelled_after=chance.between(0, 900) if in_chaos and chance.happens(0.25) else None,
    )

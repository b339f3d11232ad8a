"""What a tick leaves behind, as numbers, and as CloudWatch's embedded metric format."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from queue_consumer.tick import Outcome
from trainshed.engine import Engine
from trainshed.record import Cause, Status
from trainshed.settings import Settings

NAMESPACE = "Trainshed"

_UNITS = {"oldest_pending_seconds": "Seconds"}


def measure(
    engine: Engine, settings: Settings, outcome: Outcome, now: datetime
) -> dict[str, int | float]:
    """Name → number: how things stand, and what the tick has done."""
    return {**_gauges(engine, settings, now), **count(outcome)}


def count(outcome: Outcome) -> dict[str, int | float]:
    """What the tick has done, as far as that can be said without looking at the engine again.
    Failures are counted by cause, those that are retried too."""
    causes = Counter(
        record.cause
        for record in outcome.ended
        if record.cause is not None and record.status in (Status.FAILED, Status.PENDING)
    )
    return {
        "taken_in": outcome.taken_in,
        "launches": outcome.launches,
        "completed": sum(record.status is Status.COMPLETED for record in outcome.ended),
        "failures": causes.total(),
        **{f"failures_{cause.name.lower()}": causes[cause] for cause in Cause},
    }


def _gauges(engine: Engine, settings: Settings, now: datetime) -> dict[str, int | float]:
    running = engine.registry.slots_in_use()
    waiting = engine.registry.waiting()
    return {
        "queued": engine.queue.depth(),
        "pending": waiting.count,
        "oldest_pending_seconds": (
            max(0.0, (now - waiting.oldest).total_seconds()) if waiting.oldest else 0.0
        ),
        "running": running,
        "slots_free": max(0, settings.cap - running),
    }


def embedded_metrics(
    measured: Mapping[str, int | float], cluster: str, now: datetime
) -> dict[str, Any]:
    """One log line of AWS's specification "CloudWatch embedded metric format". The cluster is the
    metrics' dimension: one account may hold several platforms."""
    return {
        "_aws": {
            "Timestamp": int(now.timestamp() * 1000),
            "CloudWatchMetrics": [
                {
                    "Namespace": NAMESPACE,
                    "Dimensions": [["cluster"]],
                    "Metrics": [
                        {"Name": name, "Unit": _UNITS.get(name, "Count")} for name in measured
                    ],
                }
            ],
        },
        "cluster": cluster,
        **measured,
    }

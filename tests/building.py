"""Requests and records for tests, made with as few words as possible."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from trainshed.feedback import Feedback
from trainshed.local.database import Database, open_database
from trainshed.record import Launch, ModelRecord, client_token, pending, reserve
from trainshed.request import TrainingRequest, build

TOY_MODEL_TYPES = Path(__file__).parent / "toy_model_types"
NOW = datetime(2026, 3, 4, 5, 6, 7, tzinfo=UTC)
DEADLINE_SECONDS = 60.0


class FakeClock:
    """Stands still until it is moved."""

    def __init__(self) -> None:
        self.now = NOW

    def __call__(self) -> datetime:
        return self.now

    def timestamp(self) -> float:
        return self.now.timestamp()

    def advance(self, **by: float) -> None:
        self.now += timedelta(**by)


def request_of(name: str = "my-model", **fields: Any) -> TrainingRequest:
    """A complete request for a toy model."""
    return build(name=name, **{"model_type": "toy", "epochs": 1, **fields})


def pending_record(
    name: str = "my-model", *, age_seconds: float = 0.0, **fields: Any
) -> ModelRecord:
    sent_at = NOW - timedelta(seconds=age_seconds)
    return pending(request_of(name, **fields), sent_at, sent_at)


def launch_for(record: ModelRecord, attempt: int = 1, **environment: str) -> Launch:
    named = {"TRAINSHED_MODEL_ID": record.model_id, "TRAINSHED_ATTEMPT": str(attempt)}
    return Launch(
        token=client_token(record.model_id, attempt),
        model_type="toy",
        environment={**named, **environment},
    )


def reserved(record: ModelRecord, now: datetime = NOW) -> ModelRecord:
    """The record with a slot for its next attempt."""
    attempt = record.attempt + 1
    return reserve(record, attempt, launch_for(record, attempt), now)


def feedback_of(name: str = "my-model", number: int = 1, **fields: Any) -> Feedback:
    """What a person said of an answer; approval, and of no particular model, unless told."""
    told = {
        "feedback_id": f"{number:08x}-0000-4000-8000-000000000000",
        "name": name,
        "model_id": f"{name}-00000000-0000-4000-8000-000000000001",
        "digest": "a" * 64,
        "model_type": "toy",
        "at": NOW + timedelta(seconds=number),
        "media_type": "text/plain",
        "input": f"text {number}",
        "answer": {"label": "good", "scores": {"good": 0.75, "bad": 0.25}},
        "verdict": "approved",
        "expected": {"label": "good"},
    }
    return Feedback.model_validate({**told, **fields})


@contextmanager
def open_fast_database(path: Path) -> Iterator[Database]:
    """A database that waits for no disk: in these tests no power is cut."""
    with open_database(path) as database:
        with database.reading() as connection:
            connection.execute("PRAGMA synchronous = OFF")
        yield database


def wait_until(met: Callable[[], bool], what: str) -> None:
    """Poll until `met()`; fail after a deadline that only something broken comes near."""
    deadline = time.monotonic() + DEADLINE_SECONDS
    while not met():
        assert time.monotonic() < deadline, f"not within {DEADLINE_SECONDS:g} s: {what}"
        time.sleep(0.01)

"""Every interleaving of small worlds: no invariant breaks, and there is always a way to the end.

The searches differ in what they have most of; each one has a crash anywhere, doubled and late
events and deliveries, launches that are refused or leave it open, hosts that are lost, and
trainings that fail or lie.
"""

from __future__ import annotations

import sys
from collections.abc import Callable

import pytest

from tests.building import request_of
from trainshed.request import TrainingRequest

from .exhaustive import Search


def request(number: int, **fields: int) -> TrainingRequest:
    return request_of("model", request_id=f"00000000-0000-4000-8000-{number:012}", **fields)


def one_request_and_an_hour() -> Search:
    """Long enough for a token to run out, and for all that waits for a time."""
    return Search([request(1, max_attempts=1, timeout_minutes=60)], consumers=1, hours=1)


def two_attempts() -> Search:
    return Search([request(1, max_attempts=2)], consumers=1, hours=1)


def two_requests() -> Search:
    """For one slot."""
    return Search([request(1, max_attempts=1), request(2, max_attempts=1)], consumers=1)


def a_cancel() -> Search:
    return Search([request(1, max_attempts=1)], consumers=1, cancelled=0)


def a_cancel_and_an_hour() -> Search:
    return Search([request(1, max_attempts=1)], consumers=1, hours=1, cancelled=0)


def two_consumers_and_two_attempts() -> Search:
    return Search([request(1, max_attempts=2)], consumers=2)


def two_consumers_and_a_cancel() -> Search:
    return Search([request(1, max_attempts=1)], consumers=2, cancelled=0)


def two_requests_and_two_consumers() -> Search:
    return Search([request(1, max_attempts=1), request(2, max_attempts=1)], consumers=2)


QUICK = [one_request_and_an_hour, two_attempts, two_requests, a_cancel]
FULL = [
    a_cancel_and_an_hour,
    two_consumers_and_two_attempts,
    two_consumers_and_a_cancel,
    two_requests_and_two_consumers,
]
"""The last one has more than two million states."""


@pytest.mark.timeout(1800)
@pytest.mark.parametrize(
    "make",
    [*QUICK, *(pytest.param(make, marks=pytest.mark.proof) for make in FULL)],
    ids=lambda make: make.__name__,
)
def test_no_interleaving_breaks_an_invariant(make: Callable[[], Search]) -> None:
    found = make().run()
    assert not found.trouble, "\n".join(["", *found.trouble])
    assert found.done > 0, "some states in which all is done"
    assert found.states > (80_000 if make in FULL else 1_000)
    sys.stdout.write(
        f"\n{make.__name__}: {found.states:,} states, {found.steps:,} steps,"
        f" {found.worlds:,} worlds, no violation\n"
    )

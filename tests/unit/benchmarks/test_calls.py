"""What AWS's calls are counted and priced as."""

from __future__ import annotations

import os
from unittest.mock import patch

import botocore.session
import pytest
from botocore.handlers import BUILTIN_HANDLERS
from botocore.stub import Stubber

from benchmarks.dispatch.calls import counting, price, units

SMALL = {"model_id": {"S": "m"}, "kind": {"S": "model"}}
"""Under a kilobyte; in the two indexes that have `kind`."""
LARGE = {**SMALL, "record": {"S": "x" * 1024}}
"""Two kilobytes, as DynamoDB rounds them."""


@pytest.mark.parametrize(
    ("operation", "asked", "answer", "expected"),
    [
        ("PutItem", {"Item": SMALL}, {}, (3, 0)),
        ("PutItem", {"Item": LARGE}, {}, (6, 0)),
        ("TransactWriteItems", {"TransactItems": [{"Put": {"Item": SMALL}}]}, {}, (4, 0)),
        (
            "TransactWriteItems",
            {"TransactItems": [{"Update": {}}, {"Put": {"Item": LARGE}}]},
            {},
            (10, 0),
        ),
        ("GetItem", {}, {}, (0, 1)),
        ("GetItem", {}, {"Item": {"record": {"S": "x" * 5000}}}, (0, 2)),
        ("Query", {}, {"Items": []}, (0, 0.5)),
        ("Query", {}, {"Items": [LARGE] * 8}, (0, 1.5)),
    ],
)
def test_units_are_those_of_the_items(
    operation: str, asked: object, answer: object, expected: tuple[float, float]
) -> None:
    assert units(operation, asked, answer) == expected  # type: ignore[arg-type]


def test_a_call_costs_what_its_service_takes() -> None:
    assert price("sqs", "SendMessage", {}, {}) == pytest.approx(0.40e-6)
    assert price("s3", "PutObject", {}, {}) == pytest.approx(5e-6)
    assert price("s3", "HeadObject", {}, {}) == pytest.approx(0.4e-6)
    assert price("dynamodb", "PutItem", {"Item": SMALL}, {}) == pytest.approx(3 * 0.625e-6)
    assert price("ecs", "RunTask", {}, {}) == 0


def test_calls_of_any_client_are_counted_by_stage() -> None:
    before = len(BUILTIN_HANDLERS)
    keys = {"AWS_ACCESS_KEY_ID": "x", "AWS_SECRET_ACCESS_KEY": "x"}
    with patch.dict(os.environ, keys), counting() as calls:
        session = botocore.session.get_session()
        client = session.create_client("sqs", region_name="eu-west-1")
        with Stubber(client) as stubber:
            for stage in ("a", "b", "b"):
                calls.stage = stage
                stubber.add_response("list_queues", {})
                client.list_queues()
    assert calls.counted() == {("a", "sqs", "ListQueues"): 1, ("b", "sqs", "ListQueues"): 2}
    assert len(BUILTIN_HANDLERS) == before

"""Calls: what a process asks of AWS, told by botocore's own events, and what AWS takes for it."""

from __future__ import annotations

import math
import time
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import botocore.handlers

PRICED = "us-east-1, on-demand list prices of November 2025"
PER_MILLION = {
    # https://aws.amazon.com/sqs/pricing: a standard queue's request, after the free million.
    "sqs": 0.40,
    # https://aws.amazon.com/dynamodb/pricing/on-demand: units of 1 KB written, of 4 KB read.
    "write unit": 0.625,
    "read unit": 0.125,
    # https://aws.amazon.com/s3/pricing, S3 Standard.
    "s3 write": 5.00,
    "s3 read": 0.40,
    # https://aws.amazon.com/lambda/pricing, x86: an invocation, and a second of 1 GB.
    "invocation": 0.20,
    "gigabyte second": 16.6667,
}
"""Dollars. ECS and its events cost nothing themselves: what runs does."""

_INDEXES = {"by_state": "state", "by_name": "name", "by_age": "kind", "by_id": "kind"}
"""Of the registry's table, and the attribute without which an item is not in it."""
_S3_READS = ("GetObject", "HeadObject")


@dataclass(frozen=True)
class Call:
    stage: str
    service: str
    operation: str
    sent: float
    """When its last try went out, by `time.monotonic`."""
    seconds: float
    """From there until its answer was there."""
    dollars: float
    items: int
    """That a query or scan has looked at."""


class Calls:
    """Those made so far, by one thread, in the stage of a life that was named last."""

    def __init__(self) -> None:
        self.made: list[Call] = []
        self.stage = ""
        self._sent = 0.0

    def counted(self) -> Counter[tuple[str, str, str]]:
        """(stage, service, operation) → how many."""
        return Counter((call.stage, call.service, call.operation) for call in self.made)

    def asked(self, params: Mapping[str, Any], context: dict[str, Any], **_: Any) -> None:
        context["asked"] = params

    def sent(self, **_: Any) -> None:
        self._sent = time.monotonic()

    def answered(
        self, parsed: Mapping[str, Any], model: Any, context: Mapping[str, Any], **_: Any
    ) -> None:
        service, operation = model.service_model.service_name, model.name
        self.made.append(
            Call(
                self.stage,
                service,
                operation,
                self._sent,
                time.monotonic() - self._sent,
                price(service, operation, context["asked"], parsed),
                int(parsed.get("ScannedCount", 0)),
            )
        )


@contextmanager
def counting() -> Iterator[Calls]:
    """Count the calls of every client that is made in here, whoever makes it."""
    calls = Calls()
    events = [
        ("provide-client-params", calls.asked),
        ("before-send", calls.sent),
        ("after-call", calls.answered),
    ]
    botocore.handlers.BUILTIN_HANDLERS.extend(events)
    try:
        yield calls
    finally:
        for event in events:
            botocore.handlers.BUILTIN_HANDLERS.remove(event)


def price(
    service: str, operation: str, asked: Mapping[str, Any], answer: Mapping[str, Any]
) -> float:
    """Dollars for one call, by what it has written and read."""
    match service:
        case "sqs":
            return dollars("sqs")
        case "s3":
            return dollars("s3 read" if operation in _S3_READS else "s3 write")
        case "dynamodb":
            written, read = units(operation, asked, answer)
            return written * dollars("write unit") + read * dollars("read unit")
    return 0.0


def dollars(unit: str) -> float:
    return PER_MILLION[unit] / 1e6


def units(
    operation: str, asked: Mapping[str, Any], answer: Mapping[str, Any]
) -> tuple[float, float]:
    """DynamoDB's units written and read by one call. A transaction takes two for each that a plain
    write takes; every index that holds the item takes its own."""
    match operation:
        case "PutItem":
            return _written(asked["Item"], 1), 0
        case "TransactWriteItems":
            puts = [write["Put"]["Item"] for write in asked["TransactItems"] if "Put" in write]
            counts = len(asked["TransactItems"]) - len(puts)  # of slots, which are small
            return sum(_written(item, 2) for item in puts) + 2 * counts, 0
        case "GetItem":
            return 0, max(1, math.ceil(size(answer.get("Item", {})) / 4096))
        case "Query":
            read = sum(size(item) for item in answer.get("Items", []))
            return 0, max(1, math.ceil(read / 4096)) / 2
    return 0, 1


def size(item: Mapping[str, Any]) -> int:
    """An item's bytes, as DynamoDB counts them: its names and its values, roughly."""
    return sum(
        len(name) + sum(len(str(text).encode()) for text in value.values())
        for name, value in item.items()
    )


def _written(item: Mapping[str, Any], per_kilobyte: int) -> int:
    kilobytes = math.ceil(size(item) / 1024)
    indexes = sum(attribute in item for attribute in _INDEXES.values())
    return kilobytes * (per_kilobyte + indexes)

"""Forty requests, five slots, two consumers at once, and every event twice in no order at all."""

from __future__ import annotations

import json
import random
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from tests.aws.ecs_stage import ContainerRunner
from tests.aws.moto_server import ROOT
from tests.aws_platform import AwsHost, AwsPlatform, make_platform
from tests.building import TOY_MODEL_TYPES, request_of
from trainshed.aws.queue import SqsQueue
from trainshed.aws.registry import DynamoRegistry

from .function import SCHEDULED, ExecutionEnvironment, build_package, python_path

pytestmark = [pytest.mark.aws, pytest.mark.timeout(1800)]

REQUESTS = 40
CAP = 5
CONSUMERS = 2


class Deliveries:
    """Hands every event to some consumer, now or later, and to some consumer again."""

    def __init__(self, seed: int) -> None:
        self._random = random.Random(seed)
        self._waiting: list[dict[str, Any]] = []
        self._changed = threading.Condition()
        self._over = False
        self.handled = 0
        self.in_hand = 0
        self.most_in_hand = 0

    def add(self, events: Iterable[dict[str, Any]]) -> None:
        twice = [event for event in events for _ in range(2)]
        with self._changed:
            self._waiting += twice
            self._changed.notify_all()

    def close(self) -> None:
        """Nothing is added any more; what waits is still handed out."""
        with self._changed:
            self._over = True
            self._changed.notify_all()

    @property
    def idle(self) -> bool:
        with self._changed:
            return not self._waiting and not self.in_hand

    def hand_to(self, consumer: ExecutionEnvironment) -> None:
        """Let a consumer handle one event after the other, until all is over."""
        while event := self._take():
            try:
                consumer.invoke(event)
            finally:
                with self._changed:
                    self.in_hand -= 1
                    self.handled += 1

    def _take(self) -> dict[str, Any] | None:
        with self._changed:
            self._changed.wait_for(lambda: self._waiting or self._over)
            if not self._waiting:
                return None
            self.in_hand += 1
            self.most_in_hand = max(self.most_in_hand, self.in_hand)
            return self._waiting.pop(self._random.randrange(len(self._waiting)))


@pytest.fixture
def platform(aws_server: AwsHost) -> AwsPlatform:
    platform = make_platform(aws_server)
    platform.define_training("toy", TRAINSHED_MODEL_TYPES=str(TOY_MODEL_TYPES))
    return platform


@pytest.fixture
def environment(platform: AwsPlatform, tmp_path: Path) -> dict[str, str]:
    """A consumer's."""
    catalogue = {"toy": json.loads((TOY_MODEL_TYPES / "toy" / "model_type.json").read_text())}
    return {
        **platform.environment,
        "PYTHONPATH": python_path(build_package(tmp_path), tmp_path / "package"),
        "TRAINSHED_CAP": str(CAP),
        "TRAINSHED_CATALOGUE": json.dumps(catalogue),
    }


def most_at_once(events: Iterable[dict[str, Any]]) -> int:
    """How many tasks there were at most from a launch to a stop, in ECS's own order of events."""
    alive: set[str] = set()
    most = 0
    for event in events:
        change = alive.discard if event["detail"]["lastStatus"] == "STOPPED" else alive.add
        change(event["detail"]["taskArn"])
        most = max(most, len(alive))
    return most


def test_forty_requests_keep_to_five_slots_and_are_trained_once(
    platform: AwsPlatform, environment: dict[str, str], tmp_path: Path
) -> None:
    server = platform.server
    queue = SqsQueue(
        server.client("sqs"),
        environment["TRAINSHED_QUEUE_URL"],
        environment["TRAINSHED_DEAD_LETTER_QUEUE_URL"],
    )
    registry = DynamoRegistry(server.client("dynamodb"), environment["TRAINSHED_TABLE"])
    ledger = tmp_path / "ledger"
    requests = [
        request_of(f"model-{number}", hyperparameters={"ledger": str(ledger), "seconds": 0.1})
        for number in range(REQUESTS)
    ]
    for request in requests:
        queue.send(request.encode())

    deliveries = Deliveries(seed=40)
    events: list[dict[str, Any]] = []
    with ExitStack() as stack:
        runner = stack.enter_context(
            ContainerRunner(
                server,
                platform.name,
                [sys.executable, "-m", "training_image"],
                tmp_path,
                {**server.environment, "PYTHONPATH": str(ROOT)},
            )
        )
        before = len(runner.stage.events())
        consumers = [
            stack.enter_context(ExecutionEnvironment(environment, tmp_path / f"consumer-{number}"))
            for number in range(CONSUMERS)
        ]
        pool = stack.enter_context(ThreadPoolExecutor(CONSUMERS))
        stack.callback(deliveries.close)
        work = [pool.submit(deliveries.hand_to, consumer) for consumer in consumers]
        while queue.depth() or registry.unfinished():
            assert not any(consumer.done() for consumer in work), "a consumer has failed"
            going = runner.step()
            new = runner.stage.events(before + len(events))
            events += new
            deliveries.add(
                event for event in new if event["detail"]["lastStatus"] in ("RUNNING", "STOPPED")
            )
            if deliveries.idle and not going:
                deliveries.add([SCHEDULED])
            time.sleep(0.05)
        ended = registry.newest(REQUESTS + 1)
        deliveries.close()
        for consumer in work:
            consumer.result()

    assert registry.newest(REQUESTS + 1) == ended, "late events changed nothing"
    assert Counter(record.status for record in ended) == {"Completed": REQUESTS}
    assert {record.model_id for record in ended} == {request.model_id for request in requests}
    assert {record.attempt for record in ended} == {1}
    assert most_at_once(events) == CAP
    noted = Counter(
        (entry["event"], entry["model_id"])
        for entry in map(json.loads, ledger.read_text().splitlines())
    )
    told = ("begin", "epoch", "end")  # it trains for one epoch
    assert noted == {(what, r.model_id): 1 for r in requests for what in told}
    assert len({event["detail"]["taskArn"] for event in events}) == REQUESTS
    assert deliveries.handled >= 4 * REQUESTS
    assert deliveries.most_in_hand == CONSUMERS
    assert registry.slots_in_use() == 0
    assert queue.dead_letters(10) == []

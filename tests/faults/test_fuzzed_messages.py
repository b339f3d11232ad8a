"""Whatever lies on the queue becomes a record, or a dead letter with its reason, and stops nothing.

What an invalid message asks for is never launched. Most bodies are seeded changes of good ones, and
it is known of them whether they are valid; Hypothesis adds what nobody thinks of.
"""

from __future__ import annotations

import json
import random
import re
import uuid
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from itertools import islice

import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from queue_consumer.tick import tick
from tests.building import FakeClock
from tests.contract.benches import AwsBench
from tests.contract.conftest import aws_bench
from tests.unit.conftest import FakeLauncher, clock, engine, launcher, settings
from trainshed.engine import Engine
from trainshed.errors import InvalidRequest
from trainshed.record import Cause, Status, rejected_id
from trainshed.request import TrainingRequest
from trainshed.settings import Settings

from . import bodies

__all__ = ["aws_bench", "clock", "engine", "launcher", "settings"]

SEED = 11
BATCH = 200
LARGE_ONES = 200
"""At most so many bodies of a quarter of a megabyte."""


@dataclass
class Shaker:
    """Sends bodies, lets a consumer tick, and compares what became of each with what should."""

    engine: Engine
    settings: Settings
    launcher: FakeLauncher
    clock: FakeClock
    sent: dict[str, tuple[str, bool | None]] = field(default_factory=dict)
    """Message id → its body, and whether that is valid, where this is known."""

    def shake(self, messages: Iterable[tuple[str, bool | None]]) -> None:
        for body, is_valid in messages:
            with suppress(InvalidRequest):  # SQS itself does not take every character
                self.sent[self.engine.queue.send(body)] = (body, is_valid)
        for _ in range(10):
            tick(self.engine, self.settings, self.clock)
            if not self.engine.queue.depth():
                return
        raise AssertionError("messages are left")

    def check(self) -> str:
        """Say how many became what."""
        count = len(self.sent) + 1
        letters = {letter.message_id: letter for letter in self.engine.queue.dead_letters(count)}
        for message_id, (body, is_valid) in self.sent.items():
            assert is_valid is None or is_valid is (message_id not in letters), body[:5000]
        records = {record.model_id: record for record in self.engine.registry.newest(count)}
        assert len(records) == len(self.sent), "one record for each message"
        for message_id, letter in letters.items():
            body, _ = self.sent[message_id]
            record = records.pop(rejected_id(body, message_id))
            assert (record.status, record.cause) == (Status.REJECTED, Cause.INVALID_REQUEST)
            assert letter.body == body
            assert letter.reason
            assert record.reason
        launched = {launch.environment["TRAINSHED_MODEL_ID"] for launch in self.launcher.launches}
        assert launched == records.keys(), "every valid one was launched, and none beside"
        for launch in self.launcher.launches:
            assert_is_sound(launch.environment)
        return f"{len(self.sent)} messages: {len(letters)} dead letters, {len(records)} launches"


def assert_is_sound(environment: Mapping[str, str]) -> None:
    """What is launched asks for nothing odd, by rules that are written here once more."""
    told = {key.removeprefix("TRAINSHED_"): value for key, value in environment.items()}
    name, request_id = told["MODEL_ID"][:-37], told["MODEL_ID"][-36:]
    assert re.fullmatch("[a-z0-9][a-z0-9-]{0,62}", name)
    assert str(uuid.UUID(request_id)) == request_id
    assert told["MODEL_TYPE"] == "toy"
    assert 1 <= int(told["EPOCHS"]) <= 10_000
    assert not any(ord(letter) < 32 for value in environment.values() for letter in value)
    assert told["DATASET"][:1] in ("", "/", "s")
    hyperparameters = json.loads(told["HYPERPARAMETERS"])
    toy = ["seconds", "ending", "ledger", "gate", "says", "bytes", "stubborn"]
    assert hyperparameters.keys() >= set(toy)
    assert 0 <= hyperparameters["seconds"] <= 60
    assert isinstance(hyperparameters["bytes"], int)
    assert sum(map(len, environment.values())) < 8192


def seeded(count: int) -> Iterator[tuple[str, bool | None]]:
    """Bodies, and whether they are valid where that is known."""
    chance = random.Random(SEED)
    large = LARGE_ONES
    for number in range(count):
        is_own = chance.random() < 0.7
        document = (bodies.own if is_own else bodies.first_generation)(chance)
        invalid = bodies.INVALID + (
            bodies.INVALID_OWN if is_own else bodies.INVALID_FIRST_GENERATION
        )
        match number % 10:
            case 0:
                yield chance.choice(bodies.HARMLESS)(document, chance), True
            case 1 | 2 | 3:
                yield bodies.garbled(json.dumps(document), chance), None
            case _:
                body = invalid[number % len(invalid)](document, chance)
                if len(body) >= bodies.LARGEST_BODY:
                    large -= 1
                yield (body if large >= 0 else body[:5000]), False


@pytest.fixture
def shaker(engine: Engine, settings: Settings, launcher: FakeLauncher, clock: FakeClock) -> Shaker:
    launcher.refusal = "it was seen"  # and its slot is free again
    return Shaker(engine, replace(settings, cap=2 * BATCH), launcher, clock)


def test_seeded_messages(
    shaker: Shaker, how_many: Callable[[int, int], int], tell: Callable[[str], None]
) -> None:
    messages = seeded(how_many(2_000, 90_000))
    while batch := list(islice(messages, BATCH)):
        shaker.shake(batch)
    tell(f"{shaker.check()}, none of an invalid one")


any_text = st.text(st.characters(exclude_categories=()), max_size=20)
any_json = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | any_text,
    lambda children: (
        st.lists(children, max_size=5) | st.dictionaries(any_text, children, max_size=5)
    ),
    max_leaves=10,
)
known_keys = [*sorted(TrainingRequest.model_fields), "image", "embeddings"]
any_document = st.dictionaries(st.sampled_from(known_keys) | any_text, any_json, max_size=8)
any_body = any_document.map(json.dumps) | any_json.map(json.dumps) | st.text(max_size=100)


def test_messages_that_nobody_thought_of(
    shaker: Shaker, how_many: Callable[[int, int], int], tell: Callable[[str], None]
) -> None:
    """Ten thousand of the hundred thousand."""

    @hypothesis_settings(
        max_examples=how_many(20, 1_000),
        derandomize=True,
        suppress_health_check=list(HealthCheck),
        database=None,
    )
    @given(st.lists(any_body, min_size=10, max_size=10))
    def shake(found: list[str]) -> None:
        shaker.shake((body, None) for body in found)

    shake()
    tell(f"{shaker.check()}, none of an invalid one")


def test_messages_on_aws(
    aws_bench: AwsBench,
    settings: Settings,
    how_many: Callable[[int, int], int],
    tell: Callable[[str], None],
) -> None:
    launcher = FakeLauncher()
    launcher.refusal = "it was seen"
    with aws_bench.open() as engine:
        shaker = Shaker(
            replace(engine, launcher=launcher), replace(settings, cap=50), launcher, FakeClock()
        )
        shaker.shake(seeded(how_many(30, 600)))
        tell(f"{shaker.check()}, none of an invalid one")

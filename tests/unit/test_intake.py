"""Queue → registry: every message gets one record, and none is lost on the way."""

from __future__ import annotations

import json
from datetime import timedelta

import pytest

from queue_consumer.intake import BATCH, MAX_BATCHES, take_in
from tests.building import NOW, FakeClock, request_of
from trainshed.engine import Engine
from trainshed.model_type import Catalogue
from trainshed.record import Cause, Status, cancel

from .conftest import VISIBILITY_SECONDS


def test_a_valid_message_becomes_a_pending_record(engine: Engine, catalogue: Catalogue) -> None:
    request = request_of(priority=8)
    engine.queue.send(request.encode())
    assert take_in(engine, catalogue, NOW + timedelta(minutes=1)) == 1
    [record] = engine.registry.newest(10)
    assert (record.model_id, record.status) == (request.model_id, Status.PENDING)
    assert (record.priority, record.updated_at) == (8, NOW + timedelta(minutes=1))
    assert record.created_at == NOW, "its age counts from when it was sent"
    assert record.request == request.completed(catalogue), "with all defaults filled in"
    assert engine.queue.depth() == 0


def test_an_invalid_message_becomes_a_rejected_record_and_a_dead_letter(
    engine: Engine, catalogue: Catalogue
) -> None:
    body = '{"name": "cat", "model_type": "toy", "epochs": 0}'
    message_id = engine.queue.send(body)
    take_in(engine, catalogue, NOW)
    [record] = engine.registry.newest(10)
    [letter] = engine.queue.dead_letters(10)
    assert (record.model_id, record.status) == (f"cat-{message_id}", Status.REJECTED)
    assert (record.cause, record.reason) == (Cause.INVALID_REQUEST, letter.reason)
    assert (letter.message_id, letter.body) == (message_id, body)
    assert "epochs" in letter.reason
    assert engine.queue.depth() == 0


@pytest.mark.parametrize(
    "body",
    [
        "",
        "no json",
        "[" * 4000,
        "x" * 100_000,
        '{"name": "../x"}',
        '{"name": "a\\n"}',
        r'{"name": "a", "\ud800": 1}',
        r'{"name": "a", "image": "x", "\ud800": 1}',
        r'{"name": "a", "model_type": "toy", "hyperparameters": {"says": "\ud800"}}',
        '{"name": "a", "model_type": "toy", "hyperparameters": {"seconds": 1%s}}' % ("0" * 400),
        '{"name": "a", "model_type": "toy", "hyperparameters": {"bytes": 1%s}}' % ("0" * 400),
        '{"name": "\\u0000"}',
        "\x00",
    ],
)
def test_no_message_stops_the_intake(engine: Engine, catalogue: Catalogue, body: str) -> None:
    engine.queue.send(body)
    engine.queue.send(request_of().encode())
    assert take_in(engine, catalogue, NOW) == 2
    statuses = {record.status for record in engine.registry.newest(10)}
    assert statuses == {Status.REJECTED, Status.PENDING}
    assert len(engine.queue.dead_letters(10)) == 1


def test_a_request_sent_twice_gives_one_record(engine: Engine, catalogue: Catalogue) -> None:
    request = request_of()
    for _ in range(2):
        engine.queue.send(request.encode())
    assert take_in(engine, catalogue, NOW) == 2
    assert len(engine.registry.newest(10)) == 1
    assert engine.queue.depth() == 0


@pytest.mark.parametrize(
    "body", ['{"name": "cat", "model_type": "toy"}', '{"name": "cat", "x": 1}']
)
def test_a_redelivered_message_finds_its_record(
    engine: Engine, catalogue: Catalogue, clock: FakeClock, body: str
) -> None:
    engine.queue.send(body)
    [message] = engine.queue.receive(10)
    clock.advance(seconds=VISIBILITY_SECONDS + 1)
    take_in(engine, catalogue, NOW)  # somebody else, who thought the first one dead
    [record] = engine.registry.newest(10)
    engine.queue.delete(message)
    engine.queue.send(body.replace("cat", "dog"))
    take_in(engine, catalogue, NOW)
    assert sorted(r.name for r in engine.registry.newest(10)) == ["cat", "dog"]
    assert engine.registry.get(record.model_id) == record


def test_a_redelivery_does_not_bring_a_cancelled_model_back(
    engine: Engine, catalogue: Catalogue
) -> None:
    request = request_of()
    engine.queue.send(request.encode())
    take_in(engine, catalogue, NOW)
    cancelled = engine.registry.amend(request.model_id, lambda record: cancel(record, NOW))
    engine.queue.send(request.encode())
    take_in(engine, catalogue, NOW)
    assert engine.registry.get(request.model_id) == cancelled


def test_a_redriven_letter_gets_a_record_of_its_own(engine: Engine, catalogue: Catalogue) -> None:
    engine.queue.send('{"name": "cat", "epochs": 0}')
    take_in(engine, catalogue, NOW)
    engine.queue.redrive(None)
    take_in(engine, catalogue, NOW)
    records = engine.registry.newest(10)
    assert [record.status for record in records] == [Status.REJECTED] * 2
    assert len({record.model_id for record in records}) == 2
    assert len(engine.queue.dead_letters(10)) == 1


def test_a_flood_cannot_keep_the_slots_waiting(engine: Engine, catalogue: Catalogue) -> None:
    for number in range(BATCH * MAX_BATCHES + 5):
        engine.queue.send(json.dumps({"name": f"m-{number}", "model_type": "toy"}))
    assert take_in(engine, catalogue, NOW) == BATCH * MAX_BATCHES
    assert take_in(engine, catalogue, NOW) == 5
    assert take_in(engine, catalogue, NOW) == 0
    assert engine.registry.unfinished() == BATCH * MAX_BATCHES + 5

"""cancel, retry and redrive at every point of a model's life, on every engine."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest

from queue_consumer.intake import take_in
from tests.building import NOW, TOY_MODEL_TYPES, pending_record, request_of, reserved
from trainshed.client import Client
from trainshed.engine import Engine
from trainshed.errors import WrongStatus
from trainshed.model_type import Catalogue
from trainshed.record import (
    Cause,
    ModelRecord,
    Status,
    cancel,
    cancelled,
    cancelled_early,
    claim,
    complete,
    fail,
    rejected,
    send_back,
)
from trainshed.settings import Settings

ID = "11111111-1111-4111-8111-111111111111"
CAT = f"cat-{ID}"
THEN = NOW + timedelta(seconds=30)


def running() -> ModelRecord:
    return claim(reserved(waiting()), 1, "task", NOW)


def waiting() -> ModelRecord:
    return pending_record("cat", request_id=ID)


STATES: dict[str, Callable[[], ModelRecord]] = {
    "waits for a slot": waiting,
    "waits for its retry": lambda: send_back(
        reserved(waiting()), 1, None, Cause.HOST_LOST, "lost", THEN, NOW
    ),
    "Launching": lambda: reserved(waiting()),
    "In Progress": running,
    "Cancelling": lambda: cancel(running(), NOW),
    "Completed": lambda: complete(running(), 1, "task", "d" * 64, NOW),
    "Failed": lambda: fail(running(), 1, "task", Cause.TRAINING_ERROR, "bad", NOW),
    "Cancelled": lambda: cancelled(cancel(running(), NOW), 1, "task", NOW),
    "cancelled on the queue": lambda: cancelled_early(CAT, NOW),
    "Rejected": lambda: rejected('{"name": "cat"}', ID, "bad", NOW),
}

CANCEL: dict[str, Status | str] = {
    "waits for a slot": Status.CANCELLED,
    "waits for its retry": Status.CANCELLED,
    "Launching": Status.CANCELLING,
    "In Progress": Status.CANCELLING,
    "Cancelling": Status.CANCELLING,
    "Completed": "is Completed: there is nothing to cancel",
    "Failed": "is Failed: there is nothing to cancel",
    "Cancelled": "is Cancelled: there is nothing to cancel",
    "cancelled on the queue": "is Cancelled: there is nothing to cancel",
    "Rejected": "is Rejected: there is nothing to cancel",
}

NEW = "a new model"
SAME = "the same model, without its delay"
RETRY = {
    "waits for a slot": "it waits for a slot, not for a retry",
    "waits for its retry": SAME,
    "Launching": "cancel it first",
    "In Progress": "cancel it first",
    "Cancelling": "retry it when it is Cancelled",
    "Completed": "submit it again to train another",
    "Failed": NEW,
    "Cancelled": NEW,
    "cancelled on the queue": "its message was never read. Submit it again",
    "Rejected": f"trainshed dead-letters redrive {ID}",
}


@pytest.fixture
def client(engine: Engine, home: Path) -> Client:
    return Client(engine, Settings(home=home, model_type_folders=(TOY_MODEL_TYPES,)))


def test_the_tables_name_every_state() -> None:
    assert STATES.keys() == CANCEL.keys() == RETRY.keys()
    assert {state().status for state in STATES.values()} == set(Status)


@pytest.mark.parametrize("state", STATES)
def test_cancel(engine: Engine, client: Client, state: str) -> None:
    record, expected = STATES[state](), CANCEL[state]
    engine.registry.put_new(record)
    if isinstance(expected, Status):
        assert client.cancel(CAT, NOW).status is expected
        after = engine.registry.get(CAT)
        assert after is not None
        assert after.status is expected
        assert after.holds_slot == record.holds_slot, "it goes back when its attempt has stopped"
        assert after == record or expected is not record.status
    else:
        with pytest.raises(WrongStatus, match=expected):
            client.cancel(CAT, NOW)
        assert engine.registry.get(CAT) == record


@pytest.mark.parametrize("state", STATES)
def test_retry(engine: Engine, client: Client, catalogue: Catalogue, state: str) -> None:
    record, expected = STATES[state](), RETRY[state]
    engine.registry.put_new(record)
    if expected == NEW:
        new = client.retry(CAT, NOW)
        assert engine.registry.get(CAT) == record
        take_in(engine, catalogue, NOW)
        found = engine.registry.get(new)
        assert found is not None
        assert (found.name, found.status, new != CAT) == ("cat", Status.PENDING, True)
    elif expected == SAME:
        assert engine.registry.ready(10, NOW) == []
        assert client.retry(CAT, NOW) == CAT
        [ready] = engine.registry.ready(10, NOW)
        assert (ready.model_id, ready.attempt, ready.not_before) == (CAT, 1, None)
        with pytest.raises(WrongStatus, match="waits for a slot"):
            client.retry(CAT, NOW)
    else:
        with pytest.raises(WrongStatus, match=expected):
            client.retry(CAT, NOW)
        assert engine.registry.get(CAT) == record
        assert engine.queue.receive(10) == []


def test_what_is_cancelled_on_the_queue_is_dropped_when_it_is_taken_in(
    engine: Engine, client: Client, catalogue: Catalogue
) -> None:
    client.submit(request_of("cat", request_id=ID))
    early = client.cancel(CAT, NOW)
    assert (early.status, early.name, early.request) == (Status.CANCELLED, "cat", None)
    with pytest.raises(WrongStatus, match="nothing to cancel"):
        client.cancel(CAT, NOW)
    assert take_in(engine, catalogue, NOW) == 1
    assert engine.registry.get(CAT) == early
    assert (engine.registry.unfinished(), engine.queue.receive(10)) == (0, [])


def test_a_wrong_message_that_is_cancelled_on_the_queue_is_a_dead_letter_all_the_same(
    engine: Engine, client: Client, catalogue: Catalogue
) -> None:
    queued = client.submit_message('{"name": "cat", "epochs": 0}')
    client.cancel(queued.model_id, NOW)
    take_in(engine, catalogue, NOW)
    record = engine.registry.get(queued.model_id)
    assert record is not None
    assert record.status is Status.CANCELLED
    assert len(engine.queue.dead_letters(10)) == 1


def test_a_redriven_letter_gets_a_record_of_its_own_and_is_redriven_once(
    engine: Engine, client: Client, catalogue: Catalogue
) -> None:
    queued = client.submit_message('{"name": "cat", "epochs": 0}')
    take_in(engine, catalogue, NOW)
    old = engine.registry.get(queued.model_id)
    assert old is not None
    assert old.status is Status.REJECTED
    [letter] = engine.queue.dead_letters(10)
    redriven = engine.queue.redrive([letter.message_id])
    assert engine.queue.redrive([letter.message_id]) == {}, "twice is once"
    take_in(engine, catalogue, NOW)
    new = engine.registry.get(f"cat-{redriven[letter.message_id]}")
    assert new is not None
    assert new.status is Status.REJECTED
    assert engine.registry.get(queued.model_id) == old
    assert len(engine.queue.dead_letters(10)) == 1

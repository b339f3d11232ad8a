"""The contract of `Queue`: at least once, hidden while in flight, dead after too many receives."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from threading import Barrier

import pytest

from tests.racing import race
from trainshed.engine import Engine
from trainshed.ports import Message, Queue

from .benches import MAX_RECEIVES, VISIBILITY_SECONDS, Bench


@pytest.fixture
def queue(engine: Engine) -> Queue:
    return engine.queue


def receive_all(queue: Queue) -> list[Message]:
    messages: list[Message] = []
    while batch := queue.receive(10):
        messages += batch
    return messages


def test_a_message_arrives_as_it_was_sent(queue: Queue) -> None:
    body = '{"name": "a"}\n "quoted" · äöü · 🙂 \\ \t'
    message_id = queue.send(body)
    [message] = queue.receive(10)
    assert (message.message_id, message.body, message.receives) == (message_id, body, 1)
    assert str(uuid.UUID(message_id)) == message_id
    assert message.sent_at.tzinfo is not None


def test_an_empty_queue_gives_nothing(queue: Queue) -> None:
    assert queue.receive(10) == []
    assert queue.dead_letters(10) == []
    assert queue.depth() == 0


def test_a_receive_gives_no_more_than_its_limit_and_never_more_than_ten(queue: Queue) -> None:
    for number in range(14):
        queue.send(str(number))
    assert len(queue.receive(3)) == 3
    assert len(queue.receive(100)) == 10
    assert len(receive_all(queue)) == 1


def test_a_received_message_is_hidden_until_its_visibility_timeout(
    bench: Bench, queue: Queue
) -> None:
    queue.send("body")
    [first] = queue.receive(10)
    with bench.open() as other:
        assert other.queue.receive(10) == []
        bench.advance(VISIBILITY_SECONDS * 0.9)
        assert other.queue.receive(10) == []
        bench.advance(VISIBILITY_SECONDS * 0.2)
        [again] = other.queue.receive(10)
    assert (again.message_id, again.body, again.receives) == (first.message_id, "body", 2)
    assert again.sent_at == first.sent_at


def test_a_deleted_message_never_comes_again(bench: Bench, queue: Queue) -> None:
    queue.send("body")
    [message] = queue.receive(10)
    queue.delete(message)
    bench.advance(VISIBILITY_SECONDS * 2)
    assert queue.receive(10) == []
    assert queue.depth() == 0


def test_deleting_twice_changes_nothing(queue: Queue) -> None:
    queue.send("first")
    [message] = queue.receive(10)
    queue.send("second")
    queue.delete(message)
    queue.delete(message)
    assert [message.body for message in queue.receive(10)] == ["second"]


def test_depth_counts_what_waits_and_what_is_in_flight(queue: Queue) -> None:
    queue.send("one")
    queue.send("two")
    [message] = queue.receive(1)
    assert queue.depth() == 2
    queue.delete(message)
    assert queue.depth() == 1


def test_a_message_received_too_often_becomes_a_dead_letter(bench: Bench, queue: Queue) -> None:
    message_id = queue.send("poison")
    for receives in range(1, MAX_RECEIVES + 1):
        [message] = queue.receive(10)
        assert message.receives == receives
        assert queue.dead_letters(10) == []
        bench.advance(VISIBILITY_SECONDS * 1.1)
    assert queue.receive(10) == []
    [letter] = queue.dead_letters(10)
    assert (letter.message_id, letter.body) == (message_id, "poison")
    assert str(MAX_RECEIVES) in letter.reason
    assert queue.depth() == 0


def test_burying_moves_a_message_with_its_reason(bench: Bench, queue: Queue) -> None:
    queue.send("bad body")
    [message] = queue.receive(10)
    queue.bury(message, "it has no name")
    bench.advance(VISIBILITY_SECONDS * 2)
    assert queue.receive(10) == []
    assert queue.depth() == 0
    [letter] = queue.dead_letters(10)
    assert letter.message_id == message.message_id
    assert (letter.body, letter.reason) == ("bad body", "it has no name")
    assert letter.died_at.tzinfo is not None


def test_burying_twice_keeps_one_dead_letter(queue: Queue) -> None:
    queue.send("bad body")
    [message] = queue.receive(10)
    queue.bury(message, "first reason")
    queue.bury(message, "second reason")
    assert len(queue.dead_letters(10)) == 1


def test_dead_letters_come_newest_first_and_limited(bench: Bench, queue: Queue) -> None:
    for body in ("old", "middle", "new"):
        queue.send(body)
        [message] = queue.receive(10)
        queue.bury(message, "wrong")
        bench.advance(1)
    assert [letter.body for letter in queue.dead_letters(10)] == ["new", "middle", "old"]
    assert [letter.body for letter in queue.dead_letters(2)] == ["new", "middle"]


def bury(queue: Queue, *bodies: str) -> dict[str, str]:
    """Bury a message for each body; give body → message id."""
    ids = {body: queue.send(body) for body in bodies}
    for message in receive_all(queue):
        queue.bury(message, "wrong")
    return ids


def test_redriving_puts_a_letter_back_as_a_new_message(queue: Queue) -> None:
    ids = bury(queue, "one", "two")
    redriven = queue.redrive([ids["one"]])
    [message] = queue.receive(10)
    assert message.body == "one"
    assert redriven == {ids["one"]: message.message_id}
    assert message.message_id != ids["one"], "under its old id it would find its old record"
    assert message.receives == 1
    assert [letter.body for letter in queue.dead_letters(10)] == ["two"]


def test_redriving_all(queue: Queue) -> None:
    ids = bury(queue, "one", "two", "three")
    redriven = queue.redrive(None)
    assert redriven.keys() == set(ids.values())
    messages = {message.message_id: message.body for message in receive_all(queue)}
    assert messages == {redriven[message_id]: body for body, message_id in ids.items()}
    assert queue.dead_letters(10) == []


def test_redriving_what_is_not_there_finds_nothing(queue: Queue) -> None:
    bury(queue, "one")
    assert queue.redrive([str(uuid.uuid4())]) == {}
    assert queue.redrive([]) == {}
    assert queue.receive(10) == []
    assert len(queue.dead_letters(10)) == 1


def test_of_many_that_receive_at_once_each_message_goes_to_one(bench: Bench) -> None:
    with bench.open() as engine:
        sent = {engine.queue.send(str(number)) for number in range(40)}

    def run(_: int, start: Barrier) -> list[str]:
        with bench.open() as engine:
            start.wait()
            return [message.message_id for message in receive_all(engine.queue)]

    received = [message_id for ids in race(6, run) if isinstance(ids, list) for message_id in ids]
    assert len(received) == 40
    assert set(received) == sent


def test_of_many_that_redrive_at_once_one_does(bench: Bench) -> None:
    with bench.open() as engine:
        buried = bury(engine.queue, "one", "two")

    def run(_: int, start: Barrier) -> Mapping[str, str]:
        with bench.open() as engine:
            start.wait()
            return engine.queue.redrive(None)

    outcomes = race(4, run)
    redriven = [message_id for ids in outcomes if isinstance(ids, Mapping) for message_id in ids]
    assert sorted(redriven) == sorted(buried.values())
    with bench.open() as engine:
        assert len(receive_all(engine.queue)) == 2


def test_a_late_burial_does_not_bring_a_redriven_letter_back(bench: Bench, queue: Queue) -> None:
    queue.send("bad body")
    [first] = queue.receive(10)
    bench.advance(VISIBILITY_SECONDS * 1.1)
    [again] = queue.receive(10)
    queue.bury(again, "wrong")
    queue.redrive(None)
    queue.bury(first, "late")
    assert queue.dead_letters(10) == []
    assert queue.depth() == 1

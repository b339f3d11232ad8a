"""A replayed trace: waits and hours that can be worked out by hand, and the same on a real engine's
queue and registry."""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from queue_consumer.simulation.engine import SimulatedQueue, VirtualClock
from queue_consumer.simulation.figures import Figures, Waits, measure
from queue_consumer.simulation.replay import Pace, replay
from queue_consumer.simulation.trace import (
    Training,
    attempts_of,
    has_trained,
    trace_of,
    with_factor,
    with_priority,
    with_seconds,
)
from tests.building import NOW, open_fast_database, pending_record, reserved
from trainshed.errors import InvalidTrace
from trainshed.local.queue import LocalQueue
from trainshed.local.registry import LocalRegistry
from trainshed.ports import Queue, Registry
from trainshed.record import (
    Cause,
    ModelRecord,
    Status,
    cancel,
    cancelled,
    fail,
    note_doubt,
    note_task,
    send_back,
)
from trainshed.settings import Settings

LOCAL = Pace(tick=timedelta(seconds=1), woken=False)
AWS = Pace(tick=timedelta(seconds=60), woken=True)


def asked(
    at: float, name: str, *seconds: float, priority: int = 5, model_type: str = "ner"
) -> Training:
    return Training(NOW + timedelta(seconds=at), name, model_type, priority, seconds)


def settings(cap: int) -> Settings:
    return Settings(cap=cap, retry_seconds=30.0)


def simulated(trace: Sequence[Training], cap: int, pace: Pace = LOCAL) -> list[ModelRecord]:
    return replay(trace, settings(cap), pace)


def spans(records: Sequence[ModelRecord]) -> dict[str, list[tuple[float, float]]]:
    """When each attempt of each name held its slot, in seconds from the beginning."""
    return {
        record.name: [
            ((began - NOW).total_seconds(), (ended - NOW).total_seconds())
            for began, ended in attempts_of(record)
        ]
        for record in records
    }


THREE = [asked(0, "first", 60), asked(0, "second", 60), asked(10, "third", 30)]


def test_one_slot_is_for_one_after_the_other() -> None:
    records = simulated(THREE, cap=1)
    assert spans(records) == {
        "first": [(0, 60)],
        "second": [(60, 120)],
        "third": [(120, 150)],
    }
    assert {record.status for record in records} == {Status.COMPLETED}
    assert measure(records) == Figures(
        waits=Waits(models=3, median=60, p95=110, longest=110),
        groups={("ner", 5): Waits(models=3, median=60, p95=110, longest=110)},
        attempts=3,
        span=150,
        drain=140,
        slots=150,
    )


def test_caps_are_compared_on_one_trace() -> None:
    two, three = (measure(simulated(THREE, cap)) for cap in (2, 3))
    assert (two.waits.longest, two.drain, two.slots) == (50, 80, 150)
    assert (three.waits.longest, three.drain, three.slots) == (0, 50, 150)
    assert two.use(2) == pytest.approx(150 / 180)
    assert three.use(3) == pytest.approx(150 / 180)
    assert two.cost(2.4) == three.cost(2.4) == pytest.approx(0.1)
    assert two.cost_of_all(2, 2.4) == pytest.approx(0.12)
    assert three.cost_of_all(3, 2.4) == pytest.approx(0.12)


def test_a_higher_priority_goes_first_and_never_interrupts() -> None:
    trace = [*THREE, asked(20, "urgent", 5, priority=9)]
    assert spans(simulated(trace, cap=1)) == {
        "first": [(0, 60)],
        "urgent": [(60, 65)],
        "second": [(65, 125)],
        "third": [(125, 155)],
    }
    figures = measure(simulated(with_priority(trace, "second", 0), cap=1))
    assert figures.groups == {
        ("ner", 9): Waits(1, 40, 40, 40),
        ("ner", 5): Waits(2, 27.5, 55, 55),
        ("ner", 0): Waits(1, 95, 95, 95),
    }


def test_what_the_platform_has_ended_comes_again_after_its_delay() -> None:
    trace = [asked(0, "unlucky", 10, 20, 5), asked(0, "zz", 15)]
    assert spans(simulated(trace, cap=1)) == {
        "unlucky": [(0, 10), (40, 60), (120, 125)],
        "zz": [(10, 25)],
    }
    figures = measure(simulated(trace, cap=1))
    assert (figures.attempts, figures.slots) == (4, 50)
    assert figures.waits.longest == 10, "a wait ends with the first launch"


def test_a_consumer_sees_things_at_its_ticks_only() -> None:
    trace = [asked(0, "a", 10.5), asked(0.25, "b", 10)]
    assert spans(simulated(trace, cap=1)) == {"a": [(0, 11)], "b": [(11, 21)]}
    assert spans(simulated(trace, cap=2)) == {"a": [(0, 11)], "b": [(1, 11)]}


def test_the_end_of_a_task_wakes_a_consumer_on_aws() -> None:
    trace = [asked(0, "a", 10.5), asked(1, "b", 10), asked(100, "c", 1)]
    assert spans(simulated(trace, cap=1, pace=AWS)) == {
        "a": [(0, 10.5)],
        "b": [(10.5, 20.5)],
        "c": [(120, 121)],
    }


def test_each_attempt_starts_up() -> None:
    pace = replace(LOCAL, start_seconds=7)
    assert spans(simulated([asked(0, "a", 10, 20)], 1, pace)) == {"a": [(0, 17), (47, 74)]}


def test_a_flood_is_taken_in_over_several_ticks_in_its_order() -> None:
    trace = [asked(0, f"model-{number:03}", 100) for number in range(450)]
    begins = [began for [(began, _)] in spans(simulated(trace, cap=1000)).values()]
    assert sorted(begins) == [0] * 200 + [1] * 200 + [2] * 50


def test_the_order_of_a_trace_does_not_matter() -> None:
    assert spans(simulated(THREE[::-1], cap=1))["third"] == [(120, 150)]


def test_the_same_trace_gives_the_same_records() -> None:
    trace = random_trace(60)
    assert simulated(trace, 3) == simulated(trace, 3)


def test_a_trace_of_a_type_that_is_gone_is_replayed() -> None:
    [record] = simulated([asked(0, "a", 1, model_type="of_yesterday")], 1)
    assert record.model_type == "of_yesterday"


def test_no_trace_is_replayed_into_eternity() -> None:
    with pytest.raises(InvalidTrace, match="beyond the year 9999"):
        simulated([asked(0, "a", 1e300)], 1)
    with pytest.raises(InvalidTrace, match="beyond the year 9999"):
        simulated([asked(0, "a", 2e11), asked(0, "b", 2e11)], 1)


def test_what_the_longest_timeout_would_have_stopped_is_not_launched_again() -> None:
    days = 86400.0
    with pytest.raises(InvalidTrace, match="'a' would take more than 14 days"):
        simulated([asked(0, "b", 1), asked(0, "a", 15 * days, 1)], cap=2)
    with pytest.raises(InvalidTrace, match="14 days"):
        simulated([asked(0, "a", 14 * days, 1)], 1, replace(LOCAL, start_seconds=1))
    [record] = simulated([asked(0, "a", 14 * days, 1)], 1)
    assert len(attempts_of(record)) == 2
    trace = [asked(0, "a", 20 * days), asked(15 * days, "b", 1)]
    assert spans(simulated(trace, cap=1)) == {
        "a": [(0, 20 * days)],
        "b": [(20 * days, 20 * days + 1)],
    }, "a last attempt ends when it ends"


def test_a_time_that_is_not_finite_is_refused() -> None:
    trace = [asked(0, "a", 0, 1e200)]
    with pytest.raises(InvalidTrace, match="beyond the year 9999"):
        with_factor(trace, 1e200)
    with pytest.raises(InvalidTrace, match="beyond the year 9999"):
        with_seconds([asked(0, "a", 1e308, 1e308)], "a", 1)


def test_an_empty_trace_says_so() -> None:
    with pytest.raises(InvalidTrace, match="no training that has ended"):
        simulated([], 1)


def random_trace(count: int) -> list[Training]:
    chance = random.Random(count)
    return [
        asked(
            # Each at a time of its own: of those of one moment a real queue gives any first.
            number * 7 + chance.random(),
            f"model-{number}",
            *(chance.uniform(1, 90) for _ in range(chance.choice((1, 1, 1, 2, 3)))),
            priority=chance.randrange(3),
            model_type=chance.choice(("ner", "sentiment")),
        )
        for number in range(count)
    ]


@pytest.fixture
def sqlite(tmp_path: Path) -> Iterator[object]:
    with open_fast_database(tmp_path / "trainshed.db") as database:

        def storage(clock: VirtualClock) -> tuple[Queue, Registry]:
            queue = LocalQueue(database, 60.0, 5, clock=lambda: clock().timestamp())
            return queue, LocalRegistry(database)

        yield storage


@pytest.mark.parametrize("pace", [LOCAL, AWS])
@pytest.mark.parametrize("cap", [1, 4])
def test_a_real_queue_and_registry_give_the_same(sqlite: object, cap: int, pace: Pace) -> None:
    trace = random_trace(40)
    real = replay(trace, settings(cap), pace, sqlite)  # type: ignore[arg-type]
    assert spans(real) == spans(simulated(trace, cap, pace))
    assert len(real) == 40


def test_a_queue_gives_first_what_came_first_and_once() -> None:
    queue = SimulatedQueue(VirtualClock(NOW))
    for number in range(12):
        queue.send(str(number))
    received = queue.receive(20)
    assert [message.body for message in received] == [str(number) for number in range(10)]
    assert [message.body for message in queue.receive(10)] == ["10", "11"]
    assert (queue.receive(10), queue.depth()) == ([], 12)
    for message in received:
        queue.delete(message)
    assert queue.depth() == 2


def test_a_queue_keeps_what_is_buried_until_it_is_redriven() -> None:
    queue = SimulatedQueue(VirtualClock(NOW))
    queue.send("bad")
    [message] = queue.receive(10)
    queue.bury(message, "why")
    queue.bury(message, "again")
    [letter] = queue.dead_letters(10)
    assert (letter.body, letter.reason, letter.died_at) == ("bad", "why", NOW)
    assert queue.redrive(["nobody"]) == {}
    assert queue.redrive(None).keys() == {letter.message_id}
    [again] = queue.receive(10)
    assert (again.body, again.message_id != letter.message_id) == ("bad", True)
    assert queue.dead_letters(10) == []


def at(seconds: float) -> datetime:
    return NOW + timedelta(seconds=seconds)


def trained() -> ModelRecord:
    """Asked for at 0 and in doubt at 10; interrupted after 20 s; failed after 5 more."""
    record = reserved(pending_record("old", priority=7), at(10))
    record = note_doubt(record, 1, "no answer", at(11))
    record = note_task(record, 1, "task-1", at(12))
    record = send_back(record, 1, "task-1", Cause.HOST_LOST, "lost", at(60), at(30))
    record = reserved(record, at(70))
    return fail(record, 2, None, Cause.TRAINING_ERROR, "broken", at(75))


def test_a_record_tells_how_long_each_attempt_held_its_slot() -> None:
    assert attempts_of(trained()) == [(at(10), at(30)), (at(70), at(75))]
    assert trace_of([trained()]) == [
        Training(NOW, "old", "toy", priority=7, seconds=(20.0, 5.0)),
    ]
    figures = measure([trained()])
    assert (figures.waits.longest, figures.span, figures.slots) == (10, 75, 25)


def test_an_attempt_that_a_user_cancelled_has_held_its_slot_too() -> None:
    record = note_task(reserved(pending_record(), at(1)), 1, "task-1", at(2))
    record = cancelled(cancel(record, at(3)), 1, "task-1", at(9))
    assert has_trained(record)
    assert attempts_of(record) == [(at(1), at(9))]


def test_a_clock_that_was_set_back_makes_no_time_negative() -> None:
    record = reserved(pending_record(), at(-10))
    record = fail(record, 1, None, Cause.TRAINING_ERROR, "broken", at(-20))
    [training] = trace_of([record])
    assert training.seconds == (0.0,)
    assert measure([record]).waits.longest == 0


def test_what_has_not_ended_or_was_never_launched_has_not_trained() -> None:
    waiting, running = pending_record("a"), reserved(pending_record("b"))
    assert not any(map(has_trained, (waiting, running, cancel(waiting, NOW))))
    back = send_back(running, 1, None, Cause.HOST_LOST, "lost", at(9), NOW)
    assert not has_trained(back)


def test_records_are_replayed_as_they_were() -> None:
    """What a simulation has made is a history like any other."""
    records = simulated(random_trace(40), cap=2)
    again = simulated(trace_of(records), cap=2)
    assert measure(again) == measure(records)


def test_durations_are_changed_in_the_shares_that_attempts_had() -> None:
    trace = [asked(0, "a", 10, 30), asked(0, "b", 8, model_type="sentiment"), asked(0, "c", 0, 0)]
    assert [each.seconds for each in with_factor(trace, 2)] == [(20, 60), (16,), (0, 0)]
    assert [each.seconds for each in with_seconds(trace, "ner", 8)] == [(2, 6), (8,), (4, 4)]


def test_a_key_is_a_model_type_a_name_or_a_pattern_of_names() -> None:
    trace = [asked(0, "nightly-1", 1), asked(0, "mine", 1, model_type="sentiment")]
    for key, priorities in (
        ("nightly-*", [2, 5]),
        ("mine", [5, 2]),
        ("sentiment", [5, 2]),
        ("*", [2, 2]),
    ):
        changed = with_priority(trace, key, 2)
        assert [each.priority for each in changed] == priorities
    for change in (with_priority, with_seconds):
        with pytest.raises(InvalidTrace, match="'nightly'"):
            change(trace, "nightly", 2)


def test_of_100_waits_the_95th_is_told() -> None:
    trace = [asked(0, "long", 100), *(asked(n, f"m-{n}", 0) for n in range(1, 100))]
    waits = measure(simulated(trace, cap=1, pace=AWS)).waits
    assert waits == Waits(models=100, median=49.5, p95=94, longest=99)

"""The contract of `Registry`: one record per model, conditional writes, slots within the cap."""

from __future__ import annotations

from contextlib import suppress
from datetime import UTC, timedelta
from threading import Barrier

import pytest

from queue_consumer.simulation.engine import SimulatedRegistry
from tests.building import NOW, launch_for, pending_record, reserved
from tests.racing import race
from trainshed.engine import Engine
from trainshed.errors import CapReached, Conflict, Stale, UnknownModel
from trainshed.ports import Registry, Report, Waiting
from trainshed.record import (
    Cause,
    ModelRecord,
    Status,
    cancel,
    claim,
    fail,
    note_task,
    rejected,
    reserve,
    send_back,
)

from .benches import Bench, FakesBench


@pytest.fixture
def simulated_bench() -> Bench:
    """`trainshed simulate` has a registry of its own."""
    return FakesBench(SimulatedRegistry())


@pytest.fixture(params=["local", "aws", "fakes", "simulated"])
def bench(request: pytest.FixtureRequest) -> Bench:
    bench: Bench = request.getfixturevalue(f"{request.param}_bench")
    return bench


@pytest.fixture
def registry(engine: Engine) -> Registry:
    return engine.registry


def put(registry: Registry, *records: ModelRecord) -> None:
    for record in records:
        assert registry.put_new(record)


def take_slot(registry: Registry, record: ModelRecord, cap: int | None = None) -> ModelRecord:
    taken = reserved(record)
    registry.replace(record, taken, cap)
    return taken


def names(records: list[ModelRecord]) -> list[str]:
    return [record.name for record in records]


def test_a_record_comes_back_as_it_was_put(registry: Registry) -> None:
    record = pending_record(
        dataset="/data/ä set",
        hyperparameters={"seconds": 1.0, "bytes": 1, "stubborn": True, "says": "1"},
    )
    assert registry.put_new(record)
    found = registry.get(record.model_id)
    assert found == record
    assert found is not None
    assert found.request is not None
    types = {key: type(value) for key, value in found.request.hyperparameters.items()}
    assert types == {"seconds": float, "bytes": int, "stubborn": bool, "says": str}


def test_a_full_record_comes_back_as_it_was_written(registry: Registry) -> None:
    record = pending_record()
    put(registry, record)
    taken = take_slot(registry, record)
    noted = claim(note_task(taken, 1, "task-1", NOW), 1, "task-1", NOW)
    registry.replace(taken, noted)
    back = send_back(
        noted, 1, "task-1", Cause.HOST_LOST, "lost", NOW + timedelta(seconds=1.25), NOW
    )
    registry.replace(noted, back)
    assert registry.get(record.model_id) == back


def test_a_rejected_record_needs_no_request(registry: Registry) -> None:
    record = rejected("no json", "11111111-1111-4111-8111-111111111111", "not JSON", NOW)
    put(registry, record)
    assert registry.get(record.model_id) == record
    assert registry.unfinished() == 0


def test_an_unknown_model_is_none(registry: Registry) -> None:
    assert registry.get("nobody") is None


def test_put_new_leaves_an_existing_record_alone(registry: Registry) -> None:
    record = pending_record()
    put(registry, record)
    taken = take_slot(registry, record)
    assert not registry.put_new(record)
    assert registry.get(record.model_id) == taken


def test_replace_writes_the_next_version(registry: Registry) -> None:
    record = pending_record()
    put(registry, record)
    after = cancel(record, NOW)
    registry.replace(record, after)
    assert registry.get(record.model_id) == after


def test_replace_of_an_older_version_is_a_conflict_and_changes_nothing(registry: Registry) -> None:
    record = pending_record()
    put(registry, record)
    taken = take_slot(registry, record)
    with pytest.raises(Conflict):
        registry.replace(record, cancel(record, NOW))
    assert registry.get(record.model_id) == taken
    assert registry.slots_in_use() == 1


def test_replace_of_an_unknown_record_is_a_conflict_and_writes_nothing(registry: Registry) -> None:
    record = pending_record()
    with pytest.raises(Conflict):
        registry.replace(record, reserved(record), 5)
    assert registry.get(record.model_id) is None
    assert registry.slots_in_use() == 0


def test_a_slot_is_taken_only_below_the_cap(registry: Registry) -> None:
    first, second, third = (pending_record(name) for name in ("a", "b", "c"))
    put(registry, first, second, third)
    taken = take_slot(registry, first, cap=2)
    take_slot(registry, second, cap=2)
    with pytest.raises(CapReached):
        take_slot(registry, third, cap=2)
    assert registry.slots_in_use() == 2
    assert registry.get(third.model_id) == third

    registry.replace(taken, fail(taken, 1, None, Cause.START_FAILED, "no", NOW))
    assert registry.slots_in_use() == 1
    take_slot(registry, third, cap=2)
    assert registry.slots_in_use() == 2


def test_a_lowered_cap_lets_no_one_in_until_enough_have_left(registry: Registry) -> None:
    records = [pending_record(name) for name in ("a", "b", "c")]
    put(registry, *records)
    taken = [take_slot(registry, record, cap=2) for record in records[:2]]
    for slots_left in (2, 1):
        with pytest.raises(CapReached):
            take_slot(registry, records[2], cap=1)
        ended = taken.pop()
        registry.replace(ended, fail(ended, 1, None, Cause.START_FAILED, "no", NOW))
        assert registry.slots_in_use() == slots_left - 1
    take_slot(registry, records[2], cap=1)


def test_a_record_that_keeps_its_slot_is_written_also_at_the_cap(registry: Registry) -> None:
    record = pending_record()
    put(registry, record)
    taken = take_slot(registry, record, cap=1)
    registry.replace(taken, note_task(taken, 1, "task-1", NOW), cap=1)
    assert registry.slots_in_use() == 1


def test_a_slot_is_given_back_once(registry: Registry) -> None:
    first, second = pending_record("a"), pending_record("b")
    put(registry, first, second)
    taken = take_slot(registry, first)
    take_slot(registry, second)
    ended = fail(taken, 1, None, Cause.START_FAILED, "no", NOW)
    registry.replace(taken, ended)
    with pytest.raises(Conflict):
        registry.replace(taken, ended)
    assert registry.slots_in_use() == 1


def test_holding_gives_the_holders_of_slots_oldest_launch_first(registry: Registry) -> None:
    records = [pending_record(name) for name in ("a", "b", "c", "idle")]
    put(registry, *records)
    for record, minutes in zip(records[:3], (2, 3, 1), strict=True):
        registry.replace(record, reserved(record, NOW + timedelta(minutes=minutes)))
    assert names(registry.holding()) == ["c", "a", "b"]


def test_ready_gives_highest_priority_first_then_oldest(registry: Registry) -> None:
    put(
        registry,
        pending_record("new-urgent", priority=9, age_seconds=1),
        pending_record("newest", age_seconds=2),
        pending_record("oldest", age_seconds=30.25),
        pending_record("older", age_seconds=30.2),
        pending_record("unimportant", priority=0, age_seconds=99),
        pending_record("old-urgent", priority=9, age_seconds=3),
    )
    expected = ["old-urgent", "new-urgent", "oldest", "older", "newest", "unimportant"]
    assert names(registry.ready(10, NOW)) == expected
    assert names(registry.ready(2, NOW)) == expected[:2]


def test_ready_leaves_out_what_is_not_pending(registry: Registry) -> None:
    running, over, waiting = (pending_record(name) for name in ("running", "over", "waiting"))
    put(registry, running, over, waiting)
    take_slot(registry, running)
    registry.replace(over, cancel(over, NOW))
    assert names(registry.ready(10, NOW)) == ["waiting"]


def test_a_delayed_record_is_ready_at_its_time(registry: Registry) -> None:
    record = pending_record()
    put(registry, record)
    taken = take_slot(registry, record)
    then = NOW + timedelta(seconds=30)
    registry.replace(taken, send_back(taken, 1, None, Cause.START_FAILED, "no", then, NOW))
    assert registry.ready(10, then - timedelta(milliseconds=1)) == []
    assert names(registry.ready(10, then)) == ["my-model"]
    assert registry.slots_in_use() == 0


def test_delayed_records_do_not_hide_ready_ones(registry: Registry) -> None:
    for number in range(12):
        record = pending_record(f"delayed-{number}", priority=9)
        put(registry, record)
        taken = take_slot(registry, record)
        then = NOW + timedelta(hours=1)
        registry.replace(taken, send_back(taken, 1, None, Cause.HOST_LOST, "no", then, NOW))
    put(registry, pending_record("ready", priority=0))
    assert names(registry.ready(1, NOW)) == ["ready"]


def test_unfinished_counts_what_is_not_terminal(registry: Registry) -> None:
    waiting, running, over = (pending_record(name) for name in ("waiting", "running", "over"))
    put(registry, waiting, running, over)
    assert registry.unfinished() == 3
    take_slot(registry, running)
    registry.replace(over, cancel(over, NOW))
    assert registry.unfinished() == 2


def test_waiting_counts_the_pending_and_knows_the_oldest(registry: Registry) -> None:
    assert registry.waiting() == Waiting(0, None)
    urgent = pending_record("urgent", priority=9, age_seconds=10)
    oldest = pending_record("oldest", priority=0, age_seconds=99.5)
    plain = pending_record("plain", age_seconds=50)
    put(registry, urgent, oldest, plain)
    assert registry.waiting() == Waiting(3, oldest.created_at)
    take_slot(registry, oldest)
    assert registry.waiting() == Waiting(2, plain.created_at)
    registry.replace(plain, cancel(plain, NOW))
    assert registry.waiting() == Waiting(1, urgent.created_at)


def test_a_delayed_record_waits_from_when_it_was_asked_for(registry: Registry) -> None:
    record = pending_record(age_seconds=70)
    put(registry, record)
    taken = take_slot(registry, record)
    later = NOW + timedelta(hours=1)
    registry.replace(taken, send_back(taken, 1, None, Cause.HOST_LOST, "no", later, NOW))
    assert registry.waiting() == Waiting(1, record.created_at)


def test_newest_gives_the_newest_first_by_status_and_name(registry: Registry) -> None:
    ages = {"a": 30, "b": 20, "c": 10}
    records = {name: pending_record(name, age_seconds=age) for name, age in ages.items()}
    older = pending_record("b", age_seconds=40)
    put(registry, *records.values(), older)
    registry.replace(records["b"], cancel(records["b"], NOW))
    assert names(registry.newest(10)) == ["c", "b", "a", "b"]
    assert names(registry.newest(2)) == ["c", "b"]
    assert names(registry.newest(10, status=Status.PENDING)) == ["c", "a", "b"]
    found = [record.model_id for record in registry.newest(10, name="b")]
    assert found == [records["b"].model_id, older.model_id]
    assert registry.newest(10, status=Status.PENDING, name="b") == [older]
    assert registry.newest(10, status=Status.COMPLETED) == []


def test_starting_with_finds_modelids_by_their_start_newest_first(registry: Registry) -> None:
    first = pending_record("cat", age_seconds=20)
    second = pending_record("cat-food", age_seconds=10)
    third = pending_record("dog", age_seconds=5)
    put(registry, first, second, third)
    assert registry.starting_with("cat", 10) == [second, first]
    assert registry.starting_with("cat", 1) == [second]
    assert registry.starting_with("cat-fo", 10) == [second]
    assert registry.starting_with(third.model_id, 10) == [third]


@pytest.mark.parametrize("prefix", ["at", "CAT", "c%", "c_t", "*", "z", "cat'", "\N{PILE OF POO}"])
def test_starting_with_takes_every_character_as_it_is(registry: Registry, prefix: str) -> None:
    put(registry, pending_record("cat"))
    assert list(registry.starting_with(prefix, 10)) == []


def test_the_newest_report_of_each_attempt_is_kept(registry: Registry) -> None:
    record = pending_record()
    put(registry, record)
    early = Report(at=NOW, epoch=1, epochs=9, loss=0.5)
    late = Report(
        at=NOW + timedelta(seconds=1),
        epoch=2,
        epochs=9,
        loss=0.25,
        score=0.75,
        score_name="micro F1",
        samples_per_second=12.5,
        seconds_left=70.0,
        failure="ä reason",
    )
    other = Report(at=NOW)
    registry.report(record.model_id, 1, early)
    registry.report(record.model_id, 2, other)
    registry.report(record.model_id, 1, late)
    asked = [(record.model_id, attempt) for attempt in (1, 2, 3)]
    assert registry.reports(asked) == {asked[0]: late, asked[1]: other}
    assert registry.reports([("nobody", 1)]) == {}
    assert registry.reports([]) == {}


def test_a_report_changes_no_record(registry: Registry) -> None:
    record = pending_record()
    put(registry, record)
    registry.report(record.model_id, 1, Report(at=NOW, failure="no"))
    assert registry.get(record.model_id) == record


def test_many_reports_are_given_at_once(registry: Registry) -> None:
    keys = [(f"model-{number}", 1) for number in range(120)]
    for key in keys:
        registry.report(*key, Report(at=NOW.astimezone(UTC)))
    assert set(registry.reports(keys)) == set(keys)


def test_amend_gives_the_record_as_written(registry: Registry) -> None:
    record = pending_record()
    put(registry, record)
    written = registry.amend(record.model_id, lambda current: cancel(current, NOW))
    assert written.status is Status.CANCELLED
    assert registry.get(record.model_id) == written


def test_amend_of_an_unknown_model_says_so(registry: Registry) -> None:
    with pytest.raises(UnknownModel, match="nobody"):
        registry.amend("nobody", lambda current: current)


def test_amend_writes_nothing_where_the_guard_does_not_hold(registry: Registry) -> None:
    record = pending_record()
    put(registry, record)
    with pytest.raises(Stale):
        registry.amend(record.model_id, lambda current: claim(current, 1, "task", NOW))
    assert registry.get(record.model_id) == record


def test_amend_tries_again_on_what_somebody_else_has_written(bench: Bench) -> None:
    record = pending_record()
    seen: list[int] = []
    with bench.open() as mine, bench.open() as others:
        put(mine.registry, record)
        taken = take_slot(mine.registry, record)

        def transition(current: ModelRecord) -> ModelRecord:
            seen.append(current.version)
            if len(seen) == 1:  # somebody is faster, between the read and the write
                others.registry.replace(taken, note_task(taken, 1, "task-1", NOW))
            return cancel(current, NOW)

        written = mine.registry.amend(record.model_id, transition)
    assert seen == [taken.version, taken.version + 1]
    assert (written.status, written.task) == (Status.CANCELLING, "task-1")


def test_of_many_that_put_one_record_one_does(bench: Bench) -> None:
    record = pending_record()

    def run(_: int, start: Barrier) -> bool:
        with bench.open() as engine:
            start.wait()
            return engine.registry.put_new(record)

    assert sorted(map(bool, race(8, run))) == [False] * 7 + [True]


def test_of_many_that_replace_one_record_one_does(bench: Bench) -> None:
    record = pending_record()
    with bench.open() as engine:
        put(engine.registry, record)

    def run(number: int, start: Barrier) -> int:
        after = cancel(record, NOW + timedelta(seconds=number))
        with bench.open() as engine:
            start.wait()
            engine.registry.replace(record, after)
            return number

    outcomes = race(8, run)
    [winner] = [outcome for outcome in outcomes if isinstance(outcome, int)]
    assert sum(isinstance(outcome, Conflict) for outcome in outcomes) == 7
    with bench.open() as engine:
        stored = engine.registry.get(record.model_id)
    assert stored == cancel(record, NOW + timedelta(seconds=winner))


@pytest.mark.parametrize("cap", [1, 3])
def test_of_many_that_take_slots_exactly_the_cap_get_one(bench: Bench, cap: int) -> None:
    records = [pending_record(f"model-{number}") for number in range(10)]
    with bench.open() as engine:
        put(engine.registry, *records)

    def run(number: int, start: Barrier) -> ModelRecord:
        with bench.open() as engine:
            start.wait()
            return engine.registry.amend(records[number].model_id, reserved, cap)

    outcomes = race(len(records), run)
    assert sum(isinstance(outcome, ModelRecord) for outcome in outcomes) == cap
    assert sum(isinstance(outcome, CapReached) for outcome in outcomes) == len(records) - cap
    with bench.open() as engine:
        assert engine.registry.slots_in_use() == len(engine.registry.holding()) == cap


def test_of_many_that_reserve_one_attempt_one_does(bench: Bench) -> None:
    record = pending_record()
    with bench.open() as engine:
        put(engine.registry, record)

    def run(_: int, start: Barrier) -> ModelRecord:
        with bench.open() as engine:
            start.wait()
            return engine.registry.amend(
                record.model_id,
                lambda current: reserve(current, 1, launch_for(record), NOW),
                cap=5,
            )

    outcomes = race(8, run)
    assert sum(isinstance(outcome, ModelRecord) for outcome in outcomes) == 1
    assert sum(isinstance(outcome, Stale) for outcome in outcomes) == 7
    with bench.open() as engine:
        assert engine.registry.slots_in_use() == 1


def test_slots_taken_and_given_back_by_many_never_exceed_the_cap(bench: Bench) -> None:
    cap, rounds = 2, 6
    records = [pending_record(f"model-{number}") for number in range(4)]
    with bench.open() as engine:
        put(engine.registry, *records)

    def run(number: int, start: Barrier) -> list[int]:
        model_id, used = records[number].model_id, []
        with bench.open() as engine:
            start.wait()
            for _ in range(rounds):
                try:
                    taken = engine.registry.amend(model_id, reserved, cap)
                except CapReached:
                    continue
                used.append(engine.registry.slots_in_use())
                ended = send_back(taken, taken.attempt, None, Cause.HOST_LOST, "again", NOW, NOW)
                engine.registry.replace(taken, ended)
        return used

    outcomes = race(len(records), run)
    used = [slots for outcome in outcomes if isinstance(outcome, list) for slots in outcome]
    assert used
    assert 1 <= min(used) <= max(used) <= cap
    with bench.open() as engine:
        assert engine.registry.slots_in_use() == 0


def test_of_many_containers_that_claim_one_attempt_one_does(bench: Bench) -> None:
    record = pending_record()
    with bench.open() as engine:
        put(engine.registry, record)
        take_slot(engine.registry, record)

    def run(number: int, start: Barrier) -> ModelRecord:
        with bench.open() as engine:
            start.wait()
            return engine.registry.amend(
                record.model_id, lambda current: claim(current, 1, f"task-{number}", NOW)
            )

    outcomes = race(6, run)
    [claimed] = [outcome for outcome in outcomes if isinstance(outcome, ModelRecord)]
    assert sum(isinstance(outcome, Stale) for outcome in outcomes) == 5
    with bench.open() as engine:
        assert engine.registry.get(record.model_id) == claimed


def test_ahead_of_counts_those_that_go_before(registry: Registry) -> None:
    urgent = pending_record("urgent", priority=9, age_seconds=1)
    old, new = pending_record("old", age_seconds=30.25), pending_record("new", age_seconds=30.2)
    put(registry, urgent, old, new, pending_record("low", priority=0, age_seconds=99))
    for place, record in enumerate([urgent, old, new]):
        assert registry.ahead_of(record, NOW) == place
    order = names(registry.ready(10, NOW))
    assert order == ["urgent", "old", "new", "low"], "the order that they are launched in"
    take_slot(registry, urgent)
    assert registry.ahead_of(new, NOW) == 1
    registry.replace(old, cancel(old, NOW))
    assert registry.ahead_of(new, NOW) == 0


def test_nobody_waits_for_a_delayed_record(registry: Registry) -> None:
    delayed = pending_record("delayed", priority=9)
    last = pending_record("last", priority=0)
    put(registry, delayed, last)
    taken = take_slot(registry, delayed)
    then = NOW + timedelta(hours=1)
    registry.replace(taken, send_back(taken, 1, None, Cause.HOST_LOST, "no", then, NOW))
    assert registry.ahead_of(last, NOW) == 0
    assert registry.ahead_of(last, then) == 1


def test_of_one_age_the_order_is_that_of_the_modelids(registry: Registry) -> None:
    records = sorted((pending_record(name) for name in "abc"), key=lambda x: x.model_id)
    put(registry, *records)
    assert [registry.ahead_of(record, NOW) for record in records] == [0, 1, 2]


def test_the_count_of_slots_agrees_with_the_records(registry: Registry) -> None:
    assert (registry.count_slots().used, registry.count_slots().held) == (0, 0)
    first, second, over = (pending_record(name) for name in ("a", "b", "c"))
    put(registry, first, second, over)
    taken = take_slot(registry, first)
    take_slot(registry, second)
    count = registry.count_slots()
    assert (count.used, count.held) == (2, 2)
    registry.mend_slots(count)
    assert registry.slots_in_use() == 2, "what was right stays so"
    registry.replace(taken, fail(taken, 1, None, Cause.START_FAILED, "no", NOW))
    assert (registry.count_slots().used, registry.count_slots().held) == (1, 1)


def test_a_count_that_is_out_of_date_mends_nothing(registry: Registry) -> None:
    record = pending_record()
    put(registry, record)
    count = registry.count_slots()
    take_slot(registry, record)
    with suppress(Conflict):  # an engine that counts the records themselves has nothing to refuse
        registry.mend_slots(count)
    assert registry.slots_in_use() == 1


def test_mending_the_count_while_slots_change_hands_leaves_it_right(bench: Bench) -> None:
    records = [pending_record(f"model-{number}") for number in range(3)]
    with bench.open() as engine:
        put(engine.registry, *records)

    def run(number: int, start: Barrier) -> None:
        with bench.open() as engine:
            start.wait()
            for _ in range(6):
                if number == len(records):
                    engine.registry.mend_slots(engine.registry.count_slots())
                    continue
                taken = engine.registry.amend(records[number].model_id, reserved)
                ended = send_back(taken, taken.attempt, None, Cause.HOST_LOST, "again", NOW, NOW)
                engine.registry.replace(taken, ended)

    outcomes = race(len(records) + 1, run)
    assert all(outcome is None or isinstance(outcome, Conflict) for outcome in outcomes)
    assert outcomes[:-1] == [None] * len(records)
    with bench.open() as engine:
        assert engine.registry.slots_in_use() == 0


def test_of_many_new_records_those_that_exist_stay_as_they_are(registry: Registry) -> None:
    old, new, other = (pending_record(name) for name in ("old", "new", "other"))
    put(registry, old)
    taken = take_slot(registry, old)
    assert not registry.put_new(new, old, other)
    assert registry.get(old.model_id) == taken
    assert {record.name for record in registry.ready(9, NOW)} == {"new", "other"}
    assert registry.put_new(pending_record("a"), pending_record("b"))


def test_one_request_twice_among_many_gives_one_record(registry: Registry) -> None:
    record, other = pending_record("twice"), pending_record("other")
    assert not registry.put_new(record, other, record)
    assert sorted(names(registry.newest(9))) == ["other", "twice"]


def test_changes_of_many_take_slots_up_to_the_cap(registry: Registry) -> None:
    records = [pending_record(f"m-{number}") for number in range(3)]
    put(registry, *records)
    assert len(registry.amend_each(records, reserved, 2)) == 2
    assert registry.slots_in_use() == len(registry.holding()) == 2


def test_changes_of_many_leave_out_what_has_moved_on(registry: Registry) -> None:
    records = [pending_record(f"m-{number}") for number in range(3)]
    put(registry, *records)
    registry.replace(records[1], cancel(records[1], NOW))
    written = registry.amend_each(records, reserved, 3)
    assert names(written) == ["m-0", "m-2"]
    assert registry.slots_in_use() == 2


def test_changes_together_are_all_made_or_none(registry: Registry) -> None:
    records = [pending_record(f"m-{number}") for number in range(3)]
    put(registry, *records)
    changes = [(record, reserved(record)) for record in records]
    assert not registry.replace_together(changes, 2)
    assert registry.slots_in_use() == 0
    assert len(registry.ready(9, NOW)) == 3

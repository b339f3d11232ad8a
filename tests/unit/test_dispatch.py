"""Records → slots → launches, each exactly once, whoever comes and whenever."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest

from queue_consumer.dispatch import LAUNCH_HORIZON, fill_slots
from queue_consumer.reconcile import reconcile
from tests.building import NOW, FakeClock, pending_record, reserved
from trainshed.engine import Engine
from trainshed.errors import LaunchUncertain, Stale
from trainshed.handoff import launch_of
from trainshed.ports import Phase, TaskState
from trainshed.record import (
    Cause,
    Launch,
    ModelRecord,
    Status,
    cancel,
    claim,
    client_token,
    note_doubt,
)
from trainshed.settings import Settings

from .conftest import FakeLauncher


def put(engine: Engine, *names: str, **fields: object) -> list[ModelRecord]:
    records = [pending_record(name, age_seconds=-n, **fields) for n, name in enumerate(names)]
    for record in records:
        engine.registry.put_new(record)
    return records


def now_of(engine: Engine, record: ModelRecord) -> ModelRecord:
    found = engine.registry.get(record.model_id)
    assert found is not None
    return found


def launching(engine: Engine, settings: Settings) -> ModelRecord:
    """A record whose consumer died after it had reserved the slot."""
    [record] = put(engine, "cat")
    launch = launch_of(record, 1, settings)
    after = reserved(record).model_copy(update={"launch": launch})
    engine.registry.replace(record, after)
    return after


def test_launches_are_made_up_to_the_cap(
    engine: Engine, settings: Settings, clock: FakeClock, launcher: FakeLauncher
) -> None:
    records = put(engine, "a", "b", "c")
    assert fill_slots(engine, settings, clock) == settings.cap == 2
    statuses = [now_of(engine, record).status for record in records]
    assert statuses == [Status.IN_PROGRESS, Status.IN_PROGRESS, Status.PENDING]
    assert engine.registry.slots_in_use() == 2
    assert len(launcher.launches) == 2
    assert fill_slots(engine, settings, clock) == 0


def test_slots_that_others_take_meanwhile_are_not_taken_again(
    engine: Engine, settings: Settings, clock: FakeClock, launcher: FakeLauncher
) -> None:
    put(engine, "a", "b", "c")
    plain = engine.registry.ready

    def overtaken(limit: int, now: datetime) -> list[ModelRecord]:
        found = plain(limit, now)
        engine.registry.ready = plain  # type: ignore[method-assign]
        assert fill_slots(engine, settings, clock) == settings.cap
        return found

    engine.registry.ready = overtaken  # type: ignore[method-assign]
    assert fill_slots(engine, settings, clock) == 0
    assert len(launcher.launches) == settings.cap == len(engine.registry.holding())


def test_nothing_is_launched_from_the_deadline_on(
    engine: Engine, settings: Settings, clock: FakeClock, launcher: FakeLauncher
) -> None:
    records = put(engine, "a", "b")
    assert fill_slots(engine, settings, clock, NOW) == 0
    plain = launcher.launch

    def slow(launch: Launch) -> str:
        clock.advance(seconds=10)
        return plain(launch)

    launcher.launch = slow  # type: ignore[method-assign]
    assert fill_slots(engine, settings, clock, NOW + timedelta(seconds=10)) == 1
    statuses = [now_of(engine, record).status for record in records]
    assert statuses == [Status.IN_PROGRESS, Status.LAUNCHING]
    assert engine.registry.slots_in_use() == 2
    reconcile(engine, settings, clock)
    assert len(launcher.launches) == 2, "what has its slot is launched at the next tick"


def test_a_launch_is_what_was_frozen_in_the_record(
    engine: Engine, settings: Settings, clock: FakeClock, launcher: FakeLauncher
) -> None:
    [record] = put(engine, "a")
    fill_slots(engine, settings, clock)
    after = now_of(engine, record)
    assert launcher.launches == [after.launch]
    assert after.launch == launch_of(record, 1, settings)
    assert (after.attempt, after.task) == (1, client_token(record.model_id, 1))
    assert (after.launched_at, after.holds_slot) == (NOW, True)


def test_the_most_important_goes_first_then_the_oldest(
    engine: Engine, settings: Settings, clock: FakeClock, launcher: FakeLauncher
) -> None:
    put(engine, "old", "new")
    put(engine, "low", priority=0)
    put(engine, "high", priority=9)
    for _ in range(2):
        fill_slots(engine, settings, clock)
        for task in launcher.states:
            launcher.states[task] = TaskState(Phase.STOPPED, exit_code=1)
        reconcile(engine, settings, clock)
    launched = [launch.environment["TRAINSHED_MODEL_ID"] for launch in launcher.launches]
    assert [model_id.split("-")[0] for model_id in launched] == ["high", "old", "new", "low"]


def test_a_refused_launch_frees_the_slot_and_is_tried_again_later(
    engine: Engine, settings: Settings, clock: FakeClock, launcher: FakeLauncher
) -> None:
    [record] = put(engine, "a")
    launcher.refusal = "No capacity."
    fill_slots(engine, settings, clock)
    after = now_of(engine, record)
    assert (after.status, after.cause) == (Status.PENDING, Cause.START_FAILED)
    assert after.reason == "No capacity."
    assert engine.registry.slots_in_use() == 0

    launcher.refusal = None
    assert fill_slots(engine, settings, clock) == 0, "not before its delay is over"
    clock.advance(seconds=settings.retry_seconds)
    assert fill_slots(engine, settings, clock) == 1
    assert (now_of(engine, record).attempt, now_of(engine, record).status) == (2, "In Progress")


def test_the_delay_doubles_with_each_attempt_and_attempts_are_limited(
    engine: Engine, settings: Settings, clock: FakeClock, launcher: FakeLauncher
) -> None:
    [record] = put(engine, "a", max_attempts=4)
    launcher.refusal = "No capacity."
    delays = []
    while (after := now_of(engine, record)).status is Status.PENDING:
        clock.now = after.not_before or clock.now
        assert fill_slots(engine, settings, clock) == 1
        after = now_of(engine, record)
        if after.not_before:
            delays.append((after.not_before - clock.now).total_seconds())
    assert delays == [30, 60, 120]
    assert (after.status, after.attempt, after.cause) == (Status.FAILED, 4, Cause.START_FAILED)
    assert after.reason == "No capacity. That was attempt 4 of 4."
    assert len({launch.token for launch in launcher.launches}) == 4


def test_the_delay_is_bounded(
    engine: Engine, settings: Settings, clock: FakeClock, launcher: FakeLauncher
) -> None:
    [record] = put(engine, "a", max_attempts=10)
    launcher.refusal = "No capacity."
    for _ in range(9):
        clock.now = now_of(engine, record).not_before or clock.now
        fill_slots(engine, settings, clock)
    assert now_of(engine, record).not_before == clock.now + timedelta(minutes=15)


def test_a_launch_whose_outcome_is_unknown_keeps_its_slot_and_is_repeated(
    engine: Engine, settings: Settings, clock: FakeClock, launcher: FakeLauncher
) -> None:
    [record] = put(engine, "a")
    launcher.uncertain = True
    fill_slots(engine, settings, clock)
    reconcile(engine, settings, clock)
    after = now_of(engine, record)
    assert (after.status, after.attempt, after.holds_slot) == (Status.LAUNCHING, 1, True)
    launcher.uncertain = False
    reconcile(engine, settings, clock)
    assert now_of(engine, record).status is Status.IN_PROGRESS
    assert [launch.token for launch in launcher.launches] == [client_token(record.model_id, 1)] * 3


def test_a_launch_that_was_begun_is_repeated_with_its_frozen_parameters(
    engine: Engine, settings: Settings, clock: FakeClock, launcher: FakeLauncher
) -> None:
    record = launching(engine, settings)
    clock.advance(minutes=44)
    reconcile(engine, settings, clock)
    after = now_of(engine, record)
    assert launcher.launches == [record.launch]
    assert (after.status, after.task) == (Status.IN_PROGRESS, client_token(record.model_id, 1))


def test_past_the_horizon_a_task_is_looked_for_and_adopted(
    engine: Engine, settings: Settings, clock: FakeClock, launcher: FakeLauncher
) -> None:
    record = launching(engine, settings)
    assert record.launch is not None
    task = launcher.launch(record.launch)
    launcher.launches.clear()
    clock.advance(seconds=LAUNCH_HORIZON.total_seconds())
    reconcile(engine, settings, clock)
    after = now_of(engine, record)
    assert launcher.launches == [], "its client token may have expired"
    assert (after.status, after.task) == (Status.IN_PROGRESS, task)


def test_past_the_horizon_without_a_task_the_attempt_is_over(
    engine: Engine, settings: Settings, clock: FakeClock, launcher: FakeLauncher
) -> None:
    record = launching(engine, settings)
    clock.advance(seconds=LAUNCH_HORIZON.total_seconds())
    reconcile(engine, settings, clock)
    after = now_of(engine, record)
    assert launcher.launches == []
    assert (after.status, after.cause) == (Status.PENDING, Cause.START_FAILED)
    assert "45 minutes" in (after.reason or "")
    clock.advance(minutes=1)
    fill_slots(engine, settings, clock)
    assert now_of(engine, record).attempt == 2
    assert [launch.token for launch in launcher.launches] == [client_token(record.model_id, 2)]


def test_a_record_that_was_cancelled_meanwhile_is_not_launched(
    engine: Engine,
    settings: Settings,
    clock: FakeClock,
    launcher: FakeLauncher,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    cat, dog = put(engine, "cat", "dog")
    engine.registry.replace(cat, cancel(cat, NOW))
    monkeypatch.setattr(engine.registry, "ready", lambda limit, now: [cat, dog])
    assert fill_slots(engine, settings, clock) == 1
    assert now_of(engine, cat).status is Status.CANCELLED
    assert now_of(engine, dog).status is Status.IN_PROGRESS
    assert engine.registry.slots_in_use() == 1


def test_a_claim_that_came_before_the_note_stands(
    engine: Engine,
    settings: Settings,
    clock: FakeClock,
    launcher: FakeLauncher,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    [record] = put(engine, "cat")
    real = launcher.launch

    def launch_and_claim(launch: object) -> str:
        task = real(launch)  # type: ignore[arg-type]
        engine.registry.amend(record.model_id, lambda r: claim(r, 1, task, clock()))
        return task

    monkeypatch.setattr(launcher, "launch", launch_and_claim)
    fill_slots(engine, settings, clock)
    after = now_of(engine, record)
    assert (after.status, after.claimed_at) == (Status.IN_PROGRESS, NOW)
    assert [event.text for event in after.history][-1] == "attempt 1: training began"


def test_a_model_cancelled_while_it_is_launched_is_stopped_and_cancelled(
    engine: Engine, settings: Settings, clock: FakeClock, launcher: FakeLauncher
) -> None:
    record = launching(engine, settings)
    engine.registry.replace(record, cancel(record, NOW))
    reconcile(engine, settings, clock)
    reconcile(engine, settings, clock)
    task = client_token(record.model_id, 1)
    assert launcher.stops == [(task, "cancelled")]
    assert now_of(engine, record).holds_slot
    launcher.states[task] = TaskState(Phase.STOPPED, exit_code=143)
    reconcile(engine, settings, clock)
    after = now_of(engine, record)
    assert (after.status, after.holds_slot) == (Status.CANCELLED, False)


def test_a_model_cancelled_before_a_launch_that_is_refused_is_cancelled(
    engine: Engine, settings: Settings, clock: FakeClock, launcher: FakeLauncher
) -> None:
    record = launching(engine, settings)
    engine.registry.replace(record, cancel(record, NOW))
    launcher.refusal = "No capacity."
    reconcile(engine, settings, clock)
    after = now_of(engine, record)
    assert (after.status, after.holds_slot) == (Status.CANCELLED, False)


def test_why_a_launch_is_uncertain_stands_in_the_record_once_until_it_is_not(
    engine: Engine, settings: Settings, clock: FakeClock, launcher: FakeLauncher
) -> None:
    [record] = put(engine, "a")
    launcher.uncertain = True
    fill_slots(engine, settings, clock)
    doubtful = now_of(engine, record)
    assert doubtful.status is Status.LAUNCHING
    assert doubtful.reason == str(LaunchUncertain())
    assert doubtful.history[-1].text == f"attempt 1: {doubtful.reason}"
    for _ in range(3):
        reconcile(engine, settings, clock)
    assert now_of(engine, record) == doubtful, "it does not grow while nothing changes"
    launcher.uncertain = False
    reconcile(engine, settings, clock)
    after = now_of(engine, record)
    assert (after.status, after.reason) == (Status.IN_PROGRESS, None)


def test_a_doubt_that_comes_late_is_not_noted(
    engine: Engine, settings: Settings, clock: FakeClock, launcher: FakeLauncher
) -> None:
    [record] = put(engine, "a")
    fill_slots(engine, settings, clock)
    with pytest.raises(Stale):
        note_doubt(now_of(engine, record), 1, "late", NOW)
    with pytest.raises(Stale):
        note_doubt(reserved(record), 2, "of another attempt", NOW)
    with pytest.raises(Stale):
        note_doubt(record, 0, "of none", NOW)

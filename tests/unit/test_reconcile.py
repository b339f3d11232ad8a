"""The world → the registry: ends are judged, overdue trainings stopped, the unknown left alone."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from queue_consumer.reconcile import reconcile
from queue_consumer.tick import Outcome, is_idle, tick
from queue_consumer.verdict import judge
from tests.building import NOW, FakeClock, pending_record, request_of, reserved
from trainshed.checkpoints import Checkpoint, Checkpoints
from trainshed.engine import Engine
from trainshed.errors import StorageUnavailable
from trainshed.handoff import (
    EXIT_INTERRUPTED,
    EXIT_NOT_CLAIMED,
    EXIT_OUT_OF_MEMORY,
    EXIT_STORAGE_UNAVAILABLE,
)
from trainshed.manifest import publish
from trainshed.ports import Phase, Report, TaskState
from trainshed.record import (
    Cause,
    ModelRecord,
    Status,
    artifact_prefix,
    cancel,
    checkpoints_prefix,
    claim,
    stop_for,
)
from trainshed.settings import AwsSettings, Settings

from .conftest import FakeLauncher


@pytest.fixture
def step(engine: Engine, settings: Settings, clock: FakeClock) -> Callable[[], Outcome]:
    return lambda: tick(engine, settings, clock)


def start(
    engine: Engine, step: Callable[[], Outcome], name: str = "cat", **fields: object
) -> ModelRecord:
    """A training that runs and has claimed its attempt."""
    request = request_of(name, **fields)
    engine.queue.send(request.encode())
    step()
    record = engine.registry.get(request.model_id)
    assert record is not None
    assert record.task is not None
    task = record.task
    return engine.registry.amend(record.model_id, lambda r: claim(r, r.attempt, task, NOW))


def stop(launcher: FakeLauncher, record: ModelRecord, state: TaskState) -> None:
    assert record.task is not None
    launcher.states[record.task] = state


def exited(code: int | None) -> TaskState:
    return TaskState(Phase.STOPPED, exit_code=code)


def now_of(engine: Engine, record: ModelRecord) -> ModelRecord:
    found = engine.registry.get(record.model_id)
    assert found is not None
    return found


def publish_artifact(engine: Engine, record: ModelRecord, folder: Path) -> None:
    folder.mkdir()
    (folder / "model.bin").write_bytes(b"weights")
    publish(engine.artifacts, folder, record.model_id, "toy", record.attempt, NOW)


def test_a_good_end_with_a_whole_artifact_completes(
    engine: Engine, step: Callable[[], Outcome], launcher: FakeLauncher, tmp_path: Path
) -> None:
    record = start(engine, step)
    publish_artifact(engine, record, tmp_path / "output")
    stop(launcher, record, exited(0))
    step()
    after = now_of(engine, record)
    assert (after.status, after.holds_slot, after.cause) == (Status.COMPLETED, False, None)
    assert after.artifact == artifact_prefix(record.model_id, 1)
    assert after.digest is not None
    assert engine.registry.slots_in_use() == 0
    assert is_idle(engine)


def test_a_good_end_without_an_artifact_fails(
    engine: Engine, step: Callable[[], Outcome], launcher: FakeLauncher
) -> None:
    record = start(engine, step)
    stop(launcher, record, exited(0))
    step()
    after = now_of(engine, record)
    assert (after.status, after.cause) == (Status.FAILED, Cause.BAD_ARTIFACT)
    assert "There is no manifest.json" in (after.reason or "")


@pytest.mark.parametrize("content", [b"", b"other", b"weightsx", None])
def test_a_good_end_with_a_damaged_artifact_fails(
    engine: Engine,
    step: Callable[[], Outcome],
    launcher: FakeLauncher,
    tmp_path: Path,
    home: Path,
    content: bytes | None,
) -> None:
    record = start(engine, step)
    publish_artifact(engine, record, tmp_path / "output")
    path = home / "artifacts" / artifact_prefix(record.model_id, 1) / "model.bin"
    path.unlink() if content is None else path.write_bytes(content)
    stop(launcher, record, exited(0))
    step()
    after = now_of(engine, record)
    assert (after.status, after.cause) == (Status.FAILED, Cause.BAD_ARTIFACT)
    assert "model.bin" in (after.reason or "")


def test_an_artifact_with_an_evil_manifest_fails_and_stops_nothing_else(
    engine: Engine, step: Callable[[], Outcome], launcher: FakeLauncher, tmp_path: Path
) -> None:
    evil, good = start(engine, step, "evil"), start(engine, step, "good")
    publish_artifact(engine, good, tmp_path / "output")
    manifest = tmp_path / "evil.json"
    text = (tmp_path / "output" / "manifest.json").read_text()
    manifest.write_text(text.replace("model.bin", "../../../x"))
    engine.artifacts.put(f"{artifact_prefix(evil.model_id, 1)}/manifest.json", manifest)
    for record in (evil, good):
        stop(launcher, record, exited(0))
    step()
    assert now_of(engine, evil).cause is Cause.BAD_ARTIFACT
    assert now_of(engine, good).status is Status.COMPLETED


@pytest.mark.parametrize(
    ("state", "status", "cause", "words"),
    [
        (exited(1), Status.FAILED, Cause.TRAINING_ERROR, "exit code 1; see its log"),
        (exited(7), Status.FAILED, Cause.TRAINING_ERROR, "exit code 7"),
        (exited(EXIT_NOT_CLAIMED), Status.FAILED, Cause.TRAINING_ERROR, "exit code 3"),
        (exited(137), Status.FAILED, Cause.TRAINING_ERROR, "SIGKILL"),
        (exited(EXIT_INTERRUPTED), Status.PENDING, Cause.INTERRUPTION, "SIGTERM"),
        (
            exited(EXIT_STORAGE_UNAVAILABLE),
            Status.PENDING,
            Cause.STORAGE_UNAVAILABLE,
            "Its storage could not be used",
        ),
        (exited(EXIT_OUT_OF_MEMORY), Status.FAILED, Cause.OUT_OF_MEMORY, "ran out of memory"),
        (exited(None), Status.PENDING, Cause.HOST_LOST, "without an exit code"),
        (
            TaskState(Phase.STOPPED, cause=Cause.HOST_LOST, reason="Its host is gone."),
            Status.PENDING,
            Cause.HOST_LOST,
            "Its host is gone.",
        ),
        (
            TaskState(Phase.STOPPED, cause=Cause.START_FAILED, reason="No image."),
            Status.PENDING,
            Cause.START_FAILED,
            "No image.",
        ),
        (
            TaskState(Phase.STOPPED, exit_code=137, cause=Cause.SPOT_INTERRUPTION, reason="Taken."),
            Status.PENDING,
            Cause.SPOT_INTERRUPTION,
            "Taken.",
        ),
        (
            TaskState(Phase.STOPPED, exit_code=137, cause=Cause.OUT_OF_MEMORY, reason="Too big."),
            Status.FAILED,
            Cause.OUT_OF_MEMORY,
            "(Too big)",
        ),
    ],
)
def test_each_bad_end_has_its_verdict(
    engine: Engine,
    step: Callable[[], Outcome],
    launcher: FakeLauncher,
    state: TaskState,
    status: Status,
    cause: Cause,
    words: str,
) -> None:
    record = start(engine, step)
    stop(launcher, record, state)
    step()
    after = now_of(engine, record)
    assert (after.status, after.cause) == (status, cause)
    assert words in (after.reason or "")
    assert not after.holds_slot
    assert engine.registry.slots_in_use() == 0


OUT_OF_MEMORY = TaskState(
    Phase.STOPPED, exit_code=137, cause=Cause.OUT_OF_MEMORY, reason="Container killed."
)


@pytest.mark.parametrize(
    ("state", "failure", "reason"),
    [
        (
            exited(EXIT_OUT_OF_MEMORY),
            "OutOfMemoryError: CUDA out of memory.",
            "The training ran out of memory (OutOfMemoryError: CUDA out of memory). {advice}",
        ),
        (OUT_OF_MEMORY, None, "The training ran out of memory (Container killed). {advice}"),
        (
            exited(137),
            None,
            "The training was killed (SIGKILL), most often for lack of memory. {advice}",
        ),
    ],
)
@pytest.mark.parametrize(
    ("aws", "hyperparameters", "advice"),
    [
        (
            AwsSettings(),
            {"batch_size": 64},
            "Ask for a batch_size below 64, or give it more `memory` in toy/model_type.json.",
        ),
        (AwsSettings(), {}, "Give it more `memory` in toy/model_type.json."),
        (
            None,
            {},
            (
                "Give it more of this machine's memory:"
                " a lower TRAINSHED_CAP trains fewer models at once."
            ),
        ),
    ],
)
def test_a_death_for_lack_of_memory_says_what_to_set(
    engine: Engine,
    launcher: FakeLauncher,
    settings: Settings,
    state: TaskState,
    failure: str | None,
    reason: str,
    aws: AwsSettings | None,
    hyperparameters: dict[str, int],
    advice: str,
) -> None:
    record = reserved(pending_record(hyperparameters=hyperparameters))
    record = claim(record, 1, "t", NOW)
    engine.registry.put_new(record)
    if failure:
        engine.registry.report(record.model_id, 1, Report(at=NOW, failure=failure))
    stop(launcher, record, state)
    judge(engine, replace(settings, aws=aws), record, state, NOW)
    assert now_of(engine, record).reason == reason.format(advice=advice)


def store_checkpoint(engine: Engine, record: ModelRecord, folder: Path) -> None:
    folder.mkdir()
    (folder / "weights").write_bytes(b"half of it")
    checkpoints = Checkpoints(engine.artifacts, record.model_id)
    checkpoints.put(Checkpoint(1, record.attempt), folder, "toy", NOW)


@pytest.mark.parametrize("end", ["completed", "failed", "cancelled", "timeout", "spent"])
def test_checkpoints_go_when_a_record_has_ended(
    engine: Engine,
    step: Callable[[], Outcome],
    launcher: FakeLauncher,
    clock: FakeClock,
    tmp_path: Path,
    end: str,
) -> None:
    record = start(engine, step, max_attempts=1, timeout_minutes=1)
    other = start(engine, step, "dog")
    for number, each in enumerate((record, other)):
        store_checkpoint(engine, each, tmp_path / f"checkpoint-{number}")
    match end:
        case "completed":
            publish_artifact(engine, record, tmp_path / "output")
        case "cancelled":
            engine.registry.amend(record.model_id, lambda r: cancel(r, NOW))
        case "timeout":
            clock.advance(minutes=1)
            step()
    code = {"completed": 0, "failed": 1}.get(end, EXIT_INTERRUPTED)
    stop(launcher, record, exited(code))
    step()
    after = now_of(engine, record)
    assert after.status.is_terminal
    prefix = checkpoints_prefix(record.model_id)
    assert engine.artifacts.keys(prefix) == []
    assert len(engine.artifacts.keys(artifact_prefix(record.model_id, 1))) == (
        2 if end == "completed" else 0
    )
    assert engine.artifacts.keys(checkpoints_prefix(other.model_id)) != []


def test_checkpoints_stay_for_the_next_attempt(
    engine: Engine, step: Callable[[], Outcome], launcher: FakeLauncher, tmp_path: Path
) -> None:
    record = start(engine, step)
    store_checkpoint(engine, record, tmp_path / "checkpoint")
    stop(launcher, record, exited(EXIT_INTERRUPTED))
    step()
    assert now_of(engine, record).status is Status.PENDING
    checkpoints = Checkpoints(engine.artifacts, record.model_id)
    assert checkpoints.newest_first() == [Checkpoint(1, 1)]


def test_checkpoints_that_cannot_be_taken_away_keep_no_record_from_its_end(
    engine: Engine,
    step: Callable[[], Outcome],
    launcher: FakeLauncher,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    record = start(engine, step)
    store_checkpoint(engine, record, tmp_path / "checkpoint")

    def delete(key: str) -> None:
        raise StorageUnavailable("The disk is away.")

    monkeypatch.setattr(engine.artifacts, "delete", delete)
    stop(launcher, record, exited(1))
    step()
    assert now_of(engine, record).status is Status.FAILED
    assert "its checkpoints stay behind: The disk is away." in caplog.text


@pytest.mark.parametrize("code", [1, 137, EXIT_NOT_CLAIMED])
def test_a_container_that_ends_before_it_has_begun_is_started_again(
    engine: Engine, step: Callable[[], Outcome], launcher: FakeLauncher, code: int
) -> None:
    engine.queue.send(request_of().encode())
    step()
    [record] = engine.registry.holding()
    stop(launcher, record, exited(code))
    step()
    after = now_of(engine, record)
    assert (after.status, after.cause) == (Status.PENDING, Cause.START_FAILED)
    assert f"exit code {code} before it began" in (after.reason or "")


def test_the_containers_own_words_go_before_its_exit_code(
    engine: Engine, step: Callable[[], Outcome], launcher: FakeLauncher
) -> None:
    record = start(engine, step)
    engine.registry.report(record.model_id, 1, Report(at=NOW, failure="line 3 has no tag"))
    stop(launcher, record, exited(1))
    step()
    after = now_of(engine, record)
    assert (after.cause, after.reason) == (Cause.TRAINING_ERROR, "line 3 has no tag")


def test_a_platform_cause_fails_once_the_attempts_are_spent(
    engine: Engine, step: Callable[[], Outcome], launcher: FakeLauncher, clock: FakeClock
) -> None:
    record = start(engine, step, max_attempts=2)
    stop(launcher, record, exited(None))
    step()
    clock.advance(seconds=30)
    step()
    second = now_of(engine, record)
    assert (second.status, second.attempt) == (Status.IN_PROGRESS, 2)
    stop(launcher, second, exited(None))
    step()
    after = now_of(engine, record)
    assert (after.status, after.cause) == (Status.FAILED, Cause.HOST_LOST)
    assert "That was attempt 2 of 2." in (after.reason or "")


def test_an_unknown_state_is_not_a_state(
    engine: Engine, step: Callable[[], Outcome], launcher: FakeLauncher, clock: FakeClock
) -> None:
    record = start(engine, step)
    states = dict(launcher.states)
    launcher.states.clear()
    for _ in range(3):
        clock.advance(days=2)
        step()
    assert now_of(engine, record) == record
    launcher.states.update(states)
    step()
    assert now_of(engine, record).stop_cause is Cause.TIMEOUT


MISSING = TaskState(Phase.MISSING, reason="Nobody knows it.")


def test_a_missing_task_is_believed_only_after_15_minutes(
    engine: Engine, step: Callable[[], Outcome], launcher: FakeLauncher, clock: FakeClock
) -> None:
    record = start(engine, step)
    stop(launcher, record, MISSING)
    for _ in range(3):
        clock.advance(minutes=4, seconds=59)
        assert step().ended == []
        assert now_of(engine, record) == record
    clock.advance(seconds=3)
    [ended] = step().ended
    assert ended == now_of(engine, record)
    assert (ended.status, ended.cause, ended.reason) == (
        Status.PENDING,
        Cause.HOST_LOST,
        "Nobody knows it.",
    )
    assert engine.registry.slots_in_use() == 0


def test_a_task_that_was_launched_late_is_given_as_long_to_be_known(
    engine: Engine, step: Callable[[], Outcome], launcher: FakeLauncher, clock: FakeClock
) -> None:
    launcher.uncertain = True
    request = request_of()
    engine.queue.send(request.encode())
    step()
    clock.advance(minutes=40)
    launcher.uncertain = False
    step()
    record = engine.registry.get(request.model_id)
    assert record is not None
    stop(launcher, record, MISSING)
    assert step().ended == [], "it was started this very moment"
    clock.advance(minutes=15)
    assert [ended.cause for ended in step().ended] == [Cause.HOST_LOST]


def test_a_task_that_was_missing_for_a_while_is_followed_on(
    engine: Engine, step: Callable[[], Outcome], launcher: FakeLauncher, clock: FakeClock
) -> None:
    record = start(engine, step)
    before = dict(launcher.states)
    stop(launcher, record, MISSING)
    clock.advance(minutes=14)
    step()
    launcher.states.update(before)
    clock.advance(minutes=14)
    step()
    assert now_of(engine, record) == record


def test_a_cancelled_task_that_is_missing_keeps_its_slot_until_it_is_believed(
    engine: Engine, step: Callable[[], Outcome], launcher: FakeLauncher, clock: FakeClock
) -> None:
    record = start(engine, step)
    engine.registry.amend(record.model_id, lambda r: cancel(r, clock()))
    stop(launcher, record, MISSING)
    step()
    assert now_of(engine, record).status is Status.CANCELLING
    clock.advance(minutes=15)
    step()
    assert now_of(engine, record).status is Status.CANCELLED


@pytest.mark.parametrize("phase", [Phase.STARTING, Phase.RUNNING])
def test_what_runs_is_left_alone(
    engine: Engine, step: Callable[[], Outcome], launcher: FakeLauncher, phase: Phase
) -> None:
    record = start(engine, step)
    stop(launcher, record, TaskState(phase))
    step()
    assert now_of(engine, record) == record
    assert launcher.stops == []


def test_a_training_that_takes_too_long_is_stopped_and_fails(
    engine: Engine, step: Callable[[], Outcome], launcher: FakeLauncher, clock: FakeClock
) -> None:
    record = start(engine, step, timeout_minutes=10)
    clock.advance(minutes=9, seconds=59)
    step()
    assert now_of(engine, record).stop_cause is None
    assert launcher.stops == []

    clock.advance(seconds=1)
    step()
    stopping = now_of(engine, record)
    assert (stopping.status, stopping.stop_cause) == (Status.IN_PROGRESS, Cause.TIMEOUT)
    assert stopping.holds_slot, "until it is seen stopped"
    assert launcher.stops == [(record.task, "timeout")]
    step()
    assert launcher.stops == [(record.task, "timeout")] * 2, "asked again, in case it was not heard"

    stop(launcher, record, exited(143))
    step()
    after = now_of(engine, record)
    assert (after.status, after.cause, after.holds_slot) == (Status.FAILED, Cause.TIMEOUT, False)
    assert "longer than its timeout_minutes" in (after.reason or "")


def test_a_training_that_ends_well_while_it_is_being_stopped_counts(
    engine: Engine,
    step: Callable[[], Outcome],
    launcher: FakeLauncher,
    clock: FakeClock,
    tmp_path: Path,
) -> None:
    record = start(engine, step, timeout_minutes=1)
    clock.advance(minutes=1)
    step()
    publish_artifact(engine, record, tmp_path / "output")
    stop(launcher, record, exited(0))
    step()
    assert now_of(engine, record).status is Status.COMPLETED


def test_the_time_counts_from_the_claim(
    engine: Engine, step: Callable[[], Outcome], launcher: FakeLauncher, clock: FakeClock
) -> None:
    request = request_of(timeout_minutes=10)
    engine.queue.send(request.encode())
    step()
    clock.advance(minutes=9)
    [record] = engine.registry.holding()
    task = record.task or ""
    engine.registry.amend(record.model_id, lambda r: claim(r, 1, task, clock()))
    clock.advance(minutes=9)
    step()
    assert launcher.stops == []
    clock.advance(minutes=1)
    step()
    assert launcher.stops == [(task, "timeout")]


def test_each_attempt_has_the_whole_time(
    engine: Engine, step: Callable[[], Outcome], launcher: FakeLauncher, clock: FakeClock
) -> None:
    record = start(engine, step, timeout_minutes=10)
    clock.advance(minutes=9)
    stop(launcher, record, exited(EXIT_INTERRUPTED))
    step()
    clock.advance(seconds=30)
    step()
    second = now_of(engine, record)
    assert second.attempt == 2
    engine.registry.amend(record.model_id, lambda r: claim(r, 2, second.task or "", clock()))
    clock.advance(minutes=9, seconds=59)
    step()
    assert launcher.stops == []
    clock.advance(seconds=1)
    step()
    assert launcher.stops == [(second.task, "timeout")]


def test_a_training_is_not_stopped_for_silence(
    engine: Engine, step: Callable[[], Outcome], launcher: FakeLauncher, clock: FakeClock
) -> None:
    record = start(engine, step, timeout_minutes=1000)
    engine.registry.report(record.model_id, 1, Report(at=clock(), epoch=1, epochs=9))
    for _ in range(16):  # hours without a word of it
        clock.advance(minutes=62)
        step()
    assert launcher.stops == []
    assert now_of(engine, record) == record


def test_a_training_that_never_claims_is_stopped_too(
    engine: Engine, step: Callable[[], Outcome], launcher: FakeLauncher, clock: FakeClock
) -> None:
    engine.queue.send(request_of(timeout_minutes=10).encode())
    step()
    clock.advance(minutes=10)
    step()
    assert [reason for _, reason in launcher.stops] == ["timeout"]


@pytest.mark.parametrize("code", [0, 1, 143, 137, None])
def test_a_cancelled_training_is_cancelled_however_it_ends(
    engine: Engine, step: Callable[[], Outcome], launcher: FakeLauncher, code: int | None
) -> None:
    record = start(engine, step)
    engine.registry.amend(record.model_id, lambda r: cancel(r, NOW))
    step()
    assert launcher.stops == [(record.task, "cancelled")]
    assert now_of(engine, record).holds_slot
    stop(launcher, record, exited(code))
    step()
    after = now_of(engine, record)
    assert (after.status, after.holds_slot) == (Status.CANCELLED, False)
    assert after.reason == "Cancelled by a user."


def test_a_late_verdict_changes_nothing(
    engine: Engine,
    settings: Settings,
    step: Callable[[], Outcome],
    launcher: FakeLauncher,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    record = start(engine, step)
    stop(launcher, record, exited(1))
    seen = engine.registry.holding()
    step()
    after = now_of(engine, record)

    # A consumer that has read before the others wrote.
    monkeypatch.setattr(engine.registry, "holding", lambda: seen)
    reconcile(engine, settings, lambda: NOW)
    assert now_of(engine, record) == after


def test_an_artifact_that_cannot_be_read_keeps_no_other_waiting(
    engine: Engine,
    step: Callable[[], Outcome],
    launcher: FakeLauncher,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    unreadable, good = start(engine, step, "unreadable"), start(engine, step, "good")
    publish_artifact(engine, good, tmp_path / "output")
    for record in (unreadable, good):
        stop(launcher, record, exited(0))
    real = engine.artifacts.read

    def read(key: str) -> bytes:
        if "unreadable" in key:
            raise StorageUnavailable("The disk is away.")
        return real(key)

    with monkeypatch.context() as patch, caplog.at_level(logging.WARNING):
        patch.setattr(engine.artifacts, "read", read)
        step()
    assert now_of(engine, unreadable) == unreadable, "unknown is not dead"
    assert now_of(engine, good).status is Status.COMPLETED
    assert "The disk is away." in caplog.text
    step()
    assert now_of(engine, unreadable).cause is Cause.BAD_ARTIFACT


def test_a_timeout_that_races_with_a_cancel_loses(
    engine: Engine,
    settings: Settings,
    step: Callable[[], Outcome],
    launcher: FakeLauncher,
    clock: FakeClock,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    record = start(engine, step, timeout_minutes=1)
    clock.advance(minutes=1)
    overdue = engine.registry.holding()
    engine.registry.amend(record.model_id, lambda r: cancel(r, NOW))
    monkeypatch.setattr(engine.registry, "holding", lambda: overdue)
    reconcile(engine, settings, clock)
    after = now_of(engine, record)
    assert (after.status, after.stop_cause) == (Status.CANCELLING, None)
    assert launcher.stops == []


def test_two_consumers_stop_an_overdue_training_once(
    engine: Engine, step: Callable[[], Outcome], clock: FakeClock
) -> None:
    record = start(engine, step, timeout_minutes=1)
    clock.advance(minutes=1)
    engine.registry.amend(record.model_id, lambda r: stop_for(r, r.attempt, Cause.TIMEOUT, clock()))
    step()
    stopping = [event for event in now_of(engine, record).history if "stopped" in event.text]
    assert len(stopping) == 1


def test_it_is_idle_when_nothing_is_left_to_do(engine: Engine, step: Callable[[], Outcome]) -> None:
    assert is_idle(engine)
    engine.queue.send("bad")
    assert not is_idle(engine)
    step()
    assert is_idle(engine)
    engine.registry.put_new(pending_record())
    assert not is_idle(engine)

"""What the doctor finds and mends, on every engine; and what it leaves alone."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from queue_consumer.doctor import SETTLED, Finding, examine
from tests.building import launch_for, pending_record, wait_until
from trainshed.engine import Engine
from trainshed.errors import Conflict
from trainshed.manifest import publish, verify
from trainshed.ports import Phase
from trainshed.record import (
    ModelRecord,
    artifact_prefix,
    cancel,
    cancelled,
    claim,
    client_token,
    complete,
    reserve,
)
from trainshed.settings import Settings

from .benches import AwsBench, Bench

TASK = client_token("nobody", 1)
"""What no launcher knows."""
LATER = SETTLED + timedelta(minutes=5)

Look = Callable[..., list[Finding]]


@pytest.fixture(params=["local", "aws"])
def bench(request: pytest.FixtureRequest) -> Bench:
    """The engines that a user has."""
    bench: Bench = request.getfixturevalue(f"{request.param}_bench")
    return bench


@pytest.fixture
def look(engine: Engine, home: Path) -> Look:
    """What there is to find in a while, when all has settled."""

    def look(after: timedelta = LATER) -> list[Finding]:
        return list(examine(engine, Settings(home=home, cap=2), datetime.now(UTC) + after))

    return look


def put(engine: Engine, record: ModelRecord) -> ModelRecord:
    assert engine.registry.put_new(record)
    return record


def running(engine: Engine, task: str = TASK) -> ModelRecord:
    """A record whose attempt runs."""
    record = put(engine, pending_record())
    now = datetime.now(UTC)
    taken = engine.registry.amend(
        record.model_id, lambda current: reserve(current, 1, launch_for(current), now)
    )
    return engine.registry.amend(taken.model_id, lambda current: claim(current, 1, task, now))


def ended(engine: Engine) -> ModelRecord:
    """A record whose attempt was cancelled."""
    record = running(engine)
    now = datetime.now(UTC)
    engine.registry.amend(record.model_id, lambda current: cancel(current, now))
    return engine.registry.amend(record.model_id, lambda current: cancelled(current, 1, TASK, now))


def store(engine: Engine, tmp_path: Path, *keys: str) -> None:
    source = tmp_path / "source"
    source.write_text("content")
    for key in keys:
        engine.artifacts.put(key, source)


def completed(engine: Engine, tmp_path: Path) -> ModelRecord:
    record = running(engine)
    folder = tmp_path / "output"
    folder.mkdir()
    (folder / "model.bin").write_text("model")
    now = datetime.now(UTC)
    publish(engine.artifacts, folder, record.model_id, "toy", 1, now)
    digest = verify(engine.artifacts, record.model_id, 1)
    return engine.registry.amend(
        record.model_id, lambda current: complete(current, 1, TASK, digest, now)
    )


def mend(finding: Finding) -> str:
    assert finding.mend is not None
    return finding.mend()


def test_nothing_is_out_of_place(engine: Engine, tmp_path: Path, look: Look) -> None:
    assert look() == []
    completed(engine, tmp_path)
    assert look() == []


def test_what_goes_on_is_left_alone(engine: Engine, tmp_path: Path, look: Look) -> None:
    record = running(engine)
    below = f"models/{record.model_id}"
    store(engine, tmp_path, f"{below}/1/half", f"{below}/checkpoints/1/3/state")
    assert look() == []


def test_what_is_young_is_left_to_settle(
    bench: Bench, engine: Engine, tmp_path: Path, look: Look
) -> None:
    record = ended(engine)
    store(engine, tmp_path, f"{artifact_prefix(record.model_id, 1)}/half")
    assert look(timedelta(minutes=14)) == []
    assert [finding.what for finding in look()] == ["half-uploaded artifact"]


@pytest.mark.parametrize(
    ("part", "what"),
    [
        ("1/model.bin", "half-uploaded artifact"),
        ("1/manifest.json", "artifact without a record"),
        ("7/model.bin", "half-uploaded artifact"),
        ("checkpoints/1/3/state", "leftover checkpoints"),
    ],
)
def test_files_that_no_attempt_will_use_are_deleted(
    engine: Engine, tmp_path: Path, look: Look, part: str, what: str
) -> None:
    record = ended(engine)
    store(engine, tmp_path, f"models/{record.model_id}/{part}")
    [finding] = look()
    assert (finding.what, finding.remedy) == (what, "deletes 1 file(s)")
    assert finding.subject == f"models/{record.model_id}/{part.split('/')[0]}"
    assert mend(finding) == "1 file(s) were deleted."
    assert engine.artifacts.keys("models") == []
    assert look() == []


def test_files_of_a_model_without_a_record(engine: Engine, tmp_path: Path, look: Look) -> None:
    known = completed(engine, tmp_path)
    store(engine, tmp_path, "models/stranger/1/model.bin", "models/stranger/1/manifest.json")
    [finding] = look()
    assert finding.what == "artifact without a record"
    mend(finding)
    assert look() == []
    assert verify(engine.artifacts, known.model_id, 1) == known.digest


def test_nothing_is_deleted_where_no_file_has_a_record(
    engine: Engine, tmp_path: Path, look: Look
) -> None:
    store(engine, tmp_path, "models/a/1/manifest.json", "models/b/1/model.bin")
    findings = look()
    assert [finding.mend for finding in findings] == [None, None]
    assert "is this registry the right one?" in findings[0].remedy


def test_a_file_that_a_record_knows_by_now_stays(
    engine: Engine, tmp_path: Path, look: Look
) -> None:
    completed(engine, tmp_path)
    late = pending_record("late")
    store(engine, tmp_path, f"{artifact_prefix(late.model_id, 1)}/model.bin")
    [finding] = look()
    put(engine, late)
    engine.registry.amend(
        late.model_id,
        lambda current: reserve(current, 1, launch_for(current), datetime.now(UTC)),
    )
    assert mend(finding) == "A record knows it by now."
    assert engine.artifacts.keys(f"models/{late.model_id}") != []


def test_an_upload_whose_attempt_is_over_is_aborted(
    bench: Bench, engine: Engine, look: Look
) -> None:
    goes_on = running(engine)
    bench.abandon_upload(f"{artifact_prefix(goes_on.model_id, 1)}/model.bin")
    assert look() == [], "it may still end"
    over = ended(engine)
    bench.abandon_upload(f"{artifact_prefix(over.model_id, 1)}/model.bin")
    [finding] = look()
    assert finding.what == "half-uploaded artifact"
    assert over.model_id in finding.subject
    mend(finding)
    assert look() == []
    assert len(engine.artifacts.uploads()) == 1


def test_a_damaged_artifact_is_told_and_left_alone(
    engine: Engine, tmp_path: Path, look: Look
) -> None:
    record = completed(engine, tmp_path)
    engine.artifacts.delete(f"{record.artifact}/model.bin")
    [finding] = look()
    assert (finding.what, finding.subject) == ("damaged artifact", record.model_id)
    assert "model.bin is missing" in finding.says
    assert finding.mend is None
    engine.artifacts.delete(f"{record.artifact}/manifest.json")
    [finding] = look()
    assert "There is no manifest.json" in finding.says


def test_a_dead_letter_is_told(engine: Engine, look: Look) -> None:
    message_id = engine.queue.send("no json")
    [message] = engine.queue.receive(10)
    engine.queue.bury(message, "not JSON")
    [finding] = look()
    assert (finding.what, finding.subject, finding.says) == ("dead letter", message_id, "not JSON")
    assert (finding.remedy, finding.mend) == (
        f"you: trainshed dead-letters redrive {message_id}",
        None,
    )


def test_a_task_that_no_record_follows_is_stopped(bench: Bench, engine: Engine, look: Look) -> None:
    launcher = bench.launcher("import time; time.sleep(600)")
    mine, stray = running(engine), pending_record("stray")
    tasks = {name: launcher.launch(launch_for(x)) for name, x in (("mine", mine), ("stray", stray))}
    engine.registry.replace(
        mine, mine.model_copy(update={"task": tasks["mine"], "version": mine.version + 1})
    )
    engine = replace(engine, launcher=launcher)

    def phase(name: str) -> Phase:
        state = launcher.describe([tasks[name]]).get(tasks[name])
        return state.phase if state else Phase.MISSING

    wait_until(lambda: {phase(name) for name in tasks} == {Phase.RUNNING}, "both run")
    settings = Settings(cap=2)
    assert list(examine(engine, settings, datetime.now(UTC))) == [], "it has just begun"
    [finding] = examine(engine, settings, datetime.now(UTC) + LATER)
    assert (finding.what, finding.subject) == ("task without a record", tasks["stray"])
    assert stray.model_id in finding.says
    assert mend(finding) == "It was told to stop."
    wait_until(lambda: phase("stray") is Phase.STOPPED, "the stray task stops")
    assert phase("mine") is Phase.RUNNING
    launcher.stop(tasks["mine"], "the test is over")
    wait_until(lambda: phase("mine") is Phase.STOPPED, "the test is over")


def test_no_task_is_stopped_where_there_is_no_record_at_all(bench: Bench, engine: Engine) -> None:
    launcher = bench.launcher("import time; time.sleep(600)")
    task = launcher.launch(launch_for(pending_record("stray")))
    engine = replace(engine, launcher=launcher)
    wait_until(lambda: bool(launcher.describe([task])), "it runs")
    [finding] = examine(engine, Settings(cap=2), datetime.now(UTC) + LATER)
    assert finding.mend is None
    assert "is this registry the right one?" in finding.remedy
    launcher.stop(task, "the test is over")
    wait_until(lambda: launcher.describe([task])[task].phase is Phase.STOPPED, "it stops")


def test_a_record_that_has_no_task_is_the_consumers(engine: Engine, look: Look) -> None:
    record = put(engine, pending_record())
    engine.registry.amend(
        record.model_id,
        lambda current: reserve(current, 1, launch_for(current), datetime.now(UTC)),
    )
    assert look() == [], "its launch is still repeated"
    [finding] = look(timedelta(hours=1, minutes=1))
    assert (finding.what, finding.subject) == ("record without a task", record.model_id)
    assert "ends the attempt if there is none" in finding.remedy
    assert finding.mend is None


def test_a_model_that_nobody_launches(engine: Engine, look: Look) -> None:
    record = put(engine, pending_record())
    [finding] = look()
    assert (finding.what, finding.subject) == ("nobody consumes", record.model_id)
    assert "2 slot(s) of 2 are free" in finding.says
    running(engine)
    running(engine)
    assert look() == [], "it waits for a slot"


class TestSlots:
    """Only where the count is kept apart can it be wrong."""

    @pytest.fixture
    def bench(self, aws_bench: Bench) -> Bench:
        return aws_bench

    @pytest.mark.parametrize(
        ("error", "what"), [(3, "slot without an attempt"), (-1, "attempt without a slot")]
    )
    def test_a_wrong_count_is_set_right(
        self, bench: AwsBench, engine: Engine, look: Look, error: int, what: str
    ) -> None:
        running(engine)
        bench.falsify_slots(error)
        [finding] = look()
        assert (finding.what, finding.subject) == (what, "slots")
        assert finding.says == f"{1 + error} slot(s) are counted as in use; 1 record(s) hold one."
        assert mend(finding) == "1 are counted now."
        assert engine.registry.slots_in_use() == 1
        assert look() == []

    def test_a_count_that_has_changed_meanwhile_is_left_alone(
        self, bench: AwsBench, engine: Engine, look: Look
    ) -> None:
        bench.falsify_slots(3)
        [finding] = look()
        running(engine)
        with pytest.raises(Conflict, match="look again"):
            mend(finding)
        assert engine.registry.slots_in_use() == 4

"""An attempt that is interrupted, and the one after it: what is kept, found and refused."""

from __future__ import annotations

import errno
import json
import logging
import os
import signal
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest

import model_types
from model_types import Progress, TrainingJob, UnusableCheckpoint
from tests.building import NOW, FakeClock, feedback_of, pending_record
from training_image.__main__ import main
from training_image.interruption import Interrupted, Interruption
from training_image.keeper import Training
from training_image.memory import is_out_of_memory
from training_image.run_training import run_training
from trainshed.checkpoints import Checkpoint, Checkpoints
from trainshed.engine import Engine
from trainshed.errors import StorageUnavailable
from trainshed.feedback_file import write
from trainshed.handoff import (
    EXIT_INTERRUPTED,
    EXIT_STORAGE_UNAVAILABLE,
    Assignment,
    launch_of,
)
from trainshed.local.artifacts import LocalArtifacts
from trainshed.manifest import verify
from trainshed.record import (
    Cause,
    ModelRecord,
    artifact_prefix,
    checkpoints_prefix,
    reserve,
    send_back,
)
from trainshed.settings import Settings

EPOCHS = 5
TASK = "t" * 64


def interrupt() -> None:
    """Python runs its handler before the next line."""
    os.kill(os.getpid(), signal.SIGTERM)


@dataclass
class Trainer:
    """Trains epoch after epoch; `at_epoch` may do what it likes when one is done and saved."""

    at_epoch: Callable[[int, TrainingJob], None] = lambda *_: None
    uses_checkpoints: bool = True
    trained: list[int] = field(default_factory=list)
    began_with: list[str | None] = field(default_factory=list)

    def train(self, job: TrainingJob) -> None:
        done = 0
        assert list(job.output.iterdir()) == []
        self.began_with.append(None)
        if self.uses_checkpoints and job.checkpoint is not None:
            found = (job.checkpoint / "epochs").read_text()
            assert [path.name for path in job.checkpoint.iterdir()] == ["epochs"]
            self.began_with[-1] = found
            done = int(found)
        (job.output / "model.bin").write_bytes(b"weights")
        for epoch in range(done + 1, job.epochs + 1):
            self.trained.append(epoch)
            if self.uses_checkpoints:
                job.save_checkpoint(epoch, lambda folder, epoch=epoch: self.write(folder, epoch))  # type: ignore[misc]
            self.at_epoch(epoch, job)

    def write(self, folder: Path, epoch: int) -> None:
        (folder / "epochs").write_text(str(epoch))


def stop_at(last: int) -> Callable[[int, TrainingJob], None]:
    def at_epoch(epoch: int, _: TrainingJob) -> None:
        if epoch == last:
            interrupt()

    return at_epoch


@dataclass
class Bench:
    engine: Engine
    settings: Settings
    monkeypatch: pytest.MonkeyPatch
    record: ModelRecord

    @property
    def checkpoints(self) -> Checkpoints:
        return Checkpoints(self.engine.artifacts, self.record.model_id)

    def attempt(self, trainer: Trainer, **settings: Any) -> None:
        """The next attempt, in this process."""
        environ = self.environ()
        self.use(trainer)
        with Interruption() as interruption:
            run_training(
                Assignment.from_environment(environ),
                TASK,
                self.engine.registry,
                self.engine.artifacts,
                self.engine.datasets,
                replace(self.settings, **settings),
                FakeClock(),
                interruption,
            )

    def use(self, trainer: Trainer) -> None:
        self.monkeypatch.setattr(model_types, "load_trainer", lambda *_: trainer)

    def environ(self) -> Mapping[str, str]:
        """Reserve the next attempt; give its container's environment."""
        registry, model_id = self.engine.registry, self.record.model_id
        now = registry.get(model_id)
        assert now is not None
        if now.attempt:
            cause = Cause.INTERRUPTION
            registry.amend(
                model_id, lambda r: send_back(r, r.attempt, r.task, cause, "stopped", NOW, NOW)
            )
        launch = launch_of(now, now.attempt + 1, self.settings)
        registry.amend(model_id, lambda r: reserve(r, r.attempt + 1, launch, NOW), cap=9)
        return {**launch.environment, "TRAINSHED_TASK": TASK}

    def interrupted_at(self, epoch: int, **settings: Any) -> None:
        with pytest.raises(Interrupted):
            self.attempt(Trainer(stop_at(epoch)), **settings)

    def stored(self, epoch: int, name: str, home: Path) -> Path:
        """Where attempt 1's checkpoint lies."""
        prefix = checkpoints_prefix(self.record.model_id)
        return home / "artifacts" / prefix / "1" / str(epoch) / name


@pytest.fixture
def dataset(tmp_path: Path) -> Path:
    folder = tmp_path / "data"
    folder.mkdir()
    (folder / "train.txt").write_text("some words")
    return folder


@pytest.fixture
def bench(
    engine: Engine, settings: Settings, monkeypatch: pytest.MonkeyPatch, dataset: Path
) -> Bench:
    record = pending_record(epochs=EPOCHS, dataset=str(dataset), max_attempts=9)
    engine.registry.put_new(record)
    return Bench(engine, settings, monkeypatch, record)


EVERY_EPOCH = {"checkpoint_seconds": 1e-9}


def test_an_interrupted_training_goes_on_where_it_was(bench: Bench) -> None:
    bench.interrupted_at(3)
    assert bench.checkpoints.newest_first() == [Checkpoint(epoch=3, attempt=1)]
    assert bench.engine.artifacts.keys(artifact_prefix(bench.record.model_id, 1)) == []

    second = Trainer()
    bench.attempt(second)
    assert (second.began_with, second.trained) == (["3"], [4, 5])
    assert verify(bench.engine.artifacts, bench.record.model_id, 2)


def test_it_may_be_interrupted_again_and_again(bench: Bench) -> None:
    trained = []
    for last in (1, 2, 3, 4, 5):
        trainer = Trainer(stop_at(last))
        with pytest.raises(Interrupted):
            bench.attempt(trainer)
        trained += trainer.trained
    last_one = Trainer()
    bench.attempt(last_one)
    assert last_one.began_with == ["5"], "all epochs are done, and only the artifact is not"
    assert trained + last_one.trained == [1, 2, 3, 4, 5]
    assert [each.epoch for each in bench.checkpoints.newest_first()] == [5, 4]


def test_one_that_is_stopped_before_its_first_epoch_has_nothing_to_keep(bench: Bench) -> None:
    class Early(Trainer):
        def train(self, job: TrainingJob) -> None:
            interrupt()

    with pytest.raises(Interrupted):
        bench.attempt(Early())
    assert bench.checkpoints.newest_first() == []
    second = Trainer()
    bench.attempt(second)
    assert (second.began_with, second.trained) == ([None], [1, 2, 3, 4, 5])


def test_a_framework_that_is_being_imported_is_imported_to_its_end(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    trainer = Trainer()

    def load(*_: object) -> Trainer:
        try:
            interrupt()
        except Interrupted as error:  # as numpy's modules do
            raise ImportError("a core module failed to import") from error
        return trainer

    monkeypatch.setattr(
        bench, "use", lambda _: monkeypatch.setattr(model_types, "load_trainer", load)
    )
    with pytest.raises(Interrupted):
        bench.attempt(trainer)
    assert trainer.trained == []


def test_a_checkpoint_that_is_being_written_is_written_to_its_end(bench: Bench) -> None:
    class Unlucky(Trainer):
        def write(self, folder: Path, epoch: int) -> None:
            if epoch == 2:
                interrupt()
            super().write(folder, epoch)

    first = Unlucky()
    with pytest.raises(Interrupted):
        bench.attempt(first)
    assert first.trained == [1, 2]
    second = Trainer()
    bench.attempt(second)
    assert second.began_with == ["2"]


def test_a_signal_that_gets_lost_is_heard_at_the_next_report(bench: Bench) -> None:
    def swallow(epoch: int, job: TrainingJob) -> None:
        if epoch == 2:
            try:
                interrupt()
            except Interrupted:  # as a framework's callback or a destructor would
                logging.getLogger(__name__).info("swallowed")
            job.report(Progress(epoch, EPOCHS, None, None, "", None, None))

    first = Trainer(swallow)
    with pytest.raises(Interrupted):
        bench.attempt(first)
    assert first.trained == [1, 2]
    assert bench.checkpoints.newest_first() == [Checkpoint(2, 1)]


def test_what_goes_wrong_after_the_signal_is_no_failure(bench: Bench) -> None:
    def fall_over(epoch: int, _: TrainingJob) -> None:
        try:
            interrupt()
        except BaseException as error:
            raise RuntimeError("a worker has died") from error

    with pytest.raises(Interrupted):
        bench.attempt(Trainer(fall_over))
    assert bench.checkpoints.newest_first() == [Checkpoint(1, 1)]


def test_an_artifact_that_is_being_published_is_published(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = bench.engine.artifacts
    real = store.put

    def put(key: str, path: Path) -> None:
        interrupt()
        real(key, path)

    monkeypatch.setattr(store, "put", put)
    bench.attempt(Trainer())
    assert verify(store, bench.record.model_id, 1)


def test_a_training_that_nobody_stops_uploads_none_too_often(bench: Bench) -> None:
    bench.attempt(Trainer())
    assert bench.checkpoints.newest_first() == []


def test_now_and_then_one_is_uploaded_and_two_stay(bench: Bench) -> None:
    seen = []
    bench.attempt(
        Trainer(lambda *_: seen.append([each.epoch for each in bench.checkpoints.newest_first()])),
        **EVERY_EPOCH,
    )
    assert seen == [[1], [2, 1], [3, 2], [4, 3], [5, 4]]


def test_a_lost_host_costs_the_epochs_after_the_last_upload(bench: Bench) -> None:
    class Lost(BaseException):
        pass

    def die(epoch: int, _: TrainingJob) -> None:
        if epoch == 3:
            raise Lost

    with pytest.raises(Lost):
        bench.attempt(Trainer(die), **EVERY_EPOCH)
    second = Trainer()
    bench.attempt(second)
    assert (second.began_with, second.trained) == (["3"], [4, 5])


def truncate(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-1])


def flip_a_bit(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[0] ^= 1
    path.write_bytes(content)


@pytest.mark.parametrize("damage", [Path.unlink, truncate, flip_a_bit])
@pytest.mark.parametrize("name", ["state/epochs", "training.json", "manifest.json"])
def test_a_damaged_one_is_passed_over_for_the_one_before_it(
    bench: Bench,
    home: Path,
    damage: Callable[[Path], None],
    name: str,
    caplog: pytest.LogCaptureFixture,
) -> None:
    bench.interrupted_at(3, **EVERY_EPOCH)
    damage(bench.stored(3, name, home))
    second = Trainer(stop_at(4))
    with pytest.raises(Interrupted):
        bench.attempt(second)
    assert (second.began_with, second.trained) == (["2"], [3, 4])
    assert "epoch 3 (attempt 1) is passed over: " in caplog.text
    assert Path(name).name in caplog.text
    third = Trainer()
    bench.attempt(third)
    assert third.began_with == ["4"]


def test_without_a_whole_one_it_begins_anew(bench: Bench, home: Path) -> None:
    bench.interrupted_at(3, **EVERY_EPOCH)
    for epoch in (2, 3):
        bench.stored(epoch, "manifest.json", home).unlink()
    second = Trainer()
    bench.attempt(second)
    assert (second.began_with, second.trained) == ([None], [1, 2, 3, 4, 5])


def test_one_that_began_anew_is_gone_on_from_too(bench: Bench, dataset: Path) -> None:
    bench.interrupted_at(4, **EVERY_EPOCH)
    (dataset / "train.txt").write_text("other words")
    bench.interrupted_at(2, **EVERY_EPOCH)
    third = Trainer()
    bench.attempt(third)
    assert (third.began_with, third.trained) == (["2"], [3, 4, 5])


def test_a_half_written_one_takes_no_whole_ones_place(bench: Bench, home: Path) -> None:
    bench.interrupted_at(3, **EVERY_EPOCH)
    bench.stored(3, "manifest.json", home).unlink()
    bench.interrupted_at(4, checkpoint_seconds=3600)
    assert bench.checkpoints.newest_first() == [
        Checkpoint(4, 2),
        Checkpoint(3, 1),  # the half of it
        Checkpoint(2, 1),
    ]


def test_another_models_checkpoint_is_none_of_this_one(bench: Bench, home: Path) -> None:
    bench.interrupted_at(3)
    mine = bench.stored(3, "manifest.json", home)
    mine.write_text(mine.read_text().replace(bench.record.model_id, "other-model"))
    second = Trainer()
    bench.attempt(second)
    assert second.began_with == [None]


def test_other_feedback_makes_another_training(bench: Bench, dataset: Path, tmp_path: Path) -> None:
    assignment = Assignment.from_environment(bench.environ())
    files = [write(tmp_path, [feedback_of(number=number)]) for number in (1, 2, 1)]
    none, one, other, again = (Training.of(assignment, dataset, file) for file in (None, *files))
    assert one == again
    assert len({none.feedback, one.feedback, other.feedback}) == 3


def test_a_checkpoint_from_before_there_was_feedback_is_gone_on_from(
    bench: Bench, tmp_path: Path
) -> None:
    bench.interrupted_at(3)
    bench.checkpoints.fetch(Checkpoint(3, 1), folder := _made(tmp_path / "older"))
    training = json.loads((folder / "training.json").read_text())
    del training["feedback"]
    (folder / "training.json").write_text(json.dumps(training))
    bench.checkpoints.put(Checkpoint(3, 1), folder, "toy", NOW)
    second = Trainer()
    bench.attempt(second)
    assert second.began_with == ["3"]


@pytest.mark.parametrize("training", [None, [], {}, "x"])
def test_a_checkpoint_that_tells_no_training_is_refused(
    bench: Bench, tmp_path: Path, training: Any
) -> None:
    bench.interrupted_at(3)
    bench.checkpoints.fetch(Checkpoint(3, 1), folder := _made(tmp_path / "odd"))
    (folder / "training.json").write_text(json.dumps(training))
    bench.checkpoints.put(Checkpoint(3, 1), folder, "toy", NOW)
    second = Trainer()
    bench.attempt(second)
    assert second.began_with == [None]


def test_a_checkpoint_of_other_data_is_refused(
    bench: Bench, dataset: Path, caplog: pytest.LogCaptureFixture
) -> None:
    bench.interrupted_at(3)
    (dataset / "train.txt").write_text("other words")
    second = Trainer()
    bench.attempt(second)
    assert second.began_with == [None]
    assert "It is of another training: dataset differ." in caplog.text


@pytest.mark.parametrize(
    "change",
    [
        {"epochs": 6},
        {"hyperparameters": {"seed": 2}},
        {"model_type": "other"},
        {"feedback": "0" * 64},
    ],
)
def test_a_checkpoint_of_another_training_is_refused(
    bench: Bench, home: Path, tmp_path: Path, change: dict[str, Any]
) -> None:
    bench.interrupted_at(3)
    folder = tmp_path / "forged"
    bench.checkpoints.fetch(Checkpoint(3, 1), folder := _made(folder))
    training = json.loads((folder / "training.json").read_text())
    (folder / "training.json").write_text(json.dumps({**training, **change}))
    bench.checkpoints.put(Checkpoint(3, 1), folder, "toy", NOW)
    second = Trainer()
    bench.attempt(second)
    assert second.began_with == [None]


def _made(folder: Path) -> Path:
    folder.mkdir()
    return folder


def test_a_trainer_that_cannot_use_it_begins_anew_with_an_empty_folder(
    bench: Bench, caplog: pytest.LogCaptureFixture
) -> None:
    class Updated(Trainer):
        def train(self, job: TrainingJob) -> None:
            super().train(replace(job, epochs=0) if job.checkpoint else job)
            if job.checkpoint:
                raise UnusableCheckpoint("Its weights are another network's.")

    bench.interrupted_at(3)
    second = Updated()
    bench.attempt(second)
    assert (second.began_with, second.trained) == (["3", None], [1, 2, 3, 4, 5])
    assert "begins anew: Its weights are another network's." in caplog.text


def test_a_trainer_that_saves_none_is_trained_anew(bench: Bench) -> None:
    with pytest.raises(Interrupted):
        bench.attempt(Trainer(stop_at(3), uses_checkpoints=False))
    second = Trainer(uses_checkpoints=False)
    bench.attempt(second)
    assert second.trained == [1, 2, 3, 4, 5]


def test_what_cannot_be_uploaded_costs_no_more_than_itself(
    bench: Bench, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    store = bench.engine.artifacts
    real = store.put
    failing = True

    def put(key: str, path: Path) -> None:
        if failing and key.endswith("/epochs"):
            raise StorageUnavailable("The disk is away.")
        real(key, path)

    monkeypatch.setattr(store, "put", put)
    trainer = Trainer(stop_at(5))
    with pytest.raises(Interrupted):
        bench.attempt(trainer, **EVERY_EPOCH)
    assert trainer.trained == [1, 2, 3, 4, 5]
    assert "epoch 1 was not uploaded: The disk is away." in caplog.text

    failing = False
    second = Trainer()
    bench.attempt(second)
    assert second.began_with == [None], "half of it was there, and is passed over"


def test_an_upload_that_went_wrong_is_made_again(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = bench.engine.artifacts
    real = store.put
    calls: list[str] = []

    def put(key: str, path: Path) -> None:
        calls.append(key)
        if len(calls) == 2:  # after one file of the first upload
            raise StorageUnavailable("The disk is away.")
        real(key, path)

    monkeypatch.setattr(store, "put", put)
    bench.interrupted_at(1, **EVERY_EPOCH)
    second = Trainer()
    bench.attempt(second)
    assert second.began_with == ["1"]


@pytest.mark.parametrize(
    "error",
    [
        OSError(errno.ENOSPC, "no room"),
        RuntimeError("PytorchStreamWriter failed writing file"),
        KeyError("a trainer's own"),
    ],
)
def test_a_checkpoint_that_cannot_be_written_fails_no_training(
    bench: Bench, caplog: pytest.LogCaptureFixture, error: Exception
) -> None:
    class Failing(Trainer):
        def write(self, folder: Path, epoch: int) -> None:
            super().write(folder, epoch)
            if epoch > 1:
                raise error

    trainer = Failing(stop_at(3))
    with pytest.raises(Interrupted):
        bench.attempt(trainer)
    assert "The checkpoint of epoch 3 cannot be kept" in caplog.text
    assert bench.checkpoints.newest_first() == [Checkpoint(1, 1)], "the last that could be"


def test_the_container_says_by_its_exit_code_that_it_was_interrupted(bench: Bench) -> None:
    before = signal.getsignal(signal.SIGTERM)
    environ = bench.environ()
    bench.use(Trainer(stop_at(2)))
    assert main(environ) == EXIT_INTERRUPTED
    key = (bench.record.model_id, 1)
    assert key not in bench.engine.registry.reports([key]), "it is no failure"
    assert bench.checkpoints.newest_first() == [Checkpoint(2, 1)]
    assert signal.getsignal(signal.SIGTERM) is before


def test_an_artifact_that_cannot_be_written_costs_no_epoch(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The main entry has an engine of its own, so the store is broken by its class."""
    real = LocalArtifacts.put

    def put(store: LocalArtifacts, key: str, path: Path) -> None:
        if key.endswith("model.bin"):
            raise StorageUnavailable("The disk is away.")
        real(store, key, path)

    with monkeypatch.context() as patch:
        patch.setattr(LocalArtifacts, "put", put)
        bench.use(Trainer())
        assert main(bench.environ()) == EXIT_STORAGE_UNAVAILABLE
    key = (bench.record.model_id, 1)
    assert bench.engine.registry.reports([key])[key].failure == "The disk is away."
    second = Trainer()
    bench.attempt(second)
    assert (second.began_with, second.trained) == (["5"], [])


def named(name: str, base: type[Exception] = RuntimeError) -> Exception:
    error: Exception = type(name, (base,), {})("no more")
    return error


def raised_for(cause: Exception) -> Exception:
    error = RuntimeError("the batch failed")
    error.__cause__ = cause
    return error


@pytest.mark.parametrize(
    "error",
    [
        MemoryError(),
        OSError(errno.ENOMEM, "Cannot allocate memory"),
        named("OutOfMemoryError"),
        named("ResourceExhaustedError", Exception),
        RuntimeError("[enforce fail] DefaultCPUAllocator: can't allocate memory: you tried to …"),
        RuntimeError("CUDA out of memory. Tried to allocate 20.00 MiB"),
        raised_for(MemoryError()),
    ],
)
def test_out_of_memory_is_known_in_every_frameworks_words(error: Exception) -> None:
    assert is_out_of_memory(error)


@pytest.mark.parametrize(
    "error",
    [
        ValueError("can't allocate memory"),
        RuntimeError("shapes differ"),
        OSError(errno.ENOSPC, "disk"),
        raised_for(ValueError()),
    ],
)
def test_what_is_not_out_of_memory(error: Exception) -> None:
    assert not is_out_of_memory(error)

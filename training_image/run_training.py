"""run_training: one attempt, from the claim to the published artifact.

An attempt that is interrupted leaves a checkpoint, and a later one goes on from it.
"""

from __future__ import annotations

import logging
import shutil
import tempfile
from collections.abc import Callable
from dataclasses import asdict, replace
from datetime import datetime
from pathlib import Path

import model_types
from training_image.examples import read_examples
from training_image.interruption import Interrupted, Interruption
from training_image.keeper import Keeper, Training
from trainshed.checkpoints import Checkpoints
from trainshed.errors import InvalidRequest, Stale, StorageUnavailable, UnknownDataset, UnknownModel
from trainshed.handoff import Assignment
from trainshed.manifest import publish
from trainshed.ports import ArtifactStore, DatasetStore, Registry, Report
from trainshed.record import claim
from trainshed.settings import Settings

_logger = logging.getLogger(__name__)


class NotClaimed(Exception):
    """The attempt is over, or another container works on it."""


def run_training(
    assignment: Assignment,
    task: str,
    registry: Registry,
    artifacts: ArtifactStore,
    datasets: DatasetStore,
    settings: Settings,
    clock: Callable[[], datetime],
    interruption: Interruption,
) -> None:
    """Claim the attempt, train, publish the artifact with its manifest last.

    Raises `NotClaimed` before any work if the attempt is not this task's, `InvalidRequest`,
    `UnknownDataset`, `InvalidFeedback` and `model_types.InvalidData` for what the user can mend,
    whatever the trainer raises, and `Interrupted` when the last checkpoint has been uploaded, as it
    is, where that can be, before the `StorageUnavailable` of an artifact that cannot be written.
    """
    model_id, attempt = assignment.model_id, assignment.attempt
    try:
        registry.amend(model_id, lambda record: claim(record, attempt, task, clock()))
    except (Stale, UnknownModel) as error:
        raise NotClaimed(str(error)) from error
    _logger.info("attempt %d of %s: claimed", attempt, model_id)

    def report(progress: model_types.Progress) -> None:
        with interruption.held():
            try:
                registry.report(model_id, attempt, Report(at=clock(), **asdict(progress)))
            except StorageUnavailable as error:  # hours of training are worth more than one report
                _logger.warning("The progress was not reported: %s", error)

    with interruption.held():  # a module of C that is being imported makes another error of it
        trainer = _trainer(assignment, settings)
    with tempfile.TemporaryDirectory() as folder:
        fetched, kept = Path(folder, "dataset"), Path(folder, "checkpoints")
        fetched.mkdir()
        kept.mkdir()
        dataset = _dataset(assignment, datasets, fetched, settings)
        feedback = _feedback(assignment, datasets, Path(folder, "feedback"))
        examples = read_examples(feedback, assignment.model_type) if feedback else []
        keeper = Keeper(
            Checkpoints(artifacts, model_id),
            Training.of(assignment, dataset, feedback),
            attempt,
            kept,
            settings.checkpoint_seconds,
            clock,
        )

        def save_checkpoint(epoch: int, write: Callable[[Path], None]) -> None:
            with interruption.held():
                keeper.save(epoch, write)

        joined = 0

        def count_joined(count: int) -> None:
            nonlocal joined
            joined = count
            _logger.info("%d of %d examples joined the training part", count, len(examples))

        job = model_types.TrainingJob(
            dataset=dataset,
            output=Path(folder, "output"),
            epochs=assignment.epochs,
            hyperparameters=assignment.hyperparameters,
            report=report,
            feedback=examples,
            joined=count_joined,
            allow_downloads=settings.allow_downloads,
            checkpoint=keeper.find() if attempt > 1 else None,
            save_checkpoint=save_checkpoint,
        )
        try:
            _train(trainer, job)
            interruption.hold_for_good()
            told = (model_id, assignment.model_type, attempt, clock(), joined)
            publish(artifacts, job.output, *told)
        except StorageUnavailable:
            keeper.upload()  # it may be the artifact alone that it had no room or no time for
            raise
        except BaseException as error:
            if not interruption.asked:
                raise
            # What else goes wrong once it has been told to stop comes of that.
            interruption.hold_for_good()
            keeper.upload()
            raise Interrupted from error
    _logger.info("attempt %d of %s: artifact written", attempt, model_id)


def _train(trainer: model_types.TrainModule, job: model_types.TrainingJob) -> None:
    """Go on from the checkpoint if there is one that the trainer can use, else begin anew."""
    job.output.mkdir()
    try:
        trainer.train(job)
    except model_types.UnusableCheckpoint as error:
        if job.checkpoint is None:
            raise
        _logger.warning("The training begins anew: %s", error)
        shutil.rmtree(job.output)
        _train(trainer, replace(job, checkpoint=None))


def _trainer(assignment: Assignment, settings: Settings) -> model_types.TrainModule:
    try:
        return model_types.load_trainer(assignment.model_type, settings.model_type_folders)
    except LookupError as error:
        raise InvalidRequest(f"The model type cannot be trained here: {error.args[0]}.") from error


def _dataset(
    assignment: Assignment, datasets: DatasetStore, fetched: Path, settings: Settings
) -> Path:
    """The data set's path, or the sample that the model type carries. Raises `UnknownDataset`."""
    if assignment.dataset is not None:
        return datasets.fetch(assignment.dataset, fetched)
    folder = model_types.find_folder(assignment.model_type, settings.model_type_folders)
    if not (folder / "sample").is_dir():
        raise UnknownDataset(
            f"The model type {assignment.model_type!r} has no sample: name a data set."
        )
    return folder / "sample"


def _feedback(assignment: Assignment, datasets: DatasetStore, fetched: Path) -> Path | None:
    """The path of the file of feedback, if the request names one. Raises `UnknownDataset`."""
    if assignment.feedback is None:
        return None
    fetched.mkdir()
    try:
        return datasets.fetch(assignment.feedback, fetched)
    except UnknownDataset as error:
        raise UnknownDataset(f"The feedback cannot be read: {error}") from error

"""run_training: one attempt, from the claim to the published artifact."""

from __future__ import annotations

import logging
import tempfile
from collections.abc import Callable
from dataclasses import asdict
from datetime import datetime
from pathlib import Path

import model_types
from trainshed.errors import InvalidRequest, Stale, StorageUnavailable, UnknownModel
from trainshed.handoff import Assignment
from trainshed.manifest import publish
from trainshed.ports import ArtifactStore, Registry, Report
from trainshed.record import claim
from trainshed.settings import Settings

_logger = logging.getLogger(__name__)


class NotClaimed(Exception):
    """The attempt is over, or another container works on it."""


def run_training(
    assignment: Assignment,
    registry: Registry,
    artifacts: ArtifactStore,
    settings: Settings,
    clock: Callable[[], datetime],
) -> None:
    """Claim the attempt, train, publish the artifact with its manifest last.

    Raises `NotClaimed` before any work if the attempt is not this task's, `model_types.InvalidData`
    and `InvalidRequest` for what the user can mend, and whatever the trainer raises.
    """
    model_id, attempt = assignment.model_id, assignment.attempt
    try:
        registry.amend(model_id, lambda record: claim(record, attempt, assignment.task, clock()))
    except (Stale, UnknownModel) as error:
        raise NotClaimed(str(error)) from error
    _logger.info("attempt %d of %s: claimed", attempt, model_id)

    def report(progress: model_types.Progress) -> None:
        try:
            registry.report(model_id, attempt, Report(at=clock(), **asdict(progress)))
        except StorageUnavailable as error:  # hours of training are worth more than one report
            _logger.warning("The progress was not reported: %s", error)

    trainer = _trainer(assignment, settings)
    with tempfile.TemporaryDirectory() as folder:
        output = Path(folder)
        trainer.train(
            model_types.TrainingJob(
                dataset=_dataset(assignment, settings),
                output=output,
                epochs=assignment.epochs,
                hyperparameters=assignment.hyperparameters,
                report=report,
                allow_downloads=settings.allow_downloads,
            )
        )
        publish(artifacts, output, model_id, assignment.model_type, attempt, clock())
    _logger.info("attempt %d of %s: artifact written", attempt, model_id)


def _trainer(assignment: Assignment, settings: Settings) -> model_types.TrainModule:
    try:
        return model_types.load_trainer(assignment.model_type, settings.model_type_folders)
    except LookupError as error:
        raise InvalidRequest(f"The model type cannot be trained here: {error.args[0]}.") from error


def _dataset(assignment: Assignment, settings: Settings) -> Path:
    """The data set's path, or the sample that the model type carries. Raises `InvalidData`."""
    if assignment.dataset is not None:
        path = Path(assignment.dataset)
    else:
        folder = model_types.find_folder(assignment.model_type, settings.model_type_folders)
        path = folder / "sample"
    if not path.exists():
        raise model_types.InvalidData(f"There is no data set {path}.")
    return path

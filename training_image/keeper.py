"""Keeper: keeps a training's newest checkpoint at hand and brings it to the artifact store, now and
then and before the container goes."""

from __future__ import annotations

import hashlib
import json
import logging
import shutil
import tempfile
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from training_image.memory import is_out_of_memory
from trainshed.checkpoints import Checkpoint, Checkpoints
from trainshed.errors import ArtifactDamaged, TrainshedError
from trainshed.handoff import Assignment
from trainshed.manifest import entry_of

_TRAINING_FILE = "training.json"
_STATE_FOLDER = "state"
"""What the trainer itself has written; `training.json` beside it is ours."""

_logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Training:
    """What a checkpoint is a part of; no other training may go on from it."""

    model_type: str
    epochs: int
    hyperparameters: dict[str, Any]
    dataset: str
    """The sha256 of its files' names and contents."""
    feedback: str | None
    """The sha256 of the file; None without feedback."""

    @classmethod
    def of(cls, assignment: Assignment, dataset: Path, feedback: Path | None) -> Training:
        return cls(
            model_type=assignment.model_type,
            epochs=assignment.epochs,
            hyperparameters=dict(assignment.hyperparameters),
            dataset=_digest(dataset),
            feedback=_digest(feedback) if feedback is not None else None,
        )


class Keeper:
    def __init__(
        self,
        checkpoints: Checkpoints,
        training: Training,
        attempt: int,
        folder: Path,
        seconds_between: float,
        clock: Callable[[], datetime],
    ) -> None:
        self._checkpoints = checkpoints
        self._training = training
        self._attempt = attempt
        self._folder = folder
        self._seconds_between = seconds_between
        self._clock = clock
        self._newest: tuple[int, Path] | None = None
        self._uploaded_at = time.monotonic()

    def find(self) -> Path | None:
        """The newest checkpoint of this training that is whole, as the trainer had written it."""
        for checkpoint in self._checkpoints.newest_first():
            folder = Path(tempfile.mkdtemp(dir=self._folder))
            try:
                self._checkpoints.fetch(checkpoint, folder)
                self._check(folder)
            except ArtifactDamaged as damage:
                _logger.warning(
                    "The checkpoint of epoch %d (attempt %d) is passed over: %s",
                    *(checkpoint.epoch, checkpoint.attempt, damage),
                )
                shutil.rmtree(folder)
            else:
                _logger.info(
                    "goes on from the checkpoint of epoch %d (attempt %d)",
                    *(checkpoint.epoch, checkpoint.attempt),
                )
                return folder / _STATE_FOLDER
        return None

    def save(self, epoch: int, write: Callable[[Path], None]) -> None:
        """Keep what `write` writes in place of what was kept, and upload it if the last time was
        long ago. That this fails fails no training."""
        folder = Path(tempfile.mkdtemp(dir=self._folder))
        try:
            (folder / _STATE_FOLDER).mkdir()
            write(folder / _STATE_FOLDER)
            (folder / _TRAINING_FILE).write_text(json.dumps(asdict(self._training)))
        except Exception as error:  # also the trainer's own
            if is_out_of_memory(error):
                raise
            _logger.warning("The checkpoint of epoch %d cannot be kept: %s", epoch, error)
            shutil.rmtree(folder)
            return
        if self._newest is not None:
            shutil.rmtree(self._newest[1])
        self._newest = (epoch, folder)
        if time.monotonic() - self._uploaded_at >= self._seconds_between:
            self.upload()

    def upload(self) -> None:
        """Bring what is kept to the artifact store, if it is not there yet."""
        if self._newest is None:
            return
        epoch, folder = self._newest
        begun = time.monotonic()
        checkpoint = Checkpoint(epoch, self._attempt)
        try:
            self._checkpoints.put(checkpoint, folder, self._training.model_type, self._clock())
        except (TrainshedError, OSError) as error:
            _logger.warning("The checkpoint of epoch %d was not uploaded: %s", epoch, error)
        else:
            seconds = time.monotonic() - begun
            _logger.info("checkpoint of epoch %d: uploaded in %.1f s", epoch, seconds)
            shutil.rmtree(folder)
            self._newest = None
        self._uploaded_at = time.monotonic()

    def _check(self, folder: Path) -> None:
        """Raise `ArtifactDamaged` unless it is a checkpoint of this training."""
        try:
            found = json.loads((folder / _TRAINING_FILE).read_bytes())
        except (FileNotFoundError, ValueError):
            raise ArtifactDamaged(f"It has no {_TRAINING_FILE} that can be read.") from None
        ours = asdict(self._training)
        # An older one says nothing of feedback, for there was none.
        theirs = {"feedback": None, **found} if isinstance(found, dict) else {}
        if theirs != ours:
            others = [name for name in ours if theirs.get(name) != ours[name]]
            raise ArtifactDamaged(
                f"It is of another training: {', '.join(others) or 'its form'} differ."
            )


def _digest(dataset: Path) -> str:
    if dataset.is_file():
        return entry_of(dataset).sha256
    digest = hashlib.sha256()
    for path in sorted(path for path in dataset.rglob("*") if path.is_file()):
        name = path.relative_to(dataset).as_posix()
        digest.update(f"{json.dumps(name)} {entry_of(path).sha256}\n".encode())
    return digest.hexdigest()

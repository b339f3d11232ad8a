"""A training that does as it is told, and sees whether a world ends it before."""

from __future__ import annotations

from functools import partial
from pathlib import Path

from model_types import InvalidData, Progress, TrainingJob

_STATE = "epochs-done.txt"


def train(job: TrainingJob) -> None:
    done = 0
    if job.checkpoint is not None:
        done = int((job.checkpoint / _STATE).read_text(encoding="utf-8"))
    for epoch in range(done + 1, job.epochs + 1):
        job.report(Progress(epoch, job.epochs, 1 / epoch, 0.5, "luck", 10.0, 0.0))
        job.save_checkpoint(epoch, partial(_write_checkpoint, epoch))
    match job.hyperparameters["ending"]:
        case "error":
            raise ArithmeticError("the loss is not a number")
        case "invalid data":
            raise InvalidData("line 3 has no tag")
        case "out of memory":
            raise MemoryError("no room for it")
        case "well":
            (job.output / "model.bin").write_bytes(b"weights")
            (job.output / "words.txt").write_bytes(b"words")


def _write_checkpoint(epoch: int, folder: Path) -> None:
    (folder / _STATE).write_text(str(epoch), encoding="utf-8")

"""A training that keeps the checkpoint of every epoch, and one that goes on from any of them."""

from __future__ import annotations

import csv
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from model_types import TrainingJob, TrainModule

_TIMES = ("samples_per_second", "seconds")


def train_and_keep(trainer: TrainModule, job: TrainingJob, kept: Path) -> list[int]:
    """Train, with the checkpoint of each epoch in a folder of its own below `kept`; give the epochs
    that were saved."""
    saved = []

    def save(epoch: int, write: Callable[[Path], None]) -> None:
        saved.append(epoch)
        folder = kept / str(epoch)
        folder.mkdir(parents=True)
        write(folder)

    job.output.mkdir(parents=True)
    trainer.train(replace(job, save_checkpoint=save))
    return saved


def history_of(folder: Path) -> list[dict[str, str]]:
    """history.csv without what the clock says."""
    with (folder / "history.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    return [{name: row[name] for name in row if name not in _TIMES} for row in rows]

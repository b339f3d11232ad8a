"""What going on with a training takes: its numbers, its best weights and the rest, a file each."""

from __future__ import annotations

import json
import zipfile
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import keras
import numpy as np
import numpy.typing as npt

from model_types import UnusableCheckpoint
from model_types.training_report import Epoch

_VARIABLES = "variables.npz"
_BEST = "best.npz"
_STATE = "state.json"

Arrays = Sequence[npt.NDArray[Any]]


@dataclass
class Course:
    """How far a training has come, beside what is in the network and in its optimiser."""

    history: list[Epoch]
    best_loss: float | None
    """On dev, of the best epoch; None before the first."""
    share: float
    """Of the deep heads in the mean, in the best epoch."""
    best_weights: Arrays
    """Of the deep heads, those of the best epoch."""


def save(folder: Path, course: Course, variables: Sequence[Any], rng: np.random.Generator) -> None:
    """Write all of it into `folder`. `variables` are the network's (weights and the states of its
    random generators) and the optimiser's (moments and steps done, hence the schedule's place)."""
    _write(folder / _VARIABLES, [keras.ops.convert_to_numpy(each) for each in variables])
    _write(folder / _BEST, course.best_weights)
    state = {
        "history": [asdict(epoch) for epoch in course.history],
        "best_loss": course.best_loss,
        "share": course.share,
        "rng": rng.bit_generator.state,
    }
    (folder / _STATE).write_text(json.dumps(state), encoding="utf-8")


def restore(folder: Path, variables: Sequence[Any], rng: np.random.Generator) -> Course:
    """Set `variables` and `rng` as they were. Raises `UnusableCheckpoint`, before it sets any, if
    they are another network's."""
    try:
        values = _read(folder / _VARIABLES)
        best_weights = _read(folder / _BEST)
        state = json.loads((folder / _STATE).read_text(encoding="utf-8"))
        history = [Epoch(**row) for row in state["history"]]
        course = Course(history, float(state["best_loss"]), float(state["share"]), best_weights)
        _check(values, variables)
        rng.bit_generator.state = state["rng"]
    except (OSError, ValueError, KeyError, TypeError, zipfile.BadZipFile) as error:
        raise UnusableCheckpoint(f"It does not fit this network: {error}") from error
    for variable, value in zip(variables, values, strict=True):
        variable.assign(value)
    return course


def _check(values: Arrays, variables: Sequence[Any]) -> None:
    if len(values) != len(variables):
        raise ValueError(f"{len(values)} variables instead of {len(variables)}")
    for value, variable in zip(values, variables, strict=True):
        if value.shape != tuple(variable.shape):
            raise ValueError(f"{variable.path} has the shape {value.shape}")


def _write(path: Path, arrays: Arrays) -> None:
    named: dict[str, Any] = {str(number): array for number, array in enumerate(arrays)}
    np.savez(path, **named)


def _read(path: Path) -> Arrays:
    with path.open("rb") as file, np.load(file, allow_pickle=False) as arrays:
        return [arrays[str(number)] for number in range(len(arrays))]

"""A training that goes on from a checkpoint ends as if it had not been interrupted."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from model_types import TrainingJob, UnusableCheckpoint, load_trainer
from model_types.sentiment import checkpoint
from tests.resuming import history_of, train_and_keep

from .conftest import FOLDERS

# Keras on TensorFlow, about NumPy 2.
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")

EPOCHS = 3
TEXTS = 150


@pytest.fixture(scope="module")
def job(defaults: Any, sample: Path, tmp_path_factory: pytest.TempPathFactory) -> TrainingJob:
    root = tmp_path_factory.mktemp("resuming")
    (root / "data").mkdir()
    for name in ("train.csv", "dev.csv", "test.csv"):
        lines = (sample / name).read_text(encoding="utf-8").splitlines(keepends=True)
        (root / "data" / name).write_text("".join(lines[: TEXTS + 1]), encoding="utf-8")
    values = {name: field["default"] for name, field in defaults["hyperparameters"].items()}
    values |= {"embedding_size": 8, "hidden_size": 8}
    return TrainingJob(root / "data", root / "whole", EPOCHS, values, lambda _: None)


@pytest.fixture(scope="module")
def kept(job: TrainingJob, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The checkpoints of a training that nobody interrupts."""
    folder = tmp_path_factory.mktemp("kept")
    assert train_and_keep(load_trainer("sentiment", FOLDERS), job, folder) == [1, 2, 3]
    return folder


def test_it_ends_as_if_it_had_not_been_interrupted(
    job: TrainingJob, kept: Path, tmp_path: Path, how_many: Callable[[int, int], int]
) -> None:
    import keras

    for done in (1, 3)[: how_many(1, 2)]:
        resumed = replace(job, output=tmp_path / f"after-{done}", checkpoint=kept / str(done))
        trainer = load_trainer("sentiment", FOLDERS)
        saved = train_and_keep(trainer, resumed, tmp_path / f"kept-{done}")
        assert saved == list(range(done + 1, EPOCHS + 1)), "no epoch twice"

        history = history_of(resumed.output)
        assert [row["epoch"] for row in history] == ["1", "2", "3"]
        assert history == history_of(job.output)
        for name in ("metrics.json", "vocabulary.json"):
            assert (resumed.output / name).read_bytes() == (job.output / name).read_bytes()
        weights = [
            keras.saving.load_model(folder / "framework" / "model.keras").get_weights()
            for folder in (job.output, resumed.output)
        ]
        for one, other in zip(*weights, strict=True):
            np.testing.assert_array_equal(one, other)


class Variable:
    """As Keras has them, as far as it matters here."""

    path = "a/kernel"

    def __init__(self, value: np.ndarray[Any, Any]) -> None:
        self.value = value
        self.shape = value.shape

    def assign(self, value: np.ndarray[Any, Any]) -> None:
        self.value = value


def variables_in(folder: Path) -> list[Variable]:
    with np.load(folder / "variables.npz") as arrays:
        return [Variable(np.zeros_like(array)) for array in arrays.values()]


def drop(folder: Path) -> None:
    (folder / "best.npz").unlink()


def cut(folder: Path) -> None:
    path = folder / "variables.npz"
    path.write_bytes(path.read_bytes()[:1000])


def keep_all_but_one(folder: Path) -> None:
    with np.load(folder / "variables.npz") as arrays:
        kept: dict[str, Any] = dict(list(arrays.items())[:-1])
    np.savez(folder / "variables.npz", **kept)


def turn(folder: Path) -> None:
    with np.load(folder / "variables.npz") as arrays:
        turned: dict[str, Any] = {name: array.T for name, array in arrays.items()}
    np.savez(folder / "variables.npz", **turned)


def pickle_something(folder: Path) -> None:
    pickled: dict[str, Any] = {"0": np.array([{"a": 1}], dtype=object)}
    np.savez(folder / "best.npz", **pickled)


def forget_the_generator(folder: Path) -> None:
    state = json.loads((folder / "state.json").read_text(encoding="utf-8"))
    (folder / "state.json").write_text(json.dumps({**state, "rng": {}}), encoding="utf-8")


@pytest.mark.parametrize(
    "harm", [drop, cut, keep_all_but_one, turn, pickle_something, forget_the_generator]
)
def test_a_checkpoint_that_does_not_fit_is_refused(
    kept: Path, tmp_path: Path, harm: Callable[[Path], None]
) -> None:
    folder = shutil.copytree(kept / "2", tmp_path / "harmed")
    variables = variables_in(folder)
    assert checkpoint.restore(folder, variables, np.random.default_rng()).history[-1].epoch == 2
    assert any(variable.value.any() for variable in variables)

    variables = variables_in(folder)
    harm(folder)
    with pytest.raises(UnusableCheckpoint):
        checkpoint.restore(folder, variables, np.random.default_rng())
    assert not any(variable.value.any() for variable in variables), "nothing is half set"

from __future__ import annotations

import json
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

import model_types
from model_types import Predictor, Progress, TrainingJob

FOLDERS = [model_types.builtin_folder()]
TYPE_FOLDER = model_types.builtin_folder() / "sentiment"


@dataclass(frozen=True)
class Trained:
    folder: Path
    epochs: int
    reports: Sequence[Progress]


@pytest.fixture(scope="session")
def defaults() -> Any:
    """model_type.json."""
    return json.loads((TYPE_FOLDER / "model_type.json").read_text(encoding="utf-8"))


@pytest.fixture(scope="session")
def sample() -> Path:
    return TYPE_FOLDER / "sample"


@pytest.fixture(scope="session")
def trained(defaults: Any, sample: Path, tmp_path_factory: pytest.TempPathFactory) -> Trained:
    """One model, trained on the sample as a user would who changes nothing."""
    folder = tmp_path_factory.mktemp("artifact")
    values = {name: field["default"] for name, field in defaults["hyperparameters"].items()}
    reports: list[Progress] = []
    job = TrainingJob(sample, folder, defaults["epochs"], values, reports.append)
    with warnings.catch_warnings():
        # Keras on TensorFlow, about NumPy 2.
        warnings.filterwarnings("ignore", "__array__ implementation", DeprecationWarning)
        model_types.load_trainer("sentiment", FOLDERS).train(job)
    return Trained(folder, job.epochs, reports)


@pytest.fixture(scope="session")
def predictor(trained: Trained) -> Predictor:
    return model_types.load_predictor("sentiment", FOLDERS).load(trained.folder)

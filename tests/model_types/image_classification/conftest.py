from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

import model_types
from model_types import Predictor, Progress, TrainingJob

FOLDERS = [model_types.builtin_folder()]
TYPE_FOLDER = model_types.builtin_folder() / "image_classification"


def noise(number: int, size: tuple[int, int] = (8, 8)) -> Image.Image:
    """A picture of its own for each number."""
    pixels = np.random.default_rng(number).integers(0, 256, (*size[::-1], 3), np.uint8)
    return Image.fromarray(pixels)


def encode(image: Image.Image, form: str = "PNG", **options: Any) -> bytes:
    file = io.BytesIO()
    image.save(file, form, **options)
    return file.getvalue()


def write_zip(path: Path, files: Mapping[str, bytes]) -> Path:
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return path


def pictures(labels: Sequence[str], count: int, start: int = 0) -> dict[str, bytes]:
    """`label/number.png` → that picture, no two alike."""
    return {
        f"{label}/{number}.png": encode(noise(start + place * 1000 + number))
        for place, label in enumerate(labels)
        for number in range(count)
    }


@pytest.fixture(scope="session", autouse=True)
def one_thread() -> Iterator[None]:
    """Small steps are not worth sharing, and beside other work threads wait for each other."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="session")
def defaults() -> Any:
    """model_type.json."""
    return json.loads((TYPE_FOLDER / "model_type.json").read_text(encoding="utf-8"))


@pytest.fixture(scope="session")
def sample() -> Path:
    return TYPE_FOLDER / "sample"


@pytest.fixture
def small_job(defaults: Any, tmp_path: Path) -> Callable[..., TrainingJob]:
    """A job of a second, with an output folder of its own: data set, name, and what else differs
    from the defaults."""

    def make(dataset: Path, name: str, epochs: int = 2, **more: Any) -> TrainingJob:
        values = {name: field["default"] for name, field in defaults["hyperparameters"].items()}
        values |= {"width": 4, "image_size": 16, "batch_size": 8}
        (tmp_path / name).mkdir()
        job = {"report": lambda _: None, **more}
        return TrainingJob(dataset, tmp_path / name, epochs, values, **job)

    return make


@dataclass(frozen=True)
class Trained:
    folder: Path
    epochs: int
    reports: Sequence[Progress]


@pytest.fixture(scope="session")
def trained(defaults: Any, sample: Path, tmp_path_factory: pytest.TempPathFactory) -> Trained:
    """One model, trained on the sample as a user would who changes nothing."""
    folder = tmp_path_factory.mktemp("artifact")
    values = {name: field["default"] for name, field in defaults["hyperparameters"].items()}
    reports: list[Progress] = []
    job = TrainingJob(sample, folder, defaults["epochs"], values, reports.append)
    model_types.load_trainer("image_classification", FOLDERS).train(job)
    return Trained(folder, job.epochs, reports)


@pytest.fixture(scope="session")
def predictor(trained: Trained) -> Predictor:
    return model_types.load_predictor("image_classification", FOLDERS).load(trained.folder)

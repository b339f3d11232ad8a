"""Real pictures: skipped where the data set is not beside the repository."""

from __future__ import annotations

import csv
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from model_types import TrainingJob, load_trainer
from model_types.image_classification import predict
from model_types.image_classification.evaluation import logits
from model_types.image_classification.export import export
from model_types.image_classification.network import Network
from model_types.image_classification.picture import Picture
from model_types.image_classification.tree import open_tree

from .conftest import FOLDERS, encode

CIFAR10 = Path(__file__).parents[3].parent / "shared" / "data" / "cifar10"

pytestmark = pytest.mark.skipif(not CIFAR10.is_dir(), reason=f"no data set in {CIFAR10}")


def test_onnx_agrees_with_torch_on_every_picture_and_png_with_jpeg(tmp_path: Path) -> None:
    with open_tree(CIFAR10 / "val.zip") as tree:
        jpegs = [file.read() for file in tree.files]
        labels = tree.top
    torch.manual_seed(1)
    network = Network(len(labels), 16)
    pixels = [Picture(jpeg).square(32) for jpeg in jpegs]
    pictures = torch.from_numpy(np.stack(pixels)).permute(0, 3, 1, 2)
    network.normalise_by(pictures)
    network.train()
    network(pictures[::10])  # so that the normalisation has something to fold
    export(network.eval(), labels, 32, tmp_path)
    expected = logits(network, pictures).softmax(1).numpy()
    predictor = predict.load(tmp_path)
    for jpeg, shown, scores in zip(jpegs, pixels, expected, strict=True):
        png = encode(Image.fromarray(shown))
        items = [
            *predictor.decode(jpeg, "image/jpeg").items,
            *predictor.decode(png, "image/png").items,
        ]
        first, second = predictor.predict(items)
        assert first == second
        np.testing.assert_allclose(list(first["scores"].values()), scores, atol=1e-5)


@pytest.mark.proof
@pytest.mark.timeout(1800)
def test_a_fifth_of_the_default_training_learns(defaults: Any, tmp_path: Path) -> None:
    values = {name: field["default"] for name, field in defaults["hyperparameters"].items()}
    job = TrainingJob(CIFAR10, tmp_path, defaults["epochs"] // 5, values, report=lambda _: None)
    load_trainer("image_classification", FOLDERS).train(job)
    with (tmp_path / "history.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    curve = [float(row["dev_score"]) for row in rows]
    seconds = sum(float(row["seconds"]) for row in rows)
    sys.stdout.write(f"accuracy on val.zip per epoch: {curve}; {seconds:.0f} s\n")
    assert curve[-1] >= 0.4, "chance gives 0.1, and the whole training 0.72"

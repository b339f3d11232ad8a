"""Training end to end, on the sample and on small made-up data sets."""

from __future__ import annotations

import copy
import csv
import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
import torch
from PIL import Image

from model_types import (
    FRAMEWORK_FOLDER,
    Answers,
    Correctable,
    InvalidData,
    InvalidInput,
    Predictor,
    TrainingJob,
    UnusableCheckpoint,
    golden,
)
from model_types.image_classification import checkpoint, predict
from model_types.image_classification.augment import augment
from model_types.image_classification.dataset import read_parts
from model_types.image_classification.evaluation import logits
from model_types.image_classification.export import export
from model_types.image_classification.network import Network
from model_types.image_classification.picture import Picture
from model_types.image_classification.train import train

from .conftest import Trained, encode, noise, pictures, write_zip

Job = Callable[..., TrainingJob]


@pytest.fixture
def dataset(tmp_path: Path) -> Path:
    return write_zip(tmp_path / "set.zip", pictures(("cat", "dog", "cow"), 12))


def network_of(folder: Path, width: int = 16) -> Network:
    labels = json.loads((folder / "vocabulary.json").read_text(encoding="utf-8"))["labels"]
    network = Network(len(labels), width)
    network.load_state_dict(torch.load(folder / FRAMEWORK_FOLDER / "model.pt", weights_only=True))
    return network


def test_the_artifact_holds_what_the_contract_asks_for(trained: Trained) -> None:
    files = {
        file.relative_to(trained.folder).as_posix()
        for file in trained.folder.rglob("*")
        if file.is_file()
    }
    assert files == {
        f"{FRAMEWORK_FOLDER}/model.pt",
        "model.onnx",
        "vocabulary.json",
        "history.csv",
        "training_curves.png",
        "metrics.json",
        "golden.json",
    }


def test_it_learns_the_sample(trained: Trained) -> None:
    metrics = json.loads((trained.folder / "metrics.json").read_text(encoding="utf-8"))
    assert metrics["score_name"] == "accuracy"
    assert metrics["score"] == metrics["accuracy"]
    assert metrics["score"] > 0.85
    assert set(metrics["labels"]) == {"circle", "cross", "square", "triangle"}
    assert metrics["samples"] == {"train": 300, "dev": 60, "test": 60}


def test_history_has_a_row_per_epoch(trained: Trained) -> None:
    with (trained.folder / "history.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert [int(row["epoch"]) for row in rows] == list(range(1, trained.epochs + 1))
    assert float(rows[-1]["train_loss"]) < float(rows[0]["train_loss"])
    assert all(0 <= float(row[f"{part}_score"]) <= 1 for row in rows for part in ("train", "dev"))
    assert (trained.folder / "training_curves.png").read_bytes().startswith(b"\x89PNG")


def test_progress_comes_with_every_epoch(trained: Trained) -> None:
    assert {report.epoch for report in trained.reports} >= set(range(1, trained.epochs + 1))
    last = trained.reports[-1]
    assert (last.epoch, last.epochs, last.seconds_left) == (trained.epochs, trained.epochs, 0)
    assert last.score is not None
    assert last.score > 0.85
    assert last.score_name == "accuracy"


def test_golden_examples_are_of_every_form_and_replay(
    trained: Trained, predictor: Predictor
) -> None:
    examples = golden.read_golden(trained.folder)
    assert len(examples) >= 20
    assert {example.media_type for example in examples} == {"image/png", "image/jpeg"}
    assert list(golden.replay(trained.folder, predictor)) == []


def test_golden_replay_notices_another_model(trained: Trained, tmp_path: Path) -> None:
    for file in ("model.onnx", "vocabulary.json", "golden.json"):
        shutil.copy(trained.folder / file, tmp_path)
    model = onnx.load(tmp_path / "model.onnx")
    weights = model.graph.initializer[2]
    weights.CopyFrom(
        onnx.numpy_helper.from_array(-onnx.numpy_helper.to_array(weights), weights.name)
    )
    onnx.save(model, tmp_path / "model.onnx")
    assert list(golden.replay(tmp_path, predict.load(tmp_path)))


def test_onnx_agrees_with_torch_on_every_dev_picture(
    trained: Trained, predictor: Predictor, sample: Path
) -> None:
    network = network_of(trained.folder)
    dev = [each.pixels for each in read_parts(sample, 32, seed=1).dev]
    files = [Picture(encode(Image.fromarray(each))) for each in dev]
    pixels = torch.from_numpy(np.stack(dev)).permute(0, 3, 1, 2)
    expected = logits(network, pixels).softmax(1).numpy()
    actual = [list(answer["scores"].values()) for answer in predictor.predict(files)]
    np.testing.assert_allclose(actual, expected, atol=1e-5)


def test_an_answer_is_as_the_predictor_describes_it(predictor: Predictor, sample: Path) -> None:
    pixels = read_parts(sample, 32, seed=1).test[0].pixels
    [answer] = predictor.predict([Picture(encode(Image.fromarray(pixels)))])
    assert set(answer) == set(predictor.result_schema["properties"])
    assert answer["score"] == max(answer["scores"].values()) == answer["scores"][answer["label"]]
    assert sum(answer["scores"].values()) == pytest.approx(1, abs=1e-5)


def test_a_model_that_does_not_export_well_fails_the_training(
    small_job: Job, dataset: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def export_another(network: Network, *rest: Any) -> None:
        another = copy.deepcopy(network)
        torch.nn.init.zeros_(another.head.weight)
        export(another, *rest)

    monkeypatch.setattr("model_types.image_classification.train.export", export_another)
    with pytest.raises(RuntimeError, match=r"model\.onnx does not answer as the network does"):
        train(small_job(dataset, "out"))


class Stopped(Exception):
    pass


def checkpointing(folder: Path, stop_after: int) -> Callable[..., None]:
    """Keep each epoch's checkpoint below `folder`, and break off after one."""

    def save(epoch: int, write: Callable[[Path], None]) -> None:
        (folder / str(epoch)).mkdir(parents=True)
        write(folder / str(epoch))
        if epoch == stop_after:
            raise Stopped

    return save


def scores(folder: Path) -> list[tuple[str, ...]]:
    """history.csv without what the clock told."""
    with (folder / "history.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    return [tuple(row[name] for name in row if "second" not in name) for row in rows]


@pytest.mark.parametrize("stop_after", [1, 3, 4])
def test_it_goes_on_as_if_nothing_had_happened(
    small_job: Job, dataset: Path, tmp_path: Path, stop_after: int
) -> None:
    whole = small_job(dataset, "whole", 4)
    train(whole)
    kept = tmp_path / "kept"
    first = small_job(dataset, "first", 4, save_checkpoint=checkpointing(kept, stop_after))
    with pytest.raises(Stopped):
        train(first)
    reports: list[int] = []
    second = small_job(
        dataset,
        "second",
        4,
        checkpoint=kept / str(stop_after),
        save_checkpoint=checkpointing(tmp_path / "again", 0),
        report=lambda progress: reports.append(progress.epoch),
    )
    train(second)
    again = tmp_path / "again"
    done = sorted(int(path.name) for path in again.iterdir()) if again.exists() else []
    assert done == list(range(stop_after + 1, 5))
    assert not [epoch for epoch in reports if epoch < stop_after]
    for file in ("model.onnx", "metrics.json", "golden.json"):
        assert (second.output / file).read_bytes() == (whole.output / file).read_bytes(), file
    assert scores(second.output) == scores(whole.output)


def test_a_checkpoint_that_does_not_fit_is_told(
    small_job: Job, dataset: Path, tmp_path: Path
) -> None:
    kept = tmp_path / "kept"
    with pytest.raises(Stopped):
        train(small_job(dataset, "first", 2, save_checkpoint=checkpointing(kept, 1)))
    whole = kept / "1"
    for name in ("empty", "text", "short", "other"):
        shutil.copytree(whole, kept / name)
    (kept / "empty" / "tensors.npz").unlink()
    (kept / "text" / "state.json").write_text("no json")
    (kept / "short" / "tensors.npz").write_bytes((whole / "tensors.npz").read_bytes()[:2000])
    job = small_job(dataset, "second", 2)
    for name in ("empty", "text", "short"):
        with pytest.raises(UnusableCheckpoint):
            train(replace(job, checkpoint=kept / name))
    wider = replace(job, checkpoint=whole, hyperparameters={**job.hyperparameters, "width": 5})
    with pytest.raises(UnusableCheckpoint, match="another shape"):
        train(wider)
    assert list(job.output.iterdir()) == []


def test_a_first_epoch_whose_steps_were_all_skipped_can_be_gone_on_from(tmp_path: Path) -> None:
    def parts() -> tuple[Network, torch.optim.AdamW, torch.amp.GradScaler]:
        network = Network(labels=2, width=4)
        return network, torch.optim.AdamW(network.parameters()), torch.amp.GradScaler(enabled=False)

    network, optimizer, scaler = parts()
    checkpoint.write(tmp_path, network, optimizer, scaler, [])
    again, optimizer_again, scaler_again = parts()
    assert checkpoint.restore(tmp_path, again, optimizer_again, scaler_again) == []
    assert not optimizer_again.state
    assert torch.equal(again.state_dict()["stem.0.weight"], network.state_dict()["stem.0.weight"])


def test_nothing_of_a_checkpoint_is_pickled(small_job: Job, dataset: Path, tmp_path: Path) -> None:
    with pytest.raises(Stopped):
        train(small_job(dataset, "first", 2, save_checkpoint=checkpointing(tmp_path / "kept", 1)))
    with np.load(tmp_path / "kept" / "1" / "tensors.npz", allow_pickle=False) as file:
        assert all(array.dtype.kind in "fi" for array in file.values())


def test_nothing_is_left_where_the_data_is_missing(small_job: Job, tmp_path: Path) -> None:
    job = small_job(tmp_path / "nowhere.zip", "out")
    with pytest.raises(InvalidData, match="does not exist"):
        train(job)
    assert list(job.output.iterdir()) == []


def test_changed_pictures_keep_their_size_and_their_middle_colours() -> None:
    plain = torch.full((50, 3, 16, 16), 7, dtype=torch.uint8)
    changed = augment(plain, True, torch.Generator().manual_seed(1))
    assert changed.shape == plain.shape
    assert torch.equal(changed, plain.float())  # a hole is as grey as its picture


def test_a_mirror_is_used_only_where_it_may_be() -> None:
    left_dark = torch.zeros((200, 3, 16, 16), dtype=torch.uint8)
    left_dark[..., 8:] = 200
    for flip, mirrored in ((False, 0), (True, 100)):
        changed = augment(left_dark, flip, torch.Generator().manual_seed(1))
        turned = (changed[..., :4].mean((1, 2, 3)) > changed[..., -4:].mean((1, 2, 3))).sum()
        assert abs(int(turned) - mirrored) < 25 * flip + 1


def test_the_sample_is_drawn_as_it_is_committed(sample: Path, tmp_path: Path) -> None:
    subprocess.run([sys.executable, sample / "generate.py", tmp_path], check=True)
    assert {path.name for path in tmp_path.iterdir()} == {"train.zip", "val.zip", "test.zip"}
    ours, drawn = read_parts(sample, 32, seed=1), read_parts(tmp_path, 32, seed=1)
    for part in ("train", "dev", "test"):
        for one, other in zip(getattr(ours, part), getattr(drawn, part), strict=True):
            assert one.label == other.label
            assert np.array_equal(one.pixels, other.pixels)


def test_answers_can_be_approved_and_corrected(predictor: Predictor) -> None:
    assert isinstance(predictor, Correctable)
    assert predictor.answers is Answers.LABEL
    [picture] = predictor.decode(encode(noise(1)), "image/png").items
    [answer] = predictor.predict([picture])
    assert set(predictor.labels) == set(answer["scores"])
    approved = predictor.expected(answer)
    assert approved == {"label": answer["label"]}
    predictor.check(picture, approved)
    with pytest.raises(InvalidInput, match="'cat' is not known"):
        predictor.check(picture, {"label": "cat"})


def test_serving_loads_no_framework() -> None:
    program = """
import sys
import model_types.image_classification.predict
print(*{name.partition(".")[0] for name in sys.modules})
"""
    done = subprocess.run(
        [sys.executable, "-c", program], check=True, capture_output=True, text=True
    )
    loaded = set(done.stdout.split())
    assert {"onnxruntime", "PIL"} <= loaded
    assert not loaded & {"torch", "tensorflow", "keras", "onnx", "matplotlib", "falcon"}

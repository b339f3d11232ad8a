"""A training that goes on from a checkpoint ends as if it had not been interrupted."""

from __future__ import annotations

import json
import pickle
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from model_types import (
    Progress,
    TrainingJob,
    UnusableCheckpoint,
    builtin_folder,
    load_trainer,
)
from model_types.ner import checkpoint
from tests.resuming import history_of, train_and_keep

SAMPLE = builtin_folder() / "ner" / "sample"
FOLDERS = [builtin_folder()]
EPOCHS = 3
SENTENCES = 100


@pytest.fixture(scope="module")
def job(tmp_path_factory: pytest.TempPathFactory) -> TrainingJob:
    root = tmp_path_factory.mktemp("resuming")
    (root / "data").mkdir()
    for part in ("train", "dev", "test"):
        content = (SAMPLE / f"{part}.conll").read_text(encoding="utf-8")
        few = "\n\n".join(content.split("\n\n")[:SENTENCES])
        (root / "data" / f"{part}.conll").write_text(few, encoding="utf-8")
    spec = json.loads((SAMPLE.parent / "model_type.json").read_text(encoding="utf-8"))
    values = {name: field["default"] for name, field in spec["hyperparameters"].items()}
    values |= {"hidden_size": 16}
    return TrainingJob(root / "data", root / "whole", EPOCHS, values, lambda _: None)


@pytest.fixture(scope="module")
def kept(job: TrainingJob, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The checkpoints of a training that nobody interrupts."""
    folder = tmp_path_factory.mktemp("kept")
    assert train_and_keep(load_trainer("ner", FOLDERS), job, folder) == [1, 2, 3]
    return folder


def weights_of(folder: Path) -> Any:
    saved = torch.load(folder / "framework" / "model.pt", weights_only=False)
    return saved["state_dict"]


@pytest.mark.parametrize("done", [1, 2, 3])
def test_it_ends_as_if_it_had_not_been_interrupted(
    job: TrainingJob, kept: Path, tmp_path: Path, done: int
) -> None:
    reports: list[Progress] = []
    resumed = replace(
        job, output=tmp_path / "out", checkpoint=kept / str(done), report=reports.append
    )
    saved = train_and_keep(load_trainer("ner", FOLDERS), resumed, tmp_path / "kept")
    assert saved == list(range(done + 1, EPOCHS + 1)), "no epoch twice"
    assert [report.epoch for report in reports if report.loss][-1:] == [3][: EPOCHS - done]

    history = history_of(resumed.output)
    assert [row["epoch"] for row in history] == ["1", "2", "3"]
    assert history == history_of(job.output)
    for name in ("metrics.json", "vocabulary.json"):
        assert (resumed.output / name).read_bytes() == (job.output / name).read_bytes()
    one, other = weights_of(job.output), weights_of(resumed.output)
    assert one.keys() == other.keys()
    assert all(torch.equal(one[name], other[name]) for name in one)


def test_each_part_of_a_checkpoint_counts(job: TrainingJob, kept: Path, tmp_path: Path) -> None:
    """Without the optimiser's moments, another training comes out: the test above would see it."""
    folder = shutil.copytree(kept / "1", tmp_path / "1")
    tensors = torch.load(folder / "tensors.pt", weights_only=True)
    for moments in tensors["parts"]["optimizer"]["state"].values():
        moments["exp_avg"].zero_()
    torch.save(tensors, folder / "tensors.pt")
    resumed = replace(job, output=tmp_path / "out", checkpoint=folder)
    train_and_keep(load_trainer("ner", FOLDERS), resumed, tmp_path / "kept")
    assert history_of(resumed.output)[0] == history_of(job.output)[0]
    assert history_of(resumed.output)[1:] != history_of(job.output)[1:]


def drop(folder: Path) -> None:
    (folder / "tensors.pt").unlink()


def cut(folder: Path) -> None:
    path = folder / "tensors.pt"
    path.write_bytes(path.read_bytes()[:1000])


def forget_the_schedule(folder: Path) -> None:
    tensors = torch.load(folder / "tensors.pt", weights_only=True)
    del tensors["parts"]["schedule"]
    torch.save(tensors, folder / "tensors.pt")


class Evil:
    def __reduce__(self) -> Any:
        return (Path.touch, (Path("touched"),))


def pickle_something(folder: Path) -> None:
    (folder / "tensors.pt").write_bytes(pickle.dumps(Evil(), protocol=2))


def save_something(folder: Path) -> None:
    torch.save({"parts": Evil()}, folder / "tensors.pt")


def write_nonsense(folder: Path) -> None:
    (folder / "state.json").write_text("[]", encoding="utf-8")


class Part:
    def state_dict(self) -> dict[str, Any]:
        return {}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        pass


@pytest.mark.parametrize(
    "harm", [drop, cut, forget_the_schedule, pickle_something, save_something, write_nonsense]
)
def test_a_checkpoint_that_does_not_fit_is_refused(
    kept: Path, tmp_path: Path, harm: Callable[[Path], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    folder = shutil.copytree(kept / "2", tmp_path / "harmed")
    parts = dict.fromkeys(("network", "optimizer", "schedule"), Part())
    assert checkpoint.restore(folder, parts).history[-1].epoch == 2
    harm(folder)
    with pytest.raises(UnusableCheckpoint):
        checkpoint.restore(folder, parts)
    assert not Path("touched").exists(), "nothing of it is run"


def test_another_networks_checkpoint_is_refused(
    job: TrainingJob, kept: Path, tmp_path: Path
) -> None:
    larger = replace(
        job,
        hyperparameters={**job.hyperparameters, "hidden_size": 24},
        output=tmp_path / "out",
        checkpoint=kept / "1",
    )
    with pytest.raises(UnusableCheckpoint, match="does not fit this network"):
        train_and_keep(load_trainer("ner", FOLDERS), larger, tmp_path / "kept")

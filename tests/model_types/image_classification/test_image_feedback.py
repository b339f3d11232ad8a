"""What people have said joins the training part alone, each picture once."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from model_types import Example, InvalidData, TrainingJob
from model_types.image_classification.dataset import Parts, read_parts
from model_types.image_classification.feedback import join
from model_types.image_classification.picture import MAX_PIXELS
from model_types.image_classification.train import train

from .conftest import encode, noise, pictures, write_zip

SIZE = 16


def said(content: bytes, label: str, media_type: str = "image/png", **more: Any) -> Example:
    return Example(media_type, content, {"label": label}, **more)


def new(number: int) -> bytes:
    return encode(noise(100_000 + number))


@pytest.fixture
def files() -> dict[str, bytes]:
    """Cats and dogs: three of each to train on, 0.png to 2.png, and one each for dev and test."""
    return {
        f"{part}/{name}": content
        for number, (part, count) in enumerate({"train": 3, "dev": 1, "test": 1}.items())
        for name, content in pictures(["cat", "dog"], count, start=10_000 * number).items()
    }


@pytest.fixture
def parts(files: dict[str, bytes], tmp_path: Path) -> Parts:
    return read_parts(write_zip(tmp_path / "data.zip", files), SIZE, seed=1)


def test_examples_join_the_training_part_and_are_counted(parts: Parts) -> None:
    jpeg = encode(noise(5), "JPEG")
    joined, count = join(parts, [said(new(1), "cat"), said(jpeg, "dog", "image/jpeg")], SIZE)
    assert count == 2
    assert joined.train[:6] == parts.train
    assert [sample.label for sample in joined.train[6:]] == ["cat", "dog"]
    assert {sample.pixels.shape for sample in joined.train} == {(SIZE, SIZE, 3)}
    assert (joined.dev, joined.test) == (parts.dev, parts.test)


def test_what_is_in_dev_or_test_is_left_out(parts: Parts, files: dict[str, bytes]) -> None:
    held_out = [said(files[f"{part}/cat/0.png"], "dog") for part in ("dev", "test")]
    assert join(parts, held_out, SIZE) == (parts, 0)
    joined, count = join(parts, [*held_out, said(new(1), "dog")], SIZE)
    assert (len(joined.train), count) == (7, 1)


def test_each_picture_counts_once_and_the_last_word_holds(
    parts: Parts, files: dict[str, bytes]
) -> None:
    known = files["train/cat/0.png"]
    again = [said(new(1), "cat"), said(known, "dog"), said(new(1), "dog")]
    joined, count = join(parts, again, SIZE)
    assert count == 2
    assert sorted(sample.label for sample in joined.train) == ["cat"] * 2 + ["dog"] * 5
    assert len({sample.digest for sample in joined.train}) == len(joined.train) == 7


def test_examples_with_labels_that_the_data_set_does_not_have_are_left_out(
    parts: Parts, files: dict[str, bytes], caplog: pytest.LogCaptureFixture
) -> None:
    gone = [said(files["train/cat/0.png"], "cow"), said(new(1), "owl"), said(new(2), "cow")]
    assert join(parts, gone, SIZE) == (parts, 0)
    assert "3 examples of feedback are left out" in caplog.text
    assert "'cow', 'owl'" in caplog.text
    joined, count = join(parts, [*gone, said(new(3), "cat")], SIZE)
    assert (len(joined.train), count) == (7, 1)


def test_a_class_whose_pictures_are_all_put_right_is_missed(
    parts: Parts, files: dict[str, bytes]
) -> None:
    cats = [content for name, content in files.items() if name.startswith("train/cat")]
    with pytest.raises(InvalidData, match=r"all training pictures of cat\. Add some"):
        join(parts, [said(content, "dog") for content in cats], SIZE)


@pytest.mark.parametrize(
    ("example", "words"),
    [
        (Example("image/png", new(1), {"spans": []}, "Feedback 7"), "Feedback 7: .* nothing else"),
        (said(b"%PDF-1.7", "cat", where="Feedback 7"), "Feedback 7 looks like a PDF"),
        (said(new(1)[:60], "cat"), "damaged or cut off"),
        (said(b"", "cat"), "is empty"),
    ],
)
def test_what_cannot_be_learned_from_is_named(parts: Parts, example: Example, words: str) -> None:
    with pytest.raises(InvalidData, match=words):
        join(parts, [said(new(2), "cat"), example], SIZE)


def test_a_bomb_is_not_decoded(parts: Parts) -> None:
    bomb = encode(Image.new("1", (MAX_PIXELS, 2)))
    assert len(bomb) < 100_000
    with pytest.raises(InvalidData, match="Scale it down"):
        join(parts, [said(bomb, "cat")], SIZE)


def test_a_training_joins_it_and_tells_how_much(
    small_job: Callable[..., TrainingJob], files: dict[str, bytes], tmp_path: Path
) -> None:
    dataset = write_zip(tmp_path / "data.zip", files)
    feedback = [said(new(1), "cat"), said(new(2), "dog"), said(files["test/cat/0.png"], "dog")]
    told: list[int] = []
    without = small_job(dataset, "without", joined=told.append)
    train(without)
    assert told == []
    job = small_job(dataset, "with", joined=told.append, feedback=feedback)
    train(job)
    assert told == [2]
    samples = json.loads((job.output / "metrics.json").read_text())["samples"]
    assert samples == {"train": 8, "dev": 2, "test": 2}


def test_a_training_refuses_what_it_cannot_learn_from(
    small_job: Callable[..., TrainingJob], files: dict[str, bytes], tmp_path: Path
) -> None:
    dataset = write_zip(tmp_path / "data.zip", files)
    job = small_job(dataset, "out", feedback=[said(b"%PDF-1.7", "cat", where="Feedback 7")])
    with pytest.raises(InvalidData, match="Feedback 7 looks like a PDF"):
        train(job)
    assert list(job.output.iterdir()) == []

"""A request with feedback: what people have said reaches a training, on every engine."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.building import TOY_MODEL_TYPES, feedback_of, request_of
from training_image.examples import read_examples
from trainshed.client import Client
from trainshed.engine import Engine
from trainshed.settings import AwsSettings, Settings

from .benches import Bench


@pytest.fixture
def settings(bench: Bench, tmp_path: Path) -> Settings:
    aws = AwsSettings() if bench.name == "aws" else None
    return Settings(home=tmp_path / "home", model_type_folders=(TOY_MODEL_TYPES,), aws=aws)


def test_what_was_said_until_then_is_what_the_training_reads(
    engine: Engine, settings: Settings, tmp_path: Path
) -> None:
    engine.feedback.put([feedback_of("cat", number) for number in range(70)])
    request = Client(engine, settings).with_feedback(request_of("cat"))
    engine.feedback.put([feedback_of("cat", 70)])
    assert request.feedback is not None
    (tmp_path / "fetched").mkdir()
    path = engine.datasets.fetch(request.feedback, tmp_path / "fetched")
    examples = read_examples(path, "toy")
    assert [example.body for example in examples] == [f"text {n}".encode() for n in range(70)]


def test_the_same_feedback_lies_in_one_place(engine: Engine, settings: Settings) -> None:
    engine.feedback.put([feedback_of("cat")])
    client = Client(engine, settings)
    first = client.with_feedback(request_of("cat")).feedback
    assert client.with_feedback(request_of("cat", epochs=2)).feedback == first
    engine.feedback.put([feedback_of("cat", 2)])
    assert client.with_feedback(request_of("cat")).feedback != first
    assert settings.home.exists() is (settings.aws is None), "nothing is left of an upload"

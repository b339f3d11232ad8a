"""One attempt in its container, from the claim to the artifact, and what its exit code says."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from tests.building import NOW, FakeClock, feedback_of, pending_record
from training_image.__main__ import main
from training_image.interruption import Interruption
from training_image.run_training import NotClaimed, run_training
from trainshed.engine import Engine
from trainshed.errors import ArtifactExists
from trainshed.feedback import Feedback
from trainshed.feedback_file import write
from trainshed.handoff import (
    EXIT_FAILED,
    EXIT_NOT_CLAIMED,
    EXIT_OK,
    EXIT_OUT_OF_MEMORY,
    Assignment,
    launch_of,
)
from trainshed.manifest import fetch, verify
from trainshed.model_type import Catalogue, Value
from trainshed.record import ModelRecord, Status, artifact_prefix, cancel, reserve
from trainshed.settings import Settings

TASK = "t" * 64


def start(engine: Engine, settings: Settings, **fields: Any) -> tuple[ModelRecord, dict[str, str]]:
    """A record whose first attempt has its slot, and the environment of its container."""
    record = pending_record(**fields)
    engine.registry.put_new(record)
    launch = launch_of(record, 1, settings)
    after = reserve(record, 1, launch, NOW)
    engine.registry.replace(record, after)
    return after, {**launch.environment, "TRAINSHED_TASK": TASK}


def run(engine: Engine, settings: Settings, environ: Mapping[str, str], task: str = TASK) -> None:
    assignment = Assignment.from_environment(environ)
    stores = (engine.artifacts, engine.datasets)
    run_training(assignment, task, engine.registry, *stores, settings, FakeClock(), Interruption())


@pytest.fixture
def options(catalogue: Catalogue) -> dict[str, Value]:
    """The hyperparameters of a training that ends well."""
    return catalogue["toy"].complete({})


def test_it_claims_trains_and_publishes(
    engine: Engine, settings: Settings, options: dict[str, Value], tmp_path: Path
) -> None:
    record, environ = start(engine, settings, hyperparameters=options, epochs=3)
    run(engine, settings, environ)
    after = engine.registry.get(record.model_id)
    assert after is not None
    assert (after.status, after.task, after.claimed_at) == (Status.IN_PROGRESS, TASK, NOW)

    prefix = artifact_prefix(record.model_id, 1)
    manifest = fetch(
        engine.artifacts, prefix, verify(engine.artifacts, record.model_id, 1), tmp_path
    )
    assert set(manifest.files) == {"model.bin", "words.json"}
    assert (manifest.model_id, manifest.model_type) == (record.model_id, "toy")
    assert (tmp_path / "words.json").read_text() == '["words.txt"]', "from the sample"

    report = engine.registry.reports([(record.model_id, 1)])[record.model_id, 1]
    assert (report.epoch, report.epochs, report.score_name) == (3, 3, "luck")
    assert report.failure is None


def test_it_trains_on_the_data_set_that_was_named(
    engine: Engine, settings: Settings, options: dict[str, Value], tmp_path: Path, home: Path
) -> None:
    dataset = tmp_path / "data"
    dataset.mkdir()
    (dataset / "mine.txt").touch()
    record, environ = start(engine, settings, hyperparameters=options, dataset=str(dataset))
    run(engine, settings, environ)
    path = home / "artifacts" / artifact_prefix(record.model_id, 1) / "words.json"
    assert path.read_text() == '["mine.txt"]'


def said(number: int, text: str, label: str, **fields: Any) -> Feedback:
    told = {"input": text, "verdict": "corrected", "expected": {"label": label}, **fields}
    return feedback_of(number=number, **told)


def test_feedback_joins_and_the_manifest_says_how_much(
    engine: Engine, settings: Settings, options: dict[str, Value], home: Path, tmp_path: Path
) -> None:
    feedback = [
        said(1, "one", "bad"),
        said(2, "two", "good", verdict="approved"),
        said(3, "one", "good"),
        said(4, "one", "worse", at=NOW),  # the oldest, whatever its place
    ]
    file = write(tmp_path, feedback)
    record, environ = start(engine, settings, hyperparameters=options, feedback=str(file))
    run(engine, settings, environ)
    prefix = artifact_prefix(record.model_id, 1)
    right = json.loads((home / "artifacts" / prefix / "feedback.json").read_text())
    assert list(right.items()) == [("two", {"label": "good"}), ("one", {"label": "good"})]
    assert fetch(engine.artifacts, prefix, None, tmp_path).feedback == 2


def test_without_feedback_none_joins(
    engine: Engine, settings: Settings, options: dict[str, Value], tmp_path: Path
) -> None:
    record, environ = start(engine, settings, hyperparameters=options)
    run(engine, settings, environ)
    assert (
        fetch(engine.artifacts, artifact_prefix(record.model_id, 1), None, tmp_path).feedback == 0
    )


def test_an_attempt_that_is_over_is_not_worked_on(
    engine: Engine, settings: Settings, options: dict[str, Value], home: Path
) -> None:
    record, environ = start(engine, settings, hyperparameters=options)
    engine.registry.replace(record, cancel(record, NOW))
    with pytest.raises(NotClaimed, match="Cancelling"):
        run(engine, settings, environ)
    with pytest.raises(NotClaimed):
        run(engine, settings, {**environ, "TRAINSHED_ATTEMPT": "2"})
    with pytest.raises(NotClaimed, match="no model"):
        run(engine, settings, {**environ, "TRAINSHED_MODEL_ID": "nobody"})
    assert not (home / "artifacts").exists()


def test_of_two_containers_one_works(
    engine: Engine, settings: Settings, options: dict[str, Value]
) -> None:
    _, environ = start(engine, settings, hyperparameters=options)
    run(engine, settings, environ)
    with pytest.raises(NotClaimed, match="claimed by another container"):
        run(engine, settings, environ, task="u" * 64)
    larger = json.dumps({**options, "bytes": 11})
    with pytest.raises(ArtifactExists):
        run(engine, settings, {**environ, "TRAINSHED_HYPERPARAMETERS": larger})


@pytest.mark.parametrize(
    ("fields", "code", "failure"),
    [
        ({}, EXIT_OK, None),
        ({"ending": "invalid data"}, EXIT_FAILED, "line 3 has no tag"),
        ({"ending": "out of memory"}, EXIT_OUT_OF_MEMORY, "MemoryError: no room for it"),
        ({"ending": "error"}, EXIT_FAILED, "ArithmeticError: the loss is not a number"),
        ({"ending": "evil file"}, EXIT_FAILED, "a file named 'a file with spaces': rename it."),
    ],
)
def test_its_exit_code_and_its_words(
    engine: Engine,
    settings: Settings,
    options: dict[str, Value],
    fields: dict[str, Value],
    code: int,
    failure: str | None,
) -> None:
    record, environ = start(engine, settings, hyperparameters={**options, **fields})
    assert main(environ) == code
    report = engine.registry.reports([(record.model_id, 1)])[record.model_id, 1]
    if failure is None:
        assert report.failure is None
    else:
        assert failure in (report.failure or "")


def failure_of(engine: Engine, record: ModelRecord) -> str:
    key = (record.model_id, 1)
    return engine.registry.reports([key])[key].failure or ""


def test_a_data_set_that_is_not_there(
    engine: Engine, settings: Settings, options: dict[str, Value]
) -> None:
    record, environ = start(engine, settings, hyperparameters=options, dataset="/no/such/data")
    assert main(environ) == EXIT_FAILED
    assert failure_of(engine, record) == "There is no data set /no/such/data on this machine."


def test_feedback_that_is_not_there(
    engine: Engine, settings: Settings, options: dict[str, Value]
) -> None:
    record, environ = start(engine, settings, hyperparameters=options, feedback="/no/such.jsonl")
    assert main(environ) == EXIT_FAILED
    assert "The feedback cannot be read: There is no data set /no" in failure_of(engine, record)


def test_damaged_feedback_is_not_trained_on(
    engine: Engine, settings: Settings, options: dict[str, Value], tmp_path: Path
) -> None:
    file = write(tmp_path, [said(1, "one", "bad")])
    file.write_bytes(file.read_bytes().replace(b"bad", b"sad"))
    record, environ = start(engine, settings, hyperparameters=options, feedback=str(file))
    assert main(environ) == EXIT_FAILED
    failure = failure_of(engine, record)
    assert f"The feedback {file.name} is damaged, or is none" in failure
    assert "--with-feedback` writes it anew" in failure
    assert engine.artifacts.keys(artifact_prefix(record.model_id, 1)) == []


def test_a_model_type_that_is_not_there(
    engine: Engine, settings: Settings, options: dict[str, Value], tmp_path: Path
) -> None:
    record, environ = start(engine, settings, hyperparameters=options)
    assert main({**environ, "TRAINSHED_MODEL_TYPES": str(tmp_path)}) == EXIT_FAILED
    assert "cannot be trained here: no folder named 'toy'" in failure_of(engine, record)


def test_a_container_that_may_not_claim_exits_with_a_code_of_its_own(
    engine: Engine, settings: Settings, options: dict[str, Value]
) -> None:
    record, environ = start(engine, settings, hyperparameters=options)
    assert main({**environ, "TRAINSHED_ATTEMPT": "2"}) == EXIT_NOT_CLAIMED
    assert engine.registry.get(record.model_id) == record
    assert engine.registry.reports([(record.model_id, 1)]) == {}


@pytest.mark.parametrize("variable", ["TRAINSHED_MODEL_ID", "TRAINSHED_TASK"])
def test_a_container_that_nobody_launched_fails(
    settings: Settings, options: dict[str, Value], engine: Engine, variable: str
) -> None:
    _, environ = start(engine, settings, hyperparameters=options)
    del environ[variable]
    assert main(environ) == EXIT_FAILED

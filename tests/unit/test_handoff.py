"""Record → environment → assignment: what goes in comes out on the other side."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.building import NOW, pending_record, reserved
from trainshed.engine import own_task
from trainshed.errors import InvalidSettings, WrongStatus
from trainshed.handoff import (
    Assignment,
    launch_of,
    serving_environment,
)
from trainshed.model_type import Value
from trainshed.record import claim, client_token, complete, rejected
from trainshed.settings import AwsSettings, Settings

SETTINGS = Settings(
    home=Path("/srv/trainshed home"),
    cap=3,
    model_type_folders=(Path("/a"), Path("/b b")),
    allow_downloads=True,
)
AWS_SETTINGS = Settings(engine="aws", aws=AwsSettings())


def test_a_record_becomes_an_assignment() -> None:
    hyperparameters: dict[str, Value] = {
        "rate": 1.0,
        "size": 1,
        "on": True,
        "text": "ä \"b\" 'c' $d\n{}",
    }
    record = pending_record(
        epochs=4, dataset="/data/x y", feedback="/f.jsonl", hyperparameters=hyperparameters
    )
    launch = launch_of(record, 2, SETTINGS)
    assert Assignment.from_environment(launch.environment) == Assignment(
        model_id=record.model_id,
        model_type="toy",
        attempt=2,
        epochs=4,
        hyperparameters=hyperparameters,
        dataset="/data/x y",
        feedback="/f.jsonl",
    )
    assert launch.token == client_token(record.model_id, 2)
    assert launch.model_type == "toy"


values = (
    st.booleans() | st.integers(-(2**70), 2**70) | st.floats(allow_nan=False, allow_infinity=False)
)
texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=50)


@given(st.dictionaries(st.text("abc_", min_size=1, max_size=9), values | texts, max_size=5))
def test_every_hyperparameter_survives_with_its_type(hyperparameters: dict[str, Any]) -> None:
    record = pending_record(hyperparameters=hyperparameters)
    environment = launch_of(record, 1, SETTINGS).environment
    assert all("\0" not in value for value in environment.values()), "no environment could hold it"
    got = Assignment.from_environment(environment).hyperparameters
    assert got == hyperparameters
    assert [type(got[key]) for key in hyperparameters] == [
        type(value) for value in hyperparameters.values()
    ]


def test_no_data_set_stays_no_data_set() -> None:
    environment = launch_of(pending_record(), 1, SETTINGS).environment
    assignment = Assignment.from_environment(environment)
    assert (assignment.dataset, assignment.feedback) == (None, None)


def test_a_container_reads_the_settings_that_it_needs() -> None:
    environment = launch_of(pending_record(), 1, SETTINGS).environment
    settings = Settings.from_environment(environment)
    assert (settings.engine, settings.home) == (SETTINGS.engine, SETTINGS.home)
    assert settings.model_type_folders == SETTINGS.model_type_folders
    assert settings.allow_downloads


def test_on_aws_it_is_the_task_definition_that_allows_downloads() -> None:
    environment = launch_of(pending_record(), 1, AWS_SETTINGS).environment
    assert environment["TRAINSHED_ENGINE"] == "aws"
    assert not {"TRAINSHED_ALLOW_DOWNLOADS", "TRAINSHED_HOME"} & environment.keys()


def test_the_same_attempt_gives_the_same_launch() -> None:
    record = pending_record(hyperparameters={"b": 1, "a": 2})
    assert launch_of(record, 1, SETTINGS) == launch_of(record, 1, SETTINGS)
    assert launch_of(record, 1, SETTINGS).token != launch_of(record, 2, SETTINGS).token


def test_a_rejected_record_has_nothing_to_launch() -> None:
    with pytest.raises(ValueError, match="has no request"):
        launch_of(rejected("", "1" * 36, "bad", NOW), 1, SETTINGS)


@pytest.mark.parametrize(
    "variable",
    [
        "TRAINSHED_MODEL_ID",
        "TRAINSHED_MODEL_TYPE",
        "TRAINSHED_ATTEMPT",
        "TRAINSHED_EPOCHS",
        "TRAINSHED_HYPERPARAMETERS",
    ],
)
def test_a_missing_variable_is_named(variable: str) -> None:
    environment = dict(launch_of(pending_record(), 1, SETTINGS).environment)
    del environment[variable]
    with pytest.raises(InvalidSettings, match=f"{variable} is not set"):
        Assignment.from_environment(environment)


@pytest.mark.parametrize(
    ("variable", "text"),
    [
        ("TRAINSHED_ATTEMPT", "0"),
        ("TRAINSHED_ATTEMPT", "-1"),
        ("TRAINSHED_ATTEMPT", "one"),
        ("TRAINSHED_EPOCHS", "1.5"),
        ("TRAINSHED_EPOCHS", "\u0661"),
        ("TRAINSHED_HYPERPARAMETERS", "[]"),
        ("TRAINSHED_HYPERPARAMETERS", '{"a": null}'),
        ("TRAINSHED_HYPERPARAMETERS", '{"a": [1]}'),
    ],
)
def test_a_wrong_variable_is_named(variable: str, text: str) -> None:
    environment = {**launch_of(pending_record(), 1, SETTINGS).environment, variable: text}
    with pytest.raises(InvalidSettings, match=variable):
        Assignment.from_environment(environment)


def test_the_task_is_what_the_launcher_says() -> None:
    environment = launch_of(pending_record(), 1, SETTINGS).environment
    with pytest.raises(InvalidSettings, match="started by one"):
        own_task(SETTINGS, environment)
    assert own_task(SETTINGS, {**environment, "TRAINSHED_TASK": "task-1"}) == "task-1"


def test_a_serving_container_is_told_of_one_artifact() -> None:
    claimed = claim(reserved(pending_record()), 1, "task", NOW)
    record = complete(claimed, 1, "task", "d" * 64, NOW)
    assert serving_environment(record, SETTINGS) == {
        "TRAINSHED_ARTIFACT": f"models/{record.model_id}/1",
        "TRAINSHED_ARTIFACT_DIGEST": "d" * 64,
        "TRAINSHED_ENGINE": "local",
        "TRAINSHED_HOME": "/srv/trainshed home",
        "TRAINSHED_MODEL_TYPES": os.pathsep.join(["/a", "/b b"]),
    }


def test_only_a_completed_model_can_be_served() -> None:
    with pytest.raises(WrongStatus, match="only a Completed model"):
        serving_environment(pending_record(), SETTINGS)

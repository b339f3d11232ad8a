"""Settings from the environment: defaults, values, and what is said of a wrong one."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.building import feedback_of
from trainshed.engine import (
    open_artifacts,
    open_datasets,
    open_engine,
    open_feedback,
    open_registry,
)
from trainshed.environment import read_environment, switch, variable
from trainshed.errors import InvalidSettings, StorageUnavailable
from trainshed.settings import AwsSettings, Settings


def test_the_defaults() -> None:
    settings = Settings.from_environment({})
    assert (settings.engine, settings.cap) == ("local", 2)
    assert settings.home == Path(".trainshed").absolute()
    assert settings == Settings()
    [folder] = settings.model_type_folders
    assert folder.name == "model_types"
    assert not settings.allow_downloads


def test_an_empty_variable_counts_as_unset() -> None:
    environ = {"TRAINSHED_CAP": "", "TRAINSHED_HOME": "", "TRAINSHED_MODEL_TYPES": ""}
    assert Settings.from_environment(environ) == Settings()


def test_every_variable_is_read(tmp_path: Path) -> None:
    folders = [tmp_path / "a", tmp_path / "b"]
    settings = Settings.from_environment(
        {
            "TRAINSHED_ENGINE": "local",
            "TRAINSHED_HOME": str(tmp_path / "home"),
            "TRAINSHED_CAP": "3",
            "TRAINSHED_MODEL_TYPES": os.pathsep.join(map(str, folders)),
            "TRAINSHED_TICK_SECONDS": "0.5",
            "TRAINSHED_VISIBILITY_SECONDS": "7",
            "TRAINSHED_MAX_RECEIVES": "8",
            "TRAINSHED_RETRY_SECONDS": "9",
            "TRAINSHED_STOP_GRACE_SECONDS": "1.5",
            "TRAINSHED_ALLOW_DOWNLOADS": "1",
            "SOMETHING_ELSE": "is none of our business",
        }
    )
    assert settings == Settings(
        engine="local",
        home=tmp_path / "home",
        cap=3,
        model_type_folders=tuple(folders),
        tick_seconds=0.5,
        visibility_seconds=7.0,
        max_receives=8,
        retry_seconds=9.0,
        stop_grace_seconds=1.5,
        allow_downloads=True,
    )


def test_a_relative_home_is_taken_from_here(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert Settings.from_environment({"TRAINSHED_HOME": "x"}).home == tmp_path / "x"
    monkeypatch.setenv("HOME", str(tmp_path))
    assert Settings.from_environment({"TRAINSHED_HOME": "~/y"}).home == tmp_path / "y"


@pytest.mark.parametrize(
    ("name", "text", "complaint"),
    [
        ("TRAINSHED_ENGINE", "gcp", "it must be local or aws"),
        ("TRAINSHED_MODEL_TYPES", ":", "must name a folder"),
        ("TRAINSHED_CAP", "0", "it must be a whole number from 1 to 10000"),
        ("TRAINSHED_CAP", "-1", "whole number"),
        ("TRAINSHED_CAP", "two", "whole number"),
        ("TRAINSHED_CAP", "2.0", "whole number"),
        ("TRAINSHED_CAP", " 2", "whole number"),
        ("TRAINSHED_CAP", "\u0662", "whole number"),
        ("TRAINSHED_CAP", "10001", "whole number"),
        ("TRAINSHED_MAX_RECEIVES", "0", "whole number"),
        ("TRAINSHED_TICK_SECONDS", "0", "it must be a number of seconds above 0"),
        ("TRAINSHED_TICK_SECONDS", "-1", "above 0"),
        ("TRAINSHED_TICK_SECONDS", "nan", "above 0"),
        ("TRAINSHED_TICK_SECONDS", "inf", "above 0"),
        ("TRAINSHED_TICK_SECONDS", "soon", "above 0"),
        ("TRAINSHED_VISIBILITY_SECONDS", "1e99", "above 0"),
        ("TRAINSHED_ALLOW_DOWNLOADS", "yes", "it must be 0 or 1"),
        ("TRAINSHED_HOME", "~nobody-of-this-name/x", "home"),
    ],
)
def test_a_wrong_value_is_named(name: str, text: str, complaint: str) -> None:
    with pytest.raises(InvalidSettings) as caught:
        Settings.from_environment({name: text})
    assert str(caught.value).startswith(f"{name}={text!r} is wrong: it ")
    assert complaint in str(caught.value)


AWS = {
    "TRAINSHED_ENGINE": "aws",
    "TRAINSHED_QUEUE_URL": "https://sqs/requests",
    "TRAINSHED_DEAD_LETTER_QUEUE_URL": "https://sqs/dead",
    "TRAINSHED_TABLE": "registry",
    "TRAINSHED_FEEDBACK_TABLE": "feedback",
    "TRAINSHED_ARTIFACT_BUCKET": "artifacts",
    "TRAINSHED_DATASET_BUCKET": "datasets",
    "TRAINSHED_CLUSTER": "cluster",
    "TRAINSHED_TASK_FAMILY_PREFIX": "shed-training-",
    "TRAINSHED_SUBNETS": "subnet-1,subnet-2",
    "TRAINSHED_SECURITY_GROUPS": "sg-1, sg-2,",
    "TRAINSHED_CAPACITY_PROVIDERS": "FARGATE_SPOT",
    "TRAINSHED_ASSIGN_PUBLIC_IP": "1",
    "TRAINSHED_TRAINING_LOG_GROUP": "/shed/training",
}

NEEDED = sorted(AWS.keys() - {"TRAINSHED_ENGINE", "TRAINSHED_ASSIGN_PUBLIC_IP"})


def test_the_aws_engines_own_variables_are_read() -> None:
    assert Settings.from_environment(AWS).aws == AwsSettings(
        queue_url="https://sqs/requests",
        dead_letter_queue_url="https://sqs/dead",
        table="registry",
        feedback_table="feedback",
        artifact_bucket="artifacts",
        dataset_bucket="datasets",
        cluster="cluster",
        task_family_prefix="shed-training-",
        subnets=("subnet-1", "subnet-2"),
        security_groups=("sg-1", "sg-2"),
        capacity_providers=("FARGATE_SPOT",),
        assign_public_ip=True,
        training_log_group="/shed/training",
    )


def test_the_local_engine_takes_no_notice_of_them() -> None:
    assert Settings.from_environment({**AWS, "TRAINSHED_ENGINE": "local"}).aws is None


def test_what_the_aws_engine_needs_is_named() -> None:
    aws = Settings.from_environment({"TRAINSHED_ENGINE": "aws", "TRAINSHED_TABLE": "t"}).aws
    assert aws is not None
    aws.require("table")
    with pytest.raises(InvalidSettings) as caught:
        aws.require("table", "queue_url", "subnets")
    assert str(caught.value) == (
        "The aws engine needs TRAINSHED_QUEUE_URL, TRAINSHED_SUBNETS;"
        " see terraform's output `environment`."
    )


@pytest.mark.parametrize("variable", NEEDED)
def test_an_engine_is_opened_only_with_all_that_it_needs(
    variable: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_DEFAULT_REGION", "eu-west-1")
    settings = Settings.from_environment({**AWS, variable: ""})
    with pytest.raises(InvalidSettings, match=f"needs {variable};"), open_engine(settings):
        pass


def test_a_part_is_opened_with_what_it_needs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_DEFAULT_REGION", "eu-west-1")
    needed = {"TRAINSHED_TABLE", "TRAINSHED_ARTIFACT_BUCKET", "TRAINSHED_DATASET_BUCKET"}
    container = {name: AWS[name] for name in needed | {"TRAINSHED_ENGINE"}}
    settings = Settings.from_environment(container)
    open_artifacts(settings)
    open_datasets(settings)
    with open_registry(settings):
        pass


def test_a_server_needs_no_more_than_the_table_of_feedback(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("AWS_DEFAULT_REGION", "eu-west-1")
    server = {name: AWS[name] for name in ("TRAINSHED_ENGINE", "TRAINSHED_FEEDBACK_TABLE")}
    with open_feedback(Settings.from_environment(server)):
        pass


def test_a_server_may_have_no_table_of_feedback() -> None:
    assert Settings.from_environment({}).has_feedback_store
    assert Settings.from_environment(AWS).has_feedback_store
    without = Settings.from_environment({**AWS, "TRAINSHED_FEEDBACK_TABLE": ""})
    assert not without.has_feedback_store


def test_the_feedback_alone_is_the_engines_own(tmp_path: Path) -> None:
    settings = Settings(home=tmp_path)
    with open_feedback(settings) as store:
        store.put([feedback_of()])
    with open_engine(settings) as engine:
        assert list(engine.feedback.of("my-model")) == [feedback_of()]


def test_a_region_is_asked_for(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in ("AWS_REGION", "AWS_DEFAULT_REGION", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "none"))
    settings = Settings.from_environment(AWS)
    with pytest.raises(StorageUnavailable, match="specify a region"), open_engine(settings):
        pass


def test_the_catalogue_may_come_as_json(tmp_path: Path) -> None:
    told = {"wine": {"cpu": 1, "memory": 2, "epochs": 3, "hyperparameters": {}}}
    environ = {"TRAINSHED_CATALOGUE": json.dumps(told), "TRAINSHED_MODEL_TYPES": str(tmp_path)}
    catalogue = Settings.from_environment(environ).read_catalogue()
    assert {name: model_type.epochs for name, model_type in catalogue.items()} == {"wine": 3}


@dataclass(frozen=True)
class Example:
    needed: bool = variable("NEEDED", switch, "whether it is needed")
    made: list[int] = variable("MADE", lambda text: [int(text)], "a list", list)  # noqa: RUF009


def test_a_variable_without_a_default_is_required() -> None:
    with pytest.raises(InvalidSettings, match="NEEDED is not set: whether it is needed"):
        read_environment(Example, {})
    with pytest.raises(InvalidSettings, match="NEEDED is not set"):
        read_environment(Example, {"NEEDED": ""})
    assert read_environment(Example, {"NEEDED": "0"}) == Example(needed=False, made=[])


def test_a_default_that_is_made_is_made_anew() -> None:
    one, other = (read_environment(Example, {"NEEDED": "1"}) for _ in range(2))
    assert one.made is not other.made

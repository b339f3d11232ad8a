"""The command line on the aws engine: the same commands, from anywhere, with the environment that
terraform gives; the containers of its tasks really run."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.aws.ecs_stage import EcsStage
from tests.aws_platform import AwsHost, AwsPlatform, make_platform, running_tasks
from tests.building import TOY_MODEL_TYPES, wait_until

from .shed import PROCESS_SECONDS, Shed

TOY = ("--model-type=toy",)


@pytest.fixture
def platform(aws_server: AwsHost, tmp_path: Path) -> Iterator[AwsPlatform]:
    platform = make_platform(aws_server)
    platform.define_training("toy", TRAINSHED_MODEL_TYPES=str(TOY_MODEL_TYPES))
    with running_tasks(platform, tmp_path / "tasks"):
        yield platform


@pytest.fixture
def shed(shed: Shed, platform: AwsPlatform) -> Shed:
    shed.settings = platform.environment
    return shed


def shown(shed: Shed, model: str) -> dict[str, Any]:
    document: dict[str, Any] = json.loads(shed.done("show", model, "--output=json"))
    return document


def read(platform: AwsPlatform, bucket: str, key: str) -> bytes:
    found = platform.server.client("s3").get_object(Bucket=platform.settings[bucket], Key=key)
    return bytes(found["Body"].read())


def test_a_model_from_submit_to_logs(shed: Shed, platform: AwsPlatform, tmp_path: Path) -> None:
    dataset = tmp_path / "my data"
    dataset.mkdir()
    (dataset / "mine.txt").write_text("text")
    options = (*TOY, "--set=says=héllo 🙂", "--epochs=3", f"--dataset={dataset}")
    submitted = shed.call("submit", "cat", *options)
    model_id = submitted.stdout.strip()
    assert submitted.stderr == "Queued. The consumer takes it in within a minute.\n"
    assert shed.done("run", "--until-idle") == ""

    document = shown(shed, "cat")
    assert (document["model_id"], document["status"]) == (model_id, "Completed")
    assert (document["progress"]["epoch"], document["progress"]["epochs"]) == (3, 3)
    [task] = EcsStage(platform.server).tasks(platform.name)
    assert document["task"] == task["taskArn"]

    uploaded = document["request"]["dataset"]
    bucket = platform.settings["TRAINSHED_DATASET_BUCKET"]
    digest = hashlib.sha256(
        f"mine.txt\0{hashlib.sha256(b'text').hexdigest()}\n".encode()
    ).hexdigest()
    assert uploaded == f"s3://{bucket}/datasets/{digest}/"
    assert read(platform, "TRAINSHED_DATASET_BUCKET", f"datasets/{digest}/mine.txt") == b"text"

    prefix = f"models/{model_id}/1"
    assert document["artifact"] == prefix
    words = read(platform, "TRAINSHED_ARTIFACT_BUCKET", f"{prefix}/words.json")
    assert json.loads(words) == ["mine.txt"], "it was trained on what was uploaded"
    manifest = read(platform, "TRAINSHED_ARTIFACT_BUCKET", f"{prefix}/manifest.json")
    assert hashlib.sha256(manifest).hexdigest() == document["digest"]

    [row] = json.loads(shed.done("ls", "--output=json", "--status=Completed"))
    assert row["model_id"] == model_id
    assert json.loads(shed.done("ls", "--output=json", "--name=dog")) == []
    log = shed.done("logs", "cat")
    assert "héllo 🙂" in log
    assert "artifact written" in log


def test_a_training_is_followed_and_cancelled(shed: Shed, platform: AwsPlatform) -> None:
    gate = shed.folder / "gate"
    options = (*TOY, f"--set=gate={gate}", "--set=says=it has begun")
    model_id = shed.done("submit", "cat", *options).strip()
    consumer = shed.start("run")
    wait_until(
        lambda: shed.call("logs", model_id).stdout.count("it has begun") == 1,
        "the log of a training that runs is there",
    )
    assert shown(shed, model_id)["status"] == "In Progress"
    follower = shed.start("logs", "--follow", model_id)
    shed.done("cancel", model_id)
    wait_until(lambda: shown(shed, model_id)["status"] == "Cancelled", "it is cancelled")
    output, _ = follower.communicate(timeout=PROCESS_SECONDS)
    assert follower.returncode == 0
    assert "it has begun" in output
    [task] = EcsStage(platform.server).tasks(platform.name)
    assert (task["stopCode"], task["stoppedReason"]) == ("UserInitiated", "cancelled")
    consumer.terminate()
    consumer.communicate(timeout=PROCESS_SECONDS)
    again = shed.call("cancel", model_id)
    assert (again.returncode, again.stdout) == (1, "")
    assert "there is nothing to cancel" in again.stderr


def test_a_failure_is_told_in_the_trainers_words(shed: Shed) -> None:
    shed.done("submit", "bad", *TOY, "--set=ending=invalid data")
    shed.done("run", "--until-idle")
    document = shown(shed, "bad")
    assert (document["status"], document["cause"]) == ("Failed", "training error")
    assert document["reason"] == "line 3 has no tag"


def test_dead_letters_are_listed_and_redriven(shed: Shed) -> None:
    shed.done("submit", "--message=-", stdin='{"name": "Not a name"}')
    shed.done("submit", "--message=-", stdin="no json")
    shed.done("run", "--until-idle")
    letters = json.loads(shed.done("dead-letters", "ls", "--output=json"))
    assert {letter["body"] for letter in letters} == {'{"name": "Not a name"}', "no json"}
    [broken] = [letter for letter in letters if letter["body"] == "no json"]
    assert "not valid JSON" in broken["reason"]

    old_id = broken["message_id"]
    new_id = shed.done("dead-letters", "redrive", old_id).strip()
    assert new_id not in ("", old_id)
    assert old_id not in shed.done("dead-letters", "ls")
    missing = shed.call("dead-letters", "redrive", old_id)
    assert (missing.returncode, missing.stdout) == (1, "")
    assert "No such dead letter" in missing.stderr
    shed.done("run", "--until-idle")
    rejected = json.loads(shed.done("ls", "--status=Rejected", "--output=json"))
    assert {row["model_id"] for row in rejected} >= {f"rejected-{old_id}", f"rejected-{new_id}"}


@pytest.mark.parametrize(
    ("change", "code", "complaint"),
    [
        ({"TRAINSHED_TABLE": ""}, 2, "The aws engine needs TRAINSHED_TABLE"),
        ({"TRAINSHED_TABLE": "none"}, 1, "The registry cannot be used"),
        ({"AWS_ENDPOINT_URL": "http://127.0.0.1:9"}, 1, "Could not connect to the endpoint URL"),
    ],
)
def test_what_is_wrong_is_said_in_one_line(
    shed: Shed, change: dict[str, str], code: int, complaint: str
) -> None:
    listed = shed.call("ls", **change)
    assert (listed.returncode, listed.stdout) == (code, "")
    assert complaint in listed.stderr
    assert listed.stderr.count("\n") == 1

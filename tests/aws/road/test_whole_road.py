"""From nothing to a served model and back to nothing, with the real terraform, on the real code."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from moto.events.models import EventPattern

from tests.aws.ecs_stage import ContainerRunner
from tests.aws.moto_server import ROOT, MotoServer, moto_server
from tests.terraform.differences import PLATFORM_DIFFERENCES, SERVING_DIFFERENCES, unexpected
from tests.terraform.terraform import Stack, TerraformError, Workspace, required_tool

from .conftest import Steps
from .function import SCHEDULED, ExecutionEnvironment, build_package, deployed_environment
from .served import serving

pytestmark = [pytest.mark.aws, pytest.mark.timeout(1800)]

EPOCHS = 8
"""Enough for the answer that is asked for."""
SAMPLE = ROOT / "model_types" / "ner" / "sample"
DATASETS = "trainshed-datasets-123456789012-eu-west-1"
RETRAINING: dict[str, object] = {
    "retrain_on_push": {
        "ner": [{"name": "pushed", "epochs": 1, "hyperparameters": {"hidden_size": 16}}],
        "sentiment": [{"name": "not-pushed"}],
    },
    "retrain_on_data": {
        "incoming/train.conll": [
            {"name": "renewed", "epochs": 1, "dataset": f"s3://{DATASETS}/incoming/"}
        ]
    },
}
PUSHED = f"sha256:{hashlib.sha256(b'a pushed image').hexdigest()}"
PUSH = {
    "result": "SUCCESS",
    "repository-name": "trainshed-training-ner",
    "image-digest": PUSHED,
    "action-type": "PUSH",
    "image-tag": "0.2.0",
}
"""The detail of the event, as ECR gives it."""
NO_PUSH: tuple[dict[str, str], ...] = (
    {**PUSH, "repository-name": "somebody-elses"},
    {**PUSH, "repository-name": "trainshed-training-image-classification"},
    {**PUSH, "repository-name": "trainshed-serving"},
    {**PUSH, "action-type": "DELETE"},
    {**PUSH, "result": "FAILURE"},
    {**PUSH, "image-tag": ""},
    {**PUSH, "image-digest": "latest"},
    {key: value for key, value in PUSH.items() if key != "image-tag"},
    {key: value for key, value in PUSH.items() if key != "image-digest"},
    {"repository-name": "trainshed-training-ner"},
)
"""What ECR tells, or could, that is no new training image, or none that is waited for."""
FIRST_GENERATION = {
    "name": "old-model",
    "image": "123456789012.dkr.ecr.eu-west-1.amazonaws.com/ner-training:latest",
    "embeddings": "scratch",
    "epochs": 1,
}


@dataclass(frozen=True)
class Shell:
    """A user's, in the repository's root, with the platform's output `environment` sourced."""

    platform: Stack

    def run(self, *command: str, stdin: str = "") -> str:
        """Run a command, which must do well; give what it printed, without the last line's end."""
        sourced = f'sourced=$(terraform -chdir="{self.platform.folder}" output -raw environment)'
        done = subprocess.run(
            ["bash", "-euc", f'{sourced}; eval "$sourced"; exec "$@"', "bash", *command],
            cwd=ROOT,
            env={
                **self.platform.workspace.environment,
                **self.platform.environment,
                "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
                "PYTHONPATH": str(ROOT),
            },
            input=stdin,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout.removesuffix("\n")

    def json(self, *command: str) -> Any:
        return json.loads(self.run(*command, "--output", "json"))


def work_off(
    consumer: ExecutionEnvironment, runner: ContainerRunner, matches: Callable[[Any], bool]
) -> None:
    """Wake the consumer once by its schedule, and then by those events of the trainings that its
    rule picks, until there is nothing left to do."""
    seen = len(runner.stage.events())
    consumer.invoke(SCHEDULED)
    is_over = False
    while not is_over:
        going = runner.step()
        events = runner.stage.events(seen)
        seen += len(events)
        waking = [event for event in events if matches(event)]
        for event in waking:
            consumer.invoke(event)
        is_over = not going and not waking
        time.sleep(0.1)
    measured = consumer.invoke(SCHEDULED)
    left = {name: measured[name] for name in ("queued", "pending", "running")}
    assert not any(left.values()), f"nothing goes on, and nobody was told: {left}"


def tell(server: MotoServer, detail: dict[str, str]) -> None:
    """Let EventBridge have an event of ECR's, once."""
    event = {"Source": "aws.ecr", "DetailType": "ECR Image Action", "Detail": json.dumps(detail)}
    [entry] = server.client("events").put_events(Entries=[event])["Entries"]
    assert entry["EventId"]


def patterns(server: MotoServer) -> dict[str, EventPattern]:
    """What each rule that is no schedule waits for."""
    rules = server.client("events").list_rules()["Rules"]
    return {
        rule["Name"]: EventPattern.load(rule["EventPattern"])
        for rule in rules
        if "EventPattern" in rule
    }


def refusal(workspace: Workspace, model_id: str) -> str:
    """What a plan to serve this model says, which it must refuse."""
    with pytest.raises(TerraformError) as raised:
        workspace.stack("serving", model_id).changes({"model_id": model_id})
    return " ".join(str(raised.value).replace("│", " ").split())


def check_artifact(server: MotoServer, environment: dict[str, str], model_id: str) -> None:
    """Its record in DynamoDB says Completed, and its artifact in S3 is what the manifest says."""
    item = server.client("dynamodb").get_item(
        TableName=environment["TRAINSHED_TABLE"], Key={"model_id": {"S": model_id}}
    )["Item"]
    record = json.loads(item["record"]["S"])
    assert (item["status"]["S"], record["status"]) == ("Completed", "Completed")
    s3, bucket = server.client("s3"), environment["TRAINSHED_ARTIFACT_BUCKET"]

    def content(key: str) -> bytes:
        found: bytes = s3.get_object(Bucket=bucket, Key=key)["Body"].read()
        return found

    prefix = f"models/{model_id}/1"
    assert record["artifact"] == prefix
    manifest = content(f"{prefix}/manifest.json")
    assert hashlib.sha256(manifest).hexdigest() == record["digest"]
    files = json.loads(manifest)["files"]
    for name, entry in files.items():
        stored = content(f"{prefix}/{name}")
        assert {"size": len(stored), "sha256": hashlib.sha256(stored).hexdigest()} == entry
    listed = s3.list_objects_v2(Bucket=bucket, Prefix=f"{prefix}/")["Contents"]
    assert {found["Key"] for found in listed} == {
        f"{prefix}/{name}" for name in (*files, "manifest.json")
    }


def check_retraining(
    server: MotoServer, rules: Mapping[str, EventPattern], work: Callable[[], None]
) -> None:
    """One model for a push, however often it is told, and one for new data; none for anything else.
    `work` lets the consumer work until all is done."""
    sqs = server.client("sqs")
    queue = sqs.get_queue_url(QueueName="trainshed-requests")["QueueUrl"]

    def waiting() -> int:
        counted = sqs.get_queue_attributes(QueueUrl=queue, AttributeNames=["All"])["Attributes"]
        return int(counted["ApproximateNumberOfMessages"])

    event = {
        "source": "aws.ecr",
        "detail-type": "ECR Image Action",
        "account": "123456789012",
        "region": "eu-west-1",
        "detail": PUSH,
    }
    for changes, expected in (
        ({}, ["trainshed-push-ner"]),
        ({"account": "210987654321"}, []),
        ({"region": "us-east-1"}, []),
        ({"source": "my.application"}, []),
        ({"detail-type": "ECR Image Scan"}, []),
    ):
        changed: Any = {**event, **changes}
        assert [name for name, rule in rules.items() if rule.matches_event(changed)] == expected
    for detail in NO_PUSH:
        tell(server, detail)
    s3 = server.client("s3")
    for name in ("dev.conll", "test.conll"):
        s3.upload_file(str(SAMPLE / name), DATASETS, f"incoming/{name}")
    assert waiting() == 0
    for _ in range(3):
        tell(server, PUSH)
    tell(server, {**PUSH, "image-tag": "latest-of-all"})
    s3.upload_file(str(SAMPLE / "train.conll"), DATASETS, "incoming/train.conll")
    assert waiting() == 3 + 1 + 1
    work()
    tell(server, PUSH)
    work()
    assert waiting() == 0


def test_the_whole_road(tmp_path: Path, steps: Steps) -> None:
    curl = required_tool("curl")
    with steps("build the package"):
        package = build_package(tmp_path)
    with moto_server(tmp_path / "moto.log") as server:
        workspace = Workspace.create(tmp_path, server.environment)
        stack = workspace.stack("platform")
        variables: dict[str, object] = {
            "lambda_zip": str(package),
            "model_types": str(ROOT / "model_types"),
            "default_hyperparameters": {},  # those of a hub cannot be had here
            "cap": 1,
            "force_destroy": True,
            **RETRAINING,
        }
        with steps("apply platform"):
            stack.apply(variables)
        outputs = stack.outputs()

        shell = Shell(stack)
        with steps("queue five requests"):
            model_id = shell.run("scripts/queue-training.sh", "my-model", f"--epochs={EPOCHS}")
            message = ("trainshed", "submit", "--message", "-")
            old_id = shell.run(*message, stdin=json.dumps(FIRST_GENERATION))
            uploaded_id = shell.run(
                "trainshed", "submit", "uploaded", f"--dataset={SAMPLE}", "--epochs=1"
            )
            failed_id = shell.run("trainshed", "submit", "failed", "--dataset=s3://nowhere/data/")
            wrong_id = shell.run(*message, stdin='{"name": "wrong", "colour": "blue"}')

        configuration = server.client("lambda").get_function_configuration(
            FunctionName=outputs["consumer"]
        )
        environment = deployed_environment(server, configuration, package, tmp_path / "package")
        rules = patterns(server)
        containers = tmp_path / "containers"
        containers.mkdir()
        training = [sys.executable, "-m", "training_image"]
        with (
            steps("train"),
            ExecutionEnvironment(
                environment,
                tmp_path / "consumer.log",
                configuration["Handler"],
                configuration["Timeout"],
            ) as consumer,
            ContainerRunner(
                server, outputs["cluster"], training, containers, {"PYTHONPATH": str(ROOT)}
            ) as runner,
        ):
            wakes = rules["trainshed-consumer-tasks"].matches_event
            work_off(consumer, runner, wakes)
            asked_for = runner.stage.tasks(outputs["cluster"])
            check_retraining(server, rules, lambda: work_off(consumer, runner, wakes))
            tasks = runner.stage.tasks(outputs["cluster"])
            printed = consumer.printed()

        records = {record["model_id"]: record for record in shell.json("trainshed", "ls")}
        retrained = {
            record["name"]: records.pop(record["model_id"])
            for record in [*records.values()]
            if record["request"] and record["request"]["trigger"]
        }
        assert {found: record["status"] for found, record in records.items()} == {
            model_id: "Completed",
            old_id: "Completed",
            uploaded_id: "Completed",
            failed_id: "Failed",
            wrong_id: "Rejected",
        }, [record["reason"] for record in records.values()]
        assert len(asked_for) == 4
        assert {task["containerEnvironment"]["TRAINSHED_ALLOW_DOWNLOADS"] for task in tasks} == {
            "1"
        }, "the task definition's word counts"
        metrics = [line for line in printed if "_aws" in line]
        assert sum(line["launches"] for line in metrics) == len(tasks)
        assert sum(line["completed"] for line in metrics) == 3 + len(retrained)
        assert records[old_id]["request"]["hyperparameters"]["embeddings"] == "scratch"
        dataset = f"s3://{environment['TRAINSHED_DATASET_BUCKET']}/datasets/"
        assert records[uploaded_id]["request"]["dataset"].startswith(dataset)
        assert "nowhere" in records[failed_id]["reason"]
        [letter] = shell.json("trainshed", "dead-letters", "ls")
        assert "colour: unknown field" in letter["reason"]
        progress = shell.json("trainshed", "show", "my-model")["progress"]
        assert progress["epoch"] == progress["epochs"] == EPOCHS
        assert f"attempt 1 of {model_id}: artifact written" in shell.run(
            "trainshed", "logs", model_id
        )

        assert {name: record["status"] for name, record in retrained.items()} == {
            "pushed": "Completed",
            "renewed": "Completed",
        }, [record["reason"] for record in retrained.values()]
        images = {task["taskArn"]: task["containerDefinition"]["image"] for task in tasks}
        repository = outputs["repositories"]["training-ner"]
        assert images.pop(retrained["pushed"]["task"]) == f"{repository}@{PUSHED}"
        assert set(images.values()) == {f"{repository}:0.1.0"}
        request = retrained["pushed"]["request"]
        assert (request["epochs"], request["hyperparameters"]["hidden_size"]) == (1, 16)
        assert f"It was asked for by ecr:trainshed-training-ner@{PUSHED}." in shell.run(
            "trainshed", "explain", "pushed"
        )
        key = f"s3://{DATASETS}/incoming/train.conll?versionId="
        assert f"trigger   {key}" in shell.run("trainshed", "show", "renewed")

        ids = [record["model_id"] for record in retrained.values()]
        for completed in (model_id, old_id, uploaded_id, *ids):
            check_artifact(server, environment, completed)

        with steps("plan platform again"):
            assert unexpected(stack.changes(variables), PLATFORM_DIFFERENCES) == {}
        with steps("refuse a failed and an unknown model"):
            assert f"{failed_id} is Failed, and only a Completed" in refusal(workspace, failed_id)
            assert "|nobody-1): empty result" in refusal(workspace, "nobody-1")

        served = workspace.stack("serving", model_id)
        chosen = {"model_id": model_id}
        with steps("apply serving"):
            served.apply(chosen)
        with steps("plan serving again"):
            assert unexpected(served.changes(chosen), SERVING_DIFFERENCES) == {}
        definition = server.client("ecs").describe_task_definition(
            taskDefinition=served.outputs()["task_definition"]
        )["taskDefinition"]
        text = "George Washington was president of the United States."
        with steps("serve, ask"), serving(server, definition, tmp_path / "serving.log") as url:
            asked = [curl, "--silent", "--show-error", "--fail-with-body", "-X", "POST"]
            answer = json.loads(
                subprocess.run(
                    [*asked, f"{url}/ner", "--data", text, "-H", "Content-type: text/plain"],
                    stdout=subprocess.PIPE,
                    check=True,
                ).stdout
            )
        found = {(entity["text"], entity["tag"]) for entity in answer}
        assert found == {("George Washington", "PER"), ("United States", "LOC")}

        with steps("destroy serving"):
            served.destroy(chosen)
        # The script waits for as long as a consumer that is at work may go on.
        server.client("lambda").update_function_configuration(
            FunctionName=outputs["consumer"], Timeout=1
        )
        with steps("drain"):
            drained = shell.run("scripts/drain.sh", str(stack.folder))
        assert drained.endswith("Drained: 0 stopped, none left.")
        definitions = server.client("ecs").list_task_definitions(status="ACTIVE")
        assert not [
            arn
            for arn in definitions["taskDefinitionArns"]
            if PUSHED.removeprefix("sha256:") in arn
        ]
        with steps("destroy platform"):
            stack.destroy(variables)
        assert server.client("s3").list_buckets()["Buckets"] == []
        assert server.client("sqs").list_queues().get("QueueUrls", []) == []
        assert server.client("dynamodb").list_tables()["TableNames"] == []

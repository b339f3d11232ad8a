"""From nothing to a served model and back to nothing, with the real terraform, on the real code."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
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
    measured = consumer.invoke(SCHEDULED)
    while any(measured[name] for name in ("queued", "pending", "running")):
        going = runner.step()
        events = runner.stage.events(seen)
        seen += len(events)
        waking = [event for event in events if matches(event)]
        assert going or waking, f"nothing goes on, and nobody is told: {measured}"
        for event in waking:
            measured = consumer.invoke(event)
        time.sleep(0.1)


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
        [rule] = [
            rule["EventPattern"]
            for rule in server.client("events").list_rules()["Rules"]
            if "EventPattern" in rule
        ]
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
            work_off(consumer, runner, EventPattern.load(rule).matches_event)
            tasks = runner.stage.tasks(outputs["cluster"])
            printed = consumer.printed()

        records = {record["model_id"]: record for record in shell.json("trainshed", "ls")}
        assert {found: record["status"] for found, record in records.items()} == {
            model_id: "Completed",
            old_id: "Completed",
            uploaded_id: "Completed",
            failed_id: "Failed",
            wrong_id: "Rejected",
        }, [record["reason"] for record in records.values()]
        assert len(tasks) == 4
        assert {task["containerEnvironment"]["TRAINSHED_ALLOW_DOWNLOADS"] for task in tasks} == {
            "1"
        }, "the task definition's word counts"
        metrics = [line for line in printed if "_aws" in line]
        assert sum(line["launches"] for line in metrics) == len(tasks)
        assert sum(line["completed"] for line in metrics) == 3
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
        for completed in (model_id, old_id, uploaded_id):
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
        with steps("destroy platform"):
            stack.destroy(variables)
        assert server.client("s3").list_buckets()["Buckets"] == []
        assert server.client("sqs").list_queues().get("QueueUrls", []) == []
        assert server.client("dynamodb").list_tables()["TableNames"] == []

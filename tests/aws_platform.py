"""AwsPlatform: what Terraform would apply, made in moto's server in an instant, and its ECS."""

from __future__ import annotations

import json
import sys
import threading
import time
import urllib.request
import uuid
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.aws.ecs_stage import ContainerRunner
from tests.aws.moto_server import REGION, MotoServer

VISIBILITY_SECONDS = 600
"""So long that no real time that passes comes near to a tenth of it."""
MAX_RECEIVES = 3
GRACE_SECONDS = 1

_INDEXES = {
    "by_state": ("state", "state_order"),
    "by_name": ("name", "created_at"),
    "by_age": ("kind", "created_at"),
    "by_id": ("kind", "model_id"),
}


@dataclass(frozen=True)
class AwsHost(MotoServer):
    """The server, with one client of each service for all tests: to make one takes its time."""

    clients: dict[str, Any] = field(default_factory=dict)

    def client(self, service: str, role: str | None = None) -> Any:
        if role is not None:
            return super().client(service, role)
        if service not in self.clients:
            self.clients[service] = super().client(service)
        return self.clients[service]


@dataclass(frozen=True)
class AwsPlatform:
    """Empty at first; nothing in it is shared with another one on the same server."""

    server: AwsHost
    name: str

    @property
    def settings(self) -> dict[str, str]:
        """What points Trainshed at this platform."""
        queues = f"{self.server.url}/123456789012/{self.name}"
        return {
            "TRAINSHED_ENGINE": "aws",
            "TRAINSHED_QUEUE_URL": f"{queues}-requests",
            "TRAINSHED_DEAD_LETTER_QUEUE_URL": f"{queues}-dead-letters",
            "TRAINSHED_TABLE": self.name,
            "TRAINSHED_FEEDBACK_TABLE": f"{self.name}-feedback",
            "TRAINSHED_ARTIFACT_BUCKET": f"{self.name}-artifacts",
            "TRAINSHED_DATASET_BUCKET": f"{self.name}-datasets",
            "TRAINSHED_CLUSTER": self.name,
            "TRAINSHED_TASK_FAMILY_PREFIX": f"{self.name}-training-",
            "TRAINSHED_SUBNETS": "subnet-0a",
            "TRAINSHED_SECURITY_GROUPS": "sg-0a",
            "TRAINSHED_CAPACITY_PROVIDERS": "FARGATE",
            "TRAINSHED_TRAINING_LOG_GROUP": self.name,
        }

    @property
    def environment(self) -> dict[str, str]:
        """The settings, and what takes the server for AWS."""
        return {**self.server.environment, **self.settings}

    def define_task(
        self, family: str, command: Sequence[str], environment: Mapping[str, str]
    ) -> None:
        """Register the task definition of that family, with a container that runs `command`."""
        self.server.client("ecs").register_task_definition(
            family=family,
            networkMode="awsvpc",
            containerDefinitions=[
                {
                    "name": "training",
                    "image": "toy",
                    "memory": 512,
                    "command": list(command),
                    "stopTimeout": GRACE_SECONDS,
                    "environment": [
                        {"name": name, "value": value} for name, value in environment.items()
                    ],
                    "logConfiguration": {
                        "logDriver": "awslogs",
                        "options": {
                            "awslogs-group": self.name,
                            "awslogs-stream-prefix": "training",
                            "awslogs-region": REGION,
                        },
                    },
                }
            ],
        )

    def define_training(self, model_type: str, **environment: str) -> None:
        """Register a model type's task definition, which runs the real training image's entry."""
        needed = ("ENGINE", "TABLE", "ARTIFACT_BUCKET", "DATASET_BUCKET")
        told = {f"TRAINSHED_{name}": self.settings[f"TRAINSHED_{name}"] for name in needed}
        command = [sys.executable, "-m", "training_image"]
        family = self.settings["TRAINSHED_TASK_FAMILY_PREFIX"] + model_type.replace("_", "-")
        self.define_task(family, command, {**told, **environment})

    def advance(self, seconds: float) -> None:
        """Let time pass for SQS."""
        request = urllib.request.Request(
            f"{self.server.url}/stage/clock", data=json.dumps({"seconds": seconds}).encode()
        )
        with urllib.request.urlopen(request, timeout=60):
            pass


def make_platform(server: AwsHost) -> AwsPlatform:
    platform = AwsPlatform(server, f"shed-{uuid.uuid4().hex[:12]}")
    name, settings = platform.name, platform.settings
    sqs = server.client("sqs")
    dead = sqs.create_queue(QueueName=f"{name}-dead-letters")["QueueUrl"]
    arn = sqs.get_queue_attributes(QueueUrl=dead, AttributeNames=["QueueArn"])["Attributes"]
    redrive = {"deadLetterTargetArn": arn["QueueArn"], "maxReceiveCount": MAX_RECEIVES}
    sqs.create_queue(
        QueueName=f"{name}-requests",
        Attributes={
            "VisibilityTimeout": str(VISIBILITY_SECONDS),
            "RedrivePolicy": json.dumps(redrive),
        },
    )
    _make_table(server.client("dynamodb"), name)
    _make_feedback_table(server.client("dynamodb"), settings["TRAINSHED_FEEDBACK_TABLE"])
    s3 = server.client("s3")
    for bucket in ("TRAINSHED_ARTIFACT_BUCKET", "TRAINSHED_DATASET_BUCKET"):
        s3.create_bucket(
            Bucket=settings[bucket], CreateBucketConfiguration={"LocationConstraint": REGION}
        )
    server.client("ecs").create_cluster(clusterName=name, capacityProviders=["FARGATE"])
    server.client("logs").create_log_group(logGroupName=name)
    return platform


def _make_table(dynamodb: Any, name: str) -> None:
    attributes = sorted({"model_id", *(key for keys in _INDEXES.values() for key in keys)})
    dynamodb.create_table(
        TableName=name,
        BillingMode="PAY_PER_REQUEST",
        AttributeDefinitions=[{"AttributeName": key, "AttributeType": "S"} for key in attributes],
        KeySchema=[{"AttributeName": "model_id", "KeyType": "HASH"}],
        GlobalSecondaryIndexes=[
            {
                "IndexName": index,
                "KeySchema": [
                    {"AttributeName": partition, "KeyType": "HASH"},
                    {"AttributeName": order, "KeyType": "RANGE"},
                ],
                "Projection": {"ProjectionType": "ALL"},
            }
            for index, (partition, order) in _INDEXES.items()
        ],
    )


def _make_feedback_table(dynamodb: Any, name: str) -> None:
    keys = {"name": "HASH", "feedback_id": "RANGE"}
    dynamodb.create_table(
        TableName=name,
        BillingMode="PAY_PER_REQUEST",
        AttributeDefinitions=[{"AttributeName": key, "AttributeType": "S"} for key in keys],
        KeySchema=[{"AttributeName": key, "KeyType": kind} for key, kind in keys.items()],
    )


class TaskRunner(ContainerRunner):
    """Runs the platform's tasks, each with the command of its own task definition, and puts what
    they print into CloudWatch line by line, as ECS does."""

    def __init__(self, platform: AwsPlatform, folder: Path) -> None:
        super().__init__(platform.server, platform.name, (), folder, platform.server.environment)
        self._shipped: dict[str, int] = {}

    def step(self) -> int:
        going = super().step()
        for task in self.stage.tasks(self._cluster):
            if task["taskArn"] in self._children and task["lastStatus"] != "STOPPED":
                self._ship(task, ended=False)
        return going

    def _start(self, task: dict[str, Any]) -> None:
        self._command = task["containerDefinition"]["command"]
        try:
            super()._start(task)
        except FileNotFoundError as error:
            reason = f"CannotStartContainerError: {error}"
            self.stage.finish(task["taskArn"], None, "TaskFailedToStart", reason)

    def _ship_log(self, task: dict[str, Any]) -> None:
        self._ship(task, ended=True)

    def _ship(self, task: dict[str, Any], ended: bool) -> None:
        """Put the lines that are new where the task's log belongs, and at its end also half a
        line."""
        arn = task["taskArn"]
        start = self._shipped.get(arn, 0)
        with self._output(task).open("rb") as output:
            output.seek(start)
            content = output.read()
        if not ended:
            content = content[: content.rfind(b"\n") + 1]
        if not content:
            return
        where = {
            "logGroupName": self._cluster,
            "logStreamName": f"training/training/{arn.rsplit('/', 1)[-1]}",
        }
        if arn not in self._shipped:
            self._logs.create_log_stream(**where)
        self._shipped[arn] = start + len(content)
        lines = [line for line in content.decode("utf-8", "replace").split("\n") if line]
        now = int(time.time() * 1000)
        for first in range(0, len(lines), 10_000):
            events = [{"timestamp": now, "message": x} for x in lines[first : first + 10_000]]
            self._logs.put_log_events(**where, logEvents=events)


@contextmanager
def running_tasks(platform: AwsPlatform, folder: Path) -> Iterator[None]:
    """Meanwhile the platform's tasks really run."""
    folder.mkdir(parents=True, exist_ok=True)
    stop = threading.Event()

    def run() -> None:
        while not stop.wait(0.05):
            runner.step()

    with TaskRunner(platform, folder) as runner:
        thread = threading.Thread(target=run)
        thread.start()
        try:
            yield
        finally:
            stop.set()
            thread.join()

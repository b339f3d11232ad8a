"""The Lambda entry, in a process of its own that has the function's environment and no more."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections import Counter
from dataclasses import dataclass
from typing import Any

import pytest

from queue_consumer.metrics import NAMESPACE
from tests.aws.ecs_stage import EcsStage
from tests.aws_platform import AwsHost, AwsPlatform, make_platform
from tests.building import TOY_MODEL_TYPES, request_of
from trainshed.aws.parts import AwsParts
from trainshed.ports import Registry
from trainshed.record import Status
from trainshed.settings import AwsSettings

CAP = 3

RUNTIME = """
import json, sys
from queue_consumer.handler import handle

class Context:
    aws_request_id = sys.argv[2]
    def get_remaining_time_in_millis(self):
        return int(sys.argv[3])

measured = handle(json.loads(sys.argv[1]), Context())
print(json.dumps({"returned": measured}))
"""

SCHEDULE = {"source": "aws.events", "detail-type": "Scheduled Event", "detail": {}}


@dataclass(frozen=True)
class Invocation:
    returned: dict[str, Any]
    metrics: dict[str, Any]
    logs: list[dict[str, Any]]


@dataclass(frozen=True)
class Function:
    """The deployed consumer."""

    platform: AwsPlatform
    registry: Registry

    def start(self, event: Any = SCHEDULE, milliseconds: int = 60_000) -> subprocess.Popen[str]:
        catalogue = json.loads((TOY_MODEL_TYPES / "toy" / "model_type.json").read_text())
        return subprocess.Popen(
            [sys.executable, "-c", RUNTIME, json.dumps(event), "request-1", str(milliseconds)],
            env={
                **self.platform.environment,
                "PATH": os.environ["PATH"],
                "TRAINSHED_CAP": str(CAP),
                "TRAINSHED_CATALOGUE": json.dumps({"toy": catalogue}),
            },
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def end(self, process: subprocess.Popen[str]) -> Invocation:
        output, logs = process.communicate(timeout=120)
        assert process.returncode == 0, logs
        metrics, returned = map(json.loads, output.splitlines())
        return Invocation(
            returned["returned"], metrics, [json.loads(line) for line in logs.splitlines()]
        )

    def invoke(self, event: Any = SCHEDULE, milliseconds: int = 60_000) -> Invocation:
        return self.end(self.start(event, milliseconds))

    def submit(self, *names: str) -> None:
        for name in names:
            self.send(request_of(name).encode())

    def send(self, body: str) -> None:
        self.platform.server.client("sqs").send_message(
            QueueUrl=self.platform.settings["TRAINSHED_QUEUE_URL"], MessageBody=body
        )

    @property
    def tasks(self) -> list[dict[str, Any]]:
        return EcsStage(self.platform.server).tasks(self.platform.name)

    def statuses(self) -> Counter[Status]:
        return Counter(record.status for record in self.registry.newest(100))


@pytest.fixture
def function(aws_server: AwsHost, monkeypatch: pytest.MonkeyPatch) -> Function:
    platform = make_platform(aws_server)
    platform.define_training("toy")
    for name, value in platform.server.environment.items():
        monkeypatch.setenv(name, value)
    settings = AwsSettings(table=platform.settings["TRAINSHED_TABLE"])
    return Function(platform, AwsParts(settings).registry())


def test_a_tick_takes_in_and_launches_and_says_so(function: Function) -> None:
    function.submit("a", "b", "c", "d")
    function.send("no json")
    invocation = function.invoke()
    assert function.statuses() == {
        Status.IN_PROGRESS: CAP,
        Status.PENDING: 1,
        Status.REJECTED: 1,
    }
    assert len(function.tasks) == CAP
    told = function.tasks[0]["containerEnvironment"]
    assert told["TRAINSHED_ENGINE"] == "aws"
    assert told["TRAINSHED_ATTEMPT"] == "1"
    expected = {"taken_in": 5, "launches": 3, "pending": 1, "running": CAP, "slots_free": 0}
    assert expected.items() <= invocation.returned.items()
    assert invocation.metrics["_aws"]["CloudWatchMetrics"][0]["Namespace"] == NAMESPACE
    assert invocation.returned.items() <= invocation.metrics.items()


def test_its_logs_are_json(function: Function) -> None:
    function.send('{"name": "ü"}')
    [warning] = (line for line in function.invoke().logs if line["level"] == "WARNING")
    assert warning.keys() == {"time", "level", "logger", "message", "request_id"}
    assert warning["logger"] == "queue_consumer.intake"
    assert "rejected: name: must be 1 to 63 lower-case letters" in warning["message"]
    assert "ü" in warning["message"]
    assert warning["request_id"] == "request-1"


def test_nothing_is_launched_shortly_before_its_deadline(function: Function) -> None:
    function.submit("a")
    invocation = function.invoke(milliseconds=15_000)
    assert (invocation.returned["taken_in"], invocation.returned["launches"]) == (1, 0)
    assert function.statuses() == {Status.PENDING: 1}
    assert function.tasks == []
    assert function.invoke().returned["launches"] == 1


def test_an_event_of_a_stopped_task_fills_its_slot(function: Function) -> None:
    function.submit("a", "b", "c", "d")
    function.invoke()
    stage = EcsStage(function.platform.server)
    [first, *_] = function.tasks
    stage.finish(first["taskArn"], None, "SpotInterruption", "Your Spot Task was interrupted.")
    event = stage.events()[-1]
    assert event["detail"]["stopCode"] == "SpotInterruption"
    invocation = function.invoke(event)
    assert invocation.returned["failures_spot_interruption"] == 1
    assert invocation.returned["launches"] == 1, "the delayed one is not ready yet"
    assert "running" not in invocation.returned, "how things stand is the schedule's to measure"
    assert function.statuses() == {Status.IN_PROGRESS: CAP, Status.PENDING: 1}
    assert any("Your Spot Task was interrupted." in line["message"] for line in invocation.logs)
    # Doubled, late or made up, an event is only a reason to look.
    for another in (event, {"detail": {"lastStatus": "STOPPED", "taskArn": "x"}}, {}):
        again = function.invoke(another)
        assert (again.returned["launches"], again.returned["failures"]) == (0, 0)
    assert len(function.tasks) == CAP + 1


def test_two_handlers_at_once_launch_each_model_once(function: Function) -> None:
    function.submit(*(f"m-{number}" for number in range(6)))
    processes = [function.start() for _ in range(2)]
    invocations = [function.end(process) for process in processes]
    assert sum(invocation.returned["launches"] for invocation in invocations) == CAP
    assert sum(invocation.returned["taken_in"] for invocation in invocations) == 6
    assert function.statuses() == {Status.IN_PROGRESS: CAP, Status.PENDING: 3}
    assert function.registry.slots_in_use() == CAP
    models = {task["containerEnvironment"]["TRAINSHED_MODEL_ID"] for task in function.tasks}
    assert len(models) == len(function.tasks) == CAP


def test_a_launch_whose_answer_was_lost_is_repeated_and_starts_one_task(function: Function) -> None:
    function.submit("a")
    stage = EcsStage(function.platform.server)
    stage.next_launches({"error": "ServerException", "started": True})
    invocation = function.invoke()
    assert function.statuses() == {Status.LAUNCHING: 1}
    assert any("did not say whether it started" in line["message"] for line in invocation.logs)
    function.invoke()
    assert function.statuses() == {Status.IN_PROGRESS: 1}
    assert len(function.tasks) == 1


def test_a_setting_that_is_missing_is_an_error_that_names_it(
    function: Function, monkeypatch: pytest.MonkeyPatch
) -> None:
    function.submit("a")
    monkeypatch.setattr(
        AwsPlatform, "environment", {**function.platform.environment, "TRAINSHED_TABLE": ""}
    )
    process = function.start()
    _, errors = process.communicate(timeout=120)
    assert process.returncode == 1
    assert "InvalidSettings: The aws engine needs TRAINSHED_TABLE" in errors

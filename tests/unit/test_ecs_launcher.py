"""What ECS says, in every stopCode that it has and one that it has not yet, and what we make of it.

The answers are checked against AWS's own description of its API, by botocore's stubber.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator
from typing import Any

import boto3
import pytest
from botocore.exceptions import EndpointConnectionError
from botocore.stub import Stubber

from tests.building import NOW, launch_for, pending_record, request_of
from trainshed.aws.launcher import EcsLauncher, TaskPlacement, state_of
from trainshed.errors import InvalidRequest, LaunchRefused, LaunchUncertain, StorageUnavailable
from trainshed.handoff import launch_of
from trainshed.model_type import Catalogue
from trainshed.ports import LogPage, Phase, TaskState
from trainshed.record import Cause, pending
from trainshed.settings import AwsSettings, Settings

CLUSTER = "arn:aws:ecs:eu-west-1:123456789012:cluster/shed"
TASK = "arn:aws:ecs:eu-west-1:123456789012:task/shed/0f6fe6b2a7a14be29f0b1b6d4dd2ba3d"
SETTINGS = Settings(engine="aws", aws=AwsSettings())
PLACEMENT = TaskPlacement(
    cluster="shed",
    family_prefix="shed-training-",
    subnets=("subnet-1", "subnet-2"),
    security_groups=("sg-1",),
    capacity_providers=("FARGATE_SPOT", "FARGATE"),
    assign_public_ip=True,
    log_group="/shed/training",
)
LAUNCH = launch_for(pending_record("cat"), TRAINSHED_TEXT="ä")


class Stubbed:
    """A launcher over clients that answer as they were told."""

    def __init__(self) -> None:
        options: Any = {
            "region_name": "eu-west-1",
            "aws_access_key_id": "x",
            "aws_secret_access_key": "x",
        }
        ecs, logs = (boto3.session.Session().client(name, **options) for name in ("ecs", "logs"))
        self.ecs, self.logs = Stubber(ecs), Stubber(logs)
        self.client = ecs
        self.launcher = EcsLauncher(ecs, logs, PLACEMENT)


@pytest.fixture
def stubbed() -> Iterator[Stubbed]:
    stubbed = Stubbed()
    with stubbed.ecs, stubbed.logs:
        yield stubbed
        stubbed.ecs.assert_no_pending_responses()
        stubbed.logs.assert_no_pending_responses()


def document(status: str = "STOPPED", container: Any = None, **fields: Any) -> dict[str, Any]:
    """A task as DescribeTasks gives it, and as an event has it in its `detail`."""
    return {
        "attachments": [],
        "clusterArn": CLUSTER,
        "containers": [
            {"name": "aws-guardduty-agent-x1", "exitCode": 0, "lastStatus": status},
            {"name": "training", "taskArn": TASK, "lastStatus": status, **(container or {})},
        ],
        "desiredStatus": "STOPPED" if status == "STOPPED" else "RUNNING",
        "group": "family:shed-training-toy",
        "lastStatus": status,
        "launchType": "FARGATE",
        "taskArn": TASK,
        "version": 5,
        **fields,
    }


class TestStateOf:
    @pytest.mark.parametrize(
        ("status", "phase"),
        [
            ("PROVISIONING", Phase.STARTING),
            ("PENDING", Phase.STARTING),
            ("ACTIVATING", Phase.STARTING),
            ("A_STATUS_TO_COME", Phase.RUNNING),
            ("RUNNING", Phase.RUNNING),
            ("DEACTIVATING", Phase.RUNNING),
            ("STOPPING", Phase.RUNNING),
            ("DEPROVISIONING", Phase.RUNNING),
            ("STOPPED", Phase.STOPPED),
        ],
    )
    def test_its_phase(self, status: str, phase: Phase) -> None:
        assert state_of(document(status)).phase is phase

    def test_what_goes_on_has_no_end_yet(self) -> None:
        going = document("DEPROVISIONING", {"exitCode": 1}, stopCode="SpotInterruption")
        assert state_of(going) == TaskState(Phase.RUNNING)

    @pytest.mark.parametrize(
        ("stop_code", "exit_code", "cause"),
        [
            ("EssentialContainerExited", 0, None),
            ("EssentialContainerExited", 1, None),
            ("EssentialContainerExited", 137, None),
            ("EssentialContainerExited", None, None),
            ("TaskFailedToStart", None, Cause.START_FAILED),
            ("TaskFailedToStart", 1, Cause.START_FAILED),
            ("SpotInterruption", 143, Cause.SPOT_INTERRUPTION),
            ("SpotInterruption", None, Cause.SPOT_INTERRUPTION),
            ("SpotInterruption", 0, None),
            ("TerminationNotice", 143, Cause.SPOT_INTERRUPTION),
            ("TerminationNotice", None, Cause.SPOT_INTERRUPTION),
            ("TerminationNotice", 0, None),
            ("UserInitiated", 143, None),
            ("UserInitiated", None, None),
            ("ServiceSchedulerInitiated", 143, None),
            ("ACodeToCome", 1, None),
            ("ACodeToCome", None, None),
            (None, 1, None),
            (None, None, None),
        ],
    )
    def test_how_it_ended(
        self, stop_code: str | None, exit_code: int | None, cause: Cause | None
    ) -> None:
        told = {} if stop_code is None else {"stopCode": stop_code}
        container = {} if exit_code is None else {"exitCode": exit_code}
        state = state_of(document("STOPPED", container, stoppedReason="So it was.", **told))
        assert state == TaskState(Phase.STOPPED, exit_code, cause, "So it was.")

    def test_out_of_memory_goes_before_all(self) -> None:
        reason = "OutOfMemoryError: Container killed due to memory usage"
        container = {"exitCode": 137, "reason": reason}
        state = state_of(document("STOPPED", container, stopCode="EssentialContainerExited"))
        assert state == TaskState(Phase.STOPPED, 137, Cause.OUT_OF_MEMORY, reason)

    def test_the_containers_reason_goes_before_the_tasks(self) -> None:
        container = {"reason": "CannotPullContainerError: no such tag"}
        stopped = document(
            "STOPPED", container, stopCode="TaskFailedToStart", stoppedReason="Task failed to start"
        )
        assert state_of(stopped).reason == "CannotPullContainerError: no such tag"

    def test_a_task_without_containers(self) -> None:
        stopped = {
            **document("STOPPED", stopCode="TaskFailedToStart", stoppedReason="No capacity"),
            "containers": [],
        }
        expected = TaskState(Phase.STOPPED, None, Cause.START_FAILED, "No capacity")
        assert state_of(stopped) == expected


PARAMETERS = {
    "cluster": "shed",
    "taskDefinition": "shed-training-toy",
    "count": 1,
    "clientToken": LAUNCH.token,
    "startedBy": LAUNCH.token,
    "capacityProviderStrategy": [
        {"capacityProvider": "FARGATE_SPOT", "weight": 1},
        {"capacityProvider": "FARGATE", "weight": 1},
    ],
    "networkConfiguration": {
        "awsvpcConfiguration": {
            "subnets": ["subnet-1", "subnet-2"],
            "securityGroups": ["sg-1"],
            "assignPublicIp": "ENABLED",
        }
    },
    "overrides": {
        "containerOverrides": [
            {
                "name": "training",
                "environment": [
                    {"name": name, "value": value} for name, value in LAUNCH.environment.items()
                ],
            }
        ]
    },
    "tags": [
        {"key": "trainshed:model", "value": LAUNCH.environment["TRAINSHED_MODEL_ID"]},
        {"key": "trainshed:attempt", "value": "1"},
    ],
    "propagateTags": "TASK_DEFINITION",
}


class TestLaunch:
    def test_what_ecs_is_asked_for(self, stubbed: Stubbed) -> None:
        answer = {"tasks": [document("PROVISIONING")], "failures": []}
        stubbed.ecs.add_response("run_task", answer, PARAMETERS)
        assert stubbed.launcher.launch(LAUNCH) == TASK

    def test_a_model_type_with_underscores_has_a_family_with_hyphens(self) -> None:
        assert PLACEMENT.family("image_classification") == "shed-training-image-classification"

    def test_failures_are_a_refusal_with_their_reasons(self, stubbed: Stubbed) -> None:
        failures = [{"reason": "RESOURCE:GPU", "detail": "none left"}, {"reason": "AGENT"}]
        stubbed.ecs.add_response("run_task", {"tasks": [], "failures": failures})
        with pytest.raises(LaunchRefused, match="no place for it: RESOURCE:GPU none left; AGENT"):
            stubbed.launcher.launch(LAUNCH)

    def test_neither_task_nor_failure_is_a_refusal(self, stubbed: Stubbed) -> None:
        stubbed.ecs.add_response("run_task", {"tasks": [], "failures": []})
        with pytest.raises(LaunchRefused, match="it gave no reason"):
            stubbed.launcher.launch(LAUNCH)

    def test_a_conflict_names_the_task_to_adopt(self, stubbed: Stubbed) -> None:
        stubbed.ecs.add_client_error(
            "run_task", "ConflictException", modeled_fields={"resourceIds": [TASK]}
        )
        assert stubbed.launcher.launch(LAUNCH) == TASK

    @pytest.mark.parametrize("fields", [{}, {"resourceIds": []}])
    def test_a_conflict_that_names_none_leaves_it_open(
        self, stubbed: Stubbed, fields: dict[str, Any]
    ) -> None:
        stubbed.ecs.add_client_error("run_task", "ConflictException", modeled_fields=fields)
        with pytest.raises(LaunchUncertain):
            stubbed.launcher.launch(LAUNCH)

    @pytest.mark.parametrize(
        "code",
        [
            *("AccessDeniedException", "BlockedException", "ClientException"),
            *("ClusterNotFoundException", "InvalidParameterException"),
            *("PlatformUnknownException", "UnsupportedFeatureException"),
            "PlatformTaskDefinitionIncompatibilityException",
        ],
    )
    def test_what_certainly_started_nothing_is_a_refusal(self, stubbed: Stubbed, code: str) -> None:
        stubbed.ecs.add_client_error("run_task", code, "Not so.")
        with pytest.raises(LaunchRefused, match=r"Not so\."):
            stubbed.launcher.launch(LAUNCH)

    @pytest.mark.parametrize(
        "code", ["ThrottlingException", "ServerException", "RequestLimitExceeded", "OneToCome"]
    )
    def test_all_else_leaves_it_open(self, stubbed: Stubbed, code: str) -> None:
        stubbed.ecs.add_client_error("run_task", code, http_status_code=400)
        with pytest.raises(LaunchUncertain, match=code):
            stubbed.launcher.launch(LAUNCH)

    def test_a_lost_connection_leaves_it_open(
        self, stubbed: Stubbed, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def lose(**_: object) -> None:
            raise EndpointConnectionError(endpoint_url="https://ecs")

        monkeypatch.setattr(stubbed.client, "run_task", lose)
        with pytest.raises(LaunchUncertain, match="did not say whether"):
            stubbed.launcher.launch(LAUNCH)

    @pytest.mark.parametrize("character", ["x", '"', "\\", "\n", "ä", "\N{PILE OF POO}"])
    def test_the_largest_request_fits_into_what_ecs_takes(
        self, catalogue: Catalogue, character: str
    ) -> None:
        largest = 0
        for length in range(1, 4000):
            request = request_of("a" * 63, hyperparameters={"says": character * length})
            try:
                request.encode()
                request = request.completed(catalogue)
            except InvalidRequest:
                break
            launch = launch_of(pending(request, NOW, NOW), 10, SETTINGS)
            environment = [
                {"name": name, "value": value} for name, value in launch.environment.items()
            ]
            overrides = {"containerOverrides": [{"name": "training", "environment": environment}]}
            largest = len(json.dumps(overrides))
        assert 4000 < largest <= 8192


IMAGE = "123456789012.dkr.ecr.eu-west-1.amazonaws.com/shed-training-toy"
DIGEST = "0123456789abcdef" * 4
PUSHED = LAUNCH.model_copy(update={"image_digest": f"sha256:{DIGEST}"})
FAMILY = f"shed-training-toy_7_{DIGEST}"
LOOKED_UP = {"taskDefinition": "shed-training-toy", "include": ["TAGS"]}
TAGS = [{"key": "Platform", "value": "shed"}]
DEFINITION: dict[str, Any] = {
    "family": "shed-training-toy",
    "taskRoleArn": "arn:aws:iam::123456789012:role/shed-training",
    "executionRoleArn": "arn:aws:iam::123456789012:role/shed-execution",
    "networkMode": "awsvpc",
    "cpu": "1024",
    "memory": "2048",
    "requiresCompatibilities": ["FARGATE"],
    "ephemeralStorage": {"sizeInGiB": 40},
    "volumes": [{"name": "tmp", "host": {}}],
    "containerDefinitions": [
        {"name": "sidecar", "image": "sidecar:1"},
        {"name": "training", "image": f"{IMAGE}:0.1.0", "readonlyRootFilesystem": True},
    ],
}
DESCRIBED = {
    "taskDefinition": {
        **DEFINITION,
        "taskDefinitionArn": "arn:aws:ecs:eu-west-1:123456789012:task-definition/x:7",
        "revision": 7,
        "status": "ACTIVE",
        "compatibilities": ["EC2", "FARGATE"],
        "requiresAttributes": [{"name": "ecs.capability.task-eni"}],
        "registeredAt": NOW,
        "registeredBy": "terraform",
    },
    "tags": [*TAGS, {"key": "aws:cloudformation:stack-name", "value": "x"}],
}
STARTED = {"tasks": [document("PROVISIONING")], "failures": []}


class TestLaunchOfAPushedImage:
    def test_it_is_defined_as_its_model_type_with_that_image(self, stubbed: Stubbed) -> None:
        stubbed.ecs.add_response("describe_task_definition", DESCRIBED, LOOKED_UP)
        stubbed.ecs.add_client_error(
            "describe_task_definition",
            "ClientException",
            "Unable to describe task definition.",
            expected_params={"taskDefinition": FAMILY},
        )
        [sidecar, training] = DEFINITION["containerDefinitions"]
        pinned = [sidecar, {**training, "image": f"{IMAGE}@sha256:{DIGEST}"}]
        stubbed.ecs.add_response(
            "register_task_definition",
            {},
            {**DEFINITION, "family": FAMILY, "containerDefinitions": pinned, "tags": TAGS},
        )
        stubbed.ecs.add_response("run_task", STARTED, {**PARAMETERS, "taskDefinition": FAMILY})
        assert stubbed.launcher.launch(PUSHED) == TASK

    def test_it_is_defined_once(self, stubbed: Stubbed) -> None:
        stubbed.ecs.add_response("describe_task_definition", DESCRIBED, LOOKED_UP)
        stubbed.ecs.add_response("describe_task_definition", {}, {"taskDefinition": FAMILY})
        stubbed.ecs.add_response("run_task", STARTED, {**PARAMETERS, "taskDefinition": FAMILY})
        assert stubbed.launcher.launch(PUSHED) == TASK

    @pytest.mark.parametrize(
        ("image", "pinned"),
        [
            ("toy", "toy"),
            ("toy:1", "toy"),
            ("host:5000/toy", "host:5000/toy"),
            ("host:5000/a/toy:1", "host:5000/a/toy"),
            (f"host/toy:1@sha256:{'f' * 64}", "host/toy"),
        ],
    )
    def test_it_comes_from_the_repository_of_its_model_type(
        self, stubbed: Stubbed, image: str, pinned: str
    ) -> None:
        containers = [{"name": "training", "image": image}]
        definition = {"family": "shed-training-toy", "revision": 7}
        stubbed.ecs.add_response(
            "describe_task_definition",
            {"taskDefinition": {**definition, "containerDefinitions": containers}},
        )
        stubbed.ecs.add_client_error("describe_task_definition", "ClientException")
        stubbed.ecs.add_response(
            "register_task_definition",
            {},
            {
                "family": FAMILY,
                "containerDefinitions": [
                    {"name": "training", "image": f"{pinned}@sha256:{DIGEST}"}
                ],
                "tags": [],
            },
        )
        stubbed.ecs.add_response("run_task", STARTED)
        stubbed.launcher.launch(PUSHED)

    def test_a_model_type_that_ecs_does_not_know_is_a_refusal(self, stubbed: Stubbed) -> None:
        stubbed.ecs.add_client_error("describe_task_definition", "ClientException", "Unknown.")
        with pytest.raises(LaunchRefused, match=r"Unknown\."):
            stubbed.launcher.launch(PUSHED)

    @pytest.mark.parametrize(
        ("code", "error"),
        [
            ("AccessDeniedException", LaunchRefused),
            ("ClientException", LaunchRefused),
            ("ThrottlingException", LaunchUncertain),
        ],
    )
    def test_what_cannot_be_registered_starts_nothing(
        self, stubbed: Stubbed, code: str, error: type[Exception]
    ) -> None:
        stubbed.ecs.add_response("describe_task_definition", DESCRIBED)
        stubbed.ecs.add_client_error("describe_task_definition", "ClientException")
        stubbed.ecs.add_client_error("register_task_definition", code)
        if code == "ClientException":
            stubbed.ecs.add_client_error("describe_task_definition", "ClientException")
        with pytest.raises(error):
            stubbed.launcher.launch(PUSHED)

    def test_what_another_consumer_has_registered_meanwhile_is_run(self, stubbed: Stubbed) -> None:
        self.refuse_for_another(stubbed)
        stubbed.ecs.add_response("describe_task_definition", {}, {"taskDefinition": FAMILY})
        stubbed.ecs.add_response("run_task", STARTED, {**PARAMETERS, "taskDefinition": FAMILY})
        assert stubbed.launcher.launch(PUSHED) == TASK

    @pytest.mark.parametrize("code", ["ClientException", "ThrottlingException"])
    def test_while_another_consumer_registers_it_the_launch_stays_open(
        self, stubbed: Stubbed, code: str
    ) -> None:
        self.refuse_for_another(stubbed)
        stubbed.ecs.add_client_error("describe_task_definition", code)
        with pytest.raises(LaunchUncertain):
            stubbed.launcher.launch(PUSHED)

    def refuse_for_another(self, stubbed: Stubbed) -> None:
        """As ECS does where two register one family at once."""
        stubbed.ecs.add_response("describe_task_definition", DESCRIBED, LOOKED_UP)
        stubbed.ecs.add_client_error("describe_task_definition", "ClientException")
        stubbed.ecs.add_client_error(
            "register_task_definition",
            "ClientException",
            "Too many concurrent attempts to create a new revision of the specified family.",
        )

    def test_what_cannot_be_looked_up_is_not_registered_again(self, stubbed: Stubbed) -> None:
        stubbed.ecs.add_response("describe_task_definition", DESCRIBED)
        stubbed.ecs.add_client_error("describe_task_definition", "ThrottlingException")
        with pytest.raises(LaunchUncertain):
            stubbed.launcher.launch(PUSHED)


class TestFind:
    def test_a_running_one_goes_first(self, stubbed: Stubbed) -> None:
        stubbed.ecs.add_response(
            "list_tasks",
            {"taskArns": [TASK]},
            {"cluster": "shed", "startedBy": "token", "desiredStatus": "RUNNING"},
        )
        assert stubbed.launcher.find("token") == TASK

    def test_then_a_stopped_one(self, stubbed: Stubbed) -> None:
        stubbed.ecs.add_response("list_tasks", {"taskArns": []})
        stubbed.ecs.add_response(
            "list_tasks",
            {"taskArns": [TASK]},
            {"cluster": "shed", "startedBy": "token", "desiredStatus": "STOPPED"},
        )
        assert stubbed.launcher.find("token") == TASK

    def test_what_cannot_be_listed_is_no_answer(self, stubbed: Stubbed) -> None:
        stubbed.ecs.add_client_error("list_tasks", "ThrottlingException")
        with pytest.raises(StorageUnavailable, match="ECS cannot be used"):
            stubbed.launcher.find("token")


class TestDescribe:
    def test_a_hundred_at_once(self, stubbed: Stubbed) -> None:
        tasks = [f"{TASK[:-3]}{number:03}" for number in range(205)]
        for start in (0, 100, 200):
            batch = tasks[start : start + 100]
            found = [{**document("RUNNING"), "taskArn": task} for task in batch]
            stubbed.ecs.add_response(
                "describe_tasks",
                {"tasks": found, "failures": []},
                {"cluster": "shed", "tasks": batch},
            )
        assert set(stubbed.launcher.describe(tasks)) == set(tasks)

    def test_none_asks_nothing(self, stubbed: Stubbed) -> None:
        assert stubbed.launcher.describe([]) == {}

    def test_only_a_missing_task_is_missing(self, stubbed: Stubbed) -> None:
        failures = [
            {"arn": f"{TASK}1", "reason": "MISSING"},
            {"arn": f"{TASK}2", "reason": "A_REASON_TO_COME"},
        ]
        stubbed.ecs.add_response("describe_tasks", {"tasks": [], "failures": failures})
        [(task, state)] = stubbed.launcher.describe([f"{TASK}1", f"{TASK}2"]).items()
        assert (task, state.phase) == (f"{TASK}1", Phase.MISSING)

    def test_what_ecs_has_no_time_for_is_unknown_and_keeps_nobody_waiting(
        self, stubbed: Stubbed, caplog: pytest.LogCaptureFixture
    ) -> None:
        tasks = [f"{TASK[:-3]}{number:03}" for number in range(101)]
        stubbed.ecs.add_client_error("describe_tasks", "ThrottlingException", "Rate exceeded")
        stubbed.ecs.add_response("describe_tasks", {"tasks": [document()], "failures": []})
        with caplog.at_level(logging.WARNING):
            assert set(stubbed.launcher.describe(tasks)) == {TASK}
        assert "100 tasks cannot be described now" in caplog.text

    def test_a_permission_that_is_missing_is_said(self, stubbed: Stubbed) -> None:
        stubbed.ecs.add_client_error("describe_tasks", "AccessDeniedException", "Not you.")
        with pytest.raises(StorageUnavailable, match=r"Not you\."):
            stubbed.launcher.describe([TASK])


class TestStop:
    def test_a_long_reason_is_cut(self, stubbed: Stubbed) -> None:
        stubbed.ecs.add_response(
            "stop_task", {"task": {}}, {"cluster": "shed", "task": TASK, "reason": "x" * 255}
        )
        stubbed.launcher.stop(TASK, "x" * 1000)

    def test_throttling_is_said(self, stubbed: Stubbed) -> None:
        stubbed.ecs.add_client_error("stop_task", "ThrottlingException")
        with pytest.raises(StorageUnavailable):
            stubbed.launcher.stop(TASK, "cancelled")


class TestLog:
    def page(self, stubbed: Stubbed, token: str | None, messages: list[str], then: str) -> None:
        stream = f"training/training/{TASK.rsplit('/', 1)[-1]}"
        position: dict[str, Any] = {"nextToken": token} if token else {"startFromHead": True}
        stubbed.logs.add_response(
            "get_log_events",
            {"events": [{"message": message} for message in messages], "nextForwardToken": then},
            {"logGroupName": "/shed/training", "logStreamName": stream, **position},
        )

    def test_a_page_without_events_is_not_the_end(self, stubbed: Stubbed) -> None:
        self.page(stubbed, None, [], "f/1")
        self.page(stubbed, "f/1", [], "f/2")
        self.page(stubbed, "f/2", ["at last", "two"], "f/3")
        self.page(stubbed, "f/3", [], "f/3")
        assert stubbed.launcher.log(TASK) == LogPage("at last\ntwo\n", "f/3")
        assert stubbed.launcher.log(TASK, "f/3") == LogPage("", "f/3")

    def test_a_task_that_has_printed_nothing_has_no_stream(self, stubbed: Stubbed) -> None:
        stubbed.logs.add_client_error("get_log_events", "ResourceNotFoundException")
        assert stubbed.launcher.log(TASK) == LogPage("", None)

    def test_what_cannot_be_read_is_said(self, stubbed: Stubbed) -> None:
        stubbed.logs.add_client_error("get_log_events", "AccessDeniedException")
        with pytest.raises(StorageUnavailable, match="CloudWatch Logs cannot be used"):
            stubbed.launcher.log(TASK)

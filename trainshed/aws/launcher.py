"""EcsLauncher: a training is an ECS task of its model type's task definition."""

from __future__ import annotations

import logging
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from trainshed.aws.pushed_image import define
from trainshed.aws.words import error_code, in_words
from trainshed.errors import LaunchRefused, LaunchUncertain
from trainshed.ports import Launcher, LogPage, Phase, Task, TaskState
from trainshed.record import Cause, Launch

_logger = logging.getLogger(__name__)

CONTAINER = "training"
"""The name of the container in every task definition."""

_DESCRIBED_AT_ONCE = 100
_MAX_REASON = 255

_REFUSALS = frozenset(
    {
        "AccessDeniedException",
        "BlockedException",
        "ClientException",
        "ClusterNotFoundException",
        "InvalidParameterException",
        "PlatformTaskDefinitionIncompatibilityException",
        "PlatformUnknownException",
        "UnsupportedFeatureException",
    }
)
"""Errors that say that nothing was started; any other leaves it open."""

_MISSING = "ECS knows no such task, or no longer: it keeps a stopped one for an hour."

_PASSING = frozenset({"ServerException", "ThrottlingException", "RequestLimitExceeded"})
"""Errors that say that ECS has no time now."""

_STOP_CAUSES = {
    "TaskFailedToStart": Cause.START_FAILED,
    "SpotInterruption": Cause.SPOT_INTERRUPTION,
    "TerminationNotice": Cause.SPOT_INTERRUPTION,
}
"""What ECS's stopCode says by itself. Others, also those to come, are told by the exit code."""


@dataclass(frozen=True)
class TaskPlacement:
    """Where tasks run."""

    cluster: str
    family_prefix: str
    """A model type's task definition is `<family_prefix><model type, hyphens for underscores>`."""
    subnets: Sequence[str]
    security_groups: Sequence[str]
    capacity_providers: Sequence[str]
    assign_public_ip: bool
    log_group: str

    def family(self, model_type: str) -> str:
        return self.family_prefix + model_type.replace("_", "-")


class EcsLauncher(Launcher):
    def __init__(self, ecs: Any, logs: Any, placement: TaskPlacement) -> None:
        self._ecs = ecs
        self._logs = logs
        self._placement = placement

    def launch(self, launch: Launch) -> str:
        try:
            definition = self._placement.family(launch.model_type)
            if launch.image_digest is not None:
                definition = define(self._ecs, definition, CONTAINER, launch.image_digest)
            answer = self._ecs.run_task(**self._parameters(launch, definition))
        except ClientError as error:
            code = error_code(error)
            if code == "ConflictException" and (tasks := error.response.get("resourceIds")):
                return str(tasks[0])  # the token is known with other parameters: adopt its task
            if code in _REFUSALS:
                raise LaunchRefused(f"ECS refused: {error}") from error
            raise LaunchUncertain(f"ECS did not say whether it started: {error}") from error
        except BotoCoreError as error:
            raise LaunchUncertain(f"ECS did not say whether it started: {error}") from error
        if answer["tasks"]:
            return str(answer["tasks"][0]["taskArn"])
        reasons = "; ".join(
            " ".join(filter(None, (failure.get("reason"), failure.get("detail"))))
            for failure in answer["failures"]
        )
        raise LaunchRefused(f"ECS had no place for it: {reasons or 'it gave no reason'}.")

    def find(self, token: str) -> str | None:
        with in_words("ECS"):
            for status in ("RUNNING", "STOPPED"):
                answer = self._ecs.list_tasks(
                    cluster=self._placement.cluster, startedBy=token, desiredStatus=status
                )
                if answer["taskArns"]:
                    return str(answer["taskArns"][0])
        return None

    def describe(self, tasks: Collection[str]) -> dict[str, TaskState]:
        states = {}
        for batch in _batches(list(tasks)):
            with in_words("ECS"):
                try:
                    answer = self._ecs.describe_tasks(cluster=self._placement.cluster, tasks=batch)
                except ClientError as error:
                    if error_code(error) not in _PASSING:
                        raise
                    _logger.warning("%d tasks cannot be described now: %s", len(batch), error)
                    continue
            for task in answer["tasks"]:
                states[task["taskArn"]] = state_of(task)
            for failure in answer.get("failures", []):
                if failure.get("reason") == "MISSING":
                    states[failure["arn"]] = TaskState(Phase.MISSING, reason=_MISSING)
        return states

    def stop(self, task: str, reason: str) -> None:
        with in_words("ECS"):
            try:
                self._ecs.stop_task(
                    cluster=self._placement.cluster, task=task, reason=reason[:_MAX_REASON]
                )
            except ClientError as error:
                if error_code(error) != "InvalidParameterException":  # ECS knows it no more
                    raise

    def tasks(self) -> list[Task]:
        with in_words("ECS"):
            pages = self._ecs.get_paginator("list_tasks").paginate(
                cluster=self._placement.cluster, desiredStatus="RUNNING"
            )
            arns = [arn for page in pages for arn in page["taskArns"]]
            answers = [
                self._ecs.describe_tasks(cluster=self._placement.cluster, tasks=batch)
                for batch in _batches(arns)
            ]
        family = f"family:{self._placement.family_prefix}"
        return [
            _task(task)
            for answer in answers
            for task in answer["tasks"]
            # A cluster holds other tasks too, such as those of services.
            if task.get("group", "").startswith(family) and task["lastStatus"] != "STOPPED"
        ]

    def discard(self, task: str, with_log: bool) -> None:
        """Nothing is left behind: ECS forgets, and CloudWatch deletes logs by their age."""

    def log(self, task: str, cursor: str | None = None) -> LogPage:
        stream = f"{CONTAINER}/{CONTAINER}/{task.rsplit('/', 1)[-1]}"
        while True:
            position = {"nextToken": cursor} if cursor else {"startFromHead": True}
            with in_words("CloudWatch Logs"):
                try:
                    page = self._logs.get_log_events(
                        logGroupName=self._placement.log_group, logStreamName=stream, **position
                    )
                except ClientError as error:
                    if error_code(error) == "ResourceNotFoundException":  # nothing printed yet
                        return LogPage("", cursor)
                    raise
            text = "".join(f"{event['message']}\n" for event in page["events"])
            # A page without events is the end only where the next one begins as it did.
            if text or page["nextForwardToken"] == cursor:
                return LogPage(text, page["nextForwardToken"])
            cursor = page["nextForwardToken"]

    def _parameters(self, launch: Launch, definition: str) -> dict[str, Any]:
        placement = self._placement
        environment = [{"name": name, "value": value} for name, value in launch.environment.items()]
        model_id = launch.environment["TRAINSHED_MODEL_ID"]
        attempt = launch.environment["TRAINSHED_ATTEMPT"]
        return {
            "cluster": placement.cluster,
            "taskDefinition": definition,
            "count": 1,
            "clientToken": launch.token,
            "startedBy": launch.token,
            "capacityProviderStrategy": [
                {"capacityProvider": provider, "weight": 1}
                for provider in placement.capacity_providers
            ],
            "networkConfiguration": {
                "awsvpcConfiguration": {
                    "subnets": list(placement.subnets),
                    "securityGroups": list(placement.security_groups),
                    "assignPublicIp": "ENABLED" if placement.assign_public_ip else "DISABLED",
                }
            },
            "overrides": {"containerOverrides": [{"name": CONTAINER, "environment": environment}]},
            "tags": [
                {"key": "trainshed:model", "value": model_id},
                {"key": "trainshed:attempt", "value": attempt},
            ],
            "propagateTags": "TASK_DEFINITION",
        }


def _task(task: dict[str, Any]) -> Task:
    environment = {
        entry["name"]: entry["value"]
        for override in task.get("overrides", {}).get("containerOverrides", [])
        for entry in override.get("environment", [])
    }
    return Task(
        task=task["taskArn"],
        # Whoever started it by hand has named no model: then no record follows it either.
        model_id=environment.get("TRAINSHED_MODEL_ID", ""),
        attempt=int(environment.get("TRAINSHED_ATTEMPT", 0)),
        since=task["createdAt"],
        running=True,
    )


def state_of(task: dict[str, Any]) -> TaskState:
    """What ECS says of a task, in DescribeTasks or in a task-state-change event."""
    if task["lastStatus"] != "STOPPED":
        starting = task["lastStatus"] in ("PROVISIONING", "PENDING", "ACTIVATING")
        return TaskState(Phase.STARTING if starting else Phase.RUNNING)
    container: dict[str, Any] = next((c for c in task["containers"] if c["name"] == CONTAINER), {})
    reason = container.get("reason") or task.get("stoppedReason") or ""
    return TaskState(
        Phase.STOPPED,
        exit_code=container.get("exitCode"),
        cause=_cause(task, container),
        reason=reason,
    )


def _cause(task: dict[str, Any], container: dict[str, Any]) -> Cause | None:
    if "OutOfMemory" in container.get("reason", ""):
        return Cause.OUT_OF_MEMORY
    if container.get("exitCode") == 0:  # it was done before whatever stopped the task
        return None
    return _STOP_CAUSES.get(task.get("stopCode", ""))


def _batches(tasks: list[str]) -> Iterator[list[str]]:
    for start in range(0, len(tasks), _DESCRIBED_AT_ONCE):
        yield tasks[start : start + _DESCRIBED_AT_ONCE]

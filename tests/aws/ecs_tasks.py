"""ECS tasks that behave as AWS's do, in the place of moto's; part of the server.

A task changes only when it is told to (`EcsTasks.move`), never by being looked at. It starts
PROVISIONING, has no exit code until its container has ended, and every change is an event. A
client token is idempotent within its cluster, and `RunTask` says no where AWS says no.
"""

from __future__ import annotations

import copy
import json
import re
import threading
import uuid
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any

from moto.core.exceptions import ServiceException
from moto.core.responses import ActionResult
from moto.ecs.models import EC2ContainerServiceBackend
from moto.ecs.responses import EC2ContainerServiceResponse

Document = dict[str, Any]

PAGE = 100
MAX_OVERRIDES = 8192
_TOKEN = re.compile(r"[\x21-\x7e]{1,64}")
_STARTED_BY = re.compile(r"[A-Za-z0-9_/-]{1,128}")
_TAG_VALUE = re.compile(r"[\w .:/=+@-]{0,256}")
_TIMES = {"PENDING": "connectivityAt", "RUNNING": "startedAt", "STOPPED": "stoppedAt"}


class Refusal(ServiceException):
    """An error of the ECS API; `resourceIds` belongs to a conflict."""

    def __init__(self, code: str, message: str, tasks: Iterable[str] = ()) -> None:
        super().__init__(code, message)
        self.resourceIds = list(tasks)


class EcsTasks:
    """All tasks of all clusters. Its methods may be called from many threads."""

    def __init__(self) -> None:
        self._lock = threading.RLock()
        self._tasks: dict[str, Document] = {}
        self._versions: dict[str, int] = {}
        self._tokens: dict[tuple[str, str], tuple[str, list[str]]] = {}
        self._events: list[Document] = []
        self._outcomes: list[Document] = []

    # What the API does

    def run(self, backend: EC2ContainerServiceBackend, given: Document) -> Document:
        with self._lock:
            outcome = self._outcomes.pop(0) if self._outcomes else {}
            if outcome.get("error") and not outcome.get("started"):
                raise Refusal(outcome["error"], "scripted")
            if outcome.get("failures"):
                return {"tasks": [], "failures": outcome["failures"]}
            cluster = backend._get_cluster(given.get("cluster", "default"))
            known = self._known(cluster.arn, given)
            arns = known if known is not None else self._start(backend, cluster, given)
            if outcome.get("error"):
                raise Refusal(outcome["error"], "scripted, though it has started")
            return {"tasks": [_answer(self._tasks[arn]) for arn in arns], "failures": []}

    def describe(self, cluster: str, wanted: list[str], with_tags: bool) -> Document:
        if not wanted or len(wanted) > PAGE:
            raise Refusal("InvalidParameterException", f"Between 1 and {PAGE} tasks, please.")
        found, failures = [], []
        with self._lock:
            for name in wanted:
                task = self._find(cluster, name)
                if task is None:
                    failures.append({"arn": name, "reason": "MISSING"})
                else:
                    found.append(_answer(task, with_tags))
        return {"tasks": found, "failures": failures}

    def listed(self, cluster: str, given: Document) -> Document:
        with self._lock:
            found = [
                arn
                for arn, task in self._tasks.items()
                if task["clusterArn"] == cluster
                and task["desiredStatus"] == given.get("desiredStatus", "RUNNING")
                and task["startedBy"] == given.get("startedBy", task["startedBy"])
                and _family(task) == given.get("family", _family(task))
            ]
        start = int(given.get("nextToken") or 0)
        end = start + int(given.get("maxResults") or PAGE)
        page: Document = {"taskArns": found[start:end]}
        if end < len(found):
            page["nextToken"] = str(end)
        return page

    def stop(self, cluster: str, name: str, reason: str) -> Document:
        with self._lock:
            task = self._find(cluster, name)
            if task is None:
                raise Refusal("InvalidParameterException", "The referenced task was not found.")
            if task["desiredStatus"] != "STOPPED":
                task.update(
                    desiredStatus="STOPPED",
                    stopCode="UserInitiated",
                    stoppedReason=reason,
                    stoppingAt=_now(),
                )
                self._changed(task)
            return _answer(task)

    def check_empty(self, cluster: str) -> None:
        with self._lock:
            if any(
                task["clusterArn"] == cluster and task["lastStatus"] != "STOPPED"
                for task in self._tasks.values()
            ):
                raise Refusal(
                    "ClusterContainsTasksException", "The Cluster cannot be deleted while it runs."
                )

    # What a test does, or what stands in for ECS's agent

    def all(self) -> list[Document]:
        """Every task, with the `containerEnvironment` that its container gets."""
        with self._lock:
            return [copy.deepcopy(task) for task in self._tasks.values()]

    def move(self, arn: str, status: str, container: Document, task_fields: Document) -> None:
        """Bring a task to `status`, and set what is known of its end."""
        with self._lock:
            task = self._tasks[arn]
            if task["lastStatus"] == "STOPPED":
                raise ValueError(f"{arn} has stopped, and stays so")
            task["lastStatus"] = status
            if status == "STOPPED":
                task["desiredStatus"] = "STOPPED"
            if status in _TIMES:
                task[_TIMES[status]] = _now()
            for field, value in task_fields.items():
                # What StopTask has said of a stop is not overwritten by how the container ended.
                task.setdefault(field, value)
            task["containers"][0].update(container, lastStatus=_of_container(status))
            self._changed(task)

    def events(self, after: int = 0) -> list[Document]:
        """The task-state-change events, all but the first `after`."""
        with self._lock:
            return copy.deepcopy(self._events[after:])

    def script(self, outcomes: list[Document]) -> None:
        """What the next calls of RunTask come to: `{}` as usual, `{"failures": […]}`,
        `{"error": code}`, or with `"started": true` an error after the task was started."""
        with self._lock:
            self._outcomes += outcomes

    def forget_tokens(self) -> None:
        """As ECS does some time after a task's end."""
        with self._lock:
            self._tokens.clear()

    def _known(self, cluster: str, given: Document) -> list[str] | None:
        token = given.get("clientToken")
        if token is None:
            return None
        if not _TOKEN.fullmatch(token):
            raise Refusal("InvalidParameterException", "clientToken: 1 to 64 ASCII characters.")
        if (cluster, token) not in self._tokens:
            return None
        parameters, arns = self._tokens[cluster, token]
        if parameters != _canonical(given):
            raise Refusal("ConflictException", "The token is known with other parameters.", arns)
        return arns

    def _start(
        self, backend: EC2ContainerServiceBackend, cluster: Any, given: Document
    ) -> list[str]:
        definition = backend.describe_task_definition(given["taskDefinition"])
        _check(given, cluster, definition)
        arns = []
        for _ in range(given.get("count", 1)):
            task = _new_task(given, cluster, definition, backend.account_id)
            arns.append(task["taskArn"])
            self._tasks[task["taskArn"]] = task
            self._changed(task)
        if "clientToken" in given:
            self._tokens[cluster.arn, given["clientToken"]] = (_canonical(given), arns)
        return arns

    def _find(self, cluster: str, name: str) -> Document | None:
        for arn, task in self._tasks.items():
            if task["clusterArn"] == cluster and name in (arn, arn.rsplit("/", 1)[-1]):
                return task
        return None

    def _changed(self, task: Document) -> None:
        task["version"] += 1
        detail = {
            name: value.isoformat() if isinstance(value, datetime) else value
            for name, value in task.items()
            if name not in _INTERNAL
        }
        self._events.append(
            {
                "version": "0",
                "id": str(uuid.uuid4()),
                "detail-type": "ECS Task State Change",
                "source": "aws.ecs",
                "account": task["taskArn"].split(":")[4],
                "time": _now().strftime("%Y-%m-%dT%H:%M:%SZ"),
                "region": task["taskArn"].split(":")[3],
                "resources": [task["taskArn"]],
                "detail": copy.deepcopy(detail),
            }
        )


_INTERNAL = ("containerEnvironment", "containerDefinition", "taskRoleArn")


def install(tasks: EcsTasks) -> None:
    """Put `tasks` in the place of those that moto's ECS keeps."""

    def run_task(self: EC2ContainerServiceResponse) -> ActionResult:
        return ActionResult(tasks.run(self.ecs_backend, dict(self.params)))

    def describe_tasks(self: EC2ContainerServiceResponse) -> ActionResult:
        with_tags = "TAGS" in self._get_param("include", [])
        return ActionResult(tasks.describe(arn(self), self._get_param("tasks", []), with_tags))

    def list_tasks(self: EC2ContainerServiceResponse) -> ActionResult:
        return ActionResult(tasks.listed(arn(self), dict(self.params)))

    def stop_task(self: EC2ContainerServiceResponse) -> ActionResult:
        stopped = tasks.stop(arn(self), self._get_param("task"), self._get_param("reason", ""))
        return ActionResult({"task": stopped})

    def delete_cluster(self: EC2ContainerServiceResponse) -> ActionResult:
        tasks.check_empty(arn(self))
        return plain_delete_cluster(self)

    def arn(response: EC2ContainerServiceResponse) -> str:
        return str(response.ecs_backend._get_cluster(response._get_param("cluster", "default")).arn)

    plain_delete_cluster = EC2ContainerServiceResponse.delete_cluster
    for method in (run_task, describe_tasks, list_tasks, stop_task, delete_cluster):
        setattr(EC2ContainerServiceResponse, method.__name__, method)


def _check(given: Document, cluster: Any, definition: Any) -> None:
    """Raise what RunTask would. Least is taken for granted where moto takes all."""
    if not 1 <= given.get("count", 1) <= 10:
        raise Refusal("InvalidParameterException", "count should be between 1 and 10")
    strategy = given.get("capacityProviderStrategy", [])
    if strategy and given.get("launchType"):
        raise Refusal("InvalidParameterException", "Either a launch type or a strategy.")
    for entry in strategy:
        if entry["capacityProvider"] not in (cluster.capacity_providers or []):
            raise Refusal(
                "InvalidParameterException",
                f"The capacity provider {entry['capacityProvider']} is not of this cluster.",
            )
    network = given.get("networkConfiguration", {}).get("awsvpcConfiguration", {})
    if definition.network_mode == "awsvpc" and not network.get("subnets"):
        raise Refusal("InvalidParameterException", "awsvpc needs a network configuration.")
    if not _STARTED_BY.fullmatch(given.get("startedBy", "-")):
        raise Refusal("InvalidParameterException", "startedBy: 128 letters, numbers, - / _")
    for tag in given.get("tags", []):
        if not _TAG_VALUE.fullmatch(tag["value"]):
            raise Refusal("InvalidParameterException", f"The tag {tag['key']} has a wrong value.")
    overrides = given.get("overrides", {})
    if len(_canonical(overrides)) > MAX_OVERRIDES:
        raise Refusal("InvalidParameterException", f"Overrides: {MAX_OVERRIDES} characters at most")
    names = [container["name"] for container in definition.container_definitions]
    for override in overrides.get("containerOverrides", []):
        if override["name"] not in names:
            raise Refusal("InvalidParameterException", f"There is no container {override['name']}.")


def _new_task(given: Document, cluster: Any, definition: Any, account: str) -> Document:
    task_id = uuid.uuid4().hex
    arn = cluster.arn.replace(":cluster/", ":task/") + f"/{task_id}"
    strategy = given.get("capacityProviderStrategy", [])
    container = definition.container_definitions[0]
    environment = {entry["name"]: entry["value"] for entry in container.get("environment", [])}
    for override in given.get("overrides", {}).get("containerOverrides", []):
        if override["name"] == container["name"]:
            for entry in override.get("environment", []):
                environment[entry["name"]] = entry["value"]
    task: Document = {
        "taskArn": arn,
        "clusterArn": cluster.arn,
        "taskDefinitionArn": definition.arn,
        "group": f"family:{definition.family}",
        "lastStatus": "PROVISIONING",
        "desiredStatus": "RUNNING",
        "startedBy": given.get("startedBy", ""),
        "createdAt": _now(),
        "overrides": given.get("overrides", {}),
        "tags": given.get("tags", []),
        "version": 0,
        "containers": [
            {
                "containerArn": arn.replace(":task/", ":container/") + f"/{uuid.uuid4()}",
                "taskArn": arn,
                "name": container["name"],
                "image": container["image"],
                "lastStatus": "PENDING",
            }
        ],
        "containerEnvironment": environment,
        "containerDefinition": container,
        "taskRoleArn": getattr(definition, "task_role_arn", None),
    }
    if strategy:
        task["capacityProviderName"] = strategy[0]["capacityProvider"]
    else:
        task["launchType"] = given.get("launchType", "EC2")
    return task


def _family(task: Document) -> str:
    return str(task["group"]).removeprefix("family:")


def _of_container(status: str) -> str:
    return status if status in ("RUNNING", "STOPPED") else "PENDING"


def _answer(task: Document, with_tags: bool = True) -> Document:
    hidden = _INTERNAL if with_tags else (*_INTERNAL, "tags")
    return {key: copy.deepcopy(value) for key, value in task.items() if key not in hidden}


def _canonical(given: Document) -> str:
    return json.dumps(given, sort_keys=True, default=str)


def _now() -> datetime:
    return datetime.now(UTC)

"""EcsStage: the other side of ECS, from where a test moves tasks on, or really runs them."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import time
import urllib.request
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from .moto_server import REGION, MotoServer

Document = dict[str, Any]


class EcsStage:
    def __init__(self, server: MotoServer) -> None:
        self._server = server

    def tasks(self, cluster: str | None = None) -> list[Document]:
        """All tasks, as DescribeTasks gives them, and with `containerEnvironment` (task definition
        and overrides), `containerDefinition` and `taskRoleArn`. `cluster` is a name or an ARN."""
        tasks: list[Document] = self._ask("tasks")
        if cluster is None:
            return tasks
        name = cluster.rsplit("/", 1)[-1]
        return [task for task in tasks if task["clusterArn"].endswith(f"/{name}")]

    def move(self, task: str, status: str, **fields: str) -> None:
        """Bring a task to a status on its way: PENDING, ACTIVATING, RUNNING …"""
        self._ask("move", task=task, status=status, container={}, fields=fields)

    def finish(
        self,
        task: str,
        exit_code: int | None,
        stop_code: str = "EssentialContainerExited",
        stopped_reason: str = "Essential container in task exited",
        container_reason: str | None = None,
    ) -> None:
        """Stop a task. No exit code means that its container never ran, or that nobody knows."""
        container: Document = {} if exit_code is None else {"exitCode": exit_code}
        if container_reason is not None:
            container["reason"] = container_reason
        fields = {"stopCode": stop_code, "stoppedReason": stopped_reason}
        self._ask("move", task=task, status="STOPPED", container=container, fields=fields)

    def events(self, after: int = 0) -> list[Document]:
        """The task-state-change events so far, all but the first `after`, as EventBridge hands
        them to a Lambda. Each change raises `detail.version`."""
        events: list[Document] = self._ask(f"events?after={after}")
        return events

    def next_launches(self, *outcomes: Document) -> None:
        """What the next calls of RunTask come to: `{}` as usual, `{"failures": [{"reason": …}]}`,
        `{"error": "ThrottlingException"}`, and with `"started": True` the error comes after the
        task has been started."""
        self._ask("script", outcomes=outcomes)

    def forget_tokens(self) -> None:
        """Let all client tokens run out."""
        self._ask("forget-tokens")

    def agent_environment(self, task: Document) -> dict[str, str]:
        """What ECS's agent adds to a container's environment: metadata and the role's
        credentials; and where AWS is, which no real container has to be told."""
        task_id = task["taskArn"].rsplit("/", 1)[-1]
        found = {
            "AWS_ENDPOINT_URL": self._server.url,
            "AWS_EC2_METADATA_DISABLED": "true",
            "AWS_EXECUTION_ENV": "AWS_ECS_FARGATE",
            "AWS_REGION": REGION,
            "ECS_CONTAINER_METADATA_URI_V4": f"{self._server.url}/stage/metadata/{task_id}",
        }
        if task["taskRoleArn"]:
            found["AWS_CONTAINER_CREDENTIALS_FULL_URI"] = (
                f"{self._server.url}/stage/credentials/{task_id}"
            )
        return found

    def _ask(self, path: str, **given: Any) -> Any:
        request = urllib.request.Request(
            f"{self._server.url}/stage/{path}", data=json.dumps(given).encode()
        )
        with urllib.request.urlopen(request, timeout=60) as answer:
            return json.load(answer)


class ContainerRunner:
    """Runs the container of each task of a cluster as a child process, with exactly the
    environment of its task definition and overrides, plus what the agent adds and `extra`.

    Nothing happens but in `step`, so that a test decides what happens when.
    """

    def __init__(
        self,
        server: MotoServer,
        cluster: str,
        command: Sequence[str],
        folder: Path,
        extra: Mapping[str, str] | None = None,
    ) -> None:
        self.stage = EcsStage(server)
        self._cluster = cluster
        self._command = command
        self._folder = folder
        self._extra = dict(extra or {})
        self._logs = server.client("logs")
        self._children: dict[str, subprocess.Popen[bytes]] = {}
        self._kill_at: dict[str, float] = {}

    def __enter__(self) -> ContainerRunner:
        return self

    def __exit__(self, *_: object) -> None:
        for child in self._children.values():
            child.kill()
            child.wait()

    def step(self) -> int:
        """Start, stop and end what is due; give how many tasks have not stopped."""
        going = 0
        for task in self.stage.tasks(self._cluster):
            if task["lastStatus"] == "STOPPED":
                continue
            arn = task["taskArn"]
            child = self._children.get(arn)
            if child is None:
                if task["desiredStatus"] == "STOPPED":
                    self.stage.finish(arn, None)
                    continue
                self._start(task)
            elif child.poll() is not None:
                self._end(task, child.returncode)
                continue
            elif task["desiredStatus"] == "STOPPED":
                self._stop(task, child)
            going += 1
        return going

    def _start(self, task: Document) -> None:
        arn = task["taskArn"]
        for status in ("PENDING", "ACTIVATING", "RUNNING"):
            self.stage.move(arn, status)
        environment = {
            "PATH": os.environ["PATH"],
            **task["containerEnvironment"],
            **self.stage.agent_environment(task),
            **self._extra,
        }
        with self._output(task).open("wb") as output:
            self._children[arn] = subprocess.Popen(
                self._command, env=environment, stdout=output, stderr=subprocess.STDOUT
            )

    def _stop(self, task: Document, child: subprocess.Popen[bytes]) -> None:
        arn = task["taskArn"]
        if arn not in self._kill_at:
            grace = task["containerDefinition"].get("stopTimeout", 30)
            self._kill_at[arn] = time.monotonic() + grace
            child.send_signal(signal.SIGTERM)
        elif time.monotonic() >= self._kill_at[arn]:
            child.kill()

    def _end(self, task: Document, status: int) -> None:
        self._ship_log(task)
        self.stage.finish(task["taskArn"], 128 - status if status < 0 else status)

    def _ship_log(self, task: Document) -> None:
        """Put what the container printed where its `awslogs` options say."""
        lines = self._output(task).read_text("utf-8", "replace").splitlines()
        container = task["containerDefinition"]
        if not lines or "logConfiguration" not in container:
            return
        options = container["logConfiguration"]["options"]
        task_id = task["taskArn"].rsplit("/", 1)[-1]
        where = {
            "logGroupName": options["awslogs-group"],
            "logStreamName": f"{options['awslogs-stream-prefix']}/{container['name']}/{task_id}",
        }
        self._logs.create_log_stream(**where)
        now = int(time.time() * 1000)
        self._logs.put_log_events(
            **where, logEvents=[{"timestamp": now, "message": line} for line in lines if line]
        )

    def _output(self, task: Document) -> Path:
        return self._folder / f"{task['taskArn'].rsplit('/', 1)[-1]}.log"

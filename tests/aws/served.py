"""The server process, `python -m tests.aws.served`: moto with the patches, and the stage door.

It binds a free port of the loopback address, prints its number, and ends when its standard input
does, so that it never outlives whoever started it. Below `/stage/` it has what AWS has no API for:
the tasks' other side, which `EcsStage` speaks to.
"""

from __future__ import annotations

import json
import os
import socket
import sys
import threading
from collections.abc import Callable, Iterable
from typing import Any
from urllib.parse import parse_qs

from moto.moto_server.werkzeug_app import (
    DomainDispatcherApplication,
    MotoRequestHandler,
    create_backend_app,
)
from moto.sts.models import sts_backends
from werkzeug.serving import make_server
from werkzeug.wrappers import Request, Response

from .clock import SqsClock
from .ecs_tasks import Document, EcsTasks, install
from .patches import apply_patches
from .permissions import check_permissions

SESSION_SECONDS = 3600


class StageDoor:
    """Answers `/stage/…` itself and leaves everything else to moto."""

    def __init__(
        self, tasks: EcsTasks, clock: SqsClock, moto: Callable[..., Iterable[bytes]]
    ) -> None:
        self._tasks = tasks
        self._clock = clock
        self._moto = moto

    def __call__(self, environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        if not environ["PATH_INFO"].startswith("/stage/"):
            return self._moto(environ, start_response)
        answer = self._answer(Request(environ))
        response = Response(
            json.dumps(answer, default=str),
            status=404 if answer is None else 200,
            content_type="application/json",
        )
        return response(environ, start_response)

    def _answer(self, request: Request) -> Any:
        given = json.loads(request.get_data() or b"{}")
        match request.path.split("/")[2:]:
            case ["tasks"]:
                return self._tasks.all()
            case ["move"]:
                self._tasks.move(
                    given["task"], given["status"], given["container"], given["fields"]
                )
                return {}
            case ["events"]:
                [after] = parse_qs(request.query_string.decode()).get("after", ["0"])
                return self._tasks.events(int(after))
            case ["script"]:
                self._tasks.script(given["outcomes"])
                return {}
            case ["forget-tokens"]:
                self._tasks.forget_tokens()
                return {}
            case ["clock"]:
                self._clock.advance(given["seconds"])
                return {}
            case ["metadata", task_id, "task"]:
                return self._metadata(task_id)
            case ["credentials", task_id]:
                return self._credentials(task_id)
        return None

    def _metadata(self, task_id: str) -> Document | None:
        """What the task metadata endpoint, version 4, tells a container of its task."""
        task = self._task(task_id)
        return task and {
            "Cluster": task["clusterArn"],
            "TaskARN": task["taskArn"],
            "Family": task["group"].removeprefix("family:"),
            "KnownStatus": task["lastStatus"],
            "DesiredStatus": task["desiredStatus"],
        }

    def _credentials(self, task_id: str) -> Document | None:
        """Those of the task's role, as the agent gives them to the container."""
        task = self._task(task_id)
        if task is None or not task["taskRoleArn"]:
            return None
        _, partition, _, _, account, _ = task["taskRoleArn"].split(":", 5)
        assumed = sts_backends[account][partition].assume_role(
            "us-east-1", task_id, task["taskRoleArn"], "", SESSION_SECONDS, ""
        )
        return {
            "AccessKeyId": assumed.access_key_id,
            "SecretAccessKey": assumed.secret_access_key,
            "Token": assumed.session_token,
            "Expiration": assumed.expiration.strftime("%Y-%m-%dT%H:%M:%SZ"),
            "RoleArn": task["taskRoleArn"],
        }

    def _task(self, task_id: str) -> Document | None:
        return next(
            (task for task in self._tasks.all() if task["taskArn"].endswith(f"/{task_id}")), None
        )


def main() -> None:
    tasks, clock = EcsTasks(), SqsClock()
    apply_patches()
    install(tasks)
    clock.install()
    check_permissions()
    with socket.create_server(("127.0.0.1", 0), backlog=128) as listener:
        port = listener.getsockname()[1]
        os.environ["MOTO_PORT"] = str(port)
        server = make_server(
            "127.0.0.1",
            port,
            StageDoor(tasks, clock, DomainDispatcherApplication(create_backend_app)),
            threaded=True,
            request_handler=MotoRequestHandler,
            fd=listener.fileno(),
        )
        threading.Thread(target=server.serve_forever, daemon=True).start()
        sys.stdout.write(f"{port}\n")
        sys.stdout.flush()
        sys.stdin.read()


if __name__ == "__main__":
    main()

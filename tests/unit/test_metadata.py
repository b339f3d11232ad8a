"""A container asks ECS which task it is."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest

from trainshed.engine import own_task
from trainshed.errors import InvalidSettings
from trainshed.settings import AwsSettings, Settings

AWS = Settings(engine="aws", aws=AwsSettings())
TASK = "arn:aws:ecs:eu-west-1:123456789012:task/shed/0f6fe6b2a7a14be29f0b1b6d4dd2ba3d"


@contextmanager
def endpoint(status: int, body: bytes) -> Iterator[str]:
    """The address of a task metadata endpoint that answers so."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(status if self.path == "/v4/x/task" else 404)
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """Print nothing."""

    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}/v4/x"
        finally:
            server.shutdown()
            thread.join()


def test_a_container_learns_its_tasks_arn() -> None:
    told = {"Cluster": "shed", "TaskARN": TASK, "Family": "toy", "Containers": []}
    with endpoint(200, json.dumps(told).encode()) as uri:
        assert own_task(AWS, {"ECS_CONTAINER_METADATA_URI_V4": uri}) == TASK


@pytest.mark.parametrize(("status", "body"), [(500, b"{}"), (200, b"no json"), (200, b"{}")])
def test_an_endpoint_that_does_not_say(status: int, body: bytes) -> None:
    with (
        endpoint(status, body) as uri,
        pytest.raises(InvalidSettings, match="does not say which task this is"),
    ):
        own_task(AWS, {"ECS_CONTAINER_METADATA_URI_V4": uri})


def test_an_endpoint_that_is_not_there() -> None:
    with endpoint(200, b"{}") as uri:
        pass
    with pytest.raises(InvalidSettings, match="does not say which task this is"):
        own_task(AWS, {"ECS_CONTAINER_METADATA_URI_V4": uri})


@pytest.mark.parametrize("environ", [{}, {"TRAINSHED_TASK": TASK}])
def test_outside_of_ecs_there_is_no_task(environ: dict[str, str]) -> None:
    with pytest.raises(InvalidSettings, match="no task of a launcher's"):
        own_task(AWS, environ)

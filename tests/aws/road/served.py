"""A serving container as ECS runs it: a process with exactly its task definition's environment."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tests.aws.moto_server import ROOT, MotoServer
from tests.building import wait_until

from .function import role_credentials


@contextmanager
def serving(server: MotoServer, definition: dict[str, Any], log: Path) -> Iterator[str]:
    """Run the container of a task definition until the `with` ends; give the address that it
    answers at. Its output goes into `log`."""
    [container] = definition["containerDefinitions"]
    environment = {entry["name"]: entry["value"] for entry in container["environment"]}
    port = _free_port(int(environment["TRAINSHED_PORT"]))
    url = f"http://127.0.0.1:{port}"
    with (
        log.open("wb") as output,
        subprocess.Popen(
            [sys.executable, "-m", "serving_image"],
            env={
                "PATH": os.environ["PATH"],
                "PYTHONPATH": str(ROOT),
                **environment,
                **role_credentials(server, definition["taskRoleArn"]),
                "AWS_ENDPOINT_URL": server.url,
                "TRAINSHED_HOST": "127.0.0.1",
                "TRAINSHED_PORT": str(port),
            },
            stdout=output,
            stderr=subprocess.STDOUT,
        ) as process,
    ):
        try:
            wait_until(lambda: process.poll() is not None or _is_ready(url), "the server is ready")
            assert process.poll() is None, log.read_text()
            yield url
        finally:
            process.terminate()
            process.wait()
    assert process.returncode == 0, log.read_text()


def _free_port(wanted: int) -> int:
    """The port that is wanted or, where somebody else has it, another one."""
    for port in (wanted, 0):
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return int(probe.getsockname()[1])
    raise RuntimeError("There is no free port.")


def _is_ready(url: str) -> bool:
    try:
        with urllib.request.urlopen(f"{url}/readyz", timeout=5):
            return True
    except (urllib.error.URLError, OSError):
        return False

"""An artifact of the tests' own model type, `echo`, and servers that serve it."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

import httpx
import psutil
import pytest

from model_types import builtin_folder
from model_types.golden import Example, write_golden
from tests.building import TOY_MODEL_TYPES
from trainshed.engine import open_artifacts
from trainshed.manifest import MANIFEST_NAME, digest_of, publish
from trainshed.settings import Settings

MODEL_TYPES = Path(__file__).parent / "model_types"
MODEL_ID = "parrot-00000000-0000-4000-8000-000000000001"
PREFIX = f"models/{MODEL_ID}/1"
CREATED_AT = datetime(2024, 5, 6, 7, 8, 9, tzinfo=UTC)
PNG = b"\x89PNG\r\n\x1a\n not a real one"
DEADLINE_SECONDS = 60.0


def wait_until(met: Callable[[], bool], what: str) -> None:
    """Poll until `met()`; fail after a deadline that only a broken server comes near."""
    deadline = time.monotonic() + DEADLINE_SECONDS
    while not met():
        assert time.monotonic() < deadline, f"{what} did not happen in {DEADLINE_SECONDS} s"
        time.sleep(0.01)


def write_artifact(folder: Path, *, expected: str = "hello you", hold: Path | None = None) -> None:
    """Write what the training of an `echo` model would leave. `expected` is the golden answer to
    "you"; loading waits where there is a folder `hold`."""
    folder.mkdir(parents=True)
    model = {"greeting": "hello"} | ({"hold": str(hold)} if hold else {})
    (folder / "model.json").write_text(json.dumps(model))
    (folder / "framework").mkdir()
    (folder / "framework" / "weights.pt").write_bytes(b"big")
    (folder / "metrics.json").write_text('{"score_name": "F1", "score": 0.5, "odd": NaN}')
    (folder / "history.csv").write_text("epoch,train_loss\n1,0.5\n2,nan\n")
    (folder / "training_curves.png").write_bytes(PNG)
    write_golden(folder, [Example(b"you", "text/plain", {"echo": expected})])


@dataclass(frozen=True)
class Home:
    """A home folder with one published artifact."""

    path: Path
    digest: str

    @property
    def artifact(self) -> Path:
        return self.path / "artifacts" / PREFIX

    @property
    def environment(self) -> Mapping[str, str]:
        folders = (MODEL_TYPES, TOY_MODEL_TYPES, builtin_folder())
        return {
            "TRAINSHED_HOME": str(self.path),
            "TRAINSHED_MODEL_TYPES": os.pathsep.join(map(str, folders)),
            "TRAINSHED_ARTIFACT": PREFIX,
            "TRAINSHED_ARTIFACT_DIGEST": self.digest,
            "TRAINSHED_HOST": "127.0.0.1",
            "TRAINSHED_PORT": "0",
        }


def publish_echo(folder: Path, **options: object) -> Home:
    """Publish an artifact into a new home below `folder`; takes what `write_artifact` takes."""
    output = folder / "output"
    write_artifact(output, **options)  # type: ignore[arg-type]
    return publish_folder(output, folder, "echo")


def publish_folder(output: Path, folder: Path, model_type: str) -> Home:
    """Publish what a training left into a new home below `folder`."""
    path = folder / "home"
    store = open_artifacts(Settings.from_environment({"TRAINSHED_HOME": str(path)}))
    publish(store, output, MODEL_ID, model_type, 1, CREATED_AT)
    return Home(path, digest_of((output / MANIFEST_NAME).read_bytes()))


@pytest.fixture
def artifact(tmp_path: Path) -> Path:
    """What the training of an `echo` model left."""
    write_artifact(tmp_path / "artifact")
    return tmp_path / "artifact"


@pytest.fixture
def publish_artifact(tmp_path: Path) -> Callable[..., Home]:
    """Publish an artifact into a new home folder; takes what `write_artifact` takes."""
    return partial(publish_echo, tmp_path)


@dataclass
class Server:
    """A running `python -m serving_image`."""

    process: subprocess.Popen[bytes]
    log: Path
    temporary: Path
    url: str = ""

    @property
    def port(self) -> int:
        return httpx.URL(self.url).port or 0

    def is_ready(self) -> bool:
        return httpx.get(f"{self.url}/readyz", timeout=DEADLINE_SECONDS).status_code == 200

    def wait_until_listening(self) -> None:
        def listening() -> bool:
            assert self.process.poll() is None, self.log.read_text()
            found = re.search(r"Listening at: (http://\S+)", self.log.read_text())
            self.url = found[1] if found else ""
            return bool(found)

        wait_until(listening, "listening")

    def wait_until_ready(self) -> None:
        self.wait_until_listening()
        wait_until(self.is_ready, "ready")

    def workers(self) -> list[psutil.Process]:
        return psutil.Process(self.process.pid).children()

    def stop(self) -> int:
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(DEADLINE_SECONDS)


@contextmanager
def launching(folder: Path) -> Iterator[Callable[..., Server]]:
    """A function that starts servers; those that still run in the end are killed."""
    servers: list[Server] = []

    def start(home: Home, **environment: str) -> Server:
        number = len(servers)
        log, temporary = folder / f"server-{number}.log", folder / f"tmp-{number}"
        temporary.mkdir()
        inherited = {k: v for k, v in os.environ.items() if not k.startswith("TRAINSHED_")}
        with log.open("wb") as output:
            process = subprocess.Popen(
                [sys.executable, "-m", "serving_image"],
                env={**inherited, **home.environment, "TMPDIR": str(temporary), **environment},
                stdout=output,
                stderr=subprocess.STDOUT,
                cwd=folder,
                start_new_session=True,
            )
        servers.append(Server(process, log, temporary))
        return servers[-1]

    try:
        yield start
    finally:
        for server in servers:
            if server.process.poll() is None:
                os.killpg(server.process.pid, signal.SIGKILL)
                server.process.wait()


@pytest.fixture
def launch(tmp_path: Path) -> Iterator[Callable[..., Server]]:
    """Start servers, and kill them at the end of the test where they still run."""
    with launching(tmp_path) as start:
        yield start


@pytest.fixture
def serve(launch: Callable[..., Server]) -> Callable[..., Server]:
    """Start a server and wait until its model is in service."""

    def start(home: Home, **environment: str) -> Server:
        server = launch(home, **environment)
        server.wait_until_ready()
        return server

    return start

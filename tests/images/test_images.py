"""The images train and serve: built, and run with no rights and nothing but /tmp to write to."""

from __future__ import annotations

import dataclasses
import json
import socket
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from model_types.golden import agree, read_golden
from queue_consumer.tick import tick
from trainshed.engine import Engine, open_engine
from trainshed.handoff import serving_environment
from trainshed.record import ModelRecord, Status
from trainshed.request import TrainingRequest, build
from trainshed.settings import Settings

from .container_launcher import ContainerLauncher
from .containers import HARDENED, ROOT, Containers

pytestmark = [pytest.mark.images, pytest.mark.timeout(3600)]

MODEL_TYPES = sorted(path.parent.name for path in ROOT.glob("model_types/*/requirements.txt"))
IMAGES = ["serving", *(f"training-{name.replace('_', '-')}" for name in MODEL_TYPES)]
FRAMEWORKS = ("torch", "flair", "tensorflow", "keras", "transformers", "sklearn", "matplotlib")
MAX_SERVING_BYTES = 400_000_000
TEXT = "George Washington was president of the United States."

Train = Callable[[str], ModelRecord]


def wait_for(condition: Callable[[], bool], seconds: float = 1800) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it takes too long"
        time.sleep(0.2)


@contextmanager
def opened(home: Path, containers: Containers) -> Iterator[tuple[Engine, Settings]]:
    settings = Settings.from_environment(
        {
            "TRAINSHED_HOME": str(home),
            "TRAINSHED_MODEL_TYPES": str(ROOT / "model_types"),
            "TRAINSHED_RETRY_SECONDS": "0.1",
        }
    )
    with open_engine(settings) as local:
        launcher = ContainerLauncher(containers, home)
        yield dataclasses.replace(local, launcher=launcher), settings


def work_until(
    engine: Engine,
    settings: Settings,
    request: TrainingRequest,
    condition: Callable[[ModelRecord], bool],
) -> ModelRecord:
    """Queue the request and tick until the condition holds for its record, which is given back."""
    engine.queue.send(request.encode())

    def holds() -> bool:
        tick(engine, settings, lambda: datetime.now(UTC))
        record = engine.registry.get(request.model_id)
        return record is not None and condition(record)

    wait_for(holds)
    record = engine.registry.get(request.model_id)
    assert record is not None
    return record


@pytest.fixture(scope="module")
def trained(shared_home: Path, containers: Containers) -> Train:
    """Trains a model type's sample in its container, once; gives the record when it has ended."""
    records: dict[str, ModelRecord] = {}

    def train(model_type: str) -> ModelRecord:
        if model_type not in records:
            request = build(name="trained", model_type=model_type, epochs=2, max_attempts=1)
            with opened(shared_home, containers) as (engine, settings):
                record = work_until(engine, settings, request, lambda it: it.status.is_terminal)
                if record.status is not Status.COMPLETED and record.task:
                    pytest.fail(f"{record.reason}\n{engine.launcher.log(record.task).text}")
            records[model_type] = record
        return records[model_type]

    return train


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def post(url: str, body: bytes, media_type: str = "text/plain") -> Any:
    request = urllib.request.Request(url, body, {"Content-Type": media_type})
    with urllib.request.urlopen(request, timeout=30) as response:
        return json.loads(response.read())


@contextmanager
def served(record: ModelRecord, home: Path, containers: Containers) -> Iterator[tuple[str, str]]:
    """The address of a server of that model, and its container."""
    environment = serving_environment(record, Settings.from_environment({}))
    port = free_port()
    environment |= {"TRAINSHED_HOME": str(home), "TRAINSHED_PORT": str(port)}
    environment.pop("TRAINSHED_MODEL_TYPES", None)
    container = containers.start("serving", environment, *containers.sharing(home, "ro"))

    def is_ready() -> bool:
        assert containers.is_running(container), containers.log(container)
        try:
            urllib.request.urlopen(f"http://127.0.0.1:{port}/readyz", timeout=5).close()
        except OSError:
            return False
        return True

    wait_for(is_ready, seconds=120)
    yield f"http://127.0.0.1:{port}", container


@pytest.mark.parametrize("model_type", MODEL_TYPES)
def test_a_sample_is_trained_in_its_container(model_type: str, trained: Train) -> None:
    assert trained(model_type).status is Status.COMPLETED


def test_what_a_container_trained_is_served_by_another(
    trained: Train, shared_home: Path, containers: Containers
) -> None:
    with served(trained("ner"), shared_home, containers) as (url, container):
        entities = post(f"{url}/ner", TEXT.encode())
        healthy = containers("exec", container, *containers.health_check("serving"))
        containers("stop", "--time", "30", container, check=True)
        # Two epochs teach little, but whatever it found is there.
        assert all(TEXT[each["start"] : each["end"]] == each["text"] for each in entities)
        assert healthy.returncode == 0, healthy.stderr
        assert containers.exit_code(container) == 0, containers.log(container)


@pytest.mark.parametrize("model_type", MODEL_TYPES)
def test_the_serving_image_serves_every_model_type(
    model_type: str, trained: Train, shared_home: Path, containers: Containers
) -> None:
    record = trained(model_type)
    prefix = serving_environment(record, Settings.from_environment({}))["TRAINSHED_ARTIFACT"]
    example = read_golden(shared_home / "artifacts" / prefix)[0]
    with served(record, shared_home, containers) as (url, _):
        answer = post(f"{url}/{model_type}", example.body, example.media_type)
        assert agree(answer, example.output)


def test_a_server_that_is_not_alive_is_not_healthy(containers: Containers) -> None:
    program, *arguments = containers.health_check("serving")
    done = containers(
        *("run", "--rm", *containers.run_options, "--env", f"TRAINSHED_PORT={free_port()}"),
        *("--entrypoint", program, containers.build("serving"), *arguments),
    )
    assert done.returncode == 1
    assert "refused" in done.stderr


def test_a_training_that_is_cancelled_stops_at_once(tmp_path: Path, containers: Containers) -> None:
    with opened(tmp_path, containers) as (engine, settings):
        request = build(name="stopped", model_type="sentiment", epochs=1000, max_attempts=1)
        record = work_until(engine, settings, request, lambda it: it.claimed_at is not None)
        assert record.task
        engine.launcher.stop(record.task, "the test is over")
        state = engine.launcher.describe([record.task])[record.task]
        assert state.exit_code == 128 + 15  # by SIGTERM; 128 + 9 would be SIGKILL


def test_the_serving_image_is_small(containers: Containers) -> None:
    assert containers.inspect(containers.build("serving"))["Size"] < MAX_SERVING_BYTES


def test_the_serving_image_has_no_framework(containers: Containers) -> None:
    code = f"import importlib.util as u; print([n for n in {FRAMEWORKS} if u.find_spec(n)])"
    assert containers.ask("serving", code) == "[]"


@pytest.mark.parametrize("image", IMAGES)
def test_a_container_has_its_user_no_compilers_and_nothing_to_write_to_but_tmp(
    image: str, containers: Containers
) -> None:
    code = """if True:
        import os, pathlib, shutil, tempfile
        writable = [p for p in ("/", "/app", "/opt/trainshed", "/etc") if os.access(p, os.W_OK)]
        tempfile.TemporaryFile().close()
        print(os.getuid(), os.getgid(), pathlib.Path.home(), writable,
              [c for c in ("cc", "gcc", "g++", "clang", "ld") if shutil.which(c)])
    """
    assert containers.ask(image, code, *HARDENED) == "1000 1000 /tmp [] []"


@pytest.mark.parametrize("image", IMAGES)
def test_tmp_is_a_volume_that_belongs_to_the_user(image: str, containers: Containers) -> None:
    code = "import os; s = os.stat('/tmp'); print(s.st_uid, oct(s.st_mode & 0o7777))"
    assert "/tmp" in containers.inspect(containers.build(image))["Config"]["Volumes"]
    assert containers.ask(image, code) == "1000 0o1777"


@pytest.mark.parametrize("image", IMAGES)
def test_every_dependency_is_of_the_version_that_is_pinned(
    image: str, containers: Containers
) -> None:
    pinned = dict(
        line.split("==")
        for line in (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines()
        if "==" in line
    )
    code = """if True:
        import importlib.metadata as m, json, re
        print(json.dumps({re.sub("[-_.]+", "-", d.name).lower(): d.version
                          for d in m.distributions()}))
    """
    installed = json.loads(containers.ask(image, code))
    differing = {
        name: version
        for name, version in installed.items()
        if version.partition("+")[0] != pinned.get(name)
    }
    assert differing == {}

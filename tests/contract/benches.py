"""What the contract needs of an engine under test, and how each engine gives it."""

from __future__ import annotations

import hashlib
import sys
import threading
from collections.abc import Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Protocol, TypeVar, cast

from tests.aws_platform import MAX_RECEIVES, VISIBILITY_SECONDS, AwsPlatform, running_tasks
from tests.simulation.fake_artifacts import FakeArtifacts
from tests.simulation.fake_feedback import FakeFeedback
from tests.simulation.fake_launcher import FakeLauncher
from tests.simulation.fake_queue import FakeQueue
from tests.simulation.fake_registry import FakeRegistry
from trainshed.aws.artifacts import S3Artifacts
from trainshed.aws.datasets import S3Datasets
from trainshed.aws.feedback import DynamoFeedback
from trainshed.aws.launcher import EcsLauncher, TaskPlacement
from trainshed.aws.queue import SqsQueue
from trainshed.aws.registry import DynamoRegistry
from trainshed.engine import Engine
from trainshed.local.artifacts import LocalArtifacts
from trainshed.local.database import open_database
from trainshed.local.datasets import LocalDatasets
from trainshed.local.feedback import LocalFeedback
from trainshed.local.launcher import LocalLauncher
from trainshed.local.queue import LocalQueue
from trainshed.local.registry import LocalRegistry
from trainshed.ports import Launcher, Registry
from trainshed.record import client_token

__all__ = ["MAX_RECEIVES", "VISIBILITY_SECONDS", "AwsBench", "Bench", "FakesBench", "LocalBench"]

_Port = TypeVar("_Port")

GRACE_SECONDS = 0.3
PART_BYTES = 5 << 20
"""The smallest that S3 takes."""


class Bench(Protocol):
    """One engine, empty at first, which can be opened many times over."""

    name: str
    """What `TRAINSHED_ENGINE` calls it."""

    def open(self) -> AbstractContextManager[Engine]:
        """A connection of its own, for one thread: what another process would have."""

    def launcher(self, program: str) -> Launcher:
        """A launcher whose trainings run `program`, Python source, instead of a training image."""

    def broken_launcher(self) -> Launcher:
        """A launcher whose tasks cannot start, for what they should run is not there."""

    def unknown_task(self) -> str:
        """What could be a task's id and is none's."""

    def advance(self, seconds: float) -> None:
        """Let time pass for the queue."""

    def abandon_upload(self, key: str) -> None:
        """Leave in the artifact store what a writer leaves that dies on the way."""


class LocalBench:
    name = "local"

    def __init__(self, folder: Path) -> None:
        self._home = folder
        self._now = 1_750_000_000.0

    @contextmanager
    def open(self) -> Iterator[Engine]:
        with open_database(self._home / "trainshed.db") as database:
            yield Engine(
                LocalQueue(database, VISIBILITY_SECONDS, MAX_RECEIVES, clock=lambda: self._now),
                LocalRegistry(database),
                LocalArtifacts(self._home / "artifacts"),
                LocalDatasets(),
                LocalFeedback(database),
                self.launcher("pass"),
            )

    def launcher(self, program: str) -> Launcher:
        return self._launcher(sys.executable, "-c", program)

    def broken_launcher(self) -> Launcher:
        return self._launcher("/no/such/program")

    def unknown_task(self) -> str:
        return client_token("nobody", 1)

    def advance(self, seconds: float) -> None:
        self._now += seconds

    def abandon_upload(self, key: str) -> None:
        part = (self._home / "artifacts" / key).with_name("~half")
        part.parent.mkdir(parents=True, exist_ok=True)
        part.write_text("half a fi")

    def _launcher(self, *command: str) -> Launcher:
        return LocalLauncher(self._home / "tasks", GRACE_SECONDS, command=command)


class AwsBench:
    name = "aws"

    def __init__(self, platform: AwsPlatform, folder: Path) -> None:
        self._platform = platform
        self._folder = folder
        self._runner = ExitStack()
        self._lock = threading.Lock()
        self._runs = False

    def __enter__(self) -> AwsBench:
        return self

    def __exit__(self, *_: object) -> None:
        self._runner.close()

    @contextmanager
    def open(self) -> Iterator[Engine]:
        # The adapters keep nothing, and a client may be used by many threads.
        client, settings = self._platform.server.client, self._platform.settings
        yield Engine(
            SqsQueue(
                client("sqs"),
                settings["TRAINSHED_QUEUE_URL"],
                settings["TRAINSHED_DEAD_LETTER_QUEUE_URL"],
                wait_seconds=0,  # for nothing comes while one test waits
            ),
            DynamoRegistry(client("dynamodb"), settings["TRAINSHED_TABLE"]),
            S3Artifacts(client("s3"), settings["TRAINSHED_ARTIFACT_BUCKET"], PART_BYTES),
            S3Datasets(client("s3"), settings["TRAINSHED_DATASET_BUCKET"]),
            DynamoFeedback(client("dynamodb"), settings["TRAINSHED_FEEDBACK_TABLE"]),
            self._launcher("none-"),
        )

    def launcher(self, program: str) -> Launcher:
        return self._running(sys.executable, "-c", program)

    def broken_launcher(self) -> Launcher:
        return self._running("/no/such/program")

    def unknown_task(self) -> str:
        return f"arn:aws:ecs:eu-west-1:123456789012:task/{self._platform.name}/{'0' * 32}"

    def advance(self, seconds: float) -> None:
        self._platform.advance(seconds)

    def abandon_upload(self, key: str) -> None:
        s3, bucket = self._platform.server.client("s3"), "TRAINSHED_ARTIFACT_BUCKET"
        where = {"Bucket": self._platform.settings[bucket], "Key": key}
        upload = s3.create_multipart_upload(**where)["UploadId"]
        s3.upload_part(**where, UploadId=upload, PartNumber=1, Body=b"half a fi")

    def falsify_slots(self, error: int) -> None:
        """Let the count of slots be wrong by so much."""
        self._platform.server.client("dynamodb").update_item(
            TableName=self._platform.name,
            Key={"model_id": {"S": "#slots"}},
            UpdateExpression="ADD used :error",
            ExpressionAttributeValues={":error": {"N": str(error)}},
        )

    def _running(self, *command: str) -> Launcher:
        """A launcher of a task definition of its own; from now on the tasks really run."""
        with self._lock:
            if not self._runs:
                self._runner.enter_context(running_tasks(self._platform, self._folder))
                self._runs = True
        prefix = f"x{hashlib.sha256(repr(command).encode()).hexdigest()[:16]}-"
        self._platform.define_task(f"{prefix}toy", command, {})
        return self._launcher(prefix)

    def _launcher(self, prefix: str) -> Launcher:
        placement = TaskPlacement(
            cluster=self._platform.name,
            family_prefix=prefix,
            subnets=["subnet-0a"],
            security_groups=["sg-0a"],
            capacity_providers=["FARGATE"],
            assign_public_ip=False,
            log_group=self._platform.name,
        )
        client = self._platform.server.client
        return EcsLauncher(client("ecs"), client("logs"), placement)


class FakesBench:
    """The fakes that the simulator's world is made of. They run no program."""

    name = "fakes"

    def __init__(self, registry: Registry | None = None) -> None:
        """`registry` stands in for the fake one."""
        self._ahead = timedelta(0)
        lock = threading.Lock()
        self._artifacts = FakeArtifacts(self._clock)
        self._engine = Engine(
            _one_at_a_time(FakeQueue(self._clock, VISIBILITY_SECONDS, MAX_RECEIVES), lock),
            _one_at_a_time(registry or FakeRegistry(self._clock), lock),
            _one_at_a_time(self._artifacts, lock),
            LocalDatasets(),
            _one_at_a_time(FakeFeedback(), lock),
            _one_at_a_time(FakeLauncher(self._clock), lock),
        )

    @contextmanager
    def open(self) -> Iterator[Engine]:
        yield self._engine

    def launcher(self, program: str) -> Launcher:
        raise NotImplementedError("a fake runs no program")

    def broken_launcher(self) -> Launcher:
        raise NotImplementedError("a fake runs no program")

    def unknown_task(self) -> str:
        return "task/0/0"

    def advance(self, seconds: float) -> None:
        self._ahead += timedelta(seconds=seconds)

    def abandon_upload(self, key: str) -> None:
        self._artifacts.abandon_upload(key)

    def _clock(self) -> datetime:
        return datetime.now(UTC) + self._ahead


class _Guarded:
    """What it stands for, but one call at a time. To amend is many calls."""

    def __init__(self, port: Any, lock: threading.Lock) -> None:
        self._port = port
        self._lock = lock

    def amend(self, *given: Any, **named: Any) -> Any:
        return Registry.amend(cast("Registry", self), *given, **named)

    def amend_each(self, *given: Any, **named: Any) -> Any:
        return Registry.amend_each(cast("Registry", self), *given, **named)

    def __getattr__(self, name: str) -> Any:
        verb = getattr(self._port, name)

        def call(*given: Any, **named: Any) -> Any:
            with self._lock:
                return verb(*given, **named)

        return call


def _one_at_a_time(port: _Port, lock: threading.Lock) -> _Port:
    return cast("_Port", _Guarded(port, lock))

"""A platform on loopback, at work, and an Airflow beside it; both for all tests of this folder."""

from __future__ import annotations

import json
import threading
import uuid
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from queue_consumer.tick import tick
from tests.aws_platform import AwsHost, AwsPlatform, make_platform, running_tasks
from tests.building import wait_until
from trainshed.engine import Engine, open_engine
from trainshed.record import ModelRecord, cancel
from trainshed.settings import Settings

from .airflow_process import AirflowProcess, airflow_process, migrated

MODEL_TYPES = Path(__file__).parent / "model_types"


@dataclass
class Consumer:
    """Ticks by a clock that a test can move on."""

    engine: Engine
    settings: Settings
    ahead: timedelta = timedelta()

    def now(self) -> datetime:
        return datetime.now(UTC) + self.ahead

    def run(self, stop: threading.Event) -> None:
        while not stop.wait(0.05):
            tick(self.engine, self.settings, self.now)


@dataclass(frozen=True)
class Bench:
    """The platform as the tests see it."""

    aws: AwsPlatform
    engine: Engine
    settings: Settings
    airflow: AirflowProcess
    airflow_environment: Mapping[str, str]
    """For Airflow's own commands; it knows of no platform."""

    def put(self, key: str, content: bytes = b"x") -> str:
        """Put an object into the data set bucket; give its address."""
        bucket = self.aws.settings["TRAINSHED_DATASET_BUCKET"]
        self.aws.server.client("s3").put_object(Bucket=bucket, Key=key, Body=content)
        return f"s3://{bucket}/{key}"

    def put_artifact(self, model_id: str, **metrics: Any) -> str:
        """Put what the gate reads of an artifact, if anything; give the artifact's prefix."""
        if metrics:
            self.aws.server.client("s3").put_object(
                Bucket=self.aws.settings["TRAINSHED_ARTIFACT_BUCKET"],
                Key=f"models/{model_id}/1/metrics.json",
                Body=json.dumps({"score_name": "accuracy", **metrics}).encode(),
            )
        return f"models/{model_id}/1"

    def say_served(self, name: str, artifact: str) -> None:
        """As terraform/serving says it."""
        self.aws.server.client("ssm").put_parameter(
            Name=f"/{self.aws.name}/served/{name}",
            Value=json.dumps({"artifact": artifact}),
            Type="String",
        )

    def named(self, name: str) -> ModelRecord | None:
        """The newest record of that name."""
        return next(iter(self.engine.registry.newest(1, name=name)), None)

    def wait_until_training(self, name: str) -> ModelRecord:
        def claimed() -> bool:
            found = self.named(name)
            return found is not None and found.claimed_at is not None

        wait_until(claimed, f"{name} is being trained")
        found = self.named(name)
        assert found is not None
        return found

    def cancel(self, record: ModelRecord) -> None:
        def cancelled(record: ModelRecord) -> ModelRecord:
            return cancel(record, datetime.now(UTC))

        self.engine.registry.amend(record.model_id, cancelled)


@contextmanager
def at_work(bench: Bench) -> Iterator[Consumer]:
    """Meanwhile a consumer ticks."""
    consumer, stop = Consumer(bench.engine, bench.settings), threading.Event()
    with meanwhile(lambda: consumer.run(stop)):
        try:
            yield consumer
        finally:
            stop.set()


@contextmanager
def meanwhile(work: Callable[[], None]) -> Iterator[None]:
    """Do `work` beside what happens in the `with`, and to its end; what it raises is raised."""
    with ThreadPoolExecutor(1) as pool:
        done = pool.submit(work)
        yield
        done.result()


@pytest.fixture(scope="package")
def bench(aws_server: AwsHost, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bench]:
    folder = tmp_path_factory.mktemp("airflow")
    environment = migrated(folder)
    aws = make_platform(aws_server)
    aws.define_training("scored", TRAINSHED_MODEL_TYPES=str(MODEL_TYPES))
    where = {
        "queue_url": aws.settings["TRAINSHED_QUEUE_URL"],
        "table": aws.settings["TRAINSHED_TABLE"],
        "artifact_bucket": aws.settings["TRAINSHED_ARTIFACT_BUCKET"],
        "served": f"/{aws.name}/served",
    }
    variables = {**aws_server.environment, "AIRFLOW_VAR_TRAINSHED": json.dumps(where)}
    with ExitStack() as stack:
        patch = stack.enter_context(pytest.MonkeyPatch.context())
        for name, value in aws_server.environment.items():
            patch.setenv(name, value)
        told = {"TRAINSHED_MODEL_TYPES": str(MODEL_TYPES), "TRAINSHED_CAP": "5"}
        settings = Settings.from_environment({**aws.environment, **told})
        engine = stack.enter_context(open_engine(settings))
        stack.enter_context(running_tasks(aws, folder / "tasks"))
        airflow = stack.enter_context(airflow_process(environment, folder, **variables))
        yield Bench(aws, engine, settings, airflow, environment)


@pytest.fixture
def name() -> str:
    """One that no other test has."""
    return f"model-{uuid.uuid4().hex[:8]}"

"""Whole lives of ten models on AWS, from `submit` to Completed, with every call counted."""

from __future__ import annotations

import os
from datetime import UTC, datetime
from typing import Any

from benchmarks.dispatch.calls import Calls, counting
from benchmarks.dispatch.platform import SCHEDULED, Context, new_platform, silent
from queue_consumer.handler import handle
from tests.aws.ecs_stage import EcsStage
from tests.aws_platform import AwsHost
from tests.building import request_of
from training_image.interruption import Interruption
from training_image.run_training import run_training
from trainshed.client import Client
from trainshed.engine import Engine, open_engine
from trainshed.handoff import Assignment
from trainshed.record import ModelRecord, Status
from trainshed.settings import Settings

MODELS = 10
SUBMIT, CONTAINER = "submit", "container"
LAUNCHING, JUDGING = "tick that launches", "tick that judges"
EVENT = "tick of a further event"


def live(server: AwsHost) -> Calls:
    """Let ten models be submitted, launched at one tick, trained for one epoch each, and judged at
    another, which the event of a stopped task has woken."""
    with new_platform(server, cap=MODELS), counting() as calls:
        settings = Settings.from_environment(os.environ)
        stage = EcsStage(server)
        with open_engine(settings) as engine:
            calls.stage = SUBMIT
            client = Client(engine, settings)
            for number in range(MODELS):
                client.submit(request_of(f"model-{number}"))

            calls.stage = LAUNCHING
            _tick(SCHEDULED)

            calls.stage = EVENT
            _tick(stage.events()[-1])
            calls.stage = ""
            records = engine.registry.holding()
            for record in records:
                calls.stage = CONTAINER
                _train(engine, settings, record)
                calls.stage = ""
                stage.finish(record.task or "", 0)

            calls.stage = JUDGING
            _tick(stage.events()[-1])
            calls.stage = ""
            ended = engine.registry.newest(MODELS + 1)
    if [record.status for record in ended] != [Status.COMPLETED] * MODELS:
        raise RuntimeError(f"Not all were trained: {ended}")
    return calls


def _tick(event: dict[str, Any]) -> None:
    with silent():
        handle(event, Context())


def _train(engine: Engine, settings: Settings, record: ModelRecord) -> None:
    if record.launch is None:
        raise RuntimeError(f"{record.model_id} was not launched.")
    assignment = Assignment.from_environment(record.launch.environment)
    stores = engine.artifacts, engine.datasets
    with Interruption() as interruption, silent():
        run_training(
            assignment,
            record.task or "",
            engine.registry,
            *stores,
            settings,
            lambda: datetime.now(UTC),
            interruption,
        )

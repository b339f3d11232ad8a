"""From the event of a stopped task to the launch in its slot, in a consumer as Lambda runs it."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from benchmarks.dispatch.platform import SCHEDULED, environment, new_platform
from tests.aws.ecs_stage import EcsStage
from tests.aws.moto_server import ROOT
from tests.aws.road.function import ExecutionEnvironment
from tests.aws_platform import AwsHost
from tests.building import request_of
from trainshed.client import Client
from trainshed.engine import Engine, open_engine
from trainshed.manifest import publish
from trainshed.record import claim
from trainshed.settings import Settings

_HANDLER = "benchmarks.dispatch.consumer_side.handle"


@dataclass(frozen=True)
class Filled:
    """One slot that came free."""

    own: float
    """Seconds from the event's arrival to the answer of RunTask, less those inside calls."""
    whole: float
    """With them."""
    calls: Sequence[str]
    """What was asked of AWS until then."""


def fill(server: AwsHost, folder: Path, repeats: int) -> tuple[float, list[Filled]]:
    """Let one training after the other end well while others wait for its slot. Gives the seconds
    of the process's first invocation, less those inside calls, and each slot that came free after
    it."""
    with new_platform(server, cap=1) as platform:
        settings = Settings.from_environment(os.environ)
        stage = EcsStage(server)
        run_environment = {
            **environment(platform, cap=1),
            "PYTHONPATH": os.pathsep.join([str(ROOT), *filter(None, sys.path)]),
        }
        with (
            open_engine(settings) as engine,
            ExecutionEnvironment(run_environment, folder / "consumer.log", _HANDLER) as consumer,
        ):
            client = Client(engine, settings)
            for number in range(repeats + 1):
                client.submit(request_of(f"model-{number}"))
            first = consumer.invoke(SCHEDULED)
            filled = []
            for _ in range(repeats):
                _complete(engine, stage, folder)
                filled.append(_filled(consumer.invoke(stage.events()[-1])))
    return first["seconds"] - sum(call["seconds"] for call in first["calls"]), filled


def _filled(told: Mapping[str, Any]) -> Filled:
    calls = told["calls"]
    names = [call["operation"] for call in calls]
    until = calls[: names.index("RunTask") + 1]
    whole = until[-1]["after"] + until[-1]["seconds"]
    return Filled(whole - sum(call["seconds"] for call in until), whole, names[: len(until)])


def _complete(engine: Engine, stage: EcsStage, folder: Path) -> None:
    """Do what the container of the one model that runs would do."""
    [record] = engine.registry.holding()
    task, now = record.task or "", datetime.now(UTC)
    engine.registry.amend(record.model_id, lambda r: claim(r, r.attempt, task, now))
    output = folder / record.model_id
    output.mkdir()
    (output / "model.bin").write_bytes(b"weights")
    publish(engine.artifacts, output, record.model_id, "toy", record.attempt, now)
    stage.finish(task, 0)

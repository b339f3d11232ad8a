"""How many trainings one consumer launches in a second, and how fast a simulation replays."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

from benchmarks.dispatch.calls import counting
from benchmarks.dispatch.platform import new_platform
from benchmarks.dispatch.tasks import Tasks
from queue_consumer.simulation.replay import Pace, replay
from queue_consumer.simulation.trace import Training
from queue_consumer.tick import tick
from tests.aws_platform import AwsHost
from tests.building import TOY_MODEL_TYPES, request_of
from trainshed.client import Client
from trainshed.engine import Engine, open_engine
from trainshed.settings import Settings


def local(folder: Path, models: int) -> float:
    """Launches per second on the local engine, from messages on the queue to running tasks, with a
    launcher that starts nothing."""
    settings = Settings(home=folder, cap=models, model_type_folders=(TOY_MODEL_TYPES,))
    with open_engine(settings) as opened:
        engine = Tasks().instead_of_launcher(opened)
        return models / _launch(engine, settings, models)


def aws(server: AwsHost, models: int) -> tuple[float, float]:
    """The same on AWS: with the emulator's seconds, and without."""
    with new_platform(server, cap=models), counting() as calls:
        settings = Settings.from_environment(os.environ)
        with open_engine(settings) as engine:
            seconds = _launch(engine, settings, models, calls.made.clear)
        inside = sum(call.seconds for call in calls.made)
    return models / seconds, models / (seconds - inside)


def simulation(models: int) -> float:
    """Seconds to replay so many requests, five a minute of ten minutes each, on 40 slots."""
    begin = datetime(2026, 1, 1, tzinfo=UTC)
    trace = [
        Training(
            at=begin + timedelta(seconds=12 * number),
            name=f"model-{number % 100}",
            model_type="ner",
            priority=number % 10,
            seconds=(600.0,),
        )
        for number in range(models)
    ]
    began = time.perf_counter()
    records = replay(trace, Settings(cap=40), Pace(timedelta(minutes=1), woken=True))
    seconds = time.perf_counter() - began
    if len(records) != models:
        raise RuntimeError(f"{len(records)} of {models} were replayed.")
    return seconds


def _launch(
    engine: Engine, settings: Settings, models: int, ready: Callable[[], object] = lambda: None
) -> float:
    client = Client(engine, settings)
    for number in range(models):
        client.submit(request_of(f"model-{number}"))
    ready()
    launches, began = 0, time.perf_counter()
    while launches < models:
        launches += tick(engine, settings, lambda: datetime.now(UTC)).launches
    return time.perf_counter() - began

"""Replay: a trace through the consumer's own tick, from event to event."""

from __future__ import annotations

import json
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from heapq import heappop, heappush
from uuid import UUID

from queue_consumer.simulation.engine import (
    SimulatedArtifacts,
    SimulatedFeedback,
    SimulatedLauncher,
    SimulatedQueue,
    SimulatedRegistry,
    VirtualClock,
)
from queue_consumer.simulation.trace import BEYOND, Training
from queue_consumer.tick import tick
from trainshed.engine import Engine
from trainshed.errors import InvalidTrace
from trainshed.local.datasets import LocalDatasets
from trainshed.ports import Queue, Registry
from trainshed.record import ModelRecord
from trainshed.request import TrainingRequest, build
from trainshed.settings import Settings

_MAX_TIMEOUT = timedelta(days=14)
"""The longest that a request may give its attempts."""


@dataclass(frozen=True)
class Pace:
    """How soon a consumer sees what has happened."""

    tick: timedelta
    """Between two of its ticks."""
    woken: bool
    """Whether the end of a task wakes it too: as on the `aws` engine, and where the ends of a trace
    are those that a consumer has seen."""
    start_seconds: float = 0.0
    """What each attempt takes beyond its seconds, before it trains."""


Storage = Callable[[VirtualClock], tuple[Queue, Registry]]


def in_memory(clock: VirtualClock) -> tuple[Queue, Registry]:
    return SimulatedQueue(clock), SimulatedRegistry()


def replay(
    trace: Sequence[Training], settings: Settings, pace: Pace, storage: Storage = in_memory
) -> list[ModelRecord]:
    """Let a consumer with these settings deal with the trace; give the records that come of it.

    Of the settings only the cap and the delay of a retry count. The same trace gives the same
    records each time. Raises `InvalidTrace` where it would go on beyond the year 9999, or launch
    again what no timeout would have let live so long.
    """
    if not trace:
        raise InvalidTrace("The trace holds no training that has ended.")
    _check_timeouts(trace, pace)
    try:
        return _replay(trace, _settings(trace, settings), pace, storage)
    except OverflowError:
        raise InvalidTrace(BEYOND) from None


def _replay(
    trace: Sequence[Training], settings: Settings, pace: Pace, storage: Storage
) -> list[ModelRecord]:
    asked = sorted(trace, key=lambda training: training.at)
    requests = [_request(number, training) for number, training in enumerate(asked)]
    clock = VirtualClock(asked[0].at)
    wakes = _Wakes(clock.now, pace.tick)
    launcher = SimulatedLauncher(
        clock,
        {
            request.model_id: [pace.start_seconds + each for each in training.seconds]
            for request, training in zip(requests, asked, strict=True)
        },
        wakes.at if pace.woken else wakes.by_tick,
    )
    queue, registry = storage(clock)
    artifacts = SimulatedArtifacts(settings.home / "artifacts")
    engine = Engine(queue, registry, artifacts, LocalDatasets(), SimulatedFeedback(), launcher)

    to_come = deque(zip(asked, requests, strict=True))
    for training in asked:
        wakes.by_tick(training.at)
    while (now := wakes.next()) is not None:
        while to_come and to_come[0][0].at <= now:
            training, request = to_come.popleft()
            clock.now = training.at
            queue.send(request.encode())
        clock.now = now
        outcome = tick(engine, settings, clock)
        for record in outcome.ended:
            if record.not_before is not None:
                wakes.by_tick(record.not_before)
        if queue.depth():  # a tick takes in so many and no more
            wakes.by_tick(now + pace.tick)
    return registry.newest(len(asked))


class _Wakes:
    """When the consumer will have something to do. A tick in between would find nothing."""

    def __init__(self, beginning: datetime, tick: timedelta) -> None:
        self._beginning = beginning
        self._tick = tick
        self._moments: list[datetime] = []

    def at(self, moment: datetime) -> None:
        heappush(self._moments, moment)

    def by_tick(self, moment: datetime) -> None:
        """At the first tick that is not before `moment`."""
        ticks = -((self._beginning - moment) // self._tick)
        self.at(self._beginning + ticks * self._tick)

    def next(self) -> datetime | None:
        """The next moment, once; None if there is none."""
        if not self._moments:
            return None
        moment = heappop(self._moments)
        while self._moments and self._moments[0] == moment:
            heappop(self._moments)
        return moment


def _check_timeouts(trace: Sequence[Training], pace: Pace) -> None:
    """A consumer that stops an attempt launches no other. The last one may take any time: it ends
    when it ends, whatever the consumer says of it."""
    longest = _MAX_TIMEOUT.total_seconds()
    for training in trace:
        if any(pace.start_seconds + each > longest for each in training.seconds[:-1]):
            raise InvalidTrace(
                f"An attempt of {training.name!r} would take more than {_MAX_TIMEOUT.days} days and"
                " be launched again; no timeout lets it."
            )


def _request(number: int, training: Training) -> TrainingRequest:
    return build(
        name=training.name,
        model_type=training.model_type,
        priority=training.priority,
        max_attempts=len(training.seconds),
        timeout_minutes=_MAX_TIMEOUT // timedelta(minutes=1),
        request_id=str(UUID(int=number)),
    )


def _settings(trace: Sequence[Training], settings: Settings) -> Settings:
    """Those of a local engine that knows the trace's model types, also where they are gone."""
    names = sorted({training.model_type for training in trace})
    plain = {"cpu": 1, "memory": 1, "epochs": 1, "hyperparameters": {}}
    return replace(
        settings, engine="local", aws=None, catalogue_json=json.dumps(dict.fromkeys(names, plain))
    )

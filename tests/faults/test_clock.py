"""A clock that is set back and forward, by seconds or by years, under consumers and containers.

A container has a clock of its own, which need not agree with the consumer's.
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable
from contextlib import ExitStack
from datetime import datetime, timedelta
from pathlib import Path

from queue_consumer.tick import is_idle, tick
from tests.building import FakeClock, open_fast_database, request_of
from tests.unit.conftest import MAX_RECEIVES, VISIBILITY_SECONDS, FakeLauncher, settings
from training_image.interruption import Interruption
from training_image.run_training import NotClaimed, run_training
from trainshed.engine import Engine
from trainshed.handoff import Assignment
from trainshed.local.artifacts import LocalArtifacts
from trainshed.local.datasets import LocalDatasets
from trainshed.local.feedback import LocalFeedback
from trainshed.local.queue import LocalQueue
from trainshed.local.registry import LocalRegistry
from trainshed.ports import Phase, TaskState
from trainshed.record import Cause, Status
from trainshed.settings import Settings

__all__ = ["settings"]

NAMES = ("first", "second", "third", "fourth")
JUMPS = tuple(
    timedelta(seconds=sign * seconds)
    for sign in (-1, 1)
    for seconds in (1, 90, 20 * 60, 50 * 60, 86_400, 400 * 86_400)
)
RUNNING = TaskState(Phase.RUNNING)


class World:
    """A home whose clock is nobody's friend."""

    def __init__(self, folder: Path, settings: Settings, chance: random.Random) -> None:
        self._settings = settings
        self._chance = chance
        self._stack = ExitStack()
        self.clock = FakeClock()
        self.launcher = FakeLauncher()
        self.trained: Counter[str] = Counter()
        database = self._stack.enter_context(open_fast_database(folder / "trainshed.db"))
        self.engine = Engine(
            LocalQueue(database, VISIBILITY_SECONDS, MAX_RECEIVES, clock=self.clock.timestamp),
            LocalRegistry(database),
            LocalArtifacts(folder / "artifacts"),
            LocalDatasets(),
            LocalFeedback(database),
            self.launcher,
        )

    def close(self) -> None:
        self._stack.close()

    def step(self) -> None:
        tick(self.engine, self._settings, self.clock)
        holding = self.engine.registry.holding()
        assert len(holding) == self.engine.registry.slots_in_use() <= self._settings.cap
        assert self._running() <= {record.launch.token for record in holding if record.launch}
        for token, _ in self.launcher.stops:
            if self.launcher.states[token] == RUNNING:
                self.launcher.states[token] = TaskState(Phase.STOPPED, exit_code=143)

    def jump(self) -> None:
        self.clock.now += self._chance.choice(JUMPS)

    def end_one(self) -> None:
        """Let a training end, or lose its host."""
        if running := sorted(self._running()):
            token = self._chance.choice(running)
            code = self._train(token) if self._chance.random() < 0.7 else None
            self.launcher.states[token] = TaskState(Phase.STOPPED, exit_code=code)

    def _running(self) -> set[str]:
        return {token for token, state in self.launcher.states.items() if state == RUNNING}

    def _train(self, token: str) -> int:
        [launch, *_] = [launch for launch in self.launcher.launches if launch.token == token]
        assignment = Assignment.from_environment(launch.environment)
        engine = self.engine
        try:
            run_training(
                assignment,
                token,
                engine.registry,
                engine.artifacts,
                engine.datasets,
                self._settings,
                self._container_clock,
                Interruption(),
            )
        except NotClaimed:
            return 3
        self.trained[assignment.model_id] += 1
        return 0

    def _container_clock(self) -> datetime:
        return self.clock() + self._chance.choice([timedelta(0), *JUMPS])


def live(world: World) -> None:
    ids = []
    for name in NAMES:
        request = request_of(name)
        ids.append(request.model_id)
        world.engine.queue.send(request.encode())
        world.jump()
    world.engine.queue.receive(1)  # a consumer that dies with it in its hands
    for _ in range(20):
        world.jump()
        world.step()
        world.end_one()
    for _ in range(30):  # from here on the clock goes as it should
        world.clock.advance(minutes=16)
        world.step()
        world.end_one()
    assert is_idle(world.engine), "nothing waits for a time that was left behind"
    records = {record.model_id: record for record in world.engine.registry.newest(10)}
    assert records.keys() == set(ids)
    assert world.engine.registry.slots_in_use() == 0
    for record in records.values():
        is_completed = record.status is Status.COMPLETED
        assert world.trained[record.model_id] <= 1
        assert is_completed or record.cause in (Cause.HOST_LOST, Cause.TIMEOUT), record.reason
        assert (
            is_completed == (world.trained[record.model_id] == 1) or record.cause is Cause.TIMEOUT
        )


def test_a_clock_that_jumps(
    tmp_path: Path,
    settings: Settings,
    how_many: Callable[[int, int], int],
    tell: Callable[[str], None],
) -> None:
    count = how_many(5, 150)
    for seed in range(count):
        world = World(tmp_path / str(seed), settings, random.Random(seed))
        try:
            live(world)
        except AssertionError as error:
            raise AssertionError(f"with the seed {seed}") from error
        finally:
            world.close()
    tell(f"{count} schedules, 0 violations")

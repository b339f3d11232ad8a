"""A consumer dies before or after any one of its calls: the next one finishes what it began.

The invariants that are looked at bear the numbers that the design gives them.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from copy import copy
from functools import wraps
from pathlib import Path
from typing import Any

import pytest

from queue_consumer.tick import is_idle, tick
from tests.building import TOY_MODEL_TYPES, FakeClock, open_fast_database, request_of
from trainshed.engine import Engine
from trainshed.local.artifacts import LocalArtifacts
from trainshed.local.datasets import LocalDatasets
from trainshed.local.feedback import LocalFeedback
from trainshed.local.queue import LocalQueue
from trainshed.local.registry import LocalRegistry
from trainshed.manifest import publish
from trainshed.ports import Phase, TaskState
from trainshed.record import Status, cancel, claim
from trainshed.settings import Settings

from .conftest import MAX_RECEIVES, VISIBILITY_SECONDS, FakeLauncher

CAP = 2
NAMES = ("good", "bad", "lost", "cancelled", "last")

PRIMITIVES = {
    "queue": ("receive", "delete", "bury"),
    "registry": ("put_new", "get", "replace", "slots_in_use", "ready", "holding", "reports"),
    "launcher": ("launch", "find", "describe", "stop"),
    "artifacts": ("read", "entry"),
}
"""All that a tick calls; what a port makes of them calls them too."""


class Death(BaseException):
    """The consumer was killed: no `except Exception` sees it."""


class Reaper:
    """Lets the consumer die before or after its n-th call of a port."""

    def __init__(self, number: int, before: bool) -> None:
        self._left = number
        self._before = before
        self.called = ""

    def watch(self, engine: Engine) -> Engine:
        for port, names in PRIMITIVES.items():
            for name in names:
                adapter = getattr(engine, port)
                setattr(adapter, name, self._deadly(f"{port}.{name}", getattr(adapter, name)))
        return engine

    def _deadly(self, name: str, call: Callable[..., Any]) -> Callable[..., Any]:
        @wraps(call)
        def deadly(*args: Any, **kwargs: Any) -> Any:
            self._left -= 1
            left = self._left  # a call may make others
            if left >= 0:
                self.called = name
            if left == 0 and self._before:
                raise Death
            try:
                return call(*args, **kwargs)
            finally:
                if left == 0:
                    raise Death

        return deadly


class World:
    """A home, its trainings, and the time."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._settings = Settings(
            home=folder, cap=CAP, model_type_folders=(TOY_MODEL_TYPES,), retry_seconds=1.0
        )
        self.clock = FakeClock()
        self.launcher = FakeLauncher()
        self.terminal: dict[str, object] = {}
        self.requests = {name: request_of(name) for name in NAMES}
        with self.open() as engine:
            for request in self.requests.values():
                engine.queue.send(request.encode())
            engine.queue.send("no json")

    @contextmanager
    def open(self) -> Iterator[Engine]:
        with open_fast_database(self._folder / "trainshed.db") as database:
            yield Engine(
                LocalQueue(database, VISIBILITY_SECONDS, MAX_RECEIVES, clock=self.clock.timestamp),
                LocalRegistry(database),
                LocalArtifacts(self._folder / "artifacts"),
                LocalDatasets(),
                LocalFeedback(database),
                copy(self.launcher),  # another consumer's, of the same tasks
            )

    def tick(self, engine: Engine) -> None:
        tick(engine, self._settings, self.clock)

    def go_on(self) -> None:
        """Let the trainings do what they do, and some time pass."""
        with self.open() as engine:
            self.check(engine)
            for record in engine.registry.holding():
                token = record.launch.token if record.launch else ""
                if self.launcher.states.get(token) == TaskState(Phase.RUNNING):
                    self._train(engine, record.model_id, record.attempt, token)
            self.check(engine)
        self.clock.advance(seconds=VISIBILITY_SECONDS + 1)

    def _train(self, engine: Engine, model_id: str, attempt: int, task: str) -> None:
        name = model_id.split("-")[0]
        record = engine.registry.get(model_id)
        assert record is not None
        if record.status is Status.CANCELLING:
            self.launcher.states[task] = TaskState(Phase.STOPPED, exit_code=143)
            return
        engine.registry.amend(model_id, lambda r: claim(r, attempt, task, self.clock()))
        if name == "cancelled":
            engine.registry.amend(model_id, lambda r: cancel(r, self.clock()))
            return
        if name == "lost" and attempt == 1:
            self.launcher.states[task] = TaskState(Phase.STOPPED)
            return
        if name != "bad":
            output = self._folder / "output" / f"{model_id}-{attempt}"
            output.mkdir(parents=True)
            (output / "model.bin").write_text(name)
            publish(engine.artifacts, output, model_id, "toy", attempt, self.clock())
        self.launcher.states[task] = TaskState(Phase.STOPPED, exit_code=int(name == "bad"))

    def check(self, engine: Engine) -> None:
        """What must hold at every moment."""
        holding = engine.registry.holding()
        assert len(holding) == engine.registry.slots_in_use() <= CAP  # I5, I1
        running = [s for s in self.launcher.states.values() if s.phase is Phase.RUNNING]
        assert len(running) <= CAP  # I1
        held = {record.launch.token for record in holding if record.launch}
        for token, state in self.launcher.states.items():
            assert state.phase is not Phase.RUNNING or token in held  # I4
        for record in engine.registry.newest(100):
            if record.model_id in self.terminal:
                assert record == self.terminal[record.model_id]  # I2
            elif record.status.is_terminal:
                self.terminal[record.model_id] = record


def live(world: World, reaper: Reaper) -> bool:
    """Let consumers tick until nothing is left to do, the first ones under the reaper's eyes. Say
    whether he came."""
    died = False
    for _ in range(40):
        with world.open() as engine:
            try:
                world.tick(engine if died else reaper.watch(engine))
            except Death:
                died = True
        world.go_on()
        with world.open() as engine:
            if is_idle(engine):
                return died
    raise AssertionError(f"not idle after a death at {reaper.called}")


@pytest.mark.parametrize("before", [True, False], ids=["before", "after"])
def test_a_death_at_any_call_heals(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, before: bool
) -> None:
    monkeypatch.setattr(os, "fsync", lambda handle: None)  # a killed process is no power cut
    deaths: set[str] = set()
    number = 0
    died = True
    while died:
        number += 1
        world = World(tmp_path / str(number))
        reaper = Reaper(number, before)
        died = live(world, reaper)
        if died:
            deaths.add(reaper.called)
        assert_all_is_well(world)
    assert number > 50
    expected = {f"{port}.{name}" for port, names in PRIMITIVES.items() for name in names}
    # Only a late repeat of a launch looks for it; a lone consumer writes over what it has seen.
    assert deaths == expected - {"launcher.find", "registry.get"}


def assert_all_is_well(world: World) -> None:
    with world.open() as engine:
        records = {record.name: record for record in engine.registry.newest(100)}
        assert {name: record.status for name, record in records.items()} == {
            "good": Status.COMPLETED,
            "bad": Status.FAILED,
            "lost": Status.COMPLETED,
            "cancelled": Status.CANCELLED,
            "last": Status.COMPLETED,
            "rejected": Status.REJECTED,
        }  # I2
        assert len(engine.registry.newest(100)) == len(NAMES) + 1, "one record for each message"
        assert [letter.body for letter in engine.queue.dead_letters(10)] == ["no json"]  # I6
        assert engine.registry.slots_in_use() == 0  # I5
    attempts = {name: record.attempt for name, record in records.items()}
    assert attempts == {"good": 1, "bad": 1, "lost": 2, "cancelled": 1, "last": 1, "rejected": 0}
    assert len(world.launcher.states) == sum(attempts.values()), "no task beside these"  # I3

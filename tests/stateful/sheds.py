"""A shed on one engine, whose trainings do as they are told: all that can be done with it, and what
is seen of it, so that two of them can be compared."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from queue_consumer.tick import tick
from tests.building import TOY_MODEL_TYPES, FakeClock
from tests.contract.benches import Bench
from tests.simulation.fake_launcher import FakeLauncher
from trainshed.client import Client
from trainshed.engine import Engine
from trainshed.errors import TrainshedError
from trainshed.manifest import publish
from trainshed.ports import Report, TaskState
from trainshed.record import ModelRecord, Status, claim
from trainshed.request import TrainingRequest
from trainshed.settings import Settings

SETTINGS = Settings(
    home=Path("/nowhere"), cap=2, model_type_folders=(TOY_MODEL_TYPES,), retry_seconds=60.0
)


class Shed:
    def __init__(self, bench: Bench, engine: Engine, clock: FakeClock) -> None:
        self.name = bench.name
        self._bench = bench
        self._clock = clock
        self._launcher = FakeLauncher(clock)
        self._engine = replace(engine, launcher=self._launcher)
        self._client = Client(self._engine, SETTINGS)

    def submit(self, request: TrainingRequest) -> object:
        return self._client.submit(request)

    def send(self, body: str) -> None:
        self._engine.queue.send(body)

    def receive_and_die(self) -> object:
        return sorted(message.body for message in self._engine.queue.receive(10))

    def tick(self) -> object:
        outcome = tick(self._engine, SETTINGS, self._clock)
        return [x.model_id for x in outcome.ended], outcome.taken_in, outcome.launches

    def let_pass(self, seconds: float) -> None:
        """For the queue; the clock is everybody's."""
        self._bench.advance(seconds)

    def claim(self, model_id: str) -> object:
        record = self._record(model_id)
        task = record.task or "nobody"
        return self._engine.registry.amend(
            model_id, lambda current: claim(current, record.attempt, task, self._clock())
        ).status

    def report(self, model_id: str, report: Report) -> object:
        key = (model_id, self._record(model_id).attempt)
        self._engine.registry.report(*key, report)
        return self._engine.registry.reports([key])

    def publish(self, model_id: str) -> None:
        record = self._record(model_id)
        with TemporaryDirectory() as folder:
            Path(folder, "model.bin").write_bytes(b"weights")
            attempt = max(record.attempt, 1)
            store = self._engine.artifacts
            publish(store, Path(folder), model_id, "toy", attempt, self._clock())

    def end(self, model_id: str, state: TaskState) -> None:
        for task in self._launcher.all.values():
            if task.task == self._record(model_id).task:
                self._launcher.end(task, state)

    def cancel(self, model_id: str) -> object:
        return self._client.cancel(model_id, self._clock()).status

    def retry(self, model_id: str, request_id: str) -> object:
        """As the client does it, but with a request id that is the same everywhere."""
        record = self._record(model_id)
        if record.status in (Status.FAILED, Status.CANCELLED) and record.request is not None:
            return self.submit(record.request.model_copy(update={"request_id": request_id}))
        return self._client.retry(model_id, self._clock())

    def redrive(self, body: str) -> object:
        """Put the newest dead letter with that body back."""
        for letter in self._engine.queue.dead_letters(100):
            if letter.body == body:
                return len(self._engine.queue.redrive([letter.message_id]))
        return 0

    def seen(self) -> dict[str, Any]:
        """All that can be seen of it, but for what an engine numbers and times by itself."""
        registry, queue = self._engine.registry, self._engine.queue
        now = self._clock()
        return {
            "records": sorted(map(_brief, registry.newest(1000)), key=str),
            "depth": queue.depth(),
            "dead letters": sorted((x.body, x.reason) for x in queue.dead_letters(1000)),
            "slots": registry.slots_in_use(),
            "counted": (registry.count_slots().used, registry.count_slots().held),
            "unfinished": registry.unfinished(),
            "waiting": registry.waiting().count,
            "ready": [record.model_id for record in registry.ready(100, now)],
            "holding": sorted(record.model_id for record in registry.holding()),
            "tasks": [(task.task, task.state, task.stop_reason) for task in self._tasks()],
        }

    def _tasks(self) -> Iterator[Any]:
        return iter(self._launcher.all.values())

    def _record(self, model_id: str) -> ModelRecord:
        return self._client.find(model_id)


def _brief(record: ModelRecord) -> dict[str, Any]:
    known = record.model_dump(exclude={"created_at"})
    if record.status is Status.REJECTED:
        known["model_id"] = "made from a message's id"
    return known


@contextmanager
def open_shed(bench: Bench, clock: FakeClock) -> Iterator[Shed]:
    with bench.open() as engine:
        yield Shed(bench, engine, clock)


def outcome_of(act: Callable[[], object]) -> object:
    """What comes of it, an error of ours included."""
    try:
        return act()
    except TrainshedError as error:
        return type(error).__name__, str(error)

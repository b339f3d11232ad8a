"""What a tick costs beside so many models of the past, or so many that wait."""

from __future__ import annotations

import os
import sqlite3
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from benchmarks.dispatch.calls import counting
from benchmarks.dispatch.platform import SCHEDULED, Context, new_platform, silent
from benchmarks.dispatch.tasks import Tasks
from queue_consumer.handler import handle
from queue_consumer.tick import Outcome, tick
from tests.aws_platform import AwsHost
from tests.building import NOW, TOY_MODEL_TYPES, pending_record, request_of, reserved
from trainshed.engine import Engine, open_engine
from trainshed.record import Cause, ModelRecord, fail
from trainshed.settings import Settings

CAP = 4


@dataclass(frozen=True)
class Load:
    """What a registry holds beside four models that are being trained."""

    past: int
    pending: int = 0

    @property
    def name(self) -> str:
        waiting = f", {self.pending:,} pending" if self.pending else ""
        return f"{self.past:,} past{waiting}"


@dataclass(frozen=True)
class Looked:
    """What a tick on AWS has asked for."""

    calls: int
    items: int
    """That its queries have read."""


def time_ticks(folder: Path, loads: Sequence[Load], repeats: int) -> dict[Load, list[float]]:
    """Seconds of ticks on the local engine, each with one training that has ended, one request that
    has come and one launch. The loads take turns."""
    found: dict[Load, list[float]] = {load: [] for load in loads}
    with ExitStack() as stack:
        homes = {load: stack.enter_context(_home(folder / load.name, load)) for load in loads}
        for repeat in range(repeats + 2):
            for load, home in homes.items():
                seconds = home.tick()
                if repeat >= 2:  # the first ones warm the caches
                    found[load].append(seconds)
    return found


def look_on_aws(server: AwsHost, load: Load) -> Looked:
    """Count what a tick of the schedule asks for where nothing is to be done."""
    with new_platform(server, cap=CAP), counting() as calls:
        settings = Settings.from_environment(os.environ)
        with open_engine(settings) as engine:
            records = [_past(number) for number in range(load.past)]
            records += [pending_record(f"p-{number}") for number in range(load.pending)]
            for record in records:  # one by one: the emulator copies its table at a transaction
                engine.registry.put_new(record)
        calls.made.clear()
        with silent():
            handle(SCHEDULED, Context())
        return Looked(len(calls.made), sum(call.items for call in calls.made))


class _Home:
    def __init__(self, engine: Engine, settings: Settings, tasks: Tasks) -> None:
        self._engine = engine
        self._settings = settings
        self._tasks = tasks
        self._asked = 0

    def tick(self) -> float:
        """Let one training end and one more be asked for; then the seconds of a tick."""
        holding = self._engine.registry.holding()
        if holding:
            self._tasks.end(holding[0].task or "")
        for _ in range(1 if holding else CAP):
            self._asked += 1
            self._engine.queue.send(request_of(f"new-{self._asked}").encode())
        began = time.perf_counter()
        outcome = tick(self._engine, self._settings, lambda: datetime.now(UTC))
        seconds = time.perf_counter() - began
        _check(outcome, 1 if holding else CAP)
        return seconds


@contextmanager
def _home(folder: Path, load: Load) -> Iterator[_Home]:
    settings = Settings(home=folder, cap=CAP, model_type_folders=(TOY_MODEL_TYPES,))
    with open_engine(settings):
        pass  # it makes the database
    _fill(folder / "trainshed.db", load)
    with open_engine(settings) as opened:
        tasks = Tasks()
        yield _Home(tasks.instead_of_launcher(opened), settings, tasks)


def _fill(path: Path, load: Load) -> None:
    """Write the records as the registry itself has written one of each kind: with SQL, for a
    million of them would take an hour otherwise."""
    with sqlite3.connect(path, isolation_level=None) as database:
        database.execute("PRAGMA journal_mode = OFF")
        database.execute("PRAGMA synchronous = OFF")
        database.execute("BEGIN")
        for count, record, is_pending in (
            (load.past, _past(0), 0),
            (load.pending, pending_record("waits"), 1),
        ):
            database.execute(
                "WITH RECURSIVE numbers (n) AS"
                " (SELECT 1 WHERE :count > 0 UNION ALL SELECT n + 1 FROM numbers WHERE n < :count)"
                " INSERT INTO models (model_id, name, status, version, unfinished, holds_slot,"
                " priority, not_before, created_at, record)"
                " SELECT :prefix || printf('%012d', n), :name, :status, :version, :is_pending, 0,"
                " 5, 0.0, :created_at + n, replace(:record, :id, :prefix || printf('%012d', n))"
                " FROM numbers",
                {
                    "count": count,
                    "prefix": record.model_id[:-12],
                    "name": record.name,
                    "status": record.status,
                    "version": record.version,
                    "is_pending": is_pending,
                    "created_at": record.created_at.timestamp(),
                    "record": record.stored(),
                    "id": record.model_id,
                },
            )
        database.execute("COMMIT")
    database.close()


def _past(number: int) -> ModelRecord:
    taken = reserved(pending_record(f"past-{number}"))
    return fail(taken, 1, None, Cause.TRAINING_ERROR, "the loss is not a number", NOW)


def _check(outcome: Outcome, expected: int) -> None:
    if (outcome.taken_in, outcome.launches) != (expected, expected):
        raise RuntimeError(f"A tick has not done what it should: {outcome}")

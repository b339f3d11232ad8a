"""SIGKILL of consumers, supervisors and trainings at random moments, while all are busy.

The trainings keep the ledger themselves: each notes when it begins and ends, and whether another
process was at work on its model, which a lock tells that the system takes back at a death.
"""

from __future__ import annotations

import random
import signal
import subprocess
import time
from collections import Counter
from collections.abc import Callable, Iterator

import psutil
import pytest

from tests.flow.shed import Shed
from trainshed.manifest import verify
from trainshed.record import Cause, ModelRecord, Status

SEED = 20_260_304
CONSUMERS = 3
CAP = 6
IN_FLIGHT = 12
"""So many models wait or are trained while there is killing, so that there is whom to kill."""
LONGEST_PAUSE_SECONDS = 0.3
SETTINGS = {
    "TRAINSHED_CAP": str(CAP),
    # A killed consumer's messages come again soon, and as often as it takes.
    "TRAINSHED_VISIBILITY_SECONDS": "1",
    "TRAINSHED_MAX_RECEIVES": "1000",
}


class Killer:
    def __init__(self, shed: Shed, chance: random.Random) -> None:
        self._shed = shed
        self._chance = chance
        self._consumers: list[subprocess.Popen[str]] = []
        self.ids: list[str] = []
        self.kills: Counter[str] = Counter()

    def kill_until(self, count: int) -> None:
        """Kill `count` processes, one after the other, and at the end every consumer."""
        with self._shed.open() as engine:
            while self.kills.total() < count:
                while len(self._consumers) < CONSUMERS:
                    self._consumers.append(self._shed.start("run", **SETTINGS))
                while engine.registry.unfinished() + engine.queue.depth() < IN_FLIGHT:
                    seconds = self._chance.choice([0, 0.1, 0.4])
                    self.ids.append(self._shed.submit(f"model-{len(self.ids)}", seconds=seconds))
                time.sleep(self._chance.uniform(0, LONGEST_PAUSE_SECONDS))
                self._kill_one(self._chance.choice(["consumer", "supervisor", "training"]))
        while self._consumers:
            self._kill_consumer(self._consumers[0])

    def _kill_one(self, kind: str) -> None:
        if kind == "consumer":
            self._kill_consumer(self._chance.choice(self._consumers))
        else:
            victims = [process for found, process in self._containers() if found == kind]
            if not victims:
                return
            try:
                self._chance.choice(victims).kill()
            except psutil.NoSuchProcess:
                return
        self.kills[kind] += 1

    def _kill_consumer(self, consumer: subprocess.Popen[str]) -> None:
        consumer.kill()
        _, errors = consumer.communicate()
        assert consumer.returncode == -signal.SIGKILL, "it had ended by itself"
        assert "Traceback" not in errors
        self._consumers.remove(consumer)

    def _containers(self) -> Iterator[tuple[str, psutil.Process]]:
        home = str(self._shed.home)
        for process in psutil.process_iter():
            try:
                match process.cmdline()[1:]:
                    case ["-m", "trainshed.local.supervisor", folder, _] if folder.startswith(home):
                        yield "supervisor", process
                    case ["-m", "training_image"] if home in process.environ().values():
                        yield "training", process
            except psutil.Error:
                continue


@pytest.mark.timeout(900)
def test_kills_at_random_moments(
    shed: Shed, how_many: Callable[[int, int], int], tell: Callable[[str], None]
) -> None:
    killer = Killer(shed, random.Random(SEED))
    killer.kill_until(how_many(10, 500))
    shed.done("run", "--until-idle", **SETTINGS)

    with shed.open() as engine:
        records = {record.model_id: record for record in engine.registry.newest(10_000)}
        assert records.keys() == set(killer.ids), "none is lost, and there is none beside"
        assert (engine.queue.depth(), engine.queue.dead_letters(1)) == (0, [])
        assert engine.registry.slots_in_use() == 0
        for record in records.values():
            if record.status is Status.COMPLETED:
                assert verify(engine.artifacts, record.model_id, record.attempt) == record.digest
    assert shed.trainings() == []
    assert_none_is_trained_twice(shed, records)
    for record in records.values():
        assert_is_explained(record)

    statuses = Counter(str(record.status) for record in records.values())
    attempts = sum(record.attempt for record in records.values())
    lost = sum(shed.times_trained().values()) - statuses["Completed"]
    tell(
        f"{killer.kills.total()} kills {dict(killer.kills)}, {len(records)} models"
        f" {dict(statuses)} in {attempts} attempts; 0 lost, 0 trained twice, 0 stuck;"
        f" {lost} had ended training when their host was lost"
    )


def assert_none_is_trained_twice(shed: Shed, records: dict[str, ModelRecord]) -> None:
    assert shed.events("overlap") == [], "two at work on one model"
    begins, ends = (
        Counter((entry["model_id"], entry["attempt"]) for entry in shed.events(what))
        for what in ("begin", "end")
    )
    assert set(begins.values()) == {1}, "an attempt begins once"
    assert set(ends.values()) <= {1}
    for model_id, record in records.items():
        last = max((n for begun, n in begins if begun == model_id), default=0)
        assert last <= record.attempt, "no container works without a record that knows its attempt"
        if record.status is Status.COMPLETED:
            assert ends[model_id, record.attempt] == 1, "what counts was trained, and once"


def assert_is_explained(record: ModelRecord) -> None:
    assert record.status in (Status.COMPLETED, Status.FAILED), "none is stuck"
    told = [event.text for event in record.history]
    for attempt in range(1, record.attempt + 1):
        [*_, end] = [text for text in told if text.startswith(f"attempt {attempt}: ")]
        words = ("artifact verified", "killed", "Its container ended with exit code")
        assert any(word in end for word in words), end
    if record.status is Status.FAILED:
        assert record.cause in (Cause.TRAINING_ERROR, Cause.HOST_LOST, Cause.START_FAILED)
        assert record.reason
        assert record.reason in told[-1]

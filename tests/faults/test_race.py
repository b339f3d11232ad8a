"""Sixteen consumers and three slots: never more than three trainings, and none twice."""

from __future__ import annotations

import subprocess
import sys
from collections import Counter
from collections.abc import Callable

import pytest

from tests.building import request_of
from tests.flow.shed import Shed, most_at_once
from trainshed.record import Status

CONSUMERS = 16
CAP = 3
RACE_SECONDS = 840.0


@pytest.mark.timeout(900)
def test_sixteen_consumers_race_for_three_slots(
    shed: Shed,
    how_many: Callable[[int, int], int],
    tell: Callable[[str], None],
    pytestconfig: pytest.Config,
) -> None:
    models = how_many(150, 10_000)
    ids = submit(shed, models)
    racers = [
        subprocess.Popen(
            [sys.executable, "-m", "tests.faults.racer"],
            env=shed.environment(TRAINSHED_CAP=str(CAP), TRAINSHED_TICK_SECONDS="0.1"),
            cwd=pytestconfig.rootpath,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
        )
        for _ in range(CONSUMERS)
    ]
    shed.processes += racers
    for racer in racers:
        _, errors = racer.communicate(timeout=RACE_SECONDS)
        assert racer.returncode == 0, errors

    with shed.open() as engine:
        records = engine.registry.newest(models + 1)
        assert engine.registry.slots_in_use() == 0
        assert engine.queue.dead_letters(1) == []
    assert {record.model_id for record in records} == set(ids)
    assert {(record.status, record.attempt) for record in records} == {(Status.COMPLETED, 1)}
    assert Counter(entry["model_id"] for entry in shed.events("end")) == dict.fromkeys(ids, 1)
    assert Counter(entry["model_id"] for entry in shed.events("alive")) == dict.fromkeys(ids, 1)
    assert shed.events("overlap") == []
    peak = most_at_once(shed.events("alive"), shed.events("dead"))
    assert peak == CAP, "as many as may, and no more"
    tell(
        f"{models} models, {CONSUMERS} consumers, cap {CAP}: peak {peak}, 0 slots in use at the end"
    )


def submit(shed: Shed, count: int) -> list[str]:
    """Queue toy trainings; give their modelIds."""
    told = {"ledger": str(shed.ledger)}
    requests = [request_of(f"model-{number}", hyperparameters=told) for number in range(count)]
    with shed.open() as engine:
        for request in requests:
            engine.queue.send(request.encode())
    return [request.model_id for request in requests]

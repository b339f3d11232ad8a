"""kill -9 in the middle, of whatever: each model ends in one state, and none is trained twice."""

from __future__ import annotations

import random
import time
from pathlib import Path

import psutil
import pytest

from tests.building import wait_until
from tests.flow.shed import PROCESS_SECONDS, Shed
from trainshed.record import Cause, client_token


def supervisor_of(shed: Shed, model_id: str, attempt: int = 1) -> psutil.Process:
    started = shed.home / "tasks" / client_token(model_id, attempt) / "started"
    return psutil.Process(int(Path(started).read_text()))


def trainer_of(shed: Shed, model_id: str) -> psutil.Process:
    [entry] = [entry for entry in shed.events("begin") if entry["model_id"] == model_id]
    return psutil.Process(entry["pid"])


def test_a_consumer_a_supervisor_and_a_trainer_are_killed(shed: Shed) -> None:
    names = ["orphan", "hostless", "killed", "next", "last"]
    ids = {name: shed.submit(name, gated=True) for name in names}
    settings = {"TRAINSHED_CAP": "3"}
    doomed = shed.start("run", **settings)
    shed.wait_for("begin", 3)
    survivor = shed.start("run", "--until-idle", **settings)
    doomed.kill()
    hostless = trainer_of(shed, ids["hostless"])
    supervisor_of(shed, ids["hostless"]).kill()
    trainer_of(shed, ids["killed"]).kill()
    wait_until(lambda: not hostless.is_running(), "a training dies with its supervisor")
    shed.gate.touch()
    _, errors = survivor.communicate(timeout=PROCESS_SECONDS)
    assert survivor.returncode == 0, errors

    records = shed.records()
    assert shed.statuses() == {**dict.fromkeys(names, "Completed"), "killed": "Failed"}
    assert (records["hostless"].attempt, records["orphan"].attempt) == (2, 1)
    assert (records["killed"].attempt, records["killed"].cause) == (1, Cause.TRAINING_ERROR)
    assert "SIGKILL" in (records["killed"].reason or "")
    assert shed.times_trained() == {name: 1 for name in names if name != "killed"}
    assert shed.slots_in_use() == 0
    assert shed.trainings() == []


def test_a_training_goes_on_without_a_consumer(shed: Shed) -> None:
    model_id = shed.submit("alone", gated=True)
    consumer = shed.start("run")
    shed.wait_for("begin", 1)
    consumer.kill()
    consumer.communicate()
    shed.gate.touch()
    shed.wait_for("end", 1)
    wait_until(lambda: shed.trainings() == [], "it ends")
    assert shed.record(model_id).status == "In Progress", "nobody has looked since"
    shed.done("run", "--until-idle")
    record = shed.record(model_id)
    assert (record.status, record.attempt) == ("Completed", 1)
    assert shed.times_trained() == {"alone": 1}


@pytest.mark.parametrize("attempts", [1, 2])
def test_supervisors_killed_until_the_attempts_are_spent(shed: Shed, attempts: int) -> None:
    completed = shed.done(
        "submit",
        "unlucky",
        "--model-type=toy",
        f"--max-attempts={attempts}",
        f"--set=ledger={shed.ledger}",
        f"--set=gate={shed.gate}",
    )
    model_id = completed.strip()
    consumer = shed.start("run", "--until-idle")
    for attempt in range(1, attempts + 1):
        shed.wait_for("begin", attempt)
        supervisor_of(shed, model_id, attempt).kill()
    _, errors = consumer.communicate(timeout=PROCESS_SECONDS)
    assert consumer.returncode == 0, errors
    record = shed.record(model_id)
    assert (record.status, record.cause, record.attempt) == ("Failed", Cause.HOST_LOST, attempts)
    assert f"That was attempt {attempts} of {attempts}." in (record.reason or "")
    assert shed.times_trained() == {}
    assert shed.slots_in_use() == 0


def test_consumers_killed_again_and_again_at_whatever_they_do(shed: Shed) -> None:
    names = [f"model-{number}" for number in range(4)]
    for name in names:
        shed.submit(name, seconds=0.1)
    chance = random.Random(7)  # the times are not the point: any will do
    for _ in range(4):
        consumer = shed.start("run", TRAINSHED_CAP="2")
        time.sleep(chance.uniform(0.3, 1.2))
        consumer.kill()
        consumer.communicate()
    shed.done("run", "--until-idle", TRAINSHED_CAP="2")
    assert shed.statuses() == dict.fromkeys(names, "Completed")
    assert shed.times_trained() == dict.fromkeys(names, 1)
    assert {record.attempt for record in shed.records().values()} == {1}
    assert shed.slots_in_use() == 0


def test_a_message_in_the_hands_of_a_killed_consumer_comes_again(shed: Shed) -> None:
    model_id = shed.submit("held")
    with shed.open() as engine:  # a consumer that received it and then died
        [message] = engine.queue.receive(10)
    assert model_id.endswith(message.body[-38:-2])
    shed.done("run", "--until-idle")
    assert shed.statuses() == {"held": "Completed"}
    assert shed.times_trained() == {"held": 1}

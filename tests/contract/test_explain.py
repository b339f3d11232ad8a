"""An explanation rests on what every engine can tell."""

from __future__ import annotations

from pathlib import Path

import pytest

from queue_consumer.explain import explain
from tests.building import NOW, pending_record, request_of, reserved
from trainshed.engine import Engine
from trainshed.errors import UnknownModel
from trainshed.ports import Report
from trainshed.record import claim
from trainshed.settings import Settings


@pytest.fixture
def settings(home: Path) -> Settings:
    return Settings(home=home, cap=1)


def test_a_place_in_the_queue(engine: Engine, settings: Settings) -> None:
    holder = pending_record("holder")
    waiting = [pending_record("first", priority=9), pending_record("second", age_seconds=9)]
    for record in (*waiting, holder, last := pending_record("last")):
        engine.registry.put_new(record)
    engine.registry.amend(holder.model_id, reserved)
    engine.registry.amend(holder.model_id, lambda record: claim(record, 1, "task", NOW))
    engine.registry.report(holder.model_id, 1, Report(at=NOW, epoch=1, epochs=4))
    found = explain(engine, settings, last.model_id, NOW)
    assert found.says == (
        "It is number 3 in the queue; priority 5, higher goes first, then older.",
        "1 of 1 slots are in use:",
    )
    assert found.lines == (f"{holder.model_id}  In Progress for 0 s, epoch 1/4",)


def test_a_message_that_waits_and_one_that_died(engine: Engine, settings: Settings) -> None:
    request = request_of("cat")
    with pytest.raises(UnknownModel):
        explain(engine, settings, request.model_id, NOW)
    engine.queue.send(request.encode())
    found = explain(engine, settings, request.model_id, NOW)
    assert (found.status, found.says[0]) == (None, "No consumer has taken it in yet.")
    [message] = engine.queue.receive(10)
    engine.queue.bury(message, "never dealt with")
    found = explain(engine, settings, request.model_id, NOW)
    assert found.says == ("Its message lies in the dead letters: never dealt with.",)

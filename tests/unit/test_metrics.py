"""What a tick leaves behind, counted, and as CloudWatch's embedded metric format has it."""

from __future__ import annotations

import json
from datetime import timedelta

from queue_consumer.metrics import NAMESPACE, embedded_metrics, measure
from queue_consumer.tick import Outcome
from tests.building import NOW, pending_record, reserved
from trainshed.engine import Engine
from trainshed.record import Cause, ModelRecord, cancel, cancelled, claim, complete, fail, send_back
from trainshed.settings import Settings

NOTHING = Outcome(ended=(), taken_in=0, launches=0)


def running(name: str = "cat") -> ModelRecord:
    return reserved(pending_record(name))


def failed(cause: Cause) -> ModelRecord:
    return fail(running(), 1, None, cause, "no", NOW)


def test_an_empty_platform_is_all_zeros(engine: Engine, settings: Settings) -> None:
    measured = measure(engine, settings, NOTHING, NOW)
    assert measured.pop("slots_free") == settings.cap
    assert set(measured.values()) == {0}
    assert {f"failures_{cause.name.lower()}" for cause in Cause} < measured.keys()


def test_what_waits_and_what_runs(engine: Engine, settings: Settings) -> None:
    engine.queue.send("not looked at yet")
    records = [pending_record("a", age_seconds=90), pending_record("b"), pending_record("c")]
    for record in records:
        engine.registry.put_new(record)
    engine.registry.replace(records[2], reserved(records[2]))
    measured = measure(engine, settings, NOTHING, NOW + timedelta(seconds=10))
    assert (measured["queued"], measured["pending"], measured["running"]) == (1, 2, 1)
    assert measured["oldest_pending_seconds"] == 100.0
    assert measured["slots_free"] == settings.cap - 1


def test_a_cap_that_was_lowered_leaves_no_slot_free(engine: Engine, settings: Settings) -> None:
    for name in "abc":
        record = pending_record(name)
        engine.registry.put_new(record)
        engine.registry.replace(record, reserved(record))
    assert measure(engine, settings, NOTHING, NOW)["slots_free"] == 0


def test_a_clock_that_is_behind_makes_no_negative_age(engine: Engine, settings: Settings) -> None:
    engine.registry.put_new(pending_record(age_seconds=-60))
    assert measure(engine, settings, NOTHING, NOW)["oldest_pending_seconds"] == 0.0


def test_what_has_ended_is_counted_by_how(engine: Engine, settings: Settings) -> None:
    ended = [
        complete(claim(running(), 1, "task", NOW), 1, "task", "d" * 64, NOW),
        cancelled(cancel(running(), NOW), 1, None, NOW),
        failed(Cause.TRAINING_ERROR),
        failed(Cause.TRAINING_ERROR),
        failed(Cause.OUT_OF_MEMORY),
        send_back(running(), 1, None, Cause.SPOT_INTERRUPTION, "taken", NOW, NOW),
    ]
    measured = measure(engine, settings, Outcome(ended, taken_in=7, launches=3), NOW)
    assert (measured["taken_in"], measured["launches"]) == (7, 3)
    assert (measured["completed"], measured["failures"]) == (1, 4)
    causes = {cause: measured[f"failures_{cause.name.lower()}"] for cause in Cause}
    assert {cause: count for cause, count in causes.items() if count} == {
        Cause.TRAINING_ERROR: 2,
        Cause.OUT_OF_MEMORY: 1,
        Cause.SPOT_INTERRUPTION: 1,
    }


def test_the_embedded_format() -> None:
    document = json.loads(json.dumps(embedded_metrics({"running": 2, "queued": 0}, "shed", NOW)))
    assert (document["running"], document["queued"]) == (2, 0)
    assert document["_aws"]["Timestamp"] == int(NOW.timestamp() * 1000)
    [directive] = document["_aws"]["CloudWatchMetrics"]
    assert directive["Namespace"] == NAMESPACE
    assert directive["Dimensions"] == [["cluster"]]
    assert document["cluster"] == "shed"
    assert directive["Metrics"] == [
        {"Name": "running", "Unit": "Count"},
        {"Name": "queued", "Unit": "Count"},
    ]


def test_the_embedded_format_keeps_to_its_limits(engine: Engine, settings: Settings) -> None:
    document = embedded_metrics(measure(engine, settings, NOTHING, NOW), "shed", NOW)
    [directive] = document["_aws"]["CloudWatchMetrics"]
    assert len(directive["Metrics"]) <= 100
    for dimensions in directive["Dimensions"]:
        assert all(name in document for name in dimensions)
    for metric in directive["Metrics"]:
        assert isinstance(document[metric["Name"]], int | float)
        assert metric["Unit"] in ("Count", "Seconds")

"""A training that is interrupted on a real engine goes on where it was, in its next attempt."""

from __future__ import annotations

import signal
import subprocess
from collections import Counter
from datetime import UTC, datetime

import psutil

from queue_consumer.reconcile import reconcile
from tests.building import wait_until
from trainshed.checkpoints import Checkpoints
from trainshed.handoff import EXIT_INTERRUPTED
from trainshed.ports import Phase
from trainshed.record import Cause, Status, checkpoints_prefix
from trainshed.settings import Settings

from .shed import Shed

EPOCHS = 5
STOPPED_AFTER = 3
WITHOUT_UPLOADS = {"TRAINSHED_CHECKPOINT_SECONDS": "3600"}
UPLOADS_EACH = {"TRAINSHED_CHECKPOINT_SECONDS": "0.000001"}


def epochs_of(shed: Shed) -> list[tuple[int, int]]:
    """(attempt, epoch), in the order in which they were trained."""
    return [(entry["attempt"], entry["epoch"]) for entry in shed.events("epoch")]


def start(shed: Shed, **settings: str) -> tuple[str, psutil.Process, subprocess.Popen[str]]:
    """A training of five epochs that waits after the third: its modelId, its process, and the
    consumer."""
    consumer = shed.start("run", **settings)
    model_id = shed.submit("resumed", gated=True, gate_after=STOPPED_AFTER, epochs=EPOCHS)
    shed.wait_for("epoch", STOPPED_AFTER)
    [training] = shed.trainings()
    return model_id, training, consumer


def finish(shed: Shed, model_id: str) -> None:
    shed.gate.touch()
    wait_until(lambda: shed.record(model_id).status.is_terminal, "the record has ended")
    record = shed.record(model_id)
    assert record.status is Status.COMPLETED, record.reason
    assert record.attempt == 2
    with shed.open() as engine:
        assert engine.registry.slots_in_use() == 0
        wait_until(
            lambda: engine.artifacts.keys(checkpoints_prefix(model_id)) == [], "none is left"
        )


def test_sigterm_costs_no_epoch(shed: Shed) -> None:
    model_id, training, consumer = start(shed, **WITHOUT_UPLOADS)
    consumer.kill()
    consumer.wait()
    training.send_signal(signal.SIGTERM)
    with shed.open() as engine:
        task = shed.record(model_id).task or ""
        wait_until(
            lambda: engine.launcher.describe([task])[task].phase is Phase.STOPPED, "it has stopped"
        )
        assert engine.launcher.describe([task])[task].exit_code == EXIT_INTERRUPTED
        settings = Settings.from_environment(shed.environment())
        [waiting] = reconcile(engine, settings, lambda: datetime.now(UTC))
        [checkpoint] = Checkpoints(engine.artifacts, model_id).newest_first()
    assert (waiting.status, waiting.cause) == (Status.PENDING, Cause.INTERRUPTION)
    assert "told to stop (SIGTERM)" in (waiting.reason or "")
    assert (checkpoint.epoch, checkpoint.attempt) == (STOPPED_AFTER, 1)

    shed.start("run")
    finish(shed, model_id)
    assert epochs_of(shed) == [(1, 1), (1, 2), (1, 3), (2, 4), (2, 5)]


def lose_host_of(training: psutil.Process) -> None:
    """Kill the training's supervisor; the training, which dies with it, is dead on return."""
    supervisor = training.parent()
    assert supervisor is not None
    assert "trainshed.local.supervisor" in supervisor.cmdline()
    supervisor.kill()
    training.wait()


def test_a_lost_host_costs_no_epoch_that_was_uploaded(shed: Shed) -> None:
    model_id, training, _ = start(shed, **UPLOADS_EACH)
    lose_host_of(training)
    finish(shed, model_id)
    assert any("Its supervisor was killed" in event.text for event in shed.record(model_id).history)
    assert epochs_of(shed) == [(1, 1), (1, 2), (1, 3), (2, 4), (2, 5)]


def test_a_lost_host_costs_the_epochs_since_the_last_upload(shed: Shed) -> None:
    model_id, training, _ = start(shed, **WITHOUT_UPLOADS)
    lose_host_of(training)
    finish(shed, model_id)
    times = Counter(epoch for _, epoch in epochs_of(shed))
    assert times == {1: 2, 2: 2, 3: 2, 4: 1, 5: 1}


def test_a_cancelled_training_leaves_no_checkpoint(shed: Shed) -> None:
    model_id, *_ = start(shed, **UPLOADS_EACH)
    shed.done("cancel", model_id)
    wait_until(lambda: shed.record(model_id).status is Status.CANCELLED, "it is cancelled")
    with shed.open() as engine:
        wait_until(
            lambda: engine.artifacts.keys(checkpoints_prefix(model_id)) == [], "none is left"
        )
    assert epochs_of(shed) == [(1, 1), (1, 2), (1, 3)]

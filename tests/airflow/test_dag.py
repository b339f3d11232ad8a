"""The DAG in a real Airflow, against AWS on loopback with a consumer and trainings at work."""

from __future__ import annotations

import subprocess
from datetime import timedelta
from typing import Any

import pytest

from tests.building import pending_record
from trainshed.record import Status

from .airflow_process import BIN, DagRun
from .conftest import Bench, at_work, meanwhile


def train(bench: Bench, name: str, **params: Any) -> DagRun:
    """A run for a data set that is there."""
    dataset = bench.put(f"{name}/words.txt")
    return bench.airflow.run(name=name, model_type="scored", dataset=dataset, **params)


def failed_at(run: DagRun) -> str:
    """The one task that failed; all after it have not run."""
    assert run.state == "failed"
    assert set(run.tasks.values()) <= {"success", "failed", "upstream_failed"}
    [task] = [task for task, state in run.tasks.items() if state == "failed"]
    return task


def test_the_dag_can_be_imported_where_nothing_is_there(bench: Bench) -> None:
    listed = subprocess.run(
        [BIN / "airflow", "dags", "list-import-errors", "--local", "--output=json"],
        env=bench.airflow_environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert (listed.returncode, listed.stdout.splitlines()[-1]) == (0, "[]"), listed.stderr


def test_a_first_model_is_trained_on_the_data(bench: Bench, name: str) -> None:
    bench.put(f"{name}/part/words.txt")
    dataset = bench.put(f"{name}/", b"")  # a folder as S3's console makes it
    with at_work(bench):
        run = bench.airflow.run(
            name=name,
            model_type="scored",
            dataset=dataset,
            epochs=2,
            hyperparameters={"score": 0.7},
        )
    assert run.state == "success"
    assert set(run.tasks.values()) == {"success"}
    record = bench.named(name)
    assert record is not None
    assert record.status is Status.COMPLETED
    assert run.result == {
        "model_id": record.model_id,
        "artifact": record.artifact,
        "digest": record.digest,
    }
    assert record.request is not None
    assert (record.request.dataset, record.request.epochs) == (dataset, 2)
    assert record.request.hyperparameters["score"] == 0.7
    assert f"Nothing is served as {name}" in run.log


@pytest.mark.parametrize(
    ("score", "state"), [(0.79, "failed"), (0.8, "success")], ids=["worse", "no worse"]
)
def test_the_gate(bench: Bench, name: str, score: float, state: str) -> None:
    served = bench.put_artifact(f"{name}-1", score=0.8)
    bench.say_served(name, served)
    with at_work(bench):
        run = train(bench, name, hyperparameters={"score": score})
    record = bench.named(name)
    assert record is not None
    assert record.status is Status.COMPLETED
    assert run.tasks["verdict"] == "success"
    assert (run.state, run.tasks["compare"]) == (state, state)
    words = f"{record.model_id} has accuracy {score:.4f}, and {served}, which is served, 0.8000"
    assert words in run.log
    assert ("it is worse" in run.log) == (state == "failed")


def test_the_model_to_compare_with_can_be_named(bench: Bench, name: str) -> None:
    bench.say_served(name, bench.put_artifact(f"{name}-1", score=0.1))
    other = pending_record("other").model_copy(
        update={
            "status": Status.COMPLETED,
            "artifact": bench.put_artifact(f"{name}-2", score=0.9),
            "digest": "d1ge57",
        }
    )
    bench.engine.registry.put_new(other)
    with at_work(bench):
        run = train(bench, name, served_model_id=other.model_id)
    assert failed_at(run) == "compare"
    assert f"and {other.artifact}, which is served, 0.9000: it is worse" in run.log


@pytest.mark.parametrize("metrics", [{"score_name": "F1", "score": 0.1}, None])
def test_what_cannot_be_compared_is_not_waved_through(
    bench: Bench, name: str, metrics: dict[str, Any] | None
) -> None:
    bench.say_served(name, bench.put_artifact(f"{name}-1", **(metrics or {})))
    with at_work(bench):
        run = train(bench, name)
    assert failed_at(run) == "compare"
    assert "cannot be compared" in run.log


def test_a_training_that_fails(bench: Bench, name: str) -> None:
    with at_work(bench):
        run = train(bench, name, hyperparameters={"fails": True})
    assert failed_at(run) == "verdict"
    assert "is Failed: words.txt, line 3 has no tag" in run.log


def test_a_training_that_takes_too_long(bench: Bench, name: str) -> None:
    with at_work(bench) as consumer:

        def when_it_trains() -> None:
            bench.wait_until_training(name)
            consumer.ahead = timedelta(minutes=6)

        with meanwhile(when_it_trains):
            run = train(bench, name, timeout_minutes=5, hyperparameters={"goes_on": True})
    record = bench.named(name)
    assert record is not None
    assert failed_at(run) == "verdict"
    assert f"is Failed: {record.reason}" in run.log
    assert record.cause == "timeout"


def test_a_training_that_is_cancelled(bench: Bench, name: str) -> None:
    def when_it_trains() -> None:
        bench.cancel(bench.wait_until_training(name))

    with at_work(bench), meanwhile(when_it_trains):
        run = train(bench, name, hyperparameters={"goes_on": True})
    assert failed_at(run) == "verdict"
    assert "is Cancelled: Cancelled by a user." in run.log


def test_a_request_that_is_rejected(bench: Bench, name: str) -> None:
    with at_work(bench):
        run = train(bench, name, hyperparameters={"scrore": 0.5})
    record = bench.named(name)
    assert record is not None
    assert record.status is Status.REJECTED
    assert failed_at(run) == "verdict"
    assert f"{record.model_id} is Rejected: {record.reason}" in run.log
    assert "scrore" in run.log


def test_a_platform_that_takes_no_requests(bench: Bench, name: str) -> None:
    run = train(bench, name, timeouts={"accepted": 1})
    assert failed_at(run) == "accepted"
    with at_work(bench):  # it is back
        bench.wait_until_training(name)


@pytest.mark.parametrize("objects", [{}, {"a.txt": b""}, {"": b"", "a.txt": b"", "b.txt": b""}])
def test_without_data_nothing_is_asked_for(
    bench: Bench, name: str, objects: dict[str, bytes]
) -> None:
    for key, content in objects.items():
        bench.put(f"{name}/{key}", content)
    bucket = bench.aws.settings["TRAINSHED_DATASET_BUCKET"]
    run = bench.airflow.run(name=name, model_type="scored", dataset=f"s3://{bucket}/{name}/")
    assert failed_at(run) == "dataset"
    assert bench.engine.queue.depth() == 0


@pytest.mark.parametrize(
    ("params", "words"),
    [
        ({"served_model_id": "nobody-1"}, "There is no model nobody-1."),
        ({"hyperparameters": {"score_name": "x" * 5000}}, "at most 4096 are allowed"),
    ],
)
def test_a_request_that_comes_to_nothing_is_not_sent(
    bench: Bench, name: str, params: dict[str, Any], words: str
) -> None:
    run = train(bench, name, **params)
    assert failed_at(run) == "compose"
    assert words in run.log
    assert bench.engine.queue.depth() == 0

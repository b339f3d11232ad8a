"""Whatever crashes, repeats, reorders or lies: no invariant is broken, in no schedule."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable

import pytest

from trainshed.record import Cause, ModelRecord, Status

from .campaign import ROOT, Report, in_two_processes, run_chaos, run_shuffled
from .invariants import Violation
from .simulator import simulate


def seeds(count: int) -> int:
    """So many seeds, or as many as `TRAINSHED_SEEDS` says."""
    return int(os.environ.get("TRAINSHED_SEEDS") or count)


@pytest.fixture(scope="module")
def chaos(how_many: Callable[[int, int], int]) -> Report:
    return in_two_processes(run_chaos, seeds(how_many(300, 10_000)))


@pytest.mark.timeout(0)
def test_no_schedule_breaks_an_invariant(chaos: Report, capsys: pytest.CaptureFixture[str]) -> None:
    with capsys.disabled():
        sys.stdout.write(
            f"\n{chaos.schedules} schedules, {chaos.faults.total()} faults of"
            f" {len(chaos.faults)} kinds, {len(chaos.violations)} violations\n"
        )
    assert not chaos.violations, "\n\n".join(chaos.violations[:5])


@pytest.mark.parametrize(
    "fault",
    [
        "acted twice",
        "answer lost: artifacts",
        "answer lost: launcher",
        "answer lost: queue",
        "answer lost: registry",
        "artifact damaged",
        "call that takes minutes",
        "consumer asleep for hours",
        "consumer at its time limit",
        "consumers away for an hour or so",
        "delivered late and out of order",
        "delivered twice",
        "event doubled",
        "event late",
        "event lost",
        "failures[]",
        "launched twice",
        "stale: records",
        "stale: tasks",
        "throttled: launcher",
        "throttled: queue",
        "throttled: registry",
        *(
            f"crash {when} {call}"
            for when in ("before", "after")
            for call in (
                *("queue.receive", "queue.delete", "registry.put_new", "registry.ready"),
                *("registry.get", "registry.replace", "registry.holding", "launcher.describe"),
                *("launcher.launch", "artifacts.put", "registry.report"),
            )
        ),
    ],
)
def test_every_fault_strikes(chaos: Report, fault: str) -> None:
    assert chaos.faults[fault] > 0


@pytest.mark.parametrize("cause", list(Cause))
def test_models_fail_of_every_cause(chaos: Report, cause: Cause) -> None:
    assert any(end.cause is cause for end in chaos.ends)


def test_models_end_in_every_way_and_are_tried_again(chaos: Report) -> None:
    assert {end.status for end in chaos.ends} == {status for status in Status if status.is_terminal}
    again = [end for end in chaos.ends if end.attempt > 1]
    assert {Status.COMPLETED, Status.FAILED, Status.CANCELLED} <= {end.status for end in again}


@pytest.mark.timeout(0)
def test_events_that_are_shuffled_tripled_and_dropped_change_no_end(
    how_many: Callable[[int, int], int], capsys: pytest.CaptureFixture[str]
) -> None:
    report = in_two_processes(run_shuffled, seeds(how_many(100, 10_000)))
    alike = report.schedules - len(report.violations)
    with capsys.disabled():
        sys.stdout.write(f"\nthe same final state {alike} times of {report.schedules}\n")
    assert not report.violations, "\n\n".join(report.violations[:5])
    assert len(report.ends) > 5


def test_a_seed_gives_the_same_trace_byte_for_byte() -> None:
    some = list(range(20, 30))
    program = (
        "import logging; logging.disable()\n"
        "from tests.simulation.simulator import simulate\n"
        f"print('\\n'.join(simulate(seed).text for seed in {some}))"
    )
    traces = {
        subprocess.run(
            [sys.executable, "-c", program],
            cwd=ROOT,
            env={**os.environ, "PYTHONHASHSEED": hash_seed},
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for hash_seed in ("1", "2")
    }
    [trace] = traces
    assert trace == "\n".join(simulate(seed).text for seed in some) + "\n"
    assert "registry.replace" in trace


def test_another_seed_gives_another_trace() -> None:
    assert simulate(1).text != simulate(2).text


def test_a_violation_tells_how_it_came_to_that_and_how_to_replay_it(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def always(record: ModelRecord, *_: object) -> ModelRecord:
        return record.model_copy(update={"status": Status.COMPLETED, "version": 1})

    monkeypatch.setattr("queue_consumer.dispatch.reserve", always)
    with pytest.raises(Violation, match="there is no such transition") as caught:
        simulate(5)
    assert "python -m tests.simulation 5" in caught.value.__notes__[0]
    assert "registry.put_new" in caught.value.trace

    from .__main__ import main

    assert main(5) == 1
    assert capsys.readouterr().out == f"{caught.value.trace}\n{caught.value}\n"

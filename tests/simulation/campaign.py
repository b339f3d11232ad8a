"""Campaign: many schedules, in two processes, and what was seen in them."""

from __future__ import annotations

import pickle
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path

from .invariants import Violation
from .simulation import Plan
from .simulator import End, simulate

ROOT = Path(__file__).parents[2]
PROCESSES = 2

_QUIET = Plan(has_faults=False)
_SHUFFLED = Plan(has_faults=False, shuffles_events=True)


@dataclass
class Report:
    schedules: int = 0
    violations: list[str] = field(default_factory=list)
    """In words, with the seed and how to replay it."""
    faults: Counter[str] = field(default_factory=Counter)
    ends: Counter[End] = field(default_factory=Counter)

    def add(self, other: Report) -> None:
        self.schedules += other.schedules
        self.violations += other.violations
        self.faults += other.faults
        self.ends += other.ends


def run_chaos(seeds: Iterable[int]) -> Report:
    """Schedules with every fault."""
    report = Report()
    for seed in seeds:
        report.schedules += 1
        try:
            trace = simulate(seed)
        except Violation as violation:
            report.violations.append("\n".join([str(violation), *violation.__notes__]))
        else:
            report.faults.update(trace.faults)
            report.ends.update(trace.ends.values())
    return report


def run_shuffled(seeds: Iterable[int]) -> Report:
    """Schedules that are run twice: as they come, and with their events shuffled, tripled, and a
    fifth of them dropped. It is a violation if not every model ends alike."""
    report = Report()
    for seed in seeds:
        report.schedules += 1
        told, shuffled = simulate(seed, _QUIET).ends, simulate(seed, _SHUFFLED).ends
        if told != shuffled:
            differ = [f"{told[key]} and {shuffled.get(key)}" for key in told]
            report.violations.append(f"I9 · seed {seed}: {'; '.join(differ)}")
        report.ends.update(told.values())
    return report


def in_two_processes(run: Callable[[Iterable[int]], Report], count: int) -> Report:
    """`run` for the seeds from 0 on."""
    workers = [
        subprocess.Popen(
            [sys.executable, "-m", "tests.simulation.worker", run.__name__, str(first), str(count)],
            cwd=ROOT,
            stdout=subprocess.PIPE,
        )
        for first in range(PROCESSES)
    ]
    report = Report()
    for worker in workers:
        answer, _ = worker.communicate()
        if worker.returncode:
            raise RuntimeError(f"a worker ended with {worker.returncode}")
        report.add(pickle.loads(answer))
    return report

"""Guards earn their place: without any one of them, a test fails."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable

import pytest

from .guards import GUARDS, ROOT, Guard, source_of, without


@pytest.mark.parametrize("guard", GUARDS, ids=lambda guard: guard.name)
def test_a_guard_can_be_dropped(guard: Guard) -> None:
    changed = without(guard)
    compile(changed, guard.module, "exec")
    assert changed != source_of(guard)


@pytest.mark.timeout(1800)
def test_no_guard_can_be_dropped_unseen(how_many: Callable[[int, int], int]) -> None:
    # Each takes about a second: a few of them, or with --proof all.
    names = [guard.name for guard in GUARDS[:: how_many(8, 1)]]
    completed = subprocess.run(
        [sys.executable, "-m", "tests.simulation.guards", *names],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        text=True,
        check=False,
    )
    sys.stdout.write(completed.stdout)
    assert completed.returncode == 0, completed.stdout
    assert completed.stdout.count(": caught: ") == len(names)

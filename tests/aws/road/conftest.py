"""What the tests of this folder share."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager

import pytest


class Steps:
    """How long each step of a test has taken."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}

    @contextmanager
    def __call__(self, what: str) -> Iterator[None]:
        began = time.monotonic()
        try:
            yield
        finally:
            self.seconds[what] = time.monotonic() - began


@pytest.fixture
def steps(capsys: pytest.CaptureFixture[str]) -> Iterator[Steps]:
    """Printed at the test's end, however it ends."""
    steps = Steps()
    yield steps
    with capsys.disabled():
        lines = [f"{seconds:7.1f} s  {what}\n" for what, seconds in steps.seconds.items()]
        sys.stdout.write("\n" + "".join(lines))

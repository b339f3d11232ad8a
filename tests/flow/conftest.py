"""A shed for each test, with nothing left running after it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.building import wait_until

from .shed import Shed


@pytest.fixture
def shed(tmp_path: Path) -> Iterator[Shed]:
    shed = Shed(folder=tmp_path, home=tmp_path / "home")
    yield shed
    clear(shed)


def clear(shed: Shed) -> None:
    for process in shed.processes:
        process.kill()
        process.communicate()
    for training in shed.trainings():
        training.kill()
    wait_until(lambda: shed.trainings() == [], "no training is left")

"""Every test of the contract runs on every engine."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from trainshed.engine import Engine

from .benches import BENCHES, Bench


@pytest.fixture(params=BENCHES)
def bench(request: pytest.FixtureRequest, tmp_path: Path) -> Bench:
    return BENCHES[request.param](tmp_path / "engine")


@pytest.fixture
def engine(bench: Bench) -> Iterator[Engine]:
    with bench.open() as engine:
        yield engine

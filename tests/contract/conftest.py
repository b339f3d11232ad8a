"""Every test of the contract runs on every engine."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.aws_platform import AwsHost, make_platform
from trainshed.engine import Engine

from .benches import AwsBench, Bench, FakesBench, LocalBench


@pytest.fixture
def local_bench(tmp_path: Path) -> Bench:
    return LocalBench(tmp_path / "engine")


@pytest.fixture
def aws_bench(aws_server: AwsHost, tmp_path: Path) -> Iterator[Bench]:
    with AwsBench(make_platform(aws_server), tmp_path / "engine") as bench:
        yield bench


@pytest.fixture
def fakes_bench() -> Bench:
    return FakesBench()


@pytest.fixture(params=["local", "aws", "fakes"])
def bench(request: pytest.FixtureRequest) -> Bench:
    """The engines that the contract is tested on; another one joins with a line here."""
    bench: Bench = request.getfixturevalue(f"{request.param}_bench")
    return bench


@pytest.fixture
def engine(bench: Bench) -> Iterator[Engine]:
    with bench.open() as engine:
        yield engine

"""What all tests share."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from pathlib import Path

import hypothesis
import pytest

from trainshed.model_type import Catalogue, read_catalogue

from .aws.moto_server import moto_server
from .aws_platform import AwsHost
from .building import TOY_MODEL_TYPES

# No example is judged by the time it takes: the machine may be busy.
hypothesis.settings.register_profile("tests", deadline=None)
hypothesis.settings.load_profile("tests")


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--aws",
        action="store_true",
        help="run also the tests that take minutes on AWS on loopback: Terraform, the whole road",
    )
    parser.addoption(
        "--proof",
        action="store_true",
        help="search for faults in full: every schedule, kill, race and damage that was promised; "
        "run also the trainings that take half a minute and more",
    )
    parser.addoption(
        "--screenshots",
        action="store_true",
        help="with --proof: draw the pictures of the page in docs/ anew",
    )


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line(
        "markers", "aws: takes minutes on AWS on loopback; runs with --aws only"
    )
    config.addinivalue_line("markers", "proof: takes long; runs with --proof only")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    for name in ("aws", "proof"):
        if config.getoption(f"--{name}"):
            continue
        for item in items:
            if item.get_closest_marker(name):
                item.add_marker(pytest.mark.skip(reason=f"takes long: with --{name} only"))


@pytest.fixture(scope="session", autouse=True)
def logging_at_first() -> tuple[object, ...]:
    return _state_of_logging()


@pytest.fixture(autouse=True)
def logging_is_left_alone(logging_at_first: tuple[object, ...]) -> Iterator[None]:
    """What a test did to the root of all loggers would be found wrong in another, far away."""
    yield
    assert _state_of_logging() == logging_at_first


def _state_of_logging() -> tuple[object, ...]:
    formats = [(handler, handler.formatter) for handler in logging.root.handlers]
    return logging.root.level, logging.root.manager.disable, formats


@pytest.fixture(scope="session")
def how_many(request: pytest.FixtureRequest) -> Callable[[int, int], int]:
    """Which of two counts a test goes through: the small one, or with --proof the full one."""
    full = request.config.getoption("--proof")
    return lambda quick, proof: proof if full else quick


@pytest.fixture(scope="session")
def catalogue() -> Catalogue:
    return read_catalogue([TOY_MODEL_TYPES])


@pytest.fixture(scope="session")
def aws_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[AwsHost]:
    """AWS on loopback, started once; each test makes what it needs there under its own names."""
    with moto_server(tmp_path_factory.mktemp("aws") / "server.log") as server:
        yield AwsHost(server.url, server.pid)


@pytest.fixture
def home(tmp_path: Path) -> Path:
    return tmp_path / "home"

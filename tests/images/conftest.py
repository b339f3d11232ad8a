"""Tests of the images. Most look at files alone; those marked `images` build and run containers:

    ./scripts/test.sh tests/images --images

They take docker or podman as they find them. Where that isn't enough, as on a machine that reaches
no registry, two variables of the environment help:

    IMAGES_BUILD   arguments for scripts/build_images.sh, such as --base with what
                   tests/images/local_base.sh makes, and the builder's own behind --
    IMAGES_RUN     the command that runs a container, such as `podman --runtime runc run`
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from .containers import Containers


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--images", action="store_true", help="run also the tests that build and run the images"
    )


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "images: builds and runs images; runs with --images only")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    if not config.getoption("--images", default=False):
        for item in items:
            if item.get_closest_marker("images"):
                item.add_marker(
                    pytest.mark.skip(reason="builds images: tests/images --images runs it")
                )


@pytest.fixture(scope="session")
def containers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Containers]:
    with Containers.found(tmp_path_factory.mktemp("containers")) as containers:
        yield containers


@pytest.fixture(scope="session")
def shared_home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home folder in which all trainings of these tests leave their models."""
    return tmp_path_factory.mktemp("home")

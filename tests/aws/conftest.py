"""One server for all tests of this folder: it starts once, and each test has its own names."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from .moto_server import MotoServer, moto_server


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[MotoServer]:
    with moto_server(tmp_path_factory.mktemp("moto") / "server.log") as server:
        yield server

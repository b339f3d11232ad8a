"""A server to attack: as it is run, but with little patience, and taking bodies of 1000 bytes."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import httpx
import pytest

from tests.web.conftest import DEADLINE_SECONDS, Server, launching, publish_echo

TEXT = {"Content-Type": "text/plain"}


@pytest.fixture(scope="module")
def target(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    folder = tmp_path_factory.mktemp("target")
    with launching(folder) as launch:
        server = launch(
            publish_echo(folder), TRAINSHED_CLIENT_SECONDS="2", TRAINSHED_MAX_BODY_BYTES="1000"
        )
        server.wait_until_ready()
        yield server


@pytest.fixture
def assert_unharmed() -> Callable[[Server, list[int]], None]:
    """Check that a server has the workers that it had, has logged no error, and answers."""

    def check(server: Server, workers: list[int]) -> None:
        assert [worker.pid for worker in server.workers()] == workers
        answer = httpx.post(
            f"{server.url}/echo", content=b"you", headers=TEXT, timeout=DEADLINE_SECONDS
        )
        assert answer.json() == {"echo": "hello you"}
        log = server.log.read_text(errors="replace")
        assert " ERROR " not in log, log
        assert "Traceback" not in log, log

    return check

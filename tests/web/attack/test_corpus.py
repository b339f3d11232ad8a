"""Every attack of the corpus gets the answer that the corpus says, from the server as it is run."""

from __future__ import annotations

import re
import socket
import struct
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor

import pytest

from serving_image.protocol import MAX_HEAD_BYTES
from tests.web.conftest import DEADLINE_SECONDS, Server

from .corpus import CORPUS, Attack, End

Outcomes = Mapping[str, tuple[int, ...] | None]

_STATUS = re.compile(rb"HTTP/1\.1 (\d{3}) ")


def attack(server: Server, planned: Attack) -> tuple[int, ...] | None:
    """Do it, and give the statuses of all that came until the server closed the connection. None:
    it was closed while a long attack was being sent, and what was answered is lost with it."""
    received = b""
    with socket.create_connection(("127.0.0.1", server.port), DEADLINE_SECONDS) as connection:
        try:
            connection.sendall(planned.sent)
            match planned.end:
                case End.HALF_CLOSE:
                    connection.shutdown(socket.SHUT_WR)
                case End.RESET:
                    linger = struct.pack("ii", 1, 0)
                    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
                    return ()
            while part := connection.recv(65536):
                received += part
        except TimeoutError:
            received += b"HTTP/1.1 000 (nothing came, and it was not closed)"
        except ConnectionError:
            if len(planned.sent) <= MAX_HEAD_BYTES:
                raise
            if not received:
                return None
    return tuple(int(status) for status in _STATUS.findall(received))


@pytest.fixture(scope="module")
def outcomes(target: Server) -> Outcomes:
    """What each attack got. They come at once, as most of the time is the server's patience."""
    with ThreadPoolExecutor(16) as attackers:
        answers = attackers.map(lambda planned: attack(target, planned), CORPUS)
        return {planned.name: got for planned, got in zip(CORPUS, answers, strict=True)}


@pytest.mark.parametrize("planned", CORPUS, ids=lambda planned: planned.name)
def test_attack(outcomes: Outcomes, planned: Attack) -> None:
    assert outcomes[planned.name] in (planned.answers, None)


def test_none_of_them_asks_for_a_failure() -> None:
    assert len({planned.name for planned in CORPUS}) == len(CORPUS) >= 70
    assert all(status < 500 for planned in CORPUS for status in planned.answers)


def test_the_server_is_unharmed(
    target: Server,
    assert_unharmed: Callable[[Server, list[int]], None],
) -> None:
    workers = [worker.pid for worker in target.workers()]
    with ThreadPoolExecutor(16) as attackers:
        list(attackers.map(lambda planned: attack(target, planned), CORPUS))
    assert_unharmed(target, workers)

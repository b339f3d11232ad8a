"""Clients that take their time cost the others nothing, and are cut off."""

from __future__ import annotations

import itertools
import socket
import statistics
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from contextlib import ExitStack, contextmanager

import httpx

from tests.web.conftest import DEADLINE_SECONDS, Home, Server, wait_until

from .conftest import TEXT
from .corpus import POST

HEALTHY_CLIENTS = 4
QUIET_REQUESTS = 250
"""Of each client, to an idle server."""

SLOW_HEAD = POST
SLOW_BODY = POST + b"Content-Length: 100000\r\n\r\n"
UNREAD = POST + b"Content-Length: 250000\r\n\r\n" + b"x" * 250_000


def open_slowly(server: Server, begin: bytes) -> socket.socket:
    connection = socket.socket()
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)  # what is unread stays there
    connection.settimeout(DEADLINE_SECONDS)
    connection.connect(("127.0.0.1", server.port))
    connection.sendall(begin)
    return connection


@contextmanager
def dribbling(connections: Sequence[socket.socket]) -> Iterator[None]:
    """Keep sending a byte on each of them, ten times a second, where it is still open."""
    stop = threading.Event()

    def dribble() -> None:
        sending = list(connections)
        while not stop.wait(0.1):
            for connection in list(sending):
                try:
                    connection.send(b"x")
                except OSError:
                    sending.remove(connection)

    with ThreadPoolExecutor(1) as thread:
        done = thread.submit(dribble)
        try:
            yield
        finally:
            stop.set()
        done.result()


def times_of_requests(server: Server, goes_on: Callable[[int], bool]) -> list[float]:
    """Ask on several connections while `goes_on`, which is told how many were asked. Give the
    seconds that each answer took; an answer other than the right one is an error."""

    def ask() -> list[float]:
        taken: list[float] = []
        with httpx.Client(base_url=server.url, headers=TEXT, timeout=DEADLINE_SECONDS) as client:
            while goes_on(len(taken)):
                started = time.perf_counter()
                answer = client.post("/echo", content=b"you")
                taken.append(time.perf_counter() - started)
                assert answer.json() == {"echo": "hello you"}
        return taken

    with ThreadPoolExecutor(HEALTHY_CLIENTS) as clients:
        futures = [clients.submit(ask) for _ in range(HEALTHY_CLIENTS)]
        return list(itertools.chain.from_iterable(future.result() for future in futures))


def p99(times: Sequence[float]) -> float:
    return statistics.quantiles(times, n=100)[-1]


def test_healthy_requests_are_answered_while_slow_sockets_hang(
    publish_artifact: Callable[[], Home],
    serve: Callable[..., Server],
    how_many: Callable[[int, int], int],
    assert_unharmed: Callable[[Server, list[int]], None],
) -> None:
    server = serve(publish_artifact(), TRAINSHED_CLIENT_SECONDS=str(how_many(3, 10)))
    [worker] = server.workers()
    quiet = times_of_requests(server, lambda asked: asked < QUIET_REQUESTS)

    kinds = itertools.cycle((SLOW_HEAD, SLOW_BODY, UNREAD))
    with ExitStack() as stack:
        begins = list(itertools.islice(kinds, how_many(60, 500)))
        slow = [stack.enter_context(open_slowly(server, begin)) for begin in begins]
        ports = {connection.getsockname()[1] for connection in slow}

        def hanging() -> int:
            connected = [c.raddr.port for c in worker.net_connections("tcp") if c.raddr]
            return len(ports.intersection(connected))

        wait_until(lambda: hanging() == len(slow), "the connection of all slow ones")
        cut_off = threading.Event()
        stack.callback(cut_off.set)
        with (
            dribbling([c for c, begin in zip(slow, begins, strict=True) if begin is not UNREAD]),
            ThreadPoolExecutor(1) as thread,
        ):
            attacked = thread.submit(times_of_requests, server, lambda _: not cut_off.is_set())
            try:
                # looked at now and then: it takes time from the healthy ones
                wait_until(
                    lambda: bool(wait([attacked], timeout=0.25).done) or hanging() == 0,
                    "the end of the slow ones",
                )
            finally:
                cut_off.set()
            times = attacked.result()

    assert len(times) > QUIET_REQUESTS
    assert_unharmed(server, [worker.pid])
    sys.stdout.write(
        f"{len(slow)} slow sockets: {len(times)} healthy requests, all answered; p99 "
        f"{p99(quiet) * 1000:.2f} ms quiet, {p99(times) * 1000:.2f} ms attacked, ratio "
        f"{p99(times) / p99(quiet):.2f}\n"
    )

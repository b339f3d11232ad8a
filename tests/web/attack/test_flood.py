"""Floods of bodies that no model can read: refused, in bounded memory, at no harm to the server."""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor

import httpx

from tests.web.conftest import DEADLINE_SECONDS, Home, Server

from .conftest import TEXT

JSON = {"Content-Type": "application/json"}
LIMIT = 1024**2
CLIENTS = 16
MAX_GROWTH = 256 * 1024**2
"""Of a worker's memory: far less than the flood brings, far more than its bodies at any time."""


def in_chunks(body: bytes) -> Iterator[bytes]:
    yield from (body[start : start + 65536] for start in range(0, len(body), 65536))


def full(pattern: bytes) -> bytes:
    return (pattern * (LIMIT // len(pattern) + 1))[:LIMIT]


FLOOD: list[tuple[dict[str, str], bytes, bool, int]] = [
    # headers, body, whether in chunks and so of unsaid length, status
    (TEXT, b"x" * (LIMIT + 1), False, 413),
    (TEXT, b"x" * 2 * LIMIT, True, 413),
    (JSON, full(b"["), False, 400),
    (JSON, full(b'{"text":'), False, 400),
    (JSON, full(b'[{"texts":['), True, 400),
    (JSON, b'{"texts":[' + full(b"1,")[:-20] + b"1]}", False, 422),
    (JSON, b"1" * LIMIT, False, 400),
    (JSON, b'"' + b"\\ud800" * (LIMIT // 6 - 1) + b'"', False, 422),
    (JSON, b'{"text": "' + b"\\udfff" * 1000 + b'"}', False, 422),
    (TEXT, b"\xff" * LIMIT, False, 400),
    (TEXT, b"x" * (LIMIT - 1) + b"\xc3", True, 400),
    (JSON, full(b"\xed\xa0\x80"), False, 400),
    (TEXT, full(b" \n\t"), False, 422),
]


def test_floods_of_bodies_are_refused_in_bounded_memory(
    publish_artifact: Callable[[], Home],
    serve: Callable[..., Server],
    how_many: Callable[[int, int], int],
    assert_unharmed: Callable[[Server, list[int]], None],
) -> None:
    server = serve(publish_artifact())
    [worker] = server.workers()

    def send(client: httpx.Client, number: int) -> tuple[int, int, int]:
        """The status that came, the one that was due, and the worker's memory then."""
        headers, body, chunked, status = FLOOD[number % len(FLOOD)]
        content = in_chunks(body) if chunked else body
        answer = client.post("/echo", headers=headers, content=content)
        return answer.status_code, status, worker.memory_info().rss

    rounds = how_many(6, 100)
    with (
        httpx.Client(base_url=server.url, timeout=DEADLINE_SECONDS) as client,
        ThreadPoolExecutor(CLIENTS) as clients,
    ):
        before = worker.memory_info().rss
        sent = list(clients.map(lambda n: send(client, n), range(rounds * len(FLOOD))))

    wrong = Counter((came, due) for came, due, _ in sent if came != due)
    assert not wrong
    growth = max(rss for _, _, rss in sent) - before
    assert growth < MAX_GROWTH
    assert_unharmed(server, [worker.pid])
    sys.stdout.write(
        f"{len(sent)} bodies of 1 MiB and more, all refused: a worker of {before / 1024**2:.0f} "
        f"MiB grew by {growth / 1024**2:.0f} MiB at most\n"
    )

"""A server is killed and restarted while people say what they think: nothing that was answered is
lost, and nothing is kept twice."""

from __future__ import annotations

import csv
import http.client
import io
import json
import signal
import socket
import subprocess
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from functools import partial

import httpx
import psutil

from tests.building import DEADLINE_SECONDS, wait_until
from tests.flow.shed import Shed
from trainshed.record import ModelRecord

CONNECTIONS = 50
WORKERS = 2
NAP_SECONDS = 0.05
"""Between a client's tries."""
JSON = {"Content-Type": "application/json"}
NOBODY_THERE, CUT_OFF = 0, 1
"""In place of a status: nobody listened, or the connection ended without an answer."""


def feedback_id(number: int) -> str:
    return f"{number:08x}-0000-4000-8000-000000000000"


class Server:
    """`trainshed serve`, always at the same port."""

    def __init__(self, shed: Shed) -> None:
        self._shed = shed
        with socket.create_server(("127.0.0.1", 0)) as free:
            self.port = int(free.getsockname()[1])
        self.process = self.start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def start(self) -> subprocess.Popen[str]:
        options = ("--port", str(self.port), "--workers", str(WORKERS))
        self.process = self._shed.start("serve", "judged", *options)
        wait_until(self._is_ready, "the server is ready")
        return self.process

    def kill(self) -> None:
        """SIGKILL, to all of it."""
        master = psutil.Process(self.process.pid)
        for process in (master, *master.children(recursive=True)):
            process.kill()
        self.process.communicate()

    def stop(self) -> None:
        self.process.send_signal(signal.SIGTERM)
        _, errors = self.process.communicate(timeout=DEADLINE_SECONDS)
        assert self.process.returncode == 0, errors
        assert "Traceback" not in errors

    def _is_ready(self) -> bool:
        with suppress(httpx.TransportError):
            return httpx.get(f"{self.url}/readyz", timeout=DEADLINE_SECONDS).status_code == 200
        return False


class Clients:
    """Each has a connection, and sends what it has to say until it is answered 2xx."""

    def __init__(self, server: Server, record: ModelRecord, numbers: Iterator[int]) -> None:
        self._port = server.port
        self._record = record
        self._numbers = numbers
        self._lock = threading.Lock()
        self.answers: Counter[tuple[int, int]] = Counter()
        """(number, status) → how often it came."""
        self.done = 0

    def run(self, _: int) -> None:
        connection = http.client.HTTPConnection("127.0.0.1", self._port, timeout=DEADLINE_SECONDS)
        while (number := self._next()) is not None:
            until = time.monotonic() + DEADLINE_SECONDS
            while not self._send(connection, number):
                assert time.monotonic() < until, f"{number} was never answered"
                time.sleep(NAP_SECONDS)
        connection.close()

    def have_done(self, count: int) -> bool:
        return self.done >= count

    def _next(self) -> int | None:
        with self._lock:
            return next(self._numbers, None)

    def _send(self, connection: http.client.HTTPConnection, number: int) -> bool:
        try:
            connection.request("POST", "/feedback", self._body(number), JSON)
            response = connection.getresponse()
            content = response.read()
        except (http.client.HTTPException, OSError) as error:
            connection.close()
            status = NOBODY_THERE if isinstance(error, ConnectionRefusedError) else CUT_OFF
        else:
            status = response.status
            assert status in (200, 201, 503), content
        with self._lock:
            self.done += status in (200, 201)
            self.answers[number, status] += 1
        return status in (200, 201)

    def _body(self, number: int) -> bytes:
        said: dict[str, object] = {"verdict": "approved"}
        if number % 2:
            said = {"verdict": "corrected", "correction": {"label": "bad"}}
        served = {"modelId": self._record.model_id, "digest": self._record.digest}
        text = f"so good, for the {number}th time"
        return json.dumps({"id": feedback_id(number), **served, "text": text, **said}).encode()


def test_feedback_while_the_server_is_killed_and_restarted_twice(
    shed: Shed, how_many: Callable[[int, int], int], tell: Callable[[str], None]
) -> None:
    posts = how_many(500, 10_000)
    shed.done("submit", "judged", "--model-type=critic")
    shed.done("run", "--until-idle")
    server = Server(shed)
    # every tenth is sent by two, who don't know of each other
    numbers = [number for number in range(posts) for _ in range(2 if number % 10 == 0 else 1)]
    clients = Clients(server, shed.records()["judged"], iter(numbers))

    began = time.monotonic()
    with ThreadPoolExecutor(CONNECTIONS) as pool:
        running = [pool.submit(clients.run, number) for number in range(CONNECTIONS)]
        for end in (server.kill, server.stop):
            enough = clients.done + posts // 3
            wait_until(partial(clients.have_done, enough), f"{enough} are answered")
            end()
            server.start()
        for client in running:
            client.result()
    seconds = time.monotonic() - began

    table = httpx.get(f"{server.url}/feedback.csv", timeout=DEADLINE_SECONDS).text
    server.stop()
    exported = shed.done("feedback", "export", "judged")
    assert exported == table
    rows = list(csv.DictReader(io.StringIO(table, newline="")))
    assert [row["id"] for row in rows] == [feedback_id(number) for number in range(posts)]
    for number, row in enumerate(rows):
        assert row["input"] == f"so good, for the {number}th time"
        assert row["verdict"] == ("corrected" if number % 2 else "approved")
        assert clients.answers[number, 201] <= 1, "it is new once"
        assert clients.answers[number, 200] + clients.answers[number, 201] >= 1
    cut_off = sum(count for (_, status), count in clients.answers.items() if status == CUT_OFF)
    assert cut_off, "the server was killed in the middle of it"
    tell(
        f"{posts} feedback posts over {CONNECTIONS} connections, {clients.done} answered 2xx,"
        f" {cut_off} cut off; {len(rows)} in the export, each once; {posts / seconds:.0f}/s,"
        " two restarts included"
    )

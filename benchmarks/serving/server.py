"""A server of the benchmark, in processes of its own: started, asked, measured, stopped."""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import signal
import socket
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

import psutil

from model_types import Json

_PATIENCE = 90.0
"""Seconds that a server may take to be ready."""
_CLIENTS = 8


class ServerFailed(Exception):
    """A server did not start, or answered something else than 200."""


@dataclass(frozen=True)
class Memory:
    """Of all processes of a server, in bytes."""

    proportional: int
    """PSS: a page that several share counts once in all."""
    resident: int
    """RSS: a page that several share counts for each."""
    processes: int


class Server:
    def __init__(
        self,
        command: Sequence[str],
        environment: Mapping[str, str],
        port: int,
        path: str,
        media_type: str,
        log: Path,
    ) -> None:
        self.url = f"http://127.0.0.1:{port}{path}"
        self.media_type = media_type
        self.startup = 0.0
        """Seconds from the start of its first process to its first answer."""
        self._command = command
        self._environment = environment
        self.port = port
        self._path = path
        self._log = log
        self._process: subprocess.Popen[bytes] | None = None

    def start(self, body: bytes) -> None:
        """Start it, and wait until it answers `body`. Raises `ServerFailed`; then, too, it is to be
        stopped."""
        began = time.monotonic()
        with self._log.open("wb") as log:
            self._process = subprocess.Popen(
                self._command,
                env=dict(self._environment),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                cwd=self._log.parent,
                start_new_session=True,  # what it starts can be stopped with it
            )
        while not self._is_ready(body):
            if self._process.poll() is not None:
                raise ServerFailed(
                    f"It ended with {self._process.returncode}: {self._last_words()}"
                )
            if time.monotonic() - began > _PATIENCE:
                raise ServerFailed(f"Not ready after {_PATIENCE:.0f} s: {self._last_words()}")
            time.sleep(0.005)
        self.startup = time.monotonic() - began

    def answers(self, bodies: Sequence[bytes]) -> list[Json]:
        """Its answer to each, asked by several clients at once. Raises `ServerFailed`."""
        found: list[Json] = [None] * len(bodies)
        until = time.monotonic() + _PATIENCE
        shares = [bodies[first::_CLIENTS] for first in range(_CLIENTS)]
        try:
            with ThreadPoolExecutor(_CLIENTS) as pool:
                asked = pool.map(lambda share: self._ask(share, until), shares)
                for first, answers in enumerate(asked):
                    found[first::_CLIENTS] = answers
        except (OSError, http.client.HTTPException) as error:
            raise ServerFailed(f"It broke off: {error!r}. {self._last_words()}") from None
        return found

    @property
    def memory(self) -> Memory:
        resident = proportional = count = 0
        for process in self._processes():
            with contextlib.suppress(psutil.NoSuchProcess):
                found = process.memory_full_info()
                resident += found.rss
                proportional += found.pss
                count += 1
        return Memory(proportional, resident, count)

    def settle(self, seconds: float = 5.0) -> None:
        """Wait until it has done with what is left of a load, so that it takes no processor from
        the next one, but no longer than so many seconds."""
        until = time.monotonic() + seconds
        before = self._processor_seconds()
        while time.monotonic() < until:
            time.sleep(0.05)
            now = self._processor_seconds()
            if now - before < 0.02:  # the clock of most kernels ticks each 0.01 s
                return
            before = now

    def stop(self) -> None:
        """End all of its processes; a second call does nothing."""
        if self._process is None:
            return
        left = list(self._processes())
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGTERM)
        _, alive = psutil.wait_procs(left, timeout=5)
        for process in alive:
            with contextlib.suppress(psutil.NoSuchProcess):
                process.kill()
        self._process.wait()
        self._process = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.stop()

    def _ask(self, bodies: Sequence[bytes], until: float) -> list[Json]:
        """One client's answers, one after the other."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port)
        found = []
        with contextlib.closing(connection):
            for body in bodies:
                status, content = self._post(connection, body)
                while status == http.HTTPStatus.SERVICE_UNAVAILABLE and time.monotonic() < until:
                    time.sleep(0.1)  # another worker was ready, this one is not
                    status, content = self._post(connection, body)
                if status != http.HTTPStatus.OK:
                    raise ServerFailed(f"{status}: {content[:200]!r}")
                found.append(json.loads(content))
        return found

    def _is_ready(self, body: bytes) -> bool:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=10)
        try:
            return self._post(connection, body)[0] == http.HTTPStatus.OK
        except (OSError, http.client.HTTPException):
            return False
        finally:
            connection.close()

    def _post(self, connection: http.client.HTTPConnection, body: bytes) -> tuple[int, bytes]:
        connection.request("POST", self._path, body, {"Content-Type": self.media_type})
        response = connection.getresponse()
        return response.status, response.read()

    def _processes(self) -> Iterator[psutil.Process]:
        if self._process is None:
            return
        with contextlib.suppress(psutil.NoSuchProcess):
            first = psutil.Process(self._process.pid)
            yield first
            yield from first.children(recursive=True)

    def _processor_seconds(self) -> float:
        total = 0.0
        for process in self._processes():
            with contextlib.suppress(psutil.NoSuchProcess):
                times = process.cpu_times()
                total += times.user + times.system
        return total

    def _last_words(self) -> str:
        return " ".join(self._log.read_text("utf-8", errors="replace").split())[-300:]


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port

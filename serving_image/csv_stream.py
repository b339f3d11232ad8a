"""CsvStream: feedback on its way out, a piece at a time, as fast as its reader takes it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack

from serving_image.feedback_writer import OpenStore
from serving_image.request_body import Request
from trainshed import feedback_csv

PIECE = 64 * 1024
"""A piece is sent once it has as many characters as this; a row that is longer goes alone."""


class CsvStream:
    """An async iterator of bytes, as falcon streams one. The store is read in a thread of its own,
    which never reads ahead of what is asked for, so that it takes the memory of a piece, and of a
    page of the store's."""

    def __init__(
        self, name: str, open_store: OpenStore, ended: Callable[[CsvStream], object]
    ) -> None:
        self._name = name
        self._open_store = open_store
        self._ended = ended
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="export")
        self._opened = ExitStack()
        self._lines: Iterator[str] = iter(())
        self._first = b""
        self._watcher: asyncio.Task[None] | None = None

    async def begin(self, request: Request) -> None:
        """Read the first piece, so that what fails does so while the answer can still say it.
        Raises `TrainshedError`."""
        try:
            self._first = await self._in_thread(self._open)
        except BaseException:
            await self.close()
            raise
        self._watcher = asyncio.create_task(request.wait_until_gone())

    def __aiter__(self) -> CsvStream:
        return self

    async def __anext__(self) -> bytes:
        piece, self._first = self._first, b""
        if self._watcher is None or self._watcher.done():  # nobody reads any more
            raise StopAsyncIteration
        if not piece:
            piece = await self._in_thread(self._read)
        if not piece:
            raise StopAsyncIteration
        return piece

    async def close(self) -> None:
        """Let go of the store; falcon calls it at the end, whatever the end is."""
        if self._watcher is not None:
            self._watcher.cancel()
        try:
            await self._in_thread(self._opened.close)
        finally:
            self._thread.shutdown(wait=False)
            self._ended(self)

    async def _in_thread(self, function: Callable[[], bytes | None]) -> bytes:
        return await asyncio.get_running_loop().run_in_executor(self._thread, function) or b""

    def _open(self) -> bytes:
        store = self._opened.enter_context(self._open_store())
        self._lines = feedback_csv.encode(store.of(self._name))
        return self._read()

    def _read(self) -> bytes:
        lines, length = [], 0
        for line in self._lines:
            lines.append(line)
            length += len(line)
            if length >= PIECE:
                break
        return "".join(lines).encode()

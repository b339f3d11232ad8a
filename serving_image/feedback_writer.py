"""FeedbackWriter: what comes at the same time goes into the store together.

A store takes many at once for little more than the price of one (SQLite waits once for the disk,
DynamoDB is asked by several threads). So while one lot is on its way, the next one gathers.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, ExitStack

from serving_image.batching import Batcher
from trainshed.errors import TrainshedError
from trainshed.feedback import Feedback
from trainshed.ports import FeedbackStore

OpenStore = Callable[[], AbstractContextManager[FeedbackStore]]
"""Opens the store for the thread that calls it."""

MAX_BATCH = 128

logger = logging.getLogger(__name__)


class FeedbackWriter:
    def __init__(self, open_store: OpenStore, max_waiting: int) -> None:
        """Opened when it is needed first, in the one thread that writes, and anew after it has
        failed: a store that is away for a while does not take the server with it."""
        self._open_store = open_store
        self._store: FeedbackStore | None = None
        self._opened = ExitStack()
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="feedback")
        self._batcher = Batcher(
            self._put, MAX_BATCH, max_waiting, lambda *_: None, executor=self._thread
        )

    def put(self, feedback: Feedback) -> asyncio.Future[list[bool]]:
        """The future of whether it is new, set once the store has it for good. It may fail with
        `TrainshedError`: then it is not known whether the store has it, and to send it again does
        no harm. Raises `Overloaded`."""
        return self._batcher.submit([feedback])

    async def process_shutdown(self, _: object, __: object) -> None:
        """As falcon's middleware: when all requests have been answered."""
        await asyncio.get_running_loop().run_in_executor(self._thread, self._close)
        self._thread.shutdown()

    def _put(self, batch: Sequence[Feedback]) -> Sequence[bool | TrainshedError]:
        try:
            if self._store is None:
                self._store = self._opened.enter_context(self._open_store())
            return self._store.put(batch)
        except TrainshedError as error:
            logger.error("Feedback cannot be kept: %s", error)
            self._close()
            return [error] * len(batch)  # each one's outcome; nobody tries them one by one

    def _close(self) -> None:
        self._store = None
        self._opened.close()

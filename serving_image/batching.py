"""A batcher that takes what is waiting and never waits for more.

Requests that arrive while the model works wait; the next batch takes them together, up to a
maximum, one input of each request in turn. So a lone request is never delayed, load makes batches
by itself, and a long list doesn't hold up the others.

Short inputs go through the model on the event loop's own thread: handing each batch to another
thread costs more than it gives, as the processor is busy either way. Between batches the loop does
everything else. An input that keeps the model busy for long belongs into a batcher with a thread.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Executor
from typing import Any

from model_types import Json

Predict = Callable[[Sequence[Any]], Sequence[Json]]
Observe = Callable[[int, float], None]

_logger = logging.getLogger(__name__)


class Overloaded(Exception):
    """More inputs are waiting than this process takes."""


class _Request:
    """The inputs of one request, and as much of the answer as there is."""

    def __init__(self, items: Sequence[Any], future: asyncio.Future[list[Json]]) -> None:
        self.results: list[Json] = [None] * len(items)
        self.future = future
        self._waiting = deque(enumerate(items))
        self._unanswered = len(items)

    @property
    def waiting(self) -> int:
        """How many of its inputs were not taken."""
        return len(self._waiting)

    def take(self) -> tuple[int, Any]:
        """The next input, which is let go of, and where its result belongs."""
        return self._waiting.popleft()

    def drop(self) -> None:
        """Let go of the inputs that were not taken."""
        self._waiting.clear()

    def answer(self, index: int, result: Json) -> None:
        self.results[index] = result
        self._unanswered -= 1
        if not self._unanswered and not self.future.done():
            self.future.set_result(self.results)

    def fail(self, error: Exception) -> None:
        if not self.future.done():
            self.future.set_exception(error)


class Batcher:
    def __init__(
        self,
        predict: Predict,
        max_batch: int,
        max_waiting: int,
        observe: Observe,
        executor: Executor | None = None,
    ) -> None:
        """`observe` is told of every batch: how many inputs, and how many seconds. With an
        `executor`, `predict` and `observe` are called there, a batch at a time."""
        self._predict = predict
        self._max_batch = max_batch
        self._max_waiting = max_waiting
        self._observe = observe
        self._executor = executor
        self._requests: deque[_Request] = deque()
        self._waiting = 0
        self._scheduled = False

    def submit(self, items: Sequence[Any]) -> asyncio.Future[list[Json]]:
        """Queue the inputs of one request and give the future of their results, in order.

        Whoever sets or cancels the future first takes its inputs off the queue. Raises `Overloaded`
        when the queue is full; a request that finds room is taken whole, however long it is.
        """
        if self._waiting >= self._max_waiting:
            raise Overloaded(f"{self._waiting} inputs are waiting already.")
        loop = asyncio.get_running_loop()
        request = _Request(items, loop.create_future())
        if not items:
            request.future.set_result([])
            return request.future
        self._requests.append(request)
        self._waiting += request.waiting
        request.future.add_done_callback(lambda _: self._drop(request))
        self._schedule(loop)
        return request.future

    def _drop(self, request: _Request) -> None:
        """What nobody waits for any more takes up no room, however long the batch at work takes."""
        if request.waiting:
            self._waiting -= request.waiting
            self._requests.remove(request)
            request.drop()

    def _schedule(self, loop: asyncio.AbstractEventLoop) -> None:
        if self._requests and not self._scheduled:
            self._scheduled = True
            loop.call_soon(self._run_batch, loop)

    def _run_batch(self, loop: asyncio.AbstractEventLoop) -> None:
        batch = self._take_batch()
        items = [item for _, _, item in batch]
        places = [(request, index) for request, index, _ in batch]
        if self._executor is None or not items:
            self._answer(loop, places, self._outcomes(items))
            return
        running = loop.run_in_executor(self._executor, self._outcomes, items)
        running.add_done_callback(lambda done: self._answer(loop, places, done.result()))

    def _take_batch(self) -> list[tuple[_Request, int, Any]]:
        batch: list[tuple[_Request, int, Any]] = []
        while self._requests and len(batch) < self._max_batch:
            request = self._requests[0]
            if request.future.done():  # failed, or its client has gone
                self._drop(request)
                continue
            self._requests.popleft()
            batch.append((request, *request.take()))
            self._waiting -= 1
            if request.waiting:
                self._requests.append(request)
        return batch

    def _outcomes(self, items: Sequence[Any]) -> Sequence[Json | Exception]:
        """The result of each input, or what the model raised over it."""
        if not items:
            return []
        started = time.perf_counter()
        try:
            results = self._predict(items)
            if len(results) != len(items):
                raise ValueError(f"The model gave {len(results)} results for {len(items)} inputs.")
        except (SystemExit, KeyboardInterrupt):
            raise
        except BaseException as error:  # noqa: BLE001  a panic in Rust is no Exception
            if len(items) == 1:
                return [_for_a_future(error)]
            # one bad input must not fail the requests that it happened to meet
            return [outcome for item in items for outcome in self._outcomes([item])]
        self._measure(len(items), time.perf_counter() - started)
        return results

    def _measure(self, inputs: int, seconds: float) -> None:
        try:
            self._observe(inputs, seconds)
        except Exception:  # the answers are there, and must not wait for ever
            _logger.exception("A batch was not measured")

    def _answer(
        self,
        loop: asyncio.AbstractEventLoop,
        batch: Sequence[tuple[_Request, int]],
        outcomes: Sequence[Json | Exception],
    ) -> None:
        for (request, index), outcome in zip(batch, outcomes, strict=True):
            if isinstance(outcome, Exception):
                request.fail(outcome)
            else:
                request.answer(index, outcome)
        self._scheduled = False
        self._schedule(loop)


def _for_a_future(error: BaseException) -> Exception:
    """The error as a future takes it, and a handler of errors catches it."""
    if isinstance(error, Exception) and not isinstance(error, StopIteration):
        return error
    wrapped = RuntimeError(f"{type(error).__name__}: {error}")
    wrapped.__cause__ = error
    return wrapped

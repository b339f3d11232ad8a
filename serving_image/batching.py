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
import time
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Executor
from typing import Any

from model_types import Json

Predict = Callable[[Sequence[Any]], Sequence[Json]]
Observe = Callable[[int, float], None]


class Overloaded(Exception):
    """More inputs are waiting than this process takes."""


class _Request:
    """The inputs of one request, and as much of the answer as there is."""

    def __init__(self, items: Sequence[Any], future: asyncio.Future[list[Json]]) -> None:
        self.items = items
        self.results: list[Json] = [None] * len(items)
        self.future = future
        self.taken = 0
        self.answered = 0

    def take(self) -> int:
        self.taken += 1
        return self.taken - 1

    def answer(self, index: int, result: Json) -> None:
        self.results[index] = result
        self.answered += 1
        if self.answered == len(self.items) and not self.future.done():
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
        self._waiting += len(items)
        self._schedule(loop)
        return request.future

    def _schedule(self, loop: asyncio.AbstractEventLoop) -> None:
        if self._requests and not self._scheduled:
            self._scheduled = True
            loop.call_soon(self._run_batch, loop)

    def _run_batch(self, loop: asyncio.AbstractEventLoop) -> None:
        batch = self._take_batch()
        items = [request.items[index] for request, index in batch]
        if self._executor is None or not batch:
            self._answer(loop, batch, self._outcomes(items))
            return
        running = loop.run_in_executor(self._executor, self._outcomes, items)
        running.add_done_callback(lambda done: self._answer(loop, batch, done.result()))

    def _take_batch(self) -> list[tuple[_Request, int]]:
        batch: list[tuple[_Request, int]] = []
        while self._requests and len(batch) < self._max_batch:
            request = self._requests.popleft()
            if request.future.done():  # failed, or its client has gone
                self._waiting -= len(request.items) - request.taken
                continue
            batch.append((request, request.take()))
            self._waiting -= 1
            if request.taken < len(request.items):
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
        except Exception as error:  # noqa: BLE001  it goes to whoever awaits the future
            if len(items) == 1:
                return [error]
            # one bad input must not fail the requests that it happened to meet
            return [outcome for item in items for outcome in self._outcomes([item])]
        self._observe(len(items), time.perf_counter() - started)
        return results

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

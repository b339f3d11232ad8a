"""Asking the model: what came in short, between two requests; what came in long, in a thread."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from concurrent.futures import Executor
from typing import Any, TypeVar

from model_types import Inputs, Json
from serving_image.batching import Batcher
from serving_image.model import Model
from serving_image.problems import ClientGone
from serving_image.request_body import Request

_Result = TypeVar("_Result")

UNWATCHED_SECONDS = 0.05
"""So long a request waits before its client is watched."""


class Asking:
    def __init__(self, model: Model, *, short: Batcher, long: Batcher, thread: Executor) -> None:
        """`long` predicts on what came in a long body, which `thread` decodes, or takes long for
        another reason; `short` on all else."""
        self._model = model
        self._short = short
        self._long = long
        self._thread = thread

    async def decode(self, body: bytes, media_type: str, is_long: bool) -> Inputs:
        """Raises `NotReady`, and what `Predictor.decode` raises."""
        return await self.run(is_long, self._model.predictor.decode, body, media_type)

    async def predict(self, request: Request, inputs: Inputs, is_long: bool) -> Sequence[Json]:
        """The result of each input. Raises `Overloaded`, `ClientGone` and what the model raises."""
        batcher = self._long if is_long or inputs.long else self._short
        return await while_connected(request, batcher.submit(inputs.items))

    async def run(self, is_long: bool, function: Callable[..., _Result], *given: Any) -> _Result:
        """Call what takes its time over a long body, and none over a short one."""
        if not is_long:
            return function(*given)
        return await asyncio.get_running_loop().run_in_executor(self._thread, function, *given)


async def while_connected(request: Request, future: asyncio.Future[list[_Result]]) -> list[_Result]:
    """Await `future`, or raise `ClientGone` soon after nobody is there to read the answer.

    Most answers are there before a client is looked after at all: a task for each request would
    cost more than what is saved by the few that nobody waits for.
    """
    loop = asyncio.get_running_loop()
    watching = loop.call_later(UNWATCHED_SECONDS, _give_up_when_gone, request, future)
    try:
        return await future
    finally:
        watching.cancel()


def _give_up_when_gone(request: Request, future: asyncio.Future[list[_Result]]) -> None:
    def give_up(_: asyncio.Task[None]) -> None:
        if not future.done():
            future.set_exception(ClientGone())

    watcher = asyncio.create_task(request.wait_until_gone())
    watcher.add_done_callback(give_up)
    future.add_done_callback(lambda _: watcher.cancel())

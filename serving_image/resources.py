"""What is at each path."""

from __future__ import annotations

import asyncio
from concurrent.futures import Executor

import falcon
import falcon.asgi

from model_types import Json
from serving_image import json_body, metrics
from serving_image.batching import Batcher
from serving_image.metrics import Metrics
from serving_image.model import Model
from serving_image.openapi import openapi_document
from serving_image.problems import ClientGone
from serving_image.request_body import BodyReader, Request, media_type
from serving_image.served_model import ServedModel

Response = falcon.asgi.Response


class Prediction:
    """POST an input, or a list of them, and get the model's answer."""

    def __init__(
        self,
        model: Model,
        reader: BodyReader,
        *,
        short: Batcher,
        long: Batcher,
        thread: Executor,
    ) -> None:
        """`long` predicts on what came in a long body, which `thread` decodes, or takes long for
        another reason; `short` on all else."""
        self._thread = thread
        self._model = model
        self._reader = reader
        self._short = short
        self._long = long

    async def on_post(self, request: Request, response: Response) -> None:
        predictor = self._model.predictor
        kind = media_type(request, predictor.request_schemas)
        async with self._reader.read(request) as body:
            is_long = self._reader.is_long(body)
            if is_long:
                loop = asyncio.get_running_loop()
                inputs = await loop.run_in_executor(self._thread, predictor.decode, body, kind)
            else:
                inputs = predictor.decode(body, kind)
            batcher = self._long if is_long or inputs.long else self._short
            results = await _while_connected(request, batcher.submit(inputs.items))
        _answer(response, results if inputs.many else results[0])


class Description:
    """What is served."""

    def __init__(self, served: ServedModel) -> None:
        self._document = {
            "modelId": served.model_id,
            "model_type": served.model_type,
            "attempt": served.attempt,
            "digest": served.digest,
            "created_at": served.created_at,
            "metrics": served.metrics,
            "history": served.history,
            "links": {
                "predict": list(served.paths),
                "curves": "/training_curves.png" if served.curves else None,
                "openapi": "/openapi.json",
                "metrics": "/metrics",
            },
        }

    async def on_get(self, _: Request, response: Response) -> None:
        _answer(response, self._document)

    on_head = on_get


class Curves:
    """The training curves, a PNG."""

    def __init__(self, served: ServedModel) -> None:
        self._curves = served.curves

    async def on_get(self, _: Request, response: Response) -> None:
        if self._curves is None:
            raise falcon.HTTPNotFound(description="The artifact has no training curves.")
        response.content_type = falcon.MEDIA_PNG
        response.data = self._curves

    on_head = on_get


class Liveness:
    """200 as long as the process answers at all."""

    async def on_get(self, _: Request, response: Response) -> None:
        _answer(response, {"status": "alive"})

    on_head = on_get


class Readiness:
    """200 once the model has proved itself, 503 with the reason before."""

    def __init__(self, model: Model) -> None:
        self._model = model

    async def on_get(self, _: Request, response: Response) -> None:
        self._model.predictor  # noqa: B018  raises NotReady
        _answer(response, {"status": "ready", "modelId": self._model.served.model_id})

    on_head = on_get


class MetricsPage:
    """Metrics for Prometheus."""

    def __init__(self, shown: Metrics) -> None:
        self._shown = shown

    async def on_get(self, _: Request, response: Response) -> None:
        response.content_type = metrics.MEDIA_TYPE
        response.data = self._shown.exposition()

    on_head = on_get


class OpenApi:
    """The OpenAPI document."""

    def __init__(self, model: Model, *, needs_key: bool) -> None:
        self._model = model
        self._needs_key = needs_key

    async def on_get(self, _: Request, response: Response) -> None:
        predictor = self._model.predictor
        _answer(response, openapi_document(self._model.served, predictor, self._needs_key))

    on_head = on_get


async def _while_connected(request: Request, future: asyncio.Future[list[Json]]) -> list[Json]:
    """Await `future`, or raise `ClientGone` as soon as nobody is there to read the answer."""

    def give_up(_: asyncio.Task[None]) -> None:
        if not future.done():
            future.set_exception(ClientGone())

    watcher = asyncio.create_task(request.wait_until_gone())
    watcher.add_done_callback(give_up)
    try:
        return await future
    finally:
        watcher.cancel()


def _answer(response: Response, value: Json) -> None:
    response.content_type = json_body.MEDIA_TYPE
    response.data = json_body.encode(value)

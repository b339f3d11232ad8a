"""What is at each path."""

from __future__ import annotations

import falcon
import falcon.asgi

from model_types import Json
from serving_image import feedback, json_body, metrics
from serving_image.asking import Asking
from serving_image.feedback_post import can_be_corrected
from serving_image.metrics import Metrics
from serving_image.model import Model
from serving_image.openapi import openapi_document
from serving_image.request_body import BodyReader, Request, media_type
from serving_image.served_model import ServedModel
from trainshed.feedback import MAX_INPUT_BYTES

Response = falcon.asgi.Response


class Prediction:
    """POST an input, or a list of them, and get the model's answer."""

    def __init__(self, model: Model, reader: BodyReader, asking: Asking) -> None:
        self._model = model
        self._reader = reader
        self._asking = asking

    async def on_post(self, request: Request, response: Response) -> None:
        kind = media_type(request, self._model.predictor.request_schemas)
        async with self._reader.read(request) as body:
            is_long = self._reader.is_long(body)
            inputs = await self._asking.decode(body, kind, is_long)
            results = await self._asking.predict(request, inputs, is_long)
        _answer(response, results if inputs.many else results[0])


class Description:
    """What is served."""

    def __init__(self, model: Model, keeps_feedback: bool) -> None:
        self._model = model
        self._keeps_feedback = keeps_feedback

    async def on_get(self, _: Request, response: Response) -> None:
        _answer(response, self._document())

    on_head = on_get

    def _document(self) -> Json:
        served = self._model.served
        predictor = self._model.predictor if self._model.is_ready else None
        correctable = predictor if predictor and can_be_corrected(predictor) else None
        takes_feedback = self._keeps_feedback and correctable is not None
        return {
            "modelId": served.model_id,
            "model_type": served.model_type,
            "attempt": served.attempt,
            "digest": served.digest,
            "created_at": served.created_at,
            "metrics": served.metrics,
            "history": served.history,
            "media_types": list(predictor.request_schemas) if predictor else [],
            "answers": correctable.answers if correctable else None,
            "labels": list(correctable.labels) if correctable else [],
            "feedback": takes_feedback,
            "max_feedback_bytes": MAX_INPUT_BYTES if takes_feedback else None,
            "links": {
                "predict": list(served.paths),
                "curves": "/training_curves.png" if served.curves else None,
                "openapi": "/openapi.json",
                "metrics": "/metrics",
                "feedback": feedback.PATH if takes_feedback else None,
                "feedback_csv": feedback.CSV_PATH if takes_feedback else None,
            },
        }


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

    def __init__(self, model: Model, *, needs_key: bool, keeps_feedback: bool) -> None:
        self._model = model
        self._needs_key = needs_key
        self._keeps_feedback = keeps_feedback

    async def on_get(self, _: Request, response: Response) -> None:
        document = openapi_document(
            self._model.served,
            self._model.predictor,
            needs_key=self._needs_key,
            keeps_feedback=self._keeps_feedback,
        )
        _answer(response, document)

    on_head = on_get


def _answer(response: Response, value: Json) -> None:
    response.content_type = json_body.MEDIA_TYPE
    response.data = json_body.encode(value)

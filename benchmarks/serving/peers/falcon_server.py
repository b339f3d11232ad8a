"""Trainshed's own server, falcon on gunicorn and uvicorn, with another's network in it.

    gunicorn --config serving_image/gunicorn.conf.py 'benchmarks.serving.peers.NAME:get_app()'

Batches, metrics and all are as they are in Trainshed; the model alone is another.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from prometheus_client import CollectorRegistry

from benchmarks.serving.peers.told import Told
from model_types import Inputs, Json, Predictor
from serving_image.app import Limits, create_app
from serving_image.artifact import read_artifact
from serving_image.master import ARTIFACT_COPY
from serving_image.metrics import Metrics
from serving_image.request_body import App

Predict = Callable[[Sequence[Any]], list[Json]]


class FrameworkPredictor:
    """Reads requests as Trainshed's own predictor does, and answers with `predict`."""

    def __init__(self, own: Predictor, predict: Predict) -> None:
        self.request_schemas = own.request_schemas
        self.result_schema = own.result_schema
        self._own = own
        self._predict = predict

    def decode(self, body: bytes, media_type: str) -> Inputs:
        return self._own.decode(body, media_type)

    def predict(self, items: Sequence[Any]) -> list[Json]:
        return self._predict(items)


def make_app(load: Callable[[Told], Predict]) -> App:
    told = Told.from_environment()
    served = read_artifact(os.environ, Path(os.environ[ARTIFACT_COPY]))
    return create_app(
        served,
        lambda: FrameworkPredictor(told.load(), load(told)),
        Limits(max_batch=told.batch),
        Metrics(CollectorRegistry()),
    )

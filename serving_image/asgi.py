"""The composition root of a worker process."""

from __future__ import annotations

import os
from functools import partial
from pathlib import Path

from prometheus_client import CollectorRegistry
from prometheus_client.multiprocess import MultiProcessCollector

from model_types import Predictor, load_predictor
from serving_image.app import Limits, create_app
from serving_image.artifact import read_artifact
from serving_image.master import ARTIFACT_COPY
from serving_image.metrics import Metrics
from serving_image.request_body import App
from serving_image.settings import ServingSettings
from trainshed.engine import open_feedback
from trainshed.settings import Settings


def get_app() -> App:
    """The app that the environment describes, in a worker of gunicorn.conf.py's master."""
    settings = ServingSettings.from_environment(os.environ)
    shared = Settings.from_environment(os.environ)
    served = read_artifact(os.environ, Path(os.environ[ARTIFACT_COPY]))

    def load() -> Predictor:
        return load_predictor(served.model_type, shared.model_type_folders).load(served.folder)

    limits = Limits(max_body_bytes=settings.max_body_bytes, max_batch=settings.max_batch)
    all_workers = CollectorRegistry()
    MultiProcessCollector(all_workers)  # type: ignore[no-untyped-call]
    metrics = Metrics(CollectorRegistry(), exposed=all_workers)
    keeps_feedback = settings.take_feedback and shared.has_feedback_store
    return create_app(
        served,
        load,
        limits,
        metrics,
        settings.api_keys,
        partial(open_feedback, shared) if keeps_feedback else None,
    )

"""The serving app: pure, nothing is read from the environment."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial

from model_types import Predictor
from serving_image import feedback, resources, web_page
from serving_image.api_keys import ApiKeys
from serving_image.asking import Asking
from serving_image.batching import Batcher
from serving_image.feedback_writer import FeedbackWriter, OpenStore
from serving_image.metrics import Metrics, RequestMetrics
from serving_image.model import Model
from serving_image.problems import add_problems
from serving_image.request_body import App, BodyReader, Request
from serving_image.served_model import ServedModel


@dataclass(frozen=True)
class Limits:
    max_body_bytes: int = 1024**2
    max_batch: int = 8
    max_waiting: int = 512
    """Inputs that may wait for the model before further requests are told to come back."""
    short_bytes: int = 4096
    """A longer body is predicted on in a thread of its own, where it holds up no short one."""
    max_long: int = 64
    """Long bodies that are read or waited for at once, so that they take a bounded memory."""
    max_feedback_waiting: int = 512
    """Feedback that may wait for its store before further senders are told to come back."""


def create_app(
    served: ServedModel,
    load: Callable[[], Predictor],
    limits: Limits,
    metrics: Metrics,
    api_keys: Sequence[str] = (),
    open_feedback: OpenStore | None = None,
) -> App:
    """An ASGI app that answers at once and loads its model, with `load`, in the background. With
    `api_keys`, the SHA-256 of each in hex, it answers only who has one. With `open_feedback`, it
    takes feedback."""
    model = Model(served, load)
    make_batcher = partial(
        Batcher,
        lambda items: model.predictor.predict(items),
        limits.max_batch,
        limits.max_waiting,
        metrics.observe_batch,
    )
    app = App(
        request_type=Request,
        middleware=[
            RequestMetrics(metrics),
            _Loading(model, metrics),
            web_page.BrowsersGetThePage(),
        ],
    )
    if api_keys:
        # a load balancer has no key, and a browser gets to ask for one
        open_to_all = (resources.Liveness, resources.Readiness, web_page.WebPage)
        app.add_middleware(ApiKeys(api_keys, open_to_all))
    add_problems(app)
    metrics.show_model(served)

    thread = ThreadPoolExecutor(1, thread_name_prefix="long")
    asking = Asking(model, short=make_batcher(), long=make_batcher(executor=thread), thread=thread)
    reader = BodyReader(limits.short_bytes, limits.max_body_bytes, limits.max_long)
    prediction = resources.Prediction(model, reader, asking)
    for path in served.paths:
        app.add_route(path, prediction)
    readiness = resources.Readiness(model)
    for path in ("/readyz", "/health", "/ping"):
        app.add_route(path, readiness)
    app.add_route("/livez", resources.Liveness())
    app.add_route("/metrics", resources.MetricsPage(metrics))
    keeps_feedback = open_feedback is not None
    app.add_route(
        "/openapi.json",
        resources.OpenApi(model, needs_key=bool(api_keys), keeps_feedback=keeps_feedback),
    )
    app.add_route("/training_curves.png", resources.Curves(served))
    app.add_route("/", resources.Description(model, keeps_feedback))
    app.add_route(web_page.ROUTE, web_page.WebPage())
    if open_feedback is None:
        for path in (feedback.PATH, feedback.CSV_PATH):
            app.add_route(path, feedback.NoFeedback())
        return app
    writer = FeedbackWriter(open_feedback, limits.max_feedback_waiting)
    app.add_middleware(writer)
    app.add_route(feedback.PATH, feedback.FeedbackPosts(model, reader, asking, writer))
    app.add_route(feedback.CSV_PATH, feedback.FeedbackExport(served.model_id, open_feedback))
    return app


class _Loading:
    """Falcon middleware that begins to load the model when the server has started."""

    def __init__(self, model: Model, metrics: Metrics) -> None:
        self._model = model
        self._metrics = metrics
        self._task: asyncio.Task[None] | None = None

    async def process_startup(self, _: object, __: object) -> None:
        self._task = asyncio.create_task(self._load())

    async def process_shutdown(self, _: object, __: object) -> None:
        if self._task is not None:
            self._task.cancel()

    async def _load(self) -> None:
        await self._model.load()
        self._metrics.ready_workers.set(self._model.is_ready)

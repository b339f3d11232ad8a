"""What Prometheus is told.

With several workers, each request for the metrics is answered by one of them for all: every
process keeps its figures in files of one folder (prometheus_client's multiprocess mode, on when
PROMETHEUS_MULTIPROC_DIR is set before prometheus_client is imported), and `exposition` adds
them up.
"""

from __future__ import annotations

import time

import falcon.asgi
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4

from serving_image.served_model import ServedModel

MEDIA_TYPE = CONTENT_TYPE_PLAIN_0_0_4
SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10)
ITEMS = (1, 2, 4, 8, 16, 32, 64)


class Metrics:
    def __init__(
        self, registry: CollectorRegistry, exposed: CollectorRegistry | None = None
    ) -> None:
        """`exposed` is what `exposition` shows where that is not `registry`: all processes' sum."""
        self._exposed = exposed or registry
        self.requests = Counter(
            "trainshed_http_requests",
            "Requests answered, by route and status; 499: the client left first.",
            ["route", "status"],
            registry=registry,
        )
        self.request_seconds = Histogram(
            "trainshed_http_request_seconds",
            "Time from the request's headers to its answer, waiting for the body included.",
            ["route"],
            buckets=SECONDS,
            registry=registry,
        )
        self.inputs = Counter("trainshed_inputs", "Inputs predicted.", registry=registry)
        self.batch_inputs = Histogram(
            "trainshed_batch_inputs",
            "Inputs that one call of the model took.",
            buckets=ITEMS,
            registry=registry,
        )
        self.batch_seconds = Histogram(
            "trainshed_batch_seconds",
            "Time that one call of the model took.",
            buckets=SECONDS,
            registry=registry,
        )
        self.ready_workers = Gauge(
            "trainshed_ready_workers",
            "Worker processes whose model is in service.",
            multiprocess_mode="livesum",
            registry=registry,
        )
        self._model_info = Gauge(
            "trainshed_model_info",
            "The model that is served; always 1.",
            ["model_id", "model_type", "attempt", "digest"],
            multiprocess_mode="max",
            registry=registry,
        )

    def show_model(self, served: ServedModel) -> None:
        self._model_info.labels(
            served.model_id, served.model_type, str(served.attempt), served.digest
        ).set(1)

    def observe_batch(self, inputs: int, seconds: float) -> None:
        self.inputs.inc(inputs)
        self.batch_inputs.observe(inputs)
        self.batch_seconds.observe(seconds)

    def exposition(self) -> bytes:
        return generate_latest(self._exposed)


class RequestMetrics:
    """Falcon middleware that counts and times every request."""

    def __init__(self, metrics: Metrics) -> None:
        self._metrics = metrics

    async def process_request(self, request: falcon.asgi.Request, _: falcon.asgi.Response) -> None:
        request.context.started = time.perf_counter()

    async def process_response(
        self,
        request: falcon.asgi.Request,
        response: falcon.asgi.Response,
        _: object,
        __: bool,
    ) -> None:
        # the template, not the path: a client must not be able to make up new label values
        route = request.uri_template or "unknown"
        self._metrics.requests.labels(route, str(response.status_code)).inc()
        if hasattr(request.context, "started"):
            seconds = time.perf_counter() - request.context.started
            self._metrics.request_seconds.labels(route).observe(seconds)

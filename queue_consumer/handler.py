"""The Lambda entry: one handler for the schedule, for ECS's task events and for a manual call.

What woke it makes no difference to what it does, which is a tick: the state of a task is always
asked of ECS and never taken from an event, so a doubled, late or invented event can do no harm. It
makes one to what is told of it: how many wait and run is measured on the schedule alone.
"""

from __future__ import annotations

import json
import logging
import os
from datetime import UTC, datetime, timedelta
from typing import Any, Protocol

from queue_consumer.metrics import count, embedded_metrics, measure
from queue_consumer.tick import tick
from trainshed.engine import open_engine
from trainshed.settings import Settings

RESERVE = timedelta(seconds=15)
"""Launching stops this long before the deadline, so that no launch is cut in the middle."""


class Context(Protocol):
    """What is used of Lambda's context object."""

    aws_request_id: str

    def get_remaining_time_in_millis(self) -> int: ...


def handle(event: dict[str, Any], context: Context) -> dict[str, Any]:
    """Do one tick with the environment's settings; give, and print, what was measured."""
    _log_as_json(context.aws_request_id)
    left = timedelta(milliseconds=context.get_remaining_time_in_millis())
    deadline = _now() + left - RESERVE
    settings = Settings.from_environment(os.environ)
    with open_engine(settings) as engine:
        outcome = tick(engine, settings, _now, deadline)
        for record in outcome.ended:
            logging.getLogger(__name__).info(
                "%s: %s %s", record.model_id, record.status, record.reason or ""
            )
        if event.get("source") == "aws.ecs":
            # Of a burst of these events each would find the same; every minute somebody looks.
            measured = count(outcome)
        else:
            measured = measure(engine, settings, outcome, _now())
    cluster = settings.aws.cluster if settings.aws is not None else settings.engine
    line = json.dumps(embedded_metrics(measured, cluster, _now()))
    print(line, flush=True)  # noqa: T201 - CloudWatch makes metrics of it
    return measured


class _JsonFormatter(logging.Formatter):
    def __init__(self, request_id: str) -> None:
        super().__init__()
        self._request_id = request_id

    def format(self, record: logging.LogRecord) -> str:
        document = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(),
            "level": record.levelname,
            "logger": record.name,
            "message": record.getMessage(),
            "request_id": self._request_id,
        }
        if record.exc_info:
            document["exception"] = self.formatException(record.exc_info)
        return json.dumps(document, ensure_ascii=False)


def _log_as_json(request_id: str) -> None:
    """Lambda gives the root logger a handler of its own; this gives that one a format."""
    root = logging.getLogger()
    root.setLevel(logging.INFO)
    if not root.handlers:
        root.addHandler(logging.StreamHandler())
    for handler in root.handlers:
        handler.setFormatter(_JsonFormatter(request_id))
    # It would tell in every tick where it has found its credentials.
    logging.getLogger("botocore").setLevel(logging.WARNING)


def _now() -> datetime:
    return datetime.now(UTC)

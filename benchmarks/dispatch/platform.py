"""The platform on moto's server, as the tests have it, and this process as a user of it."""

from __future__ import annotations

import io
import json
import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stdout
from pathlib import Path
from unittest.mock import patch

from tests.aws.moto_server import moto_server
from tests.aws_platform import AwsHost, AwsPlatform, make_platform
from tests.building import TOY_MODEL_TYPES

SCHEDULED = {"source": "aws.events", "detail-type": "Scheduled Event", "detail": {}}


class Context:
    """Lambda's, of an invocation that has all its time before it."""

    aws_request_id = "benchmark"

    def get_remaining_time_in_millis(self) -> int:
        return 55_000


@contextmanager
def emulator(log: Path) -> Iterator[AwsHost]:
    with moto_server(log) as server:
        yield AwsHost(server.url, server.pid)


@contextmanager
def new_platform(server: AwsHost, cap: int) -> Iterator[AwsPlatform]:
    """An empty one, which this process's environment points at while this lasts."""
    platform = make_platform(server)
    platform.define_training("toy")
    with patch.dict(os.environ, environment(platform, cap)):
        yield platform


def environment(platform: AwsPlatform, cap: int) -> dict[str, str]:
    catalogue = {"toy": json.loads((TOY_MODEL_TYPES / "toy" / "model_type.json").read_text())}
    return {
        **platform.environment,
        "TRAINSHED_CAP": str(cap),
        "TRAINSHED_CATALOGUE": json.dumps(catalogue),
        "TRAINSHED_MODEL_TYPES": str(TOY_MODEL_TYPES),
    }


@contextmanager
def silent() -> Iterator[None]:
    """Print and log nothing, as the handler would.

    It gives a format to each handler that it finds, so it finds none of this process's own.
    """
    root = logging.getLogger()
    level = root.level
    try:
        with (
            patch.object(root, "handlers", [logging.NullHandler()]),
            redirect_stdout(io.StringIO()),
        ):
            yield
    finally:
        root.setLevel(level)

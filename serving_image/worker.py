"""The worker process: uvicorn under gunicorn, with what this server needs of it and no more."""

from __future__ import annotations

import os
import signal
from functools import partial
from typing import Any

from uvicorn_worker import UvicornWorker

from serving_image.protocol import ServingProtocol
from serving_image.settings import ServingSettings


class ServingWorker(UvicornWorker):  # type: ignore[misc]  # uvicorn_worker has no types
    CONFIG_KWARGS: dict[str, Any] = {  # noqa: RUF012  the name and type are UvicornWorker's
        "loop": "auto",
        "ws": "none",
        "interface": "asgi3",
        "lifespan": "on",
        "access_log": False,  # /metrics counts the requests; addresses are not ours to keep
        "proxy_headers": False,
        "server_header": False,
    }

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        settings = ServingSettings.from_environment(os.environ)
        self.config.http = partial(ServingProtocol, client_seconds=settings.client_seconds)

    def handle_exit(self, sig: int, frame: Any) -> None:
        """Stop on SIGQUIT, which the master sends when it gets SIGINT. The inherited method sets a
        flag that uvicorn never reads, so the worker would stay until it is killed."""
        signal.raise_signal(signal.SIGTERM)

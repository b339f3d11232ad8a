"""The worker process: uvicorn under gunicorn, with what this server needs of it and no more."""

from __future__ import annotations

import signal
from typing import Any

from uvicorn_worker import UvicornWorker

from serving_image.protocol import ServingProtocol


class ServingWorker(UvicornWorker):  # type: ignore[misc]  # uvicorn_worker has no types
    CONFIG_KWARGS: dict[str, Any] = {  # noqa: RUF012  the name and type are UvicornWorker's
        "loop": "auto",
        "http": ServingProtocol,
        "ws": "none",
        "interface": "asgi3",
        "lifespan": "on",
        "access_log": False,  # /metrics counts the requests; addresses are not ours to keep
        "proxy_headers": False,
        "server_header": False,
    }

    def handle_exit(self, sig: int, frame: Any) -> None:
        """Stop on SIGQUIT, which the master sends when it gets SIGINT. The inherited method sets a
        flag that uvicorn never reads, so the worker would stay until it is killed."""
        signal.raise_signal(signal.SIGTERM)

# ruff: noqa: N999
"""gunicorn's configuration: `gunicorn -c serving_image/gunicorn.conf.py`.

The master fetches and verifies the artifact once, before it listens; its workers load the copy.
"""

from __future__ import annotations

import os
from typing import Any

from serving_image import master
from serving_image.settings import ServingSettings
from trainshed.errors import TrainshedError

try:
    _settings = ServingSettings.from_environment(os.environ)
except TrainshedError as error:
    raise SystemExit(f"Error: {error}") from None

wsgi_app = "serving_image.asgi:get_app()"
worker_class = "serving_image.worker.ServingWorker"
bind = _settings.bind
workers = _settings.workers

timeout = 60  # a worker whose event loop stood still this long is replaced
graceful_timeout = 25  # below the 30 s that ECS gives a container to stop
keepalive = 75  # above the 60 s after which a load balancer closes an idle connection
worker_tmp_dir = "/dev/shm" if os.path.isdir("/dev/shm") else None  # noqa: PTH112, S108  heartbeats

control_socket_disable = True  # gunicorn 25.1 opens a command socket in the home folder otherwise
accesslog = None
loglevel = _settings.log_level
logconfig_dict = {
    "formatters": {
        "line": {"format": "%(asctime)s %(process)d %(levelname)s %(name)s: %(message)s"}
    },
    "handlers": {
        "stderr": {
            "class": "logging.StreamHandler",
            "formatter": "line",
            "stream": "ext://sys.stderr",
        }
    },
    "root": {"level": _settings.log_level.upper(), "handlers": ["stderr"]},
    # uvicorn_worker gives uvicorn the handlers of gunicorn.error
    "loggers": {
        "gunicorn.error": {
            "level": _settings.log_level.upper(),
            "handlers": ["stderr"],
            "propagate": False,
        }
    },
}


def on_starting(_: Any) -> None:
    try:
        master.prepare(os.environ)
    except (TrainshedError, OSError) as error:
        raise SystemExit(f"Error: {error}") from None


def child_exit(_: Any, worker: Any) -> None:
    master.forget_worker(worker.pid)

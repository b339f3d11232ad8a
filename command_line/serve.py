"""`trainshed serve`"""

from __future__ import annotations

import os
import sys

import click

from command_line.output import notice
from command_line.session import open_session
from trainshed.handoff import serving_environment


@click.command()
@click.argument("model")
@click.option("--host", default="127.0.0.1", show_default=True)
@click.option("--port", type=click.IntRange(0, 65535), default=8080, show_default=True)
@click.option("--workers", type=click.IntRange(1, 256), default=1, show_default=True)
def command(model: str, host: str, port: int, workers: int) -> None:
    """Serve MODEL over HTTP until Ctrl-C, as its container would.

    With TRAINSHED_API_KEY_SHA256 set, it answers only requests that have the key, as X-Api-Key or
    as a bearer token. To make a key, and its hash:

    \b
      key=$(openssl rand -hex 32)
      export TRAINSHED_API_KEY_SHA256=$(printf %s "$key" | sha256sum | cut -d' ' -f1)
    """
    with open_session() as session:
        record = session.client.find(model)
        environment = serving_environment(record, session.settings)
    notice(f"Serving {record.model_id} at http://{host}:{port}/{record.model_type}")
    options = {
        "TRAINSHED_HOST": host,
        "TRAINSHED_PORT": str(port),
        "TRAINSHED_WORKERS": str(workers),
    }
    sys.stdout.flush()
    # This process becomes the server, so that signals reach it.
    os.execve(  # noqa: S606
        sys.executable,
        [sys.executable, "-m", "serving_image"],
        {**os.environ, **environment, **options},
    )

"""`trainshed predict`"""

from __future__ import annotations

import os
from typing import BinaryIO

import click

from command_line.output import print_json
from command_line.session import open_session
from trainshed.handoff import serving_environment


@click.command()
@click.argument("model")
@click.argument("text", required=False)
@click.option("--file", type=click.File("rb"), help="Ask about a file's content ('-': stdin).")
@click.option("--media-type", default="text/plain", show_default=True, help="What that content is.")
def command(model: str, text: str | None, file: BinaryIO | None, media_type: str) -> None:
    """Ask MODEL about TEXT and print its answer as JSON."""
    if (text is None) == (file is None):
        raise click.UsageError("Give a TEXT, or a --file.")
    body = file.read() if file is not None else (text or "").encode("utf-8", "surrogateescape")
    with open_session() as session:
        environment = serving_environment(session.client.find(model), session.settings)
    from serving_image.once import predict_once

    print_json(predict_once({**os.environ, **environment}, body, media_type))

"""`trainshed retry`"""

from __future__ import annotations

import click

from command_line.output import notice, output_option, print_json
from command_line.session import now, open_session


@click.command()
@click.argument("model")
@output_option
def command(model: str, output: str) -> None:
    """Queue the request of MODEL, Failed or Cancelled, once more, and print the new modelId.

    A Pending model that waits for its next attempt is launched without the delay.
    """
    with open_session() as session:
        model_id = session.client.retry(model, now())
    if output == "json":
        print_json({"model_id": model_id})
    else:
        click.echo(model_id)
    notice("Queued. `trainshed run` trains it.")

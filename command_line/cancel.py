"""`trainshed cancel`"""

from __future__ import annotations

import click

from command_line.output import notice, output_option, print_json, record_json
from command_line.session import now, open_session
from trainshed.record import Status


@click.command()
@click.argument("model")
@output_option
def command(model: str, output: str) -> None:
    """Cancel MODEL, which is not finished; of a name, the newest that is not.

    A whole modelId can be cancelled before a consumer knows it: its message, if it is on the
    queue, is dropped.
    """
    with open_session() as session:
        record = session.client.cancel(model, now())
    if output == "json":
        print_json(record_json(record))
    else:
        click.echo(f"{record.model_id}  {record.status}")
    if record.status is Status.CANCELLING:
        notice("A consumer (`trainshed run`) stops its training.")
    elif record.request is None:
        notice("It had not been taken in. If its message is on the queue, it will be dropped.")

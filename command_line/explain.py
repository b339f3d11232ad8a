"""`trainshed explain`"""

from __future__ import annotations

from dataclasses import asdict

import click

from command_line.output import clean, output_option, print_json
from command_line.session import now, open_session


@click.command()
@click.argument("model")
@output_option
def command(model: str, output: str) -> None:
    """Say where MODEL stands, why, and what to do; of a name, the newest."""
    from queue_consumer.explain import explain

    with open_session() as session:
        found = explain(session.engine, session.settings, model, now())
    if output == "json":
        print_json(asdict(found))
        return
    lines = [f"{found.model_id}  {found.status or 'still on the queue'}", "", *found.says]
    lines += [f"  {line}" for line in found.lines]
    lines += ["", "What to do", *(f"  {line}" for line in found.advice)]
    click.echo("\n".join(clean(line) for line in lines))

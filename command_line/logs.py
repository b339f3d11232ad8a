"""`trainshed logs`"""

from __future__ import annotations

import time

import click

from command_line.session import Session, open_session
from trainshed.record import ModelRecord


@click.command()
@click.argument("model")
@click.option("-f", "--follow", is_flag=True, help="Go on until the training has ended.")
@click.option("--attempt", type=click.IntRange(1), help="[default: the current one]")
def command(model: str, follow: bool, attempt: int | None) -> None:
    """Print what MODEL's training has printed."""
    with open_session() as session:
        record = session.client.find(model)
        task = session.client.log_task(record, attempt)
        cursor = None
        while True:
            # Judged before the read, so that the last page is read after the end.
            ended = not follow or not _is_current(session, record, attempt)
            while (page := session.engine.launcher.log(task, cursor)).text:
                click.echo(page.text, nl=False)
                cursor = page.cursor
            if ended:
                return
            time.sleep(session.settings.tick_seconds)


def _is_current(session: Session, record: ModelRecord, attempt: int | None) -> bool:
    """Whether the attempt may still print: it is the record's own, and not over."""
    current = session.engine.registry.get(record.model_id)
    return (
        current is not None
        and current.holds_slot
        and current.attempt == (attempt or record.attempt)
    )

"""`trainshed logs`"""

from __future__ import annotations

import time

import click

from command_line.output import clean
from command_line.session import Session, open_session
from trainshed.ports import Phase
from trainshed.record import ModelRecord


@click.command()
@click.argument("model")
@click.option("-f", "--follow", is_flag=True, help="Go on until the training has ended.")
@click.option("--attempt", type=click.IntRange(1), help="[default: the current one]")
def command(model: str, follow: bool, attempt: int | None) -> None:
    """Print what MODEL's training has printed."""
    with open_session() as session:
        record = session.client.find(model)
        while follow and _is_to_come(record, attempt):
            time.sleep(session.settings.tick_seconds)
            record = session.client.find(record.model_id)
        task = session.client.log_task(record, attempt)
        cursor = None
        while True:
            # Looked at before the read, so that the last page is read after the end.
            ended = not follow or _has_ended(session, task)
            while (page := session.engine.launcher.log(task, cursor)).text:
                click.echo(clean(page.text), nl=False)
                cursor = page.cursor
            if ended:
                return
            time.sleep(session.settings.tick_seconds)


def _is_to_come(record: ModelRecord, attempt: int | None) -> bool:
    """Whether the attempt has not begun and still may."""
    return record.attempt < (attempt or 1) and not record.status.is_terminal


def _has_ended(session: Session, task: str) -> bool:
    """Whether the task prints no more; one that cannot be described is taken for running."""
    state = session.engine.launcher.describe([task]).get(task)
    return state is not None and state.phase is Phase.STOPPED

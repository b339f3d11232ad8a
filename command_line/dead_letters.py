"""`trainshed dead-letters`"""

from __future__ import annotations

import click

from command_line.output import ago, notice, output_option, print_json, print_table
from command_line.session import open_session


@click.group()
def command() -> None:
    """Messages that could not be dealt with, and why."""


@command.command("ls")
@click.option("--limit", type=click.IntRange(1), default=50, show_default=True)
@output_option
def ls(limit: int, output: str) -> None:
    """List dead letters, the newest first."""
    with open_session() as session:
        letters = session.engine.queue.dead_letters(limit)
    if output == "json":
        print_json(
            [
                {
                    "message_id": letter.message_id,
                    "reason": letter.reason,
                    "died_at": letter.died_at.isoformat(),
                    "body": letter.body,
                }
                for letter in letters
            ]
        )
    else:
        print_table(
            ["MESSAGE", "DIED", "REASON", "BODY"],
            ([x.message_id, ago(x.died_at), x.reason, x.body[:200]] for x in letters),
        )


@command.command("redrive")
@click.argument("message_ids", metavar="[MESSAGE]...", nargs=-1)
@click.option("--all", "everything", is_flag=True, help="All of them.")
@output_option
def redrive(message_ids: tuple[str, ...], everything: bool, output: str) -> None:
    """Put dead letters back on the queue, each as a new message, and print the new ids."""
    if bool(message_ids) == everything:
        raise click.UsageError("Name messages, or give --all.")
    with open_session() as session:
        redriven = session.engine.queue.redrive(None if everything else message_ids)
    if output == "json":
        print_json(redriven)
    else:
        for new_id in redriven.values():
            click.echo(new_id)
    missing = set(message_ids) - redriven.keys()
    if missing:
        raise click.ClickException(f"No such dead letter: {', '.join(sorted(missing))}.")
    notice(f"{len(redriven)} message(s) are back on the queue.")

"""`trainshed ls`"""

from __future__ import annotations

import click

from command_line.output import ago, notice, output_option, print_json, print_table, record_json
from command_line.session import open_session
from trainshed.record import Status


@click.command()
@click.option("--status", type=click.Choice([str(status) for status in Status]))
@click.option("--name")
@click.option("--limit", type=click.IntRange(1), default=50, show_default=True)
@output_option
def command(status: str | None, name: str | None, limit: int, output: str) -> None:
    """List models, the newest first."""
    if name is not None:  # a shell may hand over bytes that are no text, and so nobody's name
        name = name.encode("utf-8", "replace").decode("utf-8")
    with open_session() as session:
        wanted = Status(status) if status else None
        records = session.engine.registry.newest(limit, status=wanted, name=name)
        waiting = session.engine.queue.depth()
    if output == "json":
        print_json([record_json(record) for record in records])
    else:
        print_table(
            ["MODEL", "TYPE", "STATUS", "ATTEMPT", "CREATED", "WHY"],
            (
                [
                    record.model_id,
                    record.model_type or "",
                    record.status,
                    str(record.attempt),
                    ago(record.created_at),
                    record.reason or "",
                ]
                for record in records
            ),
        )
    if waiting:
        notice(f"{waiting} message(s) wait on the queue; `trainshed run` takes them in.")

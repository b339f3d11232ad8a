"""Printing: data to stdout, as text or as JSON; notices to stderr."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, datetime
from typing import Any

import click

from trainshed.record import ModelRecord
from trainshed.words import between

output_option: Callable[[Any], Any] = click.option(
    "--output",
    type=click.Choice(["text", "json"]),
    default="text",
    show_default=True,
    help="How data is printed.",
)


def print_json(document: Any) -> None:
    click.echo(json.dumps(document, ensure_ascii=False, indent=2))


def notice(text: str) -> None:
    click.echo(text, err=True)


def print_table(titles: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    from rich.console import Console
    from rich.table import Table

    table = Table(box=None, pad_edge=False, header_style="bold")
    for title in titles:
        table.add_column(title, overflow="fold")
    for row in rows:
        table.add_row(*(clean(cell) for cell in row))
    # Wide enough for whole ids where nobody's terminal says otherwise, as in a pipe.
    console = Console(markup=False, highlight=False, soft_wrap=False)
    if not console.is_terminal:
        console.width = 240
    console.print(table)


def clean(text: str) -> str:
    """Text from outside, without what a terminal would act on."""
    return "".join(
        c if c.isprintable() or c in "\n\t" else "\N{REPLACEMENT CHARACTER}" for c in text
    )


def record_json(record: ModelRecord) -> Any:
    """A record as JSON for a user: without the launch's own parameters."""
    return record.model_dump(mode="json", exclude={"launch", "version"})


def ago(moment: datetime) -> str:
    now = datetime.now(UTC)
    return f"{between(moment, now)} ago" if (now - moment).total_seconds() >= 1 else "now"

"""`trainshed feedback`"""

from __future__ import annotations

import io
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from itertools import islice
from typing import BinaryIO

import click

from command_line.output import notice
from command_line.session import open_session
from trainshed import feedback_csv
from trainshed.errors import InvalidFeedback
from trainshed.feedback import Feedback
from trainshed.request import NAME_PATTERN
from trainshed.settings import Settings

_AT_ONCE = 100
"""How many are put into the store together."""


def _jsonl(feedback: Iterable[Feedback]) -> Iterator[str]:
    return (f"{each.encode()}\n" for each in feedback)


_FORMATS: Mapping[str, Callable[[Iterable[Feedback]], Iterator[str]]] = {
    "csv": feedback_csv.encode,
    "jsonl": _jsonl,
}
"""How feedback is written: each takes no more of it than it gives out."""

_DATA_SETS = ("conll",)
"""Further formats, of some model types' data sets."""


@click.group()
def command() -> None:
    """What people said of models' answers: approvals and corrections."""


@command.command("export")
@click.argument("name")
@click.option(
    "--format",
    "kind",
    type=click.Choice([*_FORMATS, *_DATA_SETS]),
    default="csv",
    show_default=True,
)
@click.option(
    "--output",
    type=click.File("wb", lazy=True),
    default="-",
    metavar="FILE",
    help="[default: stdout]",
)
def export(name: str, kind: str, output: BinaryIO) -> None:
    """Write all feedback on the models of NAME.

    In csv, a cell that a spreadsheet would run as a formula begins with an apostrophe, which
    `import` takes away again. conll is a data set for a model type that trains on such: of several
    with one text the newest.
    """
    if not re.fullmatch(NAME_PATTERN, name):
        raise click.UsageError(f"{name!r} is no name of a model.")
    count = 0

    def counted(feedback: Iterable[Feedback]) -> Iterator[Feedback]:
        nonlocal count
        for count, each in enumerate(feedback, start=1):  # noqa: B007
            yield each

    with open_session() as session:
        said = counted(session.engine.feedback.of(name))
        output.write(b"")  # what was in the file goes, also where nothing comes
        for line in _lines(said, kind, session.settings):
            output.write(line.encode())
    notice(f"{count} feedback on {name}.")


def _lines(feedback: Iterable[Feedback], kind: str, settings: Settings) -> Iterator[str]:
    if kind in _FORMATS:
        return _FORMATS[kind](feedback)
    from training_image.examples import as_data_set

    return as_data_set(feedback, kind, settings.model_type_folders)


@command.command("import")
@click.argument("file", type=click.File("rb"))
def import_(file: BinaryIO) -> None:
    """Put the feedback of FILE ('-': stdin), as `export` writes csv, into the store.

    What the store has already, by its id, stays as it is: the same file may be imported again.
    """
    new = known = 0
    lines = io.TextIOWrapper(file, encoding="utf-8-sig", newline="")
    with lines, open_session() as session:
        rows = feedback_csv.decode(lines)
        try:
            while batch := list(islice(rows, _AT_ONCE)):
                is_new = session.engine.feedback.put(batch)
                new += sum(is_new)
                known += len(is_new) - sum(is_new)
        except InvalidFeedback as error:
            raise click.ClickException(
                f"{error} {new + known} rows before it are in; mend it, and import the file again."
            ) from None
    notice(f"{new} new, {known} known already.")

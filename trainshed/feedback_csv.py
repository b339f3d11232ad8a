"""Feedback ⇄ CSV, for spreadsheets: RFC 4180, a row for each.

A spreadsheet runs a cell as a formula if it begins with `=` or the like, whoever wrote it. So such
a cell gets an apostrophe in front, and so does one that begins with an apostrophe already: on the
way back, one is taken away, and every cell is as it was. That holds for a spreadsheet that takes
commas for the ends of cells, as it is told to or by its country's custom.
"""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from pydantic import ValidationError

from trainshed.errors import InvalidFeedback
from trainshed.feedback import MAX_BYTES, Feedback

MEDIA_TYPE = "text/csv"

_FIELDS: Mapping[str, str] = {
    "id": "feedback_id",
    **{
        name: name
        for name in ("name", "model_id", "digest", "model_type", "at", "media_type", "input")
    },
    **{name: name for name in ("answer", "verdict", "expected")},
}
"""Column → the field of `Feedback`, in order."""

_AS_JSON = ("answer", "expected")
_RUN_AS_FORMULA = tuple("=+-@\t\r\n＝＋－＠")
"""The wide ones too: Excel takes them for the others in Japanese."""
_APOSTROPHE = "'"


def encode(feedback: Iterable[Feedback]) -> Iterator[str]:
    """The header, then each feedback's row, as it is taken."""
    yield _line(_FIELDS)
    for each in feedback:
        fields = each.model_dump(mode="json")
        for name in _AS_JSON:
            fields[name] = json.dumps(fields[name], ensure_ascii=False, separators=(",", ":"))
        yield _line(_defused(fields[field]) for field in _FIELDS.values())


def decode(lines: Iterable[str]) -> Iterator[Feedback]:
    """Read what `encode` wrote, or a spreadsheet has saved since: `lines` with their ends as they
    are and no byte order mark, columns in any order.

    Raises `InvalidFeedback`, which names the line.
    """
    reader = csv.reader(lines, strict=True)
    try:
        columns = _next_row(reader) or []
        if sorted(columns) != sorted(_FIELDS):
            raise InvalidFeedback(f"The first line must name the columns {', '.join(_FIELDS)}.")
        while (row := _next_row(reader)) is not None:
            if row:  # not an empty line
                yield _feedback(columns, row)
    except (csv.Error, ValueError, InvalidFeedback) as error:
        raise InvalidFeedback(f"Line {reader.line_num}: {error}") from None


def _next_row(reader: Iterator[list[str]]) -> list[str] | None:
    # The module's own limit is short of what may be kept, and so would that be, as numbers may be
    # longer here. It holds for all who read CSV in this process, and so only for this row.
    before = csv.field_size_limit(2 * MAX_BYTES)
    try:
        return next(reader, None)
    finally:
        csv.field_size_limit(before)


def _feedback(columns: list[str], row: list[str]) -> Feedback:
    if len(row) != len(columns):
        raise InvalidFeedback(f"It has {len(row)} cells for {len(columns)} columns.")
    cells = (cell.removeprefix(_APOSTROPHE) for cell in row)
    fields: dict[str, Any] = {
        _FIELDS[column]: cell for column, cell in zip(columns, cells, strict=True)
    }
    for name in _AS_JSON:
        try:
            fields[name] = json.loads(fields[name])
        except (ValueError, RecursionError):
            raise InvalidFeedback(f"{name} is no JSON.") from None
    try:
        feedback = Feedback.model_validate(fields)
        return Feedback.model_validate_json(feedback.encode())  # as a store will read it
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"])) or "The row"
        raise InvalidFeedback(f"{where}: {first['msg']}.") from None
    except ValueError:
        raise InvalidFeedback("It holds what is no text, or is nested too deeply.") from None


def _defused(cell: str) -> str:
    return _APOSTROPHE + cell if cell.startswith((_APOSTROPHE, *_RUN_AS_FORMULA)) else cell


def _line(cells: Iterable[str]) -> str:
    line = io.StringIO()
    csv.writer(line).writerow(cells)
    return line.getvalue()

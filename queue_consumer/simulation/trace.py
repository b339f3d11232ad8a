"""Trace: who asked for which training when, and how long its attempts took; from a file or from the
registry's records."""

from __future__ import annotations

import csv
import json
import math
import reprlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError

from trainshed.errors import InvalidTrace
from trainshed.model_type import MODEL_TYPE_PATTERN
from trainshed.record import ModelRecord, Status
from trainshed.request import NAME_PATTERN

BEYOND = "The trace would go on beyond the year 9999."


@dataclass(frozen=True)
class Training:
    """One training of a trace."""

    at: datetime
    """When it was asked for."""
    name: str
    model_type: str
    priority: int
    seconds: tuple[float, ...]
    """How long each of its attempts takes; the platform ends all but the last."""

    def taking(self, seconds: float) -> Training:
        """The same with attempts that take so long together, each in the share that it had.

        Raises `InvalidTrace` where that is no finite time.
        """
        total, count = sum(self.seconds), len(self.seconds)
        if not (math.isfinite(total) and math.isfinite(seconds)):  # a product may have overflown
            raise InvalidTrace(BEYOND)
        shares = [part / total if total else 1 / count for part in self.seconds]
        return replace(self, seconds=tuple(share * seconds for share in shares))


def _in_utc(moment: datetime) -> datetime:
    if moment.tzinfo is None:
        return moment.replace(tzinfo=UTC)
    try:
        return moment.astimezone(UTC)
    except OverflowError:
        raise ValueError("must lie in the years 1 to 9999") from None


class _Row(BaseModel):
    """One line of a file."""

    model_config = ConfigDict(extra="forbid", allow_inf_nan=False)

    at: Annotated[datetime, AfterValidator(_in_utc)]
    """ISO 8601, in UTC where it names no zone; or a number of seconds, from any beginning."""
    name: Annotated[str, Field(pattern=NAME_PATTERN)]
    seconds: Annotated[float, Field(ge=0)]
    """Of all attempts together, which take the same part of it each."""
    model_type: Annotated[str, Field(pattern=MODEL_TYPE_PATTERN)] = "ner"
    priority: Annotated[int, Field(ge=0, le=9)] = 5
    attempts: Annotated[int, Field(ge=1, le=10)] = 1


def read_trace(path: Path) -> list[Training]:
    """Read a `.csv` file with a header, or a `.jsonl` file with an object per line.

    `at`, `name` and `seconds` must be there; `model_type`, `priority` and `attempts` may be. Raises
    `InvalidTrace`, which names the line.
    """
    readers = {".csv": _csv_rows, ".jsonl": _jsonl_rows}
    reader = readers.get(path.suffix.lower())
    if reader is None:
        raise InvalidTrace(f"The trace {str(path)!r} must be a .csv or a .jsonl file.")
    try:
        return [_training(line, row) for line, row in reader(path)]
    except OSError as error:
        raise InvalidTrace(f"{str(path)!r} cannot be read: {error.strerror}.") from error
    except UnicodeDecodeError as error:
        raise InvalidTrace(f"{str(path)!r} is not valid UTF-8.") from error
    except InvalidTrace as problem:
        raise InvalidTrace(f"{str(path)!r}, {problem}") from None


def attempts_of(record: ModelRecord) -> list[tuple[datetime, datetime]]:
    """When each attempt of a record took its slot, and when it gave it back."""
    spans = []
    began: datetime | None = None
    for event in record.history:
        if began is None and event.status is Status.LAUNCHING:
            began = event.at
        elif began is not None and (event.status is Status.PENDING or event.status.is_terminal):
            spans.append((began, max(began, event.at)))  # a clock may have been set back
            began = None
    return spans


def has_trained(record: ModelRecord) -> bool:
    """Whether it has ended, and not before it was launched: only then is known what it took."""
    return record.ended_at is not None and bool(attempts_of(record))


def trace_of(records: Iterable[ModelRecord]) -> list[Training]:
    """The trace of records that have trained."""
    return [
        Training(
            record.created_at,
            record.name,
            record.model_type or "",
            record.priority,
            tuple((ended - began).total_seconds() for began, ended in attempts_of(record)),
        )
        for record in records
    ]


def with_priority(trace: Sequence[Training], key: str, priority: int) -> list[Training]:
    """Give those that `key` names another priority. Raises `InvalidTrace` if it names none."""
    chosen = _chosen(trace, key)
    return [replace(each, priority=priority) if each in chosen else each for each in trace]


def with_seconds(trace: Sequence[Training], key: str, seconds: float) -> list[Training]:
    """Let those that `key` names take so long. Raises `InvalidTrace` if it names none."""
    chosen = _chosen(trace, key)
    return [each.taking(seconds) if each in chosen else each for each in trace]


def with_factor(trace: Sequence[Training], factor: float) -> list[Training]:
    """Let all take `factor` times as long. Raises `InvalidTrace` where that is no finite time."""
    return [each.taking(sum(each.seconds) * factor) for each in trace]


def _chosen(trace: Sequence[Training], key: str) -> set[Training]:
    """Those whose model type is `key`, or whose name is, or fits where it is a pattern."""
    chosen = {each for each in trace if each.model_type == key or fnmatchcase(each.name, key)}
    if not chosen:
        raise InvalidTrace(f"No training of the trace has the model type or the name {key!r}.")
    return chosen


def _csv_rows(path: Path) -> Iterator[tuple[int, object]]:
    with path.open(encoding="utf-8-sig", newline="") as file:
        reader = csv.reader(file, strict=True)
        try:
            header = [title.strip() for title in next(reader, [])]
            if len(set(header)) < len(header):
                raise InvalidTrace("line 1: a column stands in it twice.")
            for cells in filter(None, reader):
                if len(cells) != len(header):
                    raise InvalidTrace(
                        f"line {reader.line_num}: {len(cells)} cell(s) for {len(header)} column(s)."
                    )
                row = zip(header, (cell.strip() for cell in cells), strict=True)
                yield reader.line_num, {title: cell for title, cell in row if cell}
        except csv.Error as error:
            raise InvalidTrace(f"line {reader.line_num}: {error}.") from None


def _jsonl_rows(path: Path) -> Iterator[tuple[int, object]]:
    with path.open(encoding="utf-8-sig") as file:
        for number, line in enumerate(file, start=1):
            if line.strip():
                try:
                    yield number, json.loads(line)
                except (ValueError, RecursionError) as error:
                    raise InvalidTrace(f"line {number}: not valid JSON: {error}.") from None


def _training(line: int, row: object) -> Training:
    if not isinstance(row, dict):
        raise InvalidTrace(f"line {line}: must be a JSON object.")
    try:
        checked = _Row.model_validate(row)
    except ValidationError as error:
        problems = "; ".join(map(_sentence, error.errors(include_url=False)))
        raise InvalidTrace(f"line {line}: {problems}.") from None
    each = checked.seconds / checked.attempts
    return Training(
        checked.at,
        checked.name,
        checked.model_type,
        checked.priority,
        (each,) * checked.attempts,
    )


def _sentence(problem: Any) -> str:
    column = ".".join(map(str, problem["loc"])) or "row"
    match problem["type"]:
        case "extra_forbidden":
            known = ", ".join(_Row.model_fields)
            return f"{reprlib.repr(column)}: unknown column; known are {known}"
        case "missing":
            return f"{column}: required"
        case "string_pattern_mismatch":
            says = "must be lower-case, as `trainshed submit` takes it"
        case _:
            says = str(problem["msg"]).removeprefix("Value error, ")
    return f"{column}: {says[0].lower()}{says[1:]}, not {reprlib.repr(problem['input'])}"

"""docs/benchmarks.md: what a run has found, as a page."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date

from benchmarks.report import Goal, Part, Row, Spread, Table

CHART = "benchmarks.svg"
"""Beside the page."""

_HEAD = """# Benchmarks

Made by `./scripts/bench.sh`, which runs all of it again: it sets up the peers in an environment
of their own and writes this page anew. Every figure that compares is a ratio from one run, on one
machine, with the same models and the same clients: the median over repeats that took turns, with
the lowest and the highest in brackets. A goal that was missed stands there as missed.
"""


@dataclass(frozen=True)
class Run:
    day: date
    minutes: float
    machine: Sequence[str]
    quick: bool
    parts: Sequence[Part]


def page(run: Run) -> str:
    return "\n".join(_lines(run))


def _lines(run: Run) -> Iterator[str]:
    yield _HEAD
    yield f"Run on {run.day.isoformat()}, in {run.minutes:.0f} minutes, on"
    yield ""
    for line in run.machine:
        yield f"- {line}"
    yield ""
    if run.quick:
        yield "**A quick run (`--quick`): a look at whether all runs. Its figures mean little.**"
        yield ""
    rows = [row for part in run.parts for row in part.rows]
    if rows:
        yield "## Goals"
        yield ""
        yield from _table(
            ("what", "goal", "found", "", "how"),
            [(row.name, _goal(row), _figure(row), _verdict(row), row.note) for row in rows],
        )
        yield ""
        yield f"![The same rows: how far above or below its goal each figure lies]({CHART})"
        yield ""
    for part in run.parts:
        yield f"## {part.title}"
        yield ""
        yield part.text.strip()
        yield ""
        for reason in part.skipped:
            yield f"Left out: {reason}"
            yield ""
        for table in part.tables:
            yield from _captioned(table)


def _captioned(table: Table) -> Iterator[str]:
    yield f"**{table.caption}**"
    yield ""
    yield from _table(table.header, table.rows)
    yield ""


def _table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> Iterator[str]:
    yield _cells(header)
    yield _cells(["---"] * len(header))
    for row in rows:
        yield _cells(row)


def _cells(cells: Sequence[str]) -> str:
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"


def _goal(row: Row) -> str:
    if row.goal is None:
        return ""
    return f"{_sign(row.goal)} {_number(row.goal.bound)}{_unit(row)}"


def _sign(goal: Goal) -> str:
    return "≥" if goal.at_least else "≤"


def _figure(row: Row) -> str:
    spread: Spread = row.figure
    text = f"**{_number(spread.median)}{_unit(row)}**"
    if spread.low == spread.high:
        return text
    return f"{text} ({_number(spread.low)}–{_number(spread.high)})"


def _verdict(row: Row) -> str:
    if row.goal is None:
        return ""
    return "met" if row.goal.is_met(row.figure.median) else "**missed**"


def _unit(row: Row) -> str:
    return row.unit if row.unit in ("", "×", "%") else f" {row.unit}"


def _number(value: float) -> str:
    """Three digits that count, and never a power of ten."""
    if abs(value) >= 1000:
        return f"{value:,.0f}"
    if value == int(value):
        return f"{value:.0f}"
    return f"{value:.3g}"

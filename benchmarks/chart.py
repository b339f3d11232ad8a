"""docs/benchmarks.svg: every row that has a goal, by how far it is from it."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path

import matplotlib as mpl
from matplotlib.figure import Figure

from benchmarks.report import Goal, Row, Spread

_MET, _MISSED = "#2a7d4f", "#b3402e"
_WIDEST = 8.0
"""How many times its goal a bar shows; what is beyond ends there, with its figure."""


def draw(rows: Sequence[Row], file: Path) -> None:
    """Write an SVG, the same bytes for the same rows. It draws nothing where no row has a goal."""
    judged = [(row, row.goal) for row in rows if row.goal is not None]
    if not judged:
        return
    figure = Figure(figsize=(9, 0.5 + 0.42 * len(judged)), layout="constrained")
    axes = figure.subplots()
    for place, (row, goal) in enumerate(judged):
        times = advantage(row.figure.median, goal)
        axes.barh(
            place,
            math.log2(min(max(times, 1 / _WIDEST), _WIDEST)),
            color=_MET if goal.is_met(row.figure.median) else _MISSED,
            xerr=_whiskers(row.figure, goal),
            ecolor="#777777",
        )
    axes.axvline(0, color="#444444", linewidth=1)
    axes.set_yticks(range(len(judged)), [_short(row.name) for row, _ in judged], fontsize=8)
    axes.invert_yaxis()
    ticks = [-3, -2, -1, 0, 1, 2, 3]
    axes.set_xlim(-3.1, 3.1)
    axes.set_xticks(ticks, ["⅛", "¼", "½", "the goal", "2×", "4×", "8×"])
    axes.set_xlabel("worse   ←   than its goal   →   better")
    for side in ("top", "right", "left"):
        axes.spines[side].set_visible(False)
    with mpl.rc_context({"svg.hashsalt": "trainshed", "svg.fonttype": "none"}):
        figure.savefig(file, format="svg", metadata={"Date": None})


def advantage(value: float, goal: Goal) -> float:
    """How many times better than its goal a figure is; 1 on it, below 1 where it misses."""
    if not goal.at_least:
        return goal.bound / value if value > 0 else _WIDEST
    return value / goal.bound


def _whiskers(spread: Spread, goal: Goal) -> list[list[float]]:
    """How far the lowest and the highest repeat lie from the median, on the axis of the chart."""
    low, middle, high = sorted(
        math.log2(min(max(advantage(value, goal), 1 / _WIDEST), _WIDEST))
        for value in (spread.low, spread.median, spread.high)
    )
    return [[middle - low], [high - middle]]


def _short(name: str, limit: int = 64) -> str:
    return name if len(name) <= limit else name[: limit - 1].rstrip() + "…"

"""Ratios are of turns of one round."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks.report import Spread
from benchmarks.serving.contenders import Place
from benchmarks.serving.load import Load
from benchmarks.serving.stage import ALONE, GOAL, Figures, Stage
from benchmarks.shed import Trained


def _stage(**speeds: list[float]) -> Stage:
    figures = {name: Figures() for name in speeds}
    for name, found in speeds.items():
        for speed in found:
            figures[name].add(GOAL, Load(speed, 1 / speed, 2 / speed))
    return Stage(Place("ner", Trained("ner-1", Path(), 0.0), 2), figures, ())


def _speed(found: Load) -> float:
    return found.requests_per_second


def test_each_round_is_compared_with_itself() -> None:
    # the second round met a busy machine: both were three times slower
    stage = _stage(ours=[300.0, 100.0, 320.0], theirs=[150.0, 50.0, 80.0])
    assert stage.ratio("ours", "theirs", _speed) == Spread(2.0, 2.0, 4.0)


def test_a_latency_is_compared_the_same_way_round() -> None:
    stage = _stage(ours=[200.0], theirs=[100.0])
    assert stage.ratio("ours", "theirs", lambda found: found.p99) == Spread(0.5, 0.5, 0.5)


def test_who_has_no_figure_has_no_ratio() -> None:
    stage = _stage(ours=[200.0], idle=[])
    assert stage.ratio("ours", "failed", _speed) is None
    assert stage.ratio("ours", "idle", _speed) is None
    assert stage.ratio("ours", "ours", _speed, ALONE) is None
    assert stage.speed("failed") == stage.speed("idle") == 0


def test_rounds_that_do_not_pair_are_an_error() -> None:
    with pytest.raises(ValueError, match="shorter"):
        _stage(ours=[200.0, 210.0], theirs=[100.0]).ratio("ours", "theirs", _speed)

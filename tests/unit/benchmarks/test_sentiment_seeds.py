from __future__ import annotations

import json
from pathlib import Path

import pytest

from benchmarks.setting import Setting
from benchmarks.shed import Shed, Trained
from benchmarks.training import sentiment


def trained(folder: Path, seed: int, score: float, seconds: float) -> Trained:
    artifact = folder / str(seed)
    artifact.mkdir()
    (artifact / "metrics.json").write_text(json.dumps({"score": score}), encoding="utf-8")
    return Trained(f"sentiment-{seed}", artifact, seconds)


def test_the_seeds_mean_is_what_the_goal_is_about(tmp_path: Path) -> None:
    seeds = [trained(tmp_path, n, score, 30 + n) for n, score in enumerate((0.60, 0.66, 0.75))]
    score, seconds = sentiment.rows(seeds)
    assert score.name.endswith("mean of 3 seeds")
    assert score.figure.median == pytest.approx(0.67)
    assert (score.figure.low, score.figure.high) == (0.60, 0.75)
    assert (seconds.figure.median, seconds.figure.high) == (31, 32)


def test_every_seed_and_every_peer_has_a_line(tmp_path: Path) -> None:
    seeds = {n: trained(tmp_path, n, n / 10, n) for n in (2, 1)}
    [table] = sentiment.tables(seeds, {"Peer": {"score": 0.5, "seconds": 2.4}})
    assert table.rows == [
        ("Trainshed, seed 1", "0.100", "1"),
        ("Trainshed, seed 2", "0.200", "2"),
        ("Peer", "0.500", "2"),
    ]


def test_without_data_nothing_is_trained(tmp_path: Path) -> None:
    setting = Setting(False, tmp_path, None, None, Shed(tmp_path / "home"))
    found = sentiment.run(setting)
    assert found.rows == ()
    assert found.skipped
    assert not (tmp_path / "home").exists()

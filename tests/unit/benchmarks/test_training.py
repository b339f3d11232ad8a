"""The training part: what its experiments make of what they have measured."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks.report import Goal, Row, Spread, Table
from benchmarks.setting import Setting
from benchmarks.shed import Shed
from benchmarks.training import agreement, crf, part
from benchmarks.training.agreement import Agreement
from benchmarks.training.data_sets import tweeteval_emotion, wnut17
from benchmarks.training.experiment import Experiment
from model_types.ner.conll import Sentence, entities_of

WORDS = ["Anna", "Lee", "sees", "@bob", "in", "Ely"]
ENTITIES = [(0, 2, "person"), (3, 4, "person"), (5, 6, "location")]
TAGS = ["B-person", "I-person", "O", "B-person", "O", "B-location"]


def test_without_data_all_is_left_out_and_nothing_trained(tmp_path: Path) -> None:
    found = part.run(Setting(True, tmp_path, None, None, Shed(tmp_path / "home")))
    assert not found.rows
    assert len(found.skipped) >= 2
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("quick", [True, False])
def test_a_quick_run_is_held_against_no_goals(
    quick: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    row = Row("F1", Spread.of([3.0]), "", Goal(26, at_least=True))
    table = Table("All", ("",), [("3",)])
    experiments = [
        lambda setting: Experiment("One.", [row], [table]),
        lambda setting: Experiment("Other.", skipped=["GPU"]),
    ]
    monkeypatch.setattr(part, "_EXPERIMENTS", experiments)
    found = part.run(Setting(quick, tmp_path, None, None, Shed(tmp_path / "home")))
    assert [one.goal for one in found.rows] == [None if quick else row.goal]
    assert found.tables == [table]
    assert found.skipped == ["GPU"]
    assert found.text.endswith("One.\n\nOther.")


def test_agreement_is_of_models_that_were_trained(tmp_path: Path) -> None:
    found = agreement.run(Setting(False, tmp_path, tmp_path, None, Shed(tmp_path / "home")))
    assert not found.rows
    assert len(found.skipped) == 3


def test_what_is_reported_on_is_the_test_part(tmp_path: Path) -> None:
    data, work = tmp_path / "data", tmp_path / "work"
    work.mkdir()
    for name in ("wnut17/train.conll", "wnut17/dev.conll"):
        (data / name).parent.mkdir(parents=True, exist_ok=True)
        (data / name).write_text(name)
    for name in ("tweeteval-emotion/train.csv", "tweeteval-emotion/val.csv"):
        (data / name).parent.mkdir(exist_ok=True)
        (data / name).write_text(name)
    assert {file.name: file.read_text() for file in wnut17(data, work).iterdir()} == {
        "train.conll": "wnut17/train.conll",
        "test.conll": "wnut17/dev.conll",
    }
    assert {file.name: file.read_text() for file in tweeteval_emotion(data, work).iterdir()} == {
        "train.csv": "tweeteval-emotion/train.csv",
        "test.csv": "tweeteval-emotion/val.csv",
    }


def test_answers_agree_text_by_text() -> None:
    onnx = [[(0, 4, "person")], [], [(0, 3, "group"), (5, 8, "group")]]
    framework = [[(0, 4, "person")], [], [(0, 3, "group"), (5, 9, "group")]]
    assert agreement.compare(onnx, framework) == Agreement(texts=3, same=2, found=3)
    assert agreement.compare(["joy", "anger"], ["joy", "joy"]) == Agreement(2, 1, 2)
    with pytest.raises(ValueError, match="longer"):
        agreement.compare(["joy"], ["joy", "joy"])


def test_one_text_that_differs_misses_the_goal() -> None:
    found = agreement.report([("a", Agreement(374, 374, 9)), ("b", Agreement(374, 373, 9))], ["c"])
    met = [row.goal is not None and row.goal.is_met(row.figure.median) for row in found.rows]
    assert met == [True, False]
    assert found.skipped == ["c"]


def test_crf_tags_say_the_entities() -> None:
    assert crf.tags_of(Sentence(WORDS, ENTITIES)) == TAGS
    assert entities_of(TAGS) == ENTITIES


def test_crf_f1_counts_whole_entities() -> None:
    gold = [Sentence(WORDS, ENTITIES), Sentence(["so"], [])]
    assert crf.f1(gold, [TAGS, ["O"]]) == 1
    found = ["B-person", "O", "O", "B-person", "O", "B-person"]  # one of three, one of three
    assert crf.f1(gold, [found, ["O"]]) == pytest.approx(1 / 3)
    assert crf.f1(gold, [["O"] * 6, ["O"]]) == 0


def test_crf_features_see_the_neighbours_and_the_ends() -> None:
    first, *_, last = crf.features(["Anna", "sees", "LONDON2"])
    assert {"0:lower=anna", "1:lower=sees", "-1:none", "prefix=ann", "istitle=True"} <= set(first)
    assert {"2:lower=london2", "2:shape=XX0", "0:pair=anna sees"} <= set(first)
    assert {"1:none", "2:none", "-1:pair=sees london2", "-1:shapes=xx XX0"} <= set(last)

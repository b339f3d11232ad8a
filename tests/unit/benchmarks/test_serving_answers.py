"""A peer must answer as the predictor does, but for rounding."""

from __future__ import annotations

import pytest

from benchmarks.serving.answers import WrongAnswers, agree, check, check_some_entities
from model_types import Json

ENTITY = {"text": "Paris", "tag": "LOC", "score": 0.98765, "start": 3, "end": 8}


@pytest.mark.parametrize(
    ("found", "same"),
    [
        ([ENTITY], True),
        ([{**ENTITY, "score": 0.98769}], True),
        ([{**ENTITY, "score": 0.989}], False),
        ([{**ENTITY, "tag": "PER"}], False),
        ([{**ENTITY, "end": 9}], False),
        ([{**ENTITY, "more": 1}], False),
        ([ENTITY, ENTITY], False),
        ([], False),
        ({"detail": "no"}, False),
    ],
)
def test_scores_alone_may_differ_by_rounding(found: Json, same: bool) -> None:
    assert agree(found, [ENTITY]) is same


def test_one_wrong_answer_is_told() -> None:
    check([[ENTITY], []], [[ENTITY], []])
    with pytest.raises(WrongAnswers, match="1 of 2 answers are wrong"):
        check([[ENTITY], [ENTITY]], [[ENTITY], []])


@pytest.mark.parametrize("found", [[[], []], [[ENTITY], {"detail": "no"}]])
def test_a_tagger_that_finds_nothing_is_wrong(found: list[Json]) -> None:
    check_some_entities([[], [ENTITY]])
    with pytest.raises(WrongAnswers):
        check_some_entities(found)

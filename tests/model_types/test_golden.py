"""Golden examples: what is replayed, and how near an answer must be."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest

from model_types import Inputs, Json
from model_types.golden import Example, read_golden, replay, write_golden


class Always:
    """A model with one answer to everything."""

    request_schemas: Mapping[str, Json] = {}
    result_schema: Json = None

    def __init__(self, answer: Json) -> None:
        self._answer = answer

    def decode(self, body: bytes, media_type: str) -> Inputs:
        return Inputs([body], many=False)

    def predict(self, items: Sequence[Json]) -> list[Json]:
        return [self._answer for _ in items]


def test_examples_come_back_as_they_were(tmp_path: Path) -> None:
    examples = [
        Example("Zürich".encode(), "text/plain", {"score": 0.5}),
        Example(b"\xff\xd8", "image/jpeg", [], tolerance=0.1),
    ]
    write_golden(tmp_path, examples)
    assert read_golden(tmp_path) == examples


@pytest.mark.parametrize(
    ("tolerance", "answer", "same"),
    [
        (0.001, {"tag": "A", "score": 0.5009}, True),
        (0.001, {"tag": "A", "score": 0.55}, False),
        (0.1, {"tag": "A", "score": 0.55}, True),
        (0.1, {"tag": "A", "score": 0.65}, False),
        (0.1, {"tag": "B", "score": 0.5}, False),
    ],
)
def test_an_example_says_how_near_a_score_must_be(
    tmp_path: Path, tolerance: float, answer: Json, same: bool
) -> None:
    example = Example(b"x", "text/plain", {"tag": "A", "score": 0.5}, tolerance)
    write_golden(tmp_path, [example])
    assert len(list(replay(tmp_path, Always(answer)))) == (0 if same else 1)


def test_a_file_that_says_no_tolerance_is_read_as_ever(tmp_path: Path) -> None:
    row = {"media_type": "text/plain", "body": "x", "output": 0.5}
    (tmp_path / "golden.json").write_text(json.dumps([row]), encoding="utf-8")
    assert read_golden(tmp_path) == [Example(b"x", "text/plain", 0.5, tolerance=1e-3)]
    assert list(replay(tmp_path, Always(0.5005))) == []
    assert len(list(replay(tmp_path, Always(0.502)))) == 1

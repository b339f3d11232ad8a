from __future__ import annotations

import logging
from collections.abc import Iterable
from typing import Any

import pytest

from model_types import Example, InvalidInput
from model_types.corrections import TextSpan, UnknownLabel, label_of, read_known, spans_of

LABELS = ["LOC", "PER"]
TEXT = "Anna 👍 in Rome"


def span(start: Any, end: Any, label: Any = "PER", **more: Any) -> dict[str, Any]:
    return {"start": start, "end": end, "label": label, **more}


def test_a_right_label_is_read() -> None:
    assert label_of({"label": "PER"}, LABELS) == "PER"


@pytest.mark.parametrize(
    "expected",
    [
        None,
        "PER",
        [],
        {},
        {"label": None},
        {"label": ["PER"]},
        {"label": "PER", "score": 1},
        {"spans": []},
    ],
)
def test_what_names_no_label_alone_is_refused(expected: Any) -> None:
    with pytest.raises(InvalidInput, match="and nothing else"):
        label_of(expected, LABELS)


def test_a_label_that_is_not_known_is_refused_in_few_words() -> None:
    with pytest.raises(InvalidInput, match=r"'per' is not known; known are: LOC, PER\."):
        label_of({"label": "per"}, LABELS)
    many = [f"label-{number:03}" for number in range(1000)]
    with pytest.raises(InvalidInput, match="and 980 more") as refused:
        label_of({"label": "x" * 10_000}, many)
    assert len(str(refused.value)) < 500


def test_an_unknown_label_is_told_from_what_is_no_answer() -> None:
    with pytest.raises(UnknownLabel) as one:
        label_of({"label": "ORG"}, LABELS)
    with pytest.raises(UnknownLabel) as other:
        spans_of({"spans": [span(0, 4), span(5, 6, "ORG")]}, TEXT, LABELS)
    assert one.value.label == other.value.label == "ORG"
    with pytest.raises(InvalidInput) as neither:
        label_of({"label": "PER", "score": 1}, LABELS)
    assert not isinstance(neither.value, UnknownLabel)


def test_what_is_left_out_is_told_in_few_words(caplog: pytest.LogCaptureFixture) -> None:
    def leave_out(names: Iterable[str]) -> None:
        examples = [Example("text/plain", b"", {"label": name}) for name in names]
        assert list(read_known(examples, lambda each: label_of(each.expected, LABELS))) == []

    leave_out([])
    assert caplog.records == []
    leave_out(["wolf", "cow", "wolf"])
    [record] = caplog.records
    assert record.levelno == logging.WARNING
    assert record.getMessage().startswith("3 examples of feedback are left out")
    assert record.getMessage().endswith("their labels, 'cow', 'wolf'")
    leave_out([f"{number}{'x' * 10_000}" for number in range(1000)])
    assert "and 980 more" in caplog.messages[-1]
    assert len(caplog.messages[-1]) < 2000


def test_spans_count_characters_and_may_touch() -> None:
    expected = {"spans": [span(0, 4), span(4, 6, "LOC"), span(10, 14, "LOC")]}
    assert spans_of(expected, TEXT, LABELS) == [
        TextSpan(0, 4, "PER"),
        TextSpan(4, 6, "LOC"),
        TextSpan(10, 14, "LOC"),
    ]
    assert TEXT[10:14] == "Rome"
    assert spans_of({"spans": []}, TEXT, LABELS) == []


@pytest.mark.parametrize(
    ("expected", "words"),
    [
        ({"label": "PER"}, "nothing else"),
        ({"spans": None}, "nothing else"),
        ({"spans": [], "text": ""}, "nothing else"),
        ({"spans": [[0, 4, "PER"]]}, "two whole numbers"),
        ({"spans": [span(0.0, 4)]}, "two whole numbers"),
        ({"spans": [span(False, True)]}, "two whole numbers"),
        ({"spans": [span("0", "4")]}, "two whole numbers"),
        ({"spans": [span(0, 4, None)]}, "two whole numbers"),
        ({"spans": [span(0, 4, text="Anna")]}, "two whole numbers"),
        ({"spans": [span(-1, 4)]}, "outside the text, which has 14 characters"),
        ({"spans": [span(10, 15)]}, "outside the text"),
        ({"spans": [span(10, 10**30)]}, "outside the text"),
        ({"spans": [span(4, 4)]}, "empty"),
        ({"spans": [span(4, 0)]}, "empty"),
        ({"spans": [span(0, 4, "ORG")]}, "'ORG' is not known"),
        ({"spans": [span(0, 4), span(3, 6)]}, "'Anna' and 'a 👍' overlap"),
        ({"spans": [span(0, 4), span(0, 4)]}, "overlap"),
        ({"spans": [span(10, 14), span(0, 4)]}, "not in order"),
    ],
)
def test_wrong_spans_are_refused_and_the_message_says_why(expected: Any, words: str) -> None:
    with pytest.raises(InvalidInput, match=words):
        spans_of(expected, TEXT, LABELS)

"""Marked texts become training sentences; what no model could answer is refused."""

from __future__ import annotations

import pytest

from model_types import InvalidInput, Json
from model_types.ner.conll import Sentence
from model_types.ner.feedback import marked_sentences
from model_types.ner.text import MAX_TOKENS

LABELS = ["LOC", "PER"]


def marked(text: str, **names: str) -> Json:
    """Each of `names` with its label, at the first place where it is found."""
    spans = [
        {"start": text.index(name), "end": text.index(name) + len(name), "label": label}
        for name, label in names.items()
    ]
    return {"spans": sorted(spans, key=lambda span: span["start"])}


def read(text: str, expected: Json) -> list[Sentence]:
    return list(marked_sentences(text, expected, LABELS))


def test_each_sentence_holds_its_own_spans() -> None:
    text = "  Anna Meyer's 👍🏽 in São Paulo.\n\nRome? (It is nice.) Rome!"
    expected = marked(text, **{"Anna Meyer": "PER", "São Paulo": "LOC", "Rome": "LOC"})
    assert read(text, expected) == [
        Sentence(
            ["Anna", "Meyer", "'s", "👍🏽", "in", "São", "Paulo", "."],
            [(0, 2, "PER"), (5, 7, "LOC")],
        ),
        Sentence(["Rome", "?"], [(0, 1, "LOC")]),
        Sentence(["(", "It", "is", "nice", ".", ")"], []),
        Sentence(["Rome", "!"], []),
    ]


def test_neighbours_stay_two() -> None:
    assert read("Anna Rome", marked("Anna Rome", Anna="PER", Rome="LOC")) == [
        Sentence(["Anna", "Rome"], [(0, 1, "PER"), (1, 2, "LOC")])
    ]


@pytest.mark.parametrize(
    ("text", "start", "end", "words"),
    [
        ("In Kraków-Nord", 3, 9, r"mark 'Kraków-Nord', from 3 to 14\."),
        ("Anna slept", 0, 3, r"mark 'Anna', from 0 to 4\."),
        ("Anna slept", 0, 5, r"mark 'Anna', from 0 to 4\."),
        ("  Anna slept", 1, 6, r"mark 'Anna', from 2 to 6\."),
        ("Anna slept ", 5, 11, r"mark 'slept', from 5 to 10\."),
        ("Anna  slept", 4, 6, "holds no word"),
        ("Anna. \n Rome", 5, 7, "holds no word"),
        ("Anna \n ", 5, 7, "holds no word"),
        ("\u200b\u200b", 0, 1, "holds no word"),
        ("Anna slept. Rome too.", 5, 16, "goes on in the next sentence"),
        ("word " * (MAX_TOKENS + 1), 0, 5 * MAX_TOKENS + 4, "part of a very long one"),
    ],
)
def test_spans_that_no_model_can_mark_are_refused(
    text: str, start: int, end: int, words: str
) -> None:
    with pytest.raises(InvalidInput, match=words):
        read(text, {"spans": [{"start": start, "end": end, "label": "PER"}]})

"""Marked texts become training sentences; what no model could answer is refused."""

from __future__ import annotations

from pathlib import Path

import pytest

from model_types import Example, InvalidData, InvalidInput, Json
from model_types.ner.conll import DataSet, Sentence, read_file
from model_types.ner.feedback import join, marked_example, marked_sentences
from model_types.ner.formats import conll
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


QUOTED = ['"', "Go", "away", ".", '"']

DATA = DataSet(
    train=[Sentence(["Anna", "slept", "."], [(0, 1, "PER")]), Sentence(["Rome", "!"], [])],
    dev=[Sentence(["Rome", "did", "n't", "sleep", ".", "Bob", "did", "."], [(0, 1, "LOC")])],
    # The last two are two sentences each to serving, cut elsewhere where no space is before the
    # quote that closes.
    test=[
        Sentence(["Hi", "."], []),
        Sentence(["Go", "!", "”", "Bob", "went", "."], []),
        Sentence(["He", "said", *QUOTED, "Then", "Maria", "left", "."], [(8, 9, "PER")]),
    ],
)


def said(text: str, **names: str) -> Example:
    return Example("text/plain", text.encode(), marked(text, **names))


def test_examples_join_the_training_part_and_are_counted() -> None:
    data, joined = join(DATA, [said("Eve ate. Bob, too.", Eve="PER", Bob="PER"), said("Hm.")])
    assert joined == 2
    assert data.train == [
        *DATA.train,
        Sentence(["Eve", "ate", "."], [(0, 1, "PER")]),
        Sentence(["Bob", ",", "too", "."], [(0, 1, "PER")]),
        Sentence(["Hm", "."], []),
    ]
    assert (data.dev, data.test) == (DATA.dev, DATA.test)


@pytest.mark.parametrize(
    "text",
    [
        "Hi.",
        "Hi .",
        "Rome didn't sleep. Bob did.",
        "Rome didn't  sleep.",
        "Bob did.",
        "Bob did. Hi.",
        "Go!” Bob went.",
        'He said "Go away." Then Maria left.',
        'Hi. He said "Go away." Then Maria left. Bob did.',
    ],
)
def test_what_is_in_dev_or_test_is_left_out(text: str) -> None:
    assert join(DATA, [said(text)]) == (DATA, 0)


def test_of_a_text_only_the_sentences_of_dev_and_test_are_left_out() -> None:
    data, joined = join(DATA, [said("Hi. Eve ate. Bob did.", Eve="PER")])
    assert (data.train[2:], joined) == ([Sentence(["Eve", "ate", "."], [(0, 1, "PER")])], 1)


@pytest.mark.parametrize("text", ["{} It was late.", "It was late. {}", "Hi. {} It was late."])
def test_neighbours_that_are_one_sentence_of_dev_or_test_are_left_out(text: str) -> None:
    held_out = 'He said "Go away." Then Maria left.'
    data, joined = join(DATA, [said(text.format(held_out), Maria="LOC")])
    assert (data.train[2:], joined) == ([Sentence(["It", "was", "late", "."], [])], 1)


def test_each_sentence_counts_once_and_the_last_word_holds() -> None:
    again = [said("Eve ate.", Eve="LOC"), said("Rome!", Rome="LOC"), said("Eve  ate.", Eve="PER")]
    data, joined = join(DATA, again)
    assert joined == 2
    assert data.train == [
        DATA.train[0],
        Sentence(["Eve", "ate", "."], [(0, 1, "PER")]),
        Sentence(["Rome", "!"], [(0, 1, "LOC")]),
    ]


def test_it_takes_the_place_of_a_training_sentence_that_serving_cuts() -> None:
    wrong = Sentence(["He", "left", ".", "Bob", "stayed", "."], [])
    alone = Sentence(["Bob", "stayed", ".", "Eve", "too", "."], [])
    data, joined = join(
        DataSet([*DATA.train, wrong, alone], DATA.dev, DATA.test),
        [said("Oh! He left. Bob stayed. Hm.", Bob="PER")],
    )
    assert joined == 1
    assert data.train == [
        *DATA.train,
        alone,
        Sentence(["Oh", "!"], []),
        Sentence(["He", "left", "."], []),
        Sentence(["Bob", "stayed", "."], [(0, 1, "PER")]),
        Sentence(["Hm", "."], []),
    ]


def test_examples_with_labels_that_the_data_set_does_not_have_are_left_out(
    caplog: pytest.LogCaptureFixture,
) -> None:
    gone = [said("Rome!", Rome="ORG"), said("Eve ate. Bob, too.", Eve="PER", Bob="PET")]
    assert join(DATA, gone) == (DATA, 0)
    assert "2 examples of feedback are left out" in caplog.text
    assert "'ORG', 'PET'" in caplog.text
    data, joined = join(DATA, [*gone, said("Hm.")])
    assert (data.train, joined) == ([*DATA.train, Sentence(["Hm", "."], [])], 1)


def test_what_is_left_out_takes_no_place() -> None:
    data = DataSet([*DATA.train, *DATA.test], DATA.dev, DATA.test)
    assert join(data, [said("Hi. Go!” Bob went.", Bob="PER")]) == (data, 0)


@pytest.mark.parametrize(
    ("example", "words"),
    [
        (Example("text/plain", b"Eve", {"label": "PER"}, "Feedback 7"), "Feedback 7: A right ans"),
        (said("Eve ate.", Ev="PER"), "mark 'Eve', from 0 to 3"),
        (Example("text/plain", b" ", {"spans": []}), "The text is empty"),
        (Example("image/png", b"x", {"spans": []}), "image/png, not text/plain"),
    ],
)
def test_what_cannot_be_learned_from_is_named(example: Example, words: str) -> None:
    with pytest.raises(InvalidData, match=words):
        join(DATA, [said("Hm."), example])


def test_what_was_marked_is_a_data_set_in_conll_columns(tmp_path: Path) -> None:
    examples = [
        said("Anna Meyer lives in New York. Hm!", **{"Anna Meyer": "PER", "New York": "LOC"}),
        said("# Anna Rome\t-DOCSTART- \x85 \x1c \ufeff", Anna="PER", Rome="LOC"),
        said("“x” \u2028 " + "y" * 100 + " 👍🏽", **{"y" * 100: "weird/label"}),
    ]
    file = tmp_path / "train.conll"
    file.write_text("".join(map(conll, examples)), encoding="utf-8")
    assert file.read_text(encoding="utf-8").startswith("Anna\tB-PER\nMeyer\tI-PER\nlives\tO\n")
    assert list(read_file(file)) == [
        sentence for example in examples for sentence in marked_example(example, None)
    ]


@pytest.mark.parametrize(
    ("example", "words"),
    [
        (said("Eve ate.", Eve="a b"), "An example: 'a b' can be no tag"),
        (said("Eve ate.", Eve=""), "'' can be no tag"),
        (said("Eve ate.", Ev="PER"), "An example: The span 'Ev'"),
        (Example("text/plain", b"Eve", {"label": "PER"}, "Feedback 7"), "Feedback 7: A right ans"),
    ],
)
def test_what_conll_cannot_say_is_refused(example: Example, words: str) -> None:
    with pytest.raises(InvalidInput, match=words):
        conll(example)

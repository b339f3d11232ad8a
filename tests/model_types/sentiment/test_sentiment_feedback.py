"""What people have said joins the training part alone, each text once."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from model_types import Example, InvalidData
from model_types.sentiment.dataset import Parts, Sample
from model_types.sentiment.feedback import join

PARTS = Parts(
    train=[Sample("good film", "+"), Sample("bad film", "-"), Sample("bad film", "-")],
    dev=[Sample("fine", "+"), Sample("odd", "-")],
    test=[Sample("so so", "-")],
)


def said(text: str, label: Any, **more: Any) -> Example:
    return Example("text/plain", text.encode(), {"label": label}, **more)


def test_examples_join_the_training_part_and_are_counted() -> None:
    parts, joined = join(PARTS, [said("what a film", "+"), said("oh no 👎", "-")])
    assert joined == 2
    assert parts.train == [*PARTS.train, Sample("what a film", "+"), Sample("oh no 👎", "-")]
    assert (parts.dev, parts.test) == (PARTS.dev, PARTS.test)


def test_what_is_in_dev_or_test_is_left_out() -> None:
    held_out = [said("fine", "-"), said(" so\n so ", "+")]
    assert join(PARTS, held_out) == (PARTS, 0)
    parts, joined = join(PARTS, [*held_out, said("new", "+")])
    assert (parts.train, joined) == ([*PARTS.train, Sample("new", "+")], 1)


def test_each_text_counts_once_and_the_last_word_holds() -> None:
    again = [said("new", "+"), said("bad film", "-"), said("new ", "-"), said("bad  film", "-")]
    parts, joined = join(PARTS, again)
    assert joined == 2
    assert parts.train == [Sample("good film", "+"), Sample("new ", "-"), Sample("bad  film", "-")]


@pytest.mark.parametrize(
    ("known", "text"),
    [
        ("great movie", "Great  MOVIE"),
        ("I don’t know", "i don't know"),
        ("ﬁne ①", "fine 1"),
        ("@anna see https://a.example", "@bob see http://b.example/c"),
        (r"\n \n", r"\n  \n"),
    ],
)
def test_texts_are_one_if_the_model_sees_no_difference(known: str, text: str) -> None:
    held_out = replace(PARTS, test=[Sample(known, "-")])
    assert join(held_out, [said(text, "+")]) == (held_out, 0)
    trained = replace(PARTS, train=[*PARTS.train, Sample(known, "-")])
    assert join(trained, [said(text, "+")])[0].train == [*PARTS.train, Sample(text, "+")]


def test_texts_without_any_token_are_several() -> None:
    held_out = replace(PARTS, test=[Sample(r"\n", "-")])
    assert join(held_out, [said(r"\n \n", "+"), said(r"\n\n", "+"), said(r"\n", "+")])[1] == 2


def test_it_takes_the_place_of_what_the_data_set_says() -> None:
    parts, joined = join(PARTS, [said("bad film", "+"), said("worse film", "-")])
    assert joined == 2
    assert {sample.label for sample in parts.train if sample.text == "bad film"} == {"+"}


def test_examples_with_labels_that_the_data_set_does_not_have_are_left_out(
    caplog: pytest.LogCaptureFixture,
) -> None:
    gone = [said("bad film", "?"), said("new", "so-so"), said("newer", "?")]
    assert join(PARTS, gone) == (PARTS, 0)
    assert "3 examples of feedback are left out" in caplog.text
    assert "'?', 'so-so'" in caplog.text
    parts, joined = join(PARTS, [*gone, said("newest", "+")])
    assert (parts.train, joined) == ([*PARTS.train, Sample("newest", "+")], 1)


def test_a_label_whose_texts_are_all_put_right_is_missed() -> None:
    with pytest.raises(InvalidData, match=r"all training texts with -\. Add some"):
        join(PARTS, [said("bad film", "+")])


@pytest.mark.parametrize(
    ("example", "words"),
    [
        (said("x", None, where="Feedback 7"), "Feedback 7: A right answer .* nothing else"),
        (Example("text/plain", b"x", {"spans": []}), "nothing else"),
        (said("  \n", "+"), "The text is empty"),
        (Example("text/plain", b"\xff", {"label": "+"}), "not valid UTF-8"),
        (Example("image/png", b"x", {"label": "+"}), "image/png, not text/plain"),
    ],
)
def test_what_cannot_be_learned_from_is_named(example: Example, words: str) -> None:
    with pytest.raises(InvalidData, match=words):
        join(PARTS, [said("new", "+"), example])

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from model_types.ner.text import MAX_CHARACTERS, MAX_TOKENS, clip, sentences


def words(text: str) -> list[list[str]]:
    return [[token.text for token in sentence] for sentence in sentences(text)]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (
            "George Washington was president of the United States.",
            [["George", "Washington", "was", "president", "of", "the", "United", "States", "."]],
        ),
        ("He left. She stayed!  Why?", [["He", "left", "."], ["She", "stayed", "!"], ["Why", "?"]]),
        ("Dr. J. R. Smith left.", [["Dr.", "J.", "R.", "Smith", "left", "."]]),
        ("The U.S. army, 7:30 p.m.", [["The", "U.S.", "army", ",", "7:30", "p.m."]]),
        ("It cost $1,000.50, or so.", [["It", "cost", "$", "1,000.50", ",", "or", "so", "."]]),
        ("Anna's and don't", [["Anna", "'s", "and", "don't"]]),
        ("Jean-Paul O’Brien’s", [["Jean-Paul", "O’Brien", "’s"]]),
        (
            "@bob see https://a.example/x. #fun :)",
            [["@bob", "see", "https://a.example/x", "."], ["#fun", ":)"]],
        ),
        ("A title\n\nA text", [["A", "title"], ["A", "text"]]),
        ("A title\r\n\r\nA text", [["A", "title"], ["A", "text"]]),
        ("United\r\nStates", [["United", "States"]]),
        ('"Go." He went', [['"', "Go", ".", '"'], ["He", "went"]]),
        ("東京は首都です。大阪も。", [["東京は首都です", "。"], ["大阪も", "。"]]),
        ("zero\u200bwidth\ufeff", [["zero", "width"]]),
        ("Nai\u0308robi नमस्ते", [["Nai\u0308robi", "नमस्ते"]]),
        ("👍🏽 👨‍👩‍👧 ok", [["👍🏽", "👨‍👩‍👧", "ok"]]),
        (" \t\n", []),
        ("", []),
    ],
)
def test_splits(text: str, expected: list[list[str]]) -> None:
    assert words(text) == expected


@given(st.text(max_size=300))
def test_tokens_are_where_they_say(text: str) -> None:
    end = 0
    for sentence in sentences(text):
        assert 0 < len(sentence) <= MAX_TOKENS
        for token in sentence:
            assert token.start >= end
            assert token.text == clip(text[token.start : token.end])
            assert not any(character.isspace() for character in text[token.start : token.end])
            end = token.end


@given(st.text(alphabet=st.characters(categories=["L", "N", "S", "P"]), max_size=80))
def test_nothing_that_can_be_seen_is_lost(text: str) -> None:
    covered = "".join(text[t.start : t.end] for sentence in sentences(text) for t in sentence)
    assert covered == text


def test_long_sentences_are_cut() -> None:
    pieces = list(sentences("word " * (2 * MAX_TOKENS + 1)))
    assert [len(piece) for piece in pieces] == [MAX_TOKENS, MAX_TOKENS, 1]


def test_long_words_keep_their_offsets() -> None:
    word = "a" * 100_000 + "b"
    [[token]] = sentences(word)
    assert (token.start, token.end) == (0, len(word))
    assert len(token.text) == MAX_CHARACTERS
    assert token.text.endswith("b")


@pytest.mark.timeout(60)
@pytest.mark.parametrize(
    "unit",
    ["a", "a.", "a@", "a@b.", "a-", "'", "www.", "http://!", "1.", "!", "\u200d", "A. ", "."],
)
def test_time_is_linear(unit: str) -> None:
    """With quadratic time, a megabyte takes hours."""
    text = unit * (1_000_000 // len(unit))
    assert sum(token.end - token.start for s in sentences(text) for token in s) > 0

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from model_types.sentiment.text import (
    MAX_CHARACTERS,
    MAX_TOKEN_CHARACTERS,
    MAX_TOKENS,
    character_features,
    negated,
    stem,
    tokenize,
    word_features,
)
from model_types.sentiment.vocabulary import UNKNOWN, Batch, Vocabulary


@pytest.mark.parametrize(
    ("text", "tokens"),
    [
        ("I do not like it", ["i", "do", "not", "like", "it"]),
        ("I DON'T like it", ["i", "do", "not", "like", "it"]),
        ("I don’t like it", ["i", "do", "not", "like", "it"]),
        ("can't won't cannot isn't", ["can", "not", "will", "not", "can", "not", "is", "not"]),
        ("#sad", ["#", "sad"]),
        ("#SoSad2day #BBC", ["#", "sosad2day", "so", "sad", "2", "day", "#", "bbc"]),
        (r"one\ntwo", ["one", "two"]),
        ("@someone hi @else", ["@user", "hi", "@user"]),
        ("see https://example.com/a?b=c", ["see", "<url>"]),
        ("sooooo gooood", ["sooo", "goood"]),
        ("ok :-) 👍🏽", ["ok", ":-)", "👍🏽"]),
        ("&lt;3 &amp; more", ["<3", "&", "more"]),
        ("ﬁne", ["fine"]),
        ("a\x00b", ["a", "\x00", "b"]),
        (" \t\n", []),
        ("", []),
    ],
)
def test_tokenize(text: str, tokens: list[str]) -> None:
    assert tokenize(text) == tokens


def test_negations_are_kept_and_reach_to_the_end_of_the_clause() -> None:
    tokens = tokenize("It is not very good, but nothing broke")
    negated_ones = [t for t, mark in zip(tokens, negated(tokens), strict=True) if mark]
    assert negated_ones == ["very", "good", "broke"]


def test_a_negated_word_is_another_feature() -> None:
    plain, turned = (set(word_features(["good"], [mark])) for mark in (False, True))
    assert plain & turned == {"p ^ good", "p good $"}
    assert set(character_features("ok")) >= {"c o", "cok", "c ok "}


SLOW_UNITS = """a . @ < 1 a. <a 1. &# http://(( x.a@ y 😀 👩\u200d \x00 &lt; (a(a) ﷺ it's not"""


@pytest.mark.parametrize("unit", [*SLOW_UNITS.split(" "), " ", "not "])
def test_ten_megabytes_of_anything_are_cut_before_they_are_read(unit: str) -> None:
    text = unit * (10_000_000 // len(unit))
    tokens = tokenize(text)
    assert tokens == tokenize(text[:MAX_CHARACTERS])
    assert len(tokens) <= MAX_TOKENS
    assert all(len(token) <= MAX_TOKEN_CHARACTERS for token in tokens)
    assert all(stem(token) or not token for token in tokens)


@given(st.text(max_size=200))
def test_any_text_can_be_encoded(text: str) -> None:
    vocabulary = Vocabulary(["a", "b"], ["good"], ["w good"], [1.5])
    encoded = vocabulary.encode(text)
    assert len(encoded.words) >= 1
    assert len(encoded.features) == len(encoded.weights)


def test_vocabulary_keeps_the_commonest_and_gives_unknown_words_one_number() -> None:
    texts = ["good film", "good book", "bad book", "good bike"]
    vocabulary = Vocabulary.build(texts, ["a", "b"], max_words=1, max_features=2)
    assert (vocabulary.word_count, vocabulary.feature_count) == (3, 3)
    assert vocabulary.encode("good book zebra").words.tolist() == [2, UNKNOWN, UNKNOWN]
    assert vocabulary.encode("").words.tolist() == [UNKNOWN]


def test_a_rare_feature_weighs_more_and_each_family_has_length_one() -> None:
    texts = ["good film", "good book", "good book", "good bike"]
    vocabulary = Vocabulary.build(texts, ["a", "b"], max_words=100, max_features=1000)
    encoded = vocabulary.encode("good book")
    assert (encoded.weights**2).sum() == pytest.approx(2)
    assert vocabulary.encode("zebra").features.size == 0
    weights = Vocabulary([], [], ["w good", "w book"], [1.0, 2.0]).encode("good book").weights
    assert weights[1] == pytest.approx(2 * weights[0])


def test_vocabulary_survives_its_file(tmp_path: Path) -> None:
    texts = ["good film 😀", "good film 😀", "not good\u2028"]
    vocabulary = Vocabulary.build(texts, ["ä", "b"], max_words=100, max_features=1000)
    vocabulary.write(tmp_path)
    again = Vocabulary.read(tmp_path)
    assert again.labels == ["ä", "b"]
    for text in texts:
        one, other = vocabulary.encode(text), again.encode(text)
        assert one.words.tolist() == other.words.tolist()
        assert one.features.tolist() == other.features.tolist()
        assert one.weights.tolist() == other.weights.tolist()


def test_a_batch_is_padded_to_its_longest() -> None:
    vocabulary = Vocabulary(["a", "b"], ["good", "book"], ["w good"], [1.0])
    batch = Batch.of([vocabulary.encode("good"), vocabulary.encode("book book")])
    assert batch.words.tolist() == [[2, 0], [3, 3]]
    assert batch.features.tolist() == [[1], [0]]
    assert batch.weights.tolist() == [[1.0], [0.0]]

"""The cache of words' vectors, over a session that makes vectors of a word's own characters."""

from __future__ import annotations

import sys
import threading
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, cast

import numpy as np
import pytest
from numpy.typing import NDArray

from model_types.ner.features import CHARACTERS, WordEncoder
from model_types.ner.word_vectors import WordVectors

LETTERS = "abcdefghijklmnopqrstuvwxyz0123456789"
WORDS = WordEncoder([], LETTERS)


class Session:
    """In place of the network: a word's vector is its characters' rows."""

    def __init__(self) -> None:
        self.runs: list[int] = []
        """How many words each run had."""

    def run(
        self, outputs: Sequence[str], feeds: Mapping[str, NDArray[np.int64]]
    ) -> list[NDArray[np.float32]]:
        assert outputs == ["vectors"]
        assert feeds["words"].shape == feeds["shapes"].shape == feeds["characters"].shape[:1]
        self.runs.append(len(feeds["words"]))
        return [feeds["characters"].astype(np.float32)]


def vectors_over(session: Session, kept: int = 100) -> WordVectors:
    return WordVectors(WORDS, cast("Any", session), kept)


def spelled(word: str) -> list[float]:
    rows = [float(LETTERS.index(character) + 2) for character in word]
    return rows + [0.0] * (CHARACTERS - len(rows))


def test_a_batch_is_steps_of_vectors_the_shorter_sentences_filled_up() -> None:
    feeds = vectors_over(Session()).encode([["to", "be"], ["or"], ["to", "not", "to"]])
    assert feeds["lengths"].tolist() == [2, 1, 3]
    assert feeds["vectors"].tolist() == [
        [spelled("to"), spelled("or"), spelled("to")],
        [spelled("be"), spelled(""), spelled("not")],
        [spelled(""), spelled(""), spelled("to")],
    ]


def test_the_network_runs_once_for_all_new_words_of_a_batch_and_never_for_known_ones() -> None:
    session = Session()
    vectors = vectors_over(session)
    first = vectors.encode([["to", "be"], ["be", "to"]])
    assert session.runs == [2]
    again = vectors.encode([["be", "to"], ["to", "be"]])
    assert session.runs == [2]
    assert np.array_equal(first["vectors"], again["vectors"][:, ::-1])
    vectors.encode([["to", "be", "or", "not"]])
    assert session.runs == [2, 2]


def test_the_word_that_was_not_met_for_longest_is_forgotten() -> None:
    session = Session()
    vectors = vectors_over(session, kept=2)
    for word in ("a", "b", "a", "c"):  # c pushes out b
        vectors.encode([[word]])
    assert session.runs == [1, 1, 1]
    vectors.encode([["a", "c"]])
    assert session.runs == [1, 1, 1]
    vectors.encode([["b"]])
    assert session.runs == [1, 1, 1, 1]


@pytest.mark.parametrize("length", [1, 7, 50])
def test_no_more_are_remembered_than_allowed_however_many_there_are(length: int) -> None:
    vectors = vectors_over(Session(), kept=20)
    for start in range(0, 5000, length):
        sentence = [str(number) for number in range(start, start + length)]
        feeds = vectors.encode([sentence])
        assert feeds["vectors"][:, 0].tolist() == [spelled(word) for word in sentence]
        assert len(vectors) <= 20


@pytest.fixture
def _eager_threads() -> Iterator[None]:
    """Threads take turns as often as they can, so that they meet in the middle of things."""
    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    yield
    sys.setswitchinterval(interval)


@pytest.mark.usefixtures("_eager_threads")
def test_threads_that_push_out_each_others_words_still_get_their_own() -> None:
    threads = 4
    vectors = vectors_over(Session(), kept=5)
    together = threading.Barrier(threads)

    def ask(seed: int) -> int:
        together.wait()
        for turn in range(2000):
            sentence = [str((seed + turn * step) % 30) for step in range(1, 9)]
            feeds = vectors.encode([sentence])
            assert feeds["vectors"][:, 0].tolist() == [spelled(word) for word in sentence]
        return len(vectors)

    with ThreadPoolExecutor(threads) as pool:
        assert all(kept <= 5 for kept in pool.map(ask, range(threads)))

"""What the `scratch` network reads of a word: the word itself, its shape and its characters.

A batch names each of its distinct words once, and its sentences as rows of indices into them.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from model_types.ner.text import Token

PAD, UNKNOWN = 0, 1
"""The first two rows of every table."""

CHARACTERS = 16
"""Characters of a word that are read: a longer one gives its first and last halves."""

_RARE_WORD = 2
_RARE_CHARACTER = 3

# Read off a word's skeleton: A for a capital, a for a small letter, x for one without case, 0 for a
# digit, every other sign as it is.
_SHAPES = tuple(
    re.compile(pattern)
    for pattern in (
        r"a+(?:['’&-]a+)*",  # lower
        r"A\.?",  # Initial
        r"A{2,4}",  # ABBR
        r"A{5,}",  # CAPITALS
        r"Aa+",  # Title
        r"A[Aa'’.]*(?:[-'’&]A[Aa'’]*)+",  # Jean-Paul
        r"[Aa]+",  # iPhone
        r"(?:[Aa]\.)+",  # U.S.
        r"[xAa]+",  # no case
        r"@\w.*",
        r"#\w.*",
        r"a+://.*|www\..*|.*\w@\w.*",  # address
        r"0000",  # year
        r"0+(?:[.,:/]0+)*",
        r"A.*0.*",
        r".*0.*",
        r"[.!?…]+",
        r"[!-/:-@\[-`{-~“”‘’–—]+",
    )
)
SHAPES = UNKNOWN + 1 + len(_SHAPES)
"""Rows of the table of shapes."""


class WordEncoder:
    """Turns sentences into the inputs of the network."""

    def __init__(self, words: Sequence[str], characters: Sequence[str]) -> None:
        self.words = list(words)
        self.characters = list(characters)
        self._word_rows = {word: row for row, word in enumerate(words, UNKNOWN + 1)}
        self._character_rows = {c: row for row, c in enumerate(characters, UNKNOWN + 1)}
        # The same few thousand words make up most of every text.
        self._rows = lru_cache(maxsize=20_000)(self._rows_of)

    @classmethod
    def of(cls, sentences: Iterable[Sequence[str]]) -> WordEncoder:
        """Learn the vocabulary of the training sentences; what is rare there stays unknown."""
        words: Counter[str] = Counter()
        characters: Counter[str] = Counter()
        for sentence in sentences:
            for word in sentence:
                words[_normal(word)] += 1
                characters.update(word)
        return cls(
            sorted(word for word, count in words.items() if count >= _RARE_WORD),
            sorted(c for c, count in characters.items() if count >= _RARE_CHARACTER),
        )

    @classmethod
    def from_json(cls, document: Mapping[str, Any]) -> WordEncoder:
        return cls(document["words"], document["characters"])

    def to_json(self) -> dict[str, Any]:
        return {"words": self.words, "characters": self.characters}

    def pieces(self, sentence: list[Token]) -> list[list[Token]]:
        """The network reads a sentence of any length in one piece."""
        return [sentence]

    def encode(self, sentences: Sequence[Sequence[str]]) -> dict[str, NDArray[np.int64]]:
        """Give the inputs of the network for a batch of B sentences, the longest of T words, with U
        distinct words (and a first one for padding):

        `words` (U,), `shapes` (U,), `characters` (U, CHARACTERS), `tokens` (B, T), `lengths` (B,).
        """
        distinct: dict[str, int] = {}
        lengths = np.array([len(sentence) for sentence in sentences], dtype=np.int64)
        tokens = np.zeros((len(sentences), lengths.max()), dtype=np.int64)
        for row, sentence in zip(tokens, sentences, strict=True):
            row[: len(sentence)] = [distinct.setdefault(w, len(distinct) + 1) for w in sentence]
        rows = np.array([[PAD] * (2 + CHARACTERS), *map(self._rows, distinct)], dtype=np.int64)
        return {
            "words": rows[:, 0],
            "shapes": rows[:, 1],
            "characters": rows[:, 2:],
            "tokens": tokens,
            "lengths": lengths,
        }

    def _rows_of(self, word: str) -> list[int]:
        """The word's row, its shape's, and its characters'."""
        characters = [self._character_rows.get(c, UNKNOWN) for c in _ends(word)]
        padding = [PAD] * (CHARACTERS - len(characters))
        return [self._word_rows.get(_normal(word), UNKNOWN), _shape(word), *characters, *padding]


def _ends(word: str) -> str:
    if len(word) <= CHARACTERS:
        return word
    return word[: CHARACTERS // 2] + word[-CHARACTERS // 2 :]


def _normal(word: str) -> str:
    if word[0] == "@" and len(word) > 1:
        return "@name"
    if word.startswith(("http://", "https://", "www.")):
        return "http://"
    return re.sub(r"\d", "0", word.lower())


def _shape(word: str) -> int:
    skeleton = "".join(map(_kind, _ends(word)))
    for row, pattern in enumerate(_SHAPES, UNKNOWN + 1):
        if pattern.fullmatch(skeleton):
            return row
    return UNKNOWN


def _kind(character: str) -> str:
    if character.isalpha():
        return "A" if character.isupper() else "a" if character.islower() else "x"
    return "0" if character.isdigit() else character

"""What the `scratch` network reads of a word: the word itself, its shape and its characters."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

PAD, UNKNOWN = 0, 1
"""The first two rows of every table."""

PADDING = ""
"""The word that fills up the shorter sentences of a batch."""

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
    """Turns words into rows of the network's tables."""

    def __init__(self, words: Sequence[str], characters: Sequence[str]) -> None:
        self.words = list(words)
        self.characters = list(characters)
        self._word_rows = {word: row for row, word in enumerate(words, UNKNOWN + 1)}
        self._character_rows = {c: row for row, c in enumerate(characters, UNKNOWN + 1)}

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

    def features(self, words: Iterable[str]) -> dict[str, NDArray[np.int64]]:
        """Tell of U words: `words` (U,), `shapes` (U,), `characters` (U, CHARACTERS)."""
        rows = np.array(list(map(self._rows, words)), dtype=np.int64)
        return {"words": rows[:, 0], "shapes": rows[:, 1], "characters": rows[:, 2:]}

    def encode(self, sentences: Sequence[Sequence[str]]) -> dict[str, NDArray[np.int64]]:
        """Tell of a batch of B sentences, the longest of T words: the `features` of its distinct
        words, padding first, and `tokens` (B, T), which are indices into them."""
        distinct = {PADDING: PAD}
        tokens = np.full((len(sentences), max(map(len, sentences))), PAD, dtype=np.int64)
        for row, sentence in zip(tokens, sentences, strict=True):
            row[: len(sentence)] = [distinct.setdefault(word, len(distinct)) for word in sentence]
        return {**self.features(distinct), "tokens": tokens}

    def _rows(self, word: str) -> list[int]:
        """The word's row, its shape's, and its characters'."""
        if word == PADDING:
            return [PAD] * (2 + CHARACTERS)
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

"""The numbers that stand for words, features and labels; vocabulary.json of an artifact."""

from __future__ import annotations

import json
import math
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt

from .text import character_features, negated, stem, tokenize, word_features

_Number = TypeVar("_Number", bound=np.number[Any])

FILE_NAME = "vocabulary.json"
PADDING = 0
UNKNOWN = 1
"""Of the words; an unknown feature is left out instead."""
_MIN_TEXTS = 2
"""A word or feature in fewer of the training texts is no evidence of anything."""


@dataclass(frozen=True)
class Encoded:
    """One text. Words are in order; features are a bag with one tf-idf weight each."""

    words: npt.NDArray[np.int32]
    features: npt.NDArray[np.int32]
    weights: npt.NDArray[np.float32]


@dataclass(frozen=True)
class Batch:
    """Texts padded to the longest: words (texts, words), features and weights (texts, features)."""

    words: npt.NDArray[np.int32]
    features: npt.NDArray[np.int32]
    weights: npt.NDArray[np.float32]

    @classmethod
    def of(cls, texts: Sequence[Encoded]) -> Batch:
        return cls(
            padded([text.words for text in texts]),
            padded([text.features for text in texts]),
            padded([text.weights for text in texts]),
        )


def padded(rows: Sequence[npt.NDArray[_Number]]) -> npt.NDArray[_Number]:
    """(rows, longest), one column at least."""
    longest = max(1, *map(len, rows))
    result = np.full((len(rows), longest), PADDING, rows[0].dtype)
    for number, row in enumerate(rows):
        result[number, : len(row)] = row
    return result


class Vocabulary:
    """Built from the training texts, or read from an artifact."""

    def __init__(
        self,
        labels: Sequence[str],
        words: Sequence[str],
        features: Sequence[str],
        idf: Sequence[float],
    ) -> None:
        self.labels = labels
        self._words = {word: number for number, word in enumerate(words, start=UNKNOWN + 1)}
        self._features = {name: number for number, name in enumerate(features, start=PADDING + 1)}
        self._idf = np.array([0.0, *idf])
        # The same few thousand words make up most of every text.
        self._characters = lru_cache(maxsize=20_000)(self._known_characters)

    @property
    def word_count(self) -> int:
        """Ids of words: padding, unknown, and each word."""
        return len(self._words) + 2

    @property
    def feature_count(self) -> int:
        """Ids of features: padding, and each feature."""
        return len(self._features) + 1

    @classmethod
    def build(
        cls, texts: Iterable[str], labels: Sequence[str], max_words: int, max_features: int
    ) -> Vocabulary:
        """Keep what most texts have. `idf` is ln((1 + texts) / (1 + texts that have it)) + 1."""
        word_texts: Counter[str] = Counter()
        feature_texts: Counter[str] = Counter()
        count = 0
        for count, text in enumerate(texts, start=1):  # noqa: B007
            tokens = tokenize(text)
            stems = [stem(token) for token in tokens]
            word_texts.update(set(stems))
            feature_texts.update(set(word_features(stems, negated(tokens))))
            feature_texts.update({name for token in tokens for name in character_features(token)})
        features = _most_common(feature_texts, max_features)
        idf = [round(math.log((1 + count) / (1 + feature_texts[name])) + 1, 6) for name in features]
        return cls(labels, _most_common(word_texts, max_words), features, idf)

    def encode(self, text: str) -> Encoded:
        tokens = tokenize(text)
        stems = [stem(token) for token in tokens]
        marks = negated(tokens)
        known = self._features
        families = (
            _ids(known[name] for name in word_features(stems, marks) if name in known),
            np.concatenate([_ids(()), *map(self._characters, tokens)]),
        )
        features, weights = zip(*map(self._weigh, families), strict=True)
        words = [self._words.get(word, UNKNOWN) for word in stems] or [UNKNOWN]
        return Encoded(_ids(words), np.concatenate(features), np.concatenate(weights))

    def _weigh(
        self, found: npt.NDArray[np.int32]
    ) -> tuple[npt.NDArray[np.int32], npt.NDArray[np.float32]]:
        """Each feature once, and its tf-idf with tf = 1 + ln(count), scaled to length 1."""
        features, counts = np.unique(found, return_counts=True)
        weights = (1 + np.log(counts)) * self._idf[features]
        return features, (weights / math.sqrt(weights @ weights)).astype(np.float32)

    def _known_characters(self, token: str) -> npt.NDArray[np.int32]:
        known = self._features
        return _ids(known[name] for name in character_features(token) if name in known)

    def write(self, folder: Path) -> None:
        document = {
            "labels": list(self.labels),
            "words": list(self._words),
            "features": list(self._features),
            "idf": self._idf[1:].tolist(),
        }
        (folder / FILE_NAME).write_text(json.dumps(document, ensure_ascii=False), encoding="utf-8")

    @classmethod
    def read(cls, folder: Path) -> Vocabulary:
        document = json.loads((folder / FILE_NAME).read_text(encoding="utf-8"))
        return cls(document["labels"], document["words"], document["features"], document["idf"])


def _ids(numbers: Iterable[int]) -> npt.NDArray[np.int32]:
    return np.fromiter(numbers, np.int32)


def _most_common(texts_with: Counter[str], limit: int) -> list[str]:
    """Those in most texts first; ties in alphabetical order, to be reproducible."""
    enough = [name for name, count in texts_with.items() if count >= _MIN_TEXTS]
    return sorted(enough, key=lambda name: (-texts_with[name], name))[:limit]

"""How well a model does on one part of the data."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from model_types.training_report import class_metrics

from .dataset import Sample
from .vocabulary import Batch, Encoded, Vocabulary, padded

SCORE_NAME = "macro F1"

_BATCH_SIZE = 128


@dataclass(frozen=True)
class Part:
    """Texts in numbers, and the numbers of their labels."""

    texts: Sequence[Encoded]
    labels: npt.NDArray[np.int64]

    @classmethod
    def of(cls, samples: Sequence[Sample], vocabulary: Vocabulary) -> Part:
        numbers = {label: number for number, label in enumerate(vocabulary.labels)}
        return cls(
            [vocabulary.encode(sample.text) for sample in samples],
            np.array([numbers[sample.label] for sample in samples], np.int64),
        )

    def __len__(self) -> int:
        return len(self.texts)

    def chosen(self, indices: npt.NDArray[np.int64]) -> Part:
        return Part([self.texts[index] for index in indices], self.labels[indices])


@dataclass(frozen=True)
class Quality:
    loss: float
    """Mean cross-entropy per text."""
    score: float
    """Macro F1."""

    @classmethod
    def of(cls, logits: npt.NDArray[np.float32], labels: npt.NDArray[np.int64]) -> Quality:
        metrics = class_metrics(map(str, labels), map(str, logits.argmax(axis=1)))
        return cls(cross_entropy(logits, labels), metrics["macro"]["f1"])


def cross_entropy(logits: npt.NDArray[np.float32], labels: npt.NDArray[np.int64]) -> float:
    """The mean over the texts."""
    below = logits - logits.max(axis=1, keepdims=True)
    right = below[np.arange(len(labels)), labels]
    return float((np.log(np.exp(below).sum(axis=1)) - right).mean())


def framework_scores(model: Any, texts: Sequence[Encoded]) -> npt.NDArray[np.float32]:
    """The Keras model's own answers (texts, labels)."""
    return np.concatenate(
        [
            model.predict_on_batch([batch.words, batch.features, batch.weights])
            for batch in map(Batch.of, _chunks(texts))
        ]
    )


def deep_logits(deep: Any, texts: Sequence[Encoded]) -> npt.NDArray[np.float32]:
    """The mean of what the deep heads say (texts, labels)."""
    batches = (padded([text.words for text in chunk]) for chunk in _chunks(texts))
    answers = (list(deep.predict_on_batch(words).values()) for words in batches)
    return np.concatenate([np.mean(answer, axis=0) for answer in answers])


def _chunks(texts: Sequence[Encoded]) -> Iterator[Sequence[Encoded]]:
    for start in range(0, len(texts), _BATCH_SIZE):
        yield texts[start : start + _BATCH_SIZE]

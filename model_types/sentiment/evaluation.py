"""How well a model does on one part of the data."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from model_types.training_report import class_metrics

from .dataset import Sample
from .vocabulary import Batch, Encoded, Vocabulary

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


def inputs(batch: Batch) -> list[Any]:
    """In the order in which the network takes them."""
    return [batch.words, batch.features, batch.weights]


def framework_scores(model: Any, texts: Sequence[Encoded]) -> npt.NDArray[np.float32]:
    """The Keras model's own answers (texts, labels)."""
    starts = range(0, len(texts), _BATCH_SIZE)
    batches = (Batch.of(texts[start : start + _BATCH_SIZE]) for start in starts)
    return np.concatenate([model.predict_on_batch(inputs(batch)) for batch in batches])


def evaluate(model: Any, part: Part) -> Quality:
    scores = framework_scores(model, part.texts)
    right = scores[np.arange(len(part)), part.labels]
    metrics = class_metrics(map(str, part.labels), map(str, scores.argmax(axis=1)))
    return Quality(float(-np.log(np.maximum(right, 1e-7)).mean()), metrics["macro"]["f1"])

"""How well a Flair tagger does on tagged sentences, entity by entity."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

from flair.data import Sentence
from flair.models import SequenceTagger

from model_types import Json
from model_types.training_report import label_metrics

LABEL = "ner"
"""Flair's name for the layer of gold entities."""

_PREDICTED = "predicted"


@dataclass(frozen=True)
class Evaluation:
    loss: float
    """Mean per token."""
    metrics: Json

    @property
    def f1(self) -> float:
        """Micro-averaged over the labels, 0 to 1."""
        return float(self.metrics["micro"]["f1"])


def evaluate(tagger: SequenceTagger, sentences: list[Sentence], batch_size: int = 64) -> Evaluation:
    """An entity counts as found if its first word, last word and label are right."""
    loss, tokens = tagger.predict(
        sentences, mini_batch_size=batch_size, label_name=_PREDICTED, return_loss=True
    )
    hits: Counter[str] = Counter()
    wrong: Counter[str] = Counter()
    missed: Counter[str] = Counter()
    for sentence in sentences:
        gold, predicted = _entities(sentence, LABEL), _entities(sentence, _PREDICTED)
        hits.update(label for *_, label in gold & predicted)
        wrong.update(label for *_, label in predicted - gold)
        missed.update(label for *_, label in gold - predicted)
        sentence.remove_labels(_PREDICTED)
    return Evaluation(float(loss) / max(tokens, 1), label_metrics(hits, wrong, missed))


def _entities(sentence: Sentence, layer: str) -> set[tuple[int, int, str]]:
    return {
        (label.data_point[0].idx, label.data_point[-1].idx, label.value)
        for label in sentence.get_labels(layer)
    }

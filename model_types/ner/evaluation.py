"""How well a tagger, Flair's or the served one, does on tagged sentences, entity by entity."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass

from flair.data import Sentence as FlairSentence
from flair.models import SequenceTagger

from model_types import Json
from model_types.ner.conll import Sentence
from model_types.ner.predict import NerPredictor
from model_types.training_report import label_metrics

LABEL = "ner"
"""Flair's name for the layer of gold entities."""

_PREDICTED = "predicted"

Entities = set[tuple[int, int, str]]
"""First word, last word or the one after it, label."""


@dataclass(frozen=True)
class Evaluation:
    loss: float
    """Mean per token."""
    metrics: Json

    @property
    def f1(self) -> float:
        """Micro-averaged over the labels, 0 to 1."""
        return float(self.metrics["micro"]["f1"])


def evaluate(
    tagger: SequenceTagger, sentences: list[FlairSentence], batch_size: int = 64
) -> Evaluation:
    """An entity counts as found if its first word, last word and label are right."""
    loss, tokens = tagger.predict(
        sentences, mini_batch_size=batch_size, label_name=_PREDICTED, return_loss=True
    )
    metrics = _metrics((_entities(s, LABEL), _entities(s, _PREDICTED)) for s in sentences)
    for sentence in sentences:
        sentence.remove_labels(_PREDICTED)
    return Evaluation(float(loss) / max(tokens, 1), metrics)


def evaluate_served(predictor: NerPredictor, sentences: Iterable[Sentence]) -> Json:
    """The same metrics, each sentence going through the network alone."""
    return _metrics(
        (set(sentence.entities), {(span.first, span.end, span.tag) for span in found})
        for sentence in sentences
        for found in predictor.tag([sentence.words])
    )


def _metrics(sentences: Iterable[tuple[Entities, Entities]]) -> Json:
    """Of each sentence's gold entities and those that were found."""
    hits: Counter[str] = Counter()
    wrong: Counter[str] = Counter()
    missed: Counter[str] = Counter()
    for gold, found in sentences:
        hits.update(label for *_, label in gold & found)
        wrong.update(label for *_, label in found - gold)
        missed.update(label for *_, label in gold - found)
    return label_metrics(hits, wrong, missed)


def _entities(sentence: FlairSentence, layer: str) -> Entities:
    return {
        (label.data_point[0].idx, label.data_point[-1].idx, label.value)
        for label in sentence.get_labels(layer)
    }

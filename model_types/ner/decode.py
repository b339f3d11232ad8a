"""From a network's scores per token to entities, as Flair does it, in numpy."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from model_types import Json
from model_types.ner.text import Token

Floats = NDArray[np.float32]
Indices = NDArray[np.int64]


class Span(NamedTuple):
    """Tokens `first` up to, and not with, `end`."""

    first: int
    end: int
    tag: str
    score: float


class Crf(NamedTuple):
    """What a conditional random field adds to the scores: how well one tag follows another."""

    transitions: Floats
    """`[to, from]`, square in the number of tags."""
    start: int
    stop: int


def best_tags(emissions: Floats) -> tuple[Indices, Floats]:
    """Give the likeliest tag of each token and its probability, from emissions (B, T, K)."""
    return emissions.argmax(axis=2), _largest_softmax(emissions)


def viterbi(emissions: Floats, lengths: Indices, crf: Crf) -> tuple[Indices, Floats]:
    """Give each sentence's likeliest sequence of tags, and a confidence for each of its tokens.

    `emissions` is (B, T, K), `lengths` (B,); both results are (B, T), meaningless past a length.
    The algorithm is Viterbi's (Forney, "The Viterbi algorithm", 1973). The confidence is Flair's:
    the largest softmax over the scores of the best paths that end in each tag.
    """
    # Step by step: numpy adds and compares whole sentences' rows at once, (tags, sentences, tags)
    steps = np.ascontiguousarray(emissions.transpose(1, 0, 2))
    by_origin = np.ascontiguousarray(crf.transitions.T)[:, None, :]
    paths = np.empty_like(steps)
    np.add(steps[0], crf.transitions[:, crf.start], out=paths[0])
    for step in range(1, len(steps)):
        np.max(paths[step - 1].T[:, :, None] + by_origin, axis=0, out=paths[step])
        paths[step] += steps[step]

    # Where each best path came from is asked on the way back, of the tags that it goes through.
    last = lengths - 1
    final = (paths[last, np.arange(len(last))] + crf.transitions[crf.stop]).argmax(axis=1)
    tags = np.empty(paths.shape[:2], dtype=np.int64)
    tags[-1] = final
    for step in range(len(steps) - 1, 0, -1):
        before = (paths[step - 1] + crf.transitions[tags[step]]).argmax(axis=1)
        tags[step - 1] = np.where(step <= last, before, final)
    return tags.T, _largest_softmax(paths).T


def spans(tags: Sequence[str], scores: Sequence[float]) -> list[Span]:
    """Read spans off a sentence's BIOES tags, as `flair.data.get_spans_from_bio` does.

    Tags that don't fit together are repaired: a span goes on until O, B-, S- or an I- of another
    label, and has the label that most of its tokens have. Its score is the mean of its tokens'.
    """
    found: list[Span] = []
    first = 0
    weights: dict[str, float] = {}
    previous = ""

    def close(end: int) -> None:
        if weights:
            score = sum(scores[first:end]) / (end - first)
            found.append(Span(first, end, max(weights, key=weights.__getitem__), score))
            weights.clear()

    for index, tag in enumerate(tags):
        prefix, label = tag[:2], tag[2:]
        starts = prefix in ("B-", "S-") or (prefix == "I-" and label != previous)
        if tag == "O" or starts:
            close(index)
        if tag != "O":
            if not weights:
                first = index
            weights[label] = weights.get(label, 0.0) + (1.1 if starts else 1.0)
        previous = label
    close(len(tags))
    return found


def entity(text: str, sentence: Sequence[Token], span: Span) -> Json:
    """One entity as the service answers it; `start` and `end` count code points of `text`."""
    start, end = sentence[span.first].start, sentence[span.end - 1].end
    return {
        "text": text[start:end],
        "tag": span.tag,
        "score": round(min(span.score, 1.0), 4),
        "start": start,
        "end": end,
    }


def _largest_softmax(scores: Floats) -> Floats:
    """The largest probability of each token: exp(0) over the sum, for the largest score."""
    largest = scores.max(axis=2, keepdims=True)
    probabilities: Floats = 1 / np.exp(scores - largest).sum(axis=2)
    return probabilities

from __future__ import annotations

import itertools

import numpy as np
import pytest

from model_types.ner.decode import Crf, Span, best_tags, entity, spans, viterbi
from model_types.ner.text import sentences

START, STOP = 3, 4
TAGS = 5


def random_crf(rng: np.random.Generator) -> Crf:
    transitions = rng.normal(size=(TAGS, TAGS)).astype(np.float32)
    transitions[START, :] = transitions[:, STOP] = -10000
    return Crf(transitions, START, STOP)


@pytest.mark.parametrize("seed", range(20))
def test_viterbi_finds_the_best_of_all_paths(seed: int) -> None:
    rng = np.random.default_rng(seed)
    crf = random_crf(rng)
    emissions = rng.normal(size=(3, 4, TAGS)).astype(np.float32)
    lengths = np.array([4, 2, 1])
    tags, _ = viterbi(emissions, lengths, crf)

    def score(row: int, path: tuple[int, ...]) -> float:
        total = crf.transitions[crf.stop, path[-1]]
        for step, (before, tag) in enumerate(itertools.pairwise((crf.start, *path))):
            total += crf.transitions[tag, before] + emissions[row, step, tag]
        return float(total)

    for row, length in enumerate(lengths):
        paths = itertools.product(range(TAGS), repeat=int(length))
        best = max(paths, key=lambda path: score(row, path))
        assert tuple(tags[row, :length]) == best


def test_padding_changes_nothing() -> None:
    rng = np.random.default_rng(0)
    crf = random_crf(rng)
    emissions = rng.normal(size=(1, 3, TAGS)).astype(np.float32)
    padded = np.concatenate([emissions, rng.normal(size=(1, 5, TAGS)).astype(np.float32)], axis=1)
    tags, scores = viterbi(emissions, np.array([3]), crf)
    padded_tags, padded_scores = viterbi(padded, np.array([3]), crf)
    assert padded_tags[:, :3].tolist() == tags.tolist()
    assert padded_scores[:, :3].tolist() == scores.tolist()


def test_best_tags_are_those_of_the_largest_softmax() -> None:
    tags, scores = best_tags(np.array([[[0.0, np.log(3.0)]]], dtype=np.float32))
    assert tags.tolist() == [[1]]
    assert scores[0, 0] == pytest.approx(0.75)


@pytest.mark.parametrize(
    ("tags", "expected"),
    [
        ("B-A E-A O S-B", [Span(0, 2, "A", 0.5), Span(3, 4, "B", 0.5)]),
        ("S-A S-A", [Span(0, 1, "A", 0.5), Span(1, 2, "A", 0.5)]),
        ("I-A I-A I-B", [Span(0, 2, "A", 0.5), Span(2, 3, "B", 0.5)]),
        ("B-A E-B E-B", [Span(0, 3, "B", 0.5)]),
        ("O E-A O", [Span(1, 2, "A", 0.5)]),
        ("O O", []),
    ],
)
def test_spans_of_bioes_tags(tags: str, expected: list[Span]) -> None:
    names = tags.split()
    assert spans(names, [0.5] * len(names)) == expected


def test_span_scores_are_means() -> None:
    [span] = spans(["B-A", "E-A", "O"], [0.2, 0.4, 0.9])
    assert span.score == pytest.approx(0.3)


def test_offsets_count_code_points() -> None:
    text = "\U0001f600 Anna\u00a0 Smith!"
    [sentence] = sentences(text)
    assert entity(text, sentence, Span(1, 3, "PER", 0.123456)) == {
        "text": "Anna\u00a0 Smith",
        "tag": "PER",
        "score": 0.1235,
        "start": 2,
        "end": 13,
    }

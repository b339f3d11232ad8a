"""The scratch tagger's peer: a conditional random field on hand-made features, with CRFsuite.

    python -m benchmarks.training.crf TRAIN TEST

Runs in the peers' environment; prints its F1 on TEST (0 to 1) and its seconds as JSON. Settings are
those of https://sklearn-crfsuite.readthedocs.io/en/latest/tutorial.html. The tutorial's features
reach F1 15 on WNUT17 dev without the part-of-speech tags that this data set lacks; those below
reach 24. They are of the kind that Ratinov and Roth use, "Design Challenges and Misconceptions in
Named Entity Recognition" (2009).
"""

from __future__ import annotations

import json
import re
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

from model_types.ner.conll import Sentence, entities_of, read_file

SETTINGS = {
    "c1": 0.1,  # of L1 and L2
    "c2": 0.1,
    "max_iterations": 100,
    "feature.possible_transitions": True,
}


def features(words: Sequence[str]) -> list[list[str]]:
    """What is true of each word, as `name=value`."""
    return [list(_features(words, index)) for index in range(len(words))]


def f1(gold: Sequence[Sentence], tags: Sequence[Sequence[str]]) -> float:
    """Micro-averaged; an entity counts if its first word, last word and label are right."""
    found = [set(entities_of(sentence_tags)) for sentence_tags in tags]
    expected = [set(sentence.entities) for sentence in gold]
    hits = sum(len(one & other) for one, other in zip(found, expected, strict=True))
    return 2 * hits / max(sum(map(len, found)) + sum(map(len, expected)), 1)


def tags_of(sentence: Sentence) -> list[str]:
    """As BIO (IOB2)."""
    tags = ["O"] * len(sentence.words)
    for first, end, label in sentence.entities:
        tags[first:end] = [f"B-{label}", *[f"I-{label}"] * (end - first - 1)]
    return tags


def _features(words: Sequence[str], index: int) -> Iterator[str]:
    word = words[index]
    yield "bias"
    for length in range(1, 5):
        yield f"prefix={word[:length].lower()}"
        yield f"suffix={word[-length:].lower()}"
    for name in ("isupper", "istitle", "isdigit", "isalnum"):
        yield f"{name}={getattr(word, name)()}"
    for offset in range(-2, 3):
        if 0 <= index + offset < len(words):
            other = words[index + offset]
            yield f"{offset}:lower={other.lower()}"
            yield f"{offset}:shape={_shape(other)}"
        else:
            yield f"{offset}:none"
    for offset in (-1, 0):
        first, end = index + offset, index + offset + 2
        if first >= 0 and end <= len(words):
            pair = words[first:end]
            yield f"{offset}:pair={' '.join(pair).lower()}"
            yield f"{offset}:shapes={' '.join(map(_shape, pair))}"


def _shape(word: str) -> str:
    """`Xxx0` for "Trainshed2": runs of one kind are cut to two."""
    kinds = re.sub(r"[^\W\d_]", lambda match: "X" if match[0].isupper() else "x", word)
    return re.sub(r"(.)\1{2,}", r"\1\1", re.sub(r"\d", "0", kinds))


def _fit_and_tag(train: Sequence[Sentence], test: Sequence[Sentence]) -> list[list[str]]:
    # The peers' environment alone has it.
    import pycrfsuite

    trainer = pycrfsuite.Trainer(algorithm="lbfgs", params=SETTINGS, verbose=False)
    for sentence in train:
        trainer.append(features(sentence.words), tags_of(sentence))
    with tempfile.TemporaryDirectory() as folder:
        model = str(Path(folder) / "crf")
        trainer.train(model)
        tagger = pycrfsuite.Tagger()
        tagger.open(model)
        return [tagger.tag(features(sentence.words)) for sentence in test]


def main(train: str, test: str) -> None:
    started = time.monotonic()
    gold = list(read_file(Path(test)))
    tags = _fit_and_tag(list(read_file(Path(train))), gold)
    print(json.dumps({"f1": f1(gold, tags), "seconds": time.monotonic() - started}))


if __name__ == "__main__":
    main(*sys.argv[1:])

"""The texts that are posted: sentences of people, alone and in paragraphs."""

from __future__ import annotations

import csv
import itertools
import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

SHORT = 200
LONG = 20
SENTENCES = 20
"""In a long text."""

_SAMPLES = Path(__file__).parents[2] / "model_types"


@dataclass(frozen=True)
class Texts:
    source: str
    short: Sequence[str]
    """A sentence or a tweet each."""
    long: Sequence[str]
    """About a page each: `SENTENCES` short ones."""

    @classmethod
    def of(cls, source: str, sentences: Sequence[str]) -> Texts:
        """In an order that leaves no part of them to the end, always the same."""
        mixed = list(dict.fromkeys(sentences))
        random.Random(1).shuffle(mixed)
        endless = itertools.cycle(mixed)
        long = [" ".join(itertools.islice(endless, SENTENCES)) for _ in range(LONG)]
        return cls(source, mixed[:SHORT], long)


def read(model_type: str, data: Path | None) -> Texts:
    """Those of the dev part of the public data set, else of the model type's sample."""
    if model_type == "ner":
        public, sample = "wnut17/dev.conll", "ner/sample/dev.conll"
        parse = _sentences
    else:
        public, sample = "tweeteval-emotion/val.csv", "sentiment/sample/dev.csv"
        parse = _rows
    if data is not None and (data / public).is_file():
        return Texts.of(public, list(parse(data / public)))
    return Texts.of(f"model_types/{sample}", list(parse(_SAMPLES / sample)))


def _sentences(file: Path) -> Iterator[str]:
    """Of CoNLL columns, the first is the word; a blank line ends a sentence."""
    lines = (line.strip() for line in file.read_text("utf-8").splitlines())
    for is_word, group in itertools.groupby(lines, key=bool):
        if is_word:
            yield " ".join(line.split()[0] for line in group)


def _rows(file: Path) -> Iterator[str]:
    with file.open(encoding="utf-8", newline="") as rows:
        for row in csv.DictReader(rows):
            if text := row["text"].strip():
                yield text

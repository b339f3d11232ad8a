"""Texts in which people have marked names, as parts of a data set."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping

from model_types import Example, InvalidInput
from model_types.corrections import shown
from model_types.ner.feedback import marked_example


def conll(example: Example) -> str:
    """Each sentence with an empty line behind it: a token per line, a tab, its tag in BIO, as
    conll.py reads it. Raises `InvalidInput`, which names the example."""
    try:
        return "".join(f"{line}\n" for line in _lines(example))
    except InvalidInput as error:
        raise InvalidInput(f"{example.where}: {error}") from None


def _lines(example: Example) -> Iterator[str]:
    for sentence in marked_example(example, labels=None):
        tags = ["O"] * len(sentence.words)
        for first, end, label in sentence.entities:
            if not re.fullmatch(r"\S+", label):
                raise InvalidInput(f"{shown(label)} can be no tag.")
            tags[first:end] = [f"B-{label}", *[f"I-{label}"] * (end - first - 1)]
        for word, tag in zip(sentence.words, tags, strict=True):
            yield f"{word}\t{tag}"
        yield ""


FORMATS: Mapping[str, Callable[[Example], str]] = {"conll": conll}

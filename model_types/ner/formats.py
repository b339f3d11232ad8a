"""Texts in which people have marked names, as parts of a data set."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping

from model_types import Example, InvalidInput
from model_types.corrections import shown
from model_types.ner.feedback import marked_example


def conll(example: Example) -> str:
    """Each sentence with an empty line behind it: a token per line, a tab, its tag in BIO, as
    conll.py reads it. Raises `InvalidInput`."""
    lines = []
    for sentence in marked_example(example, labels=None):
        tags = ["O"] * len(sentence.words)
        for first, end, label in sentence.entities:
            if not re.fullmatch(r"\S+", label):
                raise InvalidInput(f"{example.where}: {shown(label)} can be no tag.")
            tags[first:end] = [f"B-{label}", *[f"I-{label}"] * (end - first - 1)]
        lines += [f"{word}\t{tag}" for word, tag in zip(sentence.words, tags, strict=True)]
        lines.append("")
    return "".join(f"{line}\n" for line in lines)


FORMATS: Mapping[str, Callable[[Example], str]] = {"conll": conll}

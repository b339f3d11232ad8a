"""Texts that people have put right, as a part of the training part."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from model_types import Example, InvalidData, InvalidInput
from model_types.corrections import label_of, read_known
from model_types.text_input import decode_text

from .dataset import Parts, Sample
from .text import tokenize


def join(parts: Parts, feedback: Sequence[Example]) -> tuple[Parts, int]:
    """Give the parts with the examples of `feedback` behind the training part, and their number.

    Texts are one if the model, which sees their tokens, sees no difference. One of dev or test is
    left out; of several examples with one text the last counts, and it takes the place of what the
    training part says of that text. An example with a label that the data set does not have is left
    out, with a warning. Raises `InvalidData`.
    """
    held_out = {_key(sample.text) for part in (parts.dev, parts.test) for sample in part}
    labels = parts.labels
    joining = {}
    for sample in read_known(feedback, lambda example: _sample(example, labels)):
        if (key := _key(sample.text)) not in held_out:
            joining[key] = sample
    kept = [sample for sample in parts.train if _key(sample.text) not in joining]
    joined = replace(parts, train=[*kept, *joining.values()])
    if lost := set(parts.labels) - set(joined.labels):
        raise InvalidData(
            f"Feedback gives other labels to all training texts with {', '.join(sorted(lost))}. "
            "Add some to train.csv."
        )
    return joined, len(joining)


def _sample(example: Example, labels: Sequence[str]) -> Sample:
    if example.media_type != "text/plain":
        raise InvalidInput(f"its input is {example.media_type}, not text/plain.")
    [text] = decode_text(example.body, example.media_type).items
    return Sample(text, label_of(example.expected, labels))


def _key(text: str) -> Sequence[str]:
    """The same for all texts that are one to the model; one without tokens is its own words."""
    return tuple(tokenize(text) or text.split())

"""Pictures that people have put right, as a part of the training part."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from model_types import Example, InvalidData
from model_types.corrections import label_of, read_known

from .dataset import Parts, Sample, read_picture


def join(parts: Parts, feedback: Sequence[Example], size: int) -> tuple[Parts, int]:
    """Give the parts with the examples of `feedback` behind the training part, and their number.

    Pictures are one if the network, which sees `size` × `size` pixels, sees no difference. One of
    dev or test is left out; of several examples with one picture the last counts, and it takes the
    place of what the training part says of that picture. A picture that was scaled or compressed
    anew, as the page does with large ones, is another one: how near two pictures must be to be one
    differs from data set to data set. An example with a label that the data set does not have
    is left out, with a warning. Raises `InvalidData`.
    """
    held_out = {sample.digest for part in (parts.dev, parts.test) for sample in part}
    labels = parts.labels
    joining = {}
    for sample in read_known(feedback, lambda example: _sample(example, labels, size)):
        if sample.digest not in held_out:
            joining[sample.digest] = sample
    kept = [sample for sample in parts.train if sample.digest not in joining]
    joined = replace(parts, train=[*kept, *joining.values()])
    if lost := set(parts.labels) - set(joined.labels):
        raise InvalidData(
            f"Feedback gives other labels to all training pictures of {', '.join(sorted(lost))}. "
            "Add some to train."
        )
    return joined, len(joining)


def _sample(example: Example, labels: Sequence[str], size: int) -> Sample:
    label = label_of(example.expected, labels)
    return Sample(read_picture(example.body, example.where, size), label)

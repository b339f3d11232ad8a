"""Right answers, as people give them: what the checks of all model types have in common."""

from __future__ import annotations

import logging
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from itertools import pairwise
from typing import NamedTuple, TypeVar

from model_types import Example, InvalidData, InvalidInput, Json

_Read = TypeVar("_Read")

logger = logging.getLogger(__name__)

_SHOWN_LABELS = 20
"""Of more, a message names the first only."""
_SHOWN_CHARACTERS = 60
"""Of a label or a piece of text, likewise."""


class UnknownLabel(InvalidInput):
    """A right answer has a label that is none of those which the model or the data set has."""

    def __init__(self, label: str, labels: Collection[str]) -> None:
        known = _some(sorted(labels))
        super().__init__(f"The label {shown(label)} is not known; known are: {known}.")
        self.label = label


class TextSpan(NamedTuple):
    """A piece of a text, in characters (code points)."""

    start: int
    end: int
    """The first character behind it."""
    label: str


def label_of(expected: Json, labels: Collection[str]) -> str:
    """Read `{"label": …}`. Raises `InvalidInput`, and where the label is none of `labels`
    `UnknownLabel`."""
    match expected:
        case {"label": str(label), **rest} if not rest:
            return _known(label, labels)
    raise InvalidInput('A right answer is {"label": "…"}, and nothing else.')


def spans_of(expected: Json, text: str, labels: Collection[str] | None) -> list[TextSpan]:
    """Read `{"spans": [{"start": …, "end": …, "label": …}, …]}`.

    Raises `InvalidInput` unless each lies within `text`, holds a character or more, begins where
    the one before it has ended or later, and has one of `labels`, where those are known; of labels
    `UnknownLabel`.
    """
    match expected:
        case {"spans": list(items), **rest} if not rest:
            spans = [_span(item, text, labels) for item in items]
        case _:
            raise InvalidInput('A right answer is {"spans": […]}, and nothing else.')
    for one, other in pairwise(spans):
        if other.start < one.end:
            raise InvalidInput(
                f"The spans {shown(text[one.start : one.end])} and "
                f"{shown(text[other.start : other.end])} overlap, or are not in order."
            )
    return spans


def read_known(feedback: Iterable[Example], read: Callable[[Example], _Read]) -> Iterator[_Read]:
    """Yield what `read` makes of each example; its `InvalidInput` becomes `InvalidData` that
    names the example.

    Those with a label that the data set does not have, for which `read` raises `UnknownLabel`, are
    left out, and at the end the log says so: what was once said stays said, also of a label that is
    gone since, and must not keep a model from being trained.
    """
    unknown = []
    for example in feedback:
        try:
            made = read(example)
        except UnknownLabel as error:
            unknown.append(error.label)
        except InvalidInput as error:
            raise InvalidData(f"{example.where}: {error}") from None
        else:
            yield made
    if unknown:
        logger.warning(
            "%d examples of feedback are left out: the data set does not have their labels, %s",
            *(len(unknown), _some([shown(label) for label in sorted(set(unknown))])),
        )


def shown(text: str) -> str:
    """Text from outside as a message shows it: in quotation marks, and cut where it is long."""
    return repr(text if len(text) <= _SHOWN_CHARACTERS else f"{text[:_SHOWN_CHARACTERS]}…")


def _span(item: Json, text: str, labels: Collection[str] | None) -> TextSpan:
    match item:
        case {"start": int(start), "end": int(end), "label": str(label), **rest} if not (
            rest or isinstance(start, bool) or isinstance(end, bool)
        ):
            pass
        case _:
            raise InvalidInput(
                'A span is {"start": …, "end": …, "label": "…"}, two whole numbers and a label.'
            )
    if not 0 <= start < end <= len(text):
        raise InvalidInput(
            f"The span from {start} to {end} is empty, or outside the text, which has "
            f"{len(text)} characters."
        )
    return TextSpan(start, end, label if labels is None else _known(label, labels))


def _known(label: str, labels: Collection[str]) -> str:
    if label in labels:
        return label
    raise UnknownLabel(label, labels)


def _some(names: Sequence[str]) -> str:
    more = f" and {len(names) - _SHOWN_LABELS} more" if len(names) > _SHOWN_LABELS else ""
    return ", ".join(names[:_SHOWN_LABELS]) + more

"""What people have said of answers, as examples with right answers to learn from."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from itertools import chain
from pathlib import Path

from model_types import Example, InvalidInput, load_formats
from trainshed.errors import InvalidFeedback
from trainshed.feedback import Feedback
from trainshed.feedback_file import read


def read_examples(path: Path, model_type: str) -> list[Example]:
    """The examples of a file of feedback, as `examples_of` gives them. Raises `InvalidFeedback`."""
    return examples_of(_all_on(model_type, read(path)))


def as_data_set(feedback: Iterable[Feedback], kind: str, folders: Sequence[Path]) -> Iterator[str]:
    """Each of `examples_of` as a part of a data set in the format `kind`. Raises
    `InvalidFeedback` before the first if the model types have no such format, or for what cannot be
    written in it."""
    said = iter(feedback)
    first = next(said, None)
    if first is None:
        return
    try:
        write = load_formats(first.model_type, folders)[kind]
    except LookupError:
        raise InvalidFeedback(
            f"There is no format {kind} for feedback on a model of the type {first.model_type!r}."
        ) from None
    examples = examples_of(_all_on(first.model_type, chain([first], said)))
    try:
        written = [write(example) for example in examples]
    except InvalidInput as error:
        raise InvalidFeedback(str(error)) from None
    yield from written


def examples_of(feedback: Iterable[Feedback]) -> list[Example]:
    """Approved answers and corrected ones alike, the oldest first; of several with one input the
    newest. Raises `InvalidFeedback`."""
    newest: dict[tuple[str, bytes], tuple[datetime, str, Example]] = {}
    for each in feedback:
        example = _example(each)
        dated = each.at, each.feedback_id, example
        key = example.media_type, example.body
        if key not in newest or newest[key][:2] < dated[:2]:
            newest[key] = dated
    return [example for *_, example in sorted(newest.values(), key=lambda dated: dated[:2])]


def _all_on(model_type: str, feedback: Iterable[Feedback]) -> Iterator[Feedback]:
    for each in feedback:
        if each.model_type != model_type:
            raise InvalidFeedback(
                f"Feedback {each.feedback_id} is on a model of the type {each.model_type!r},"
                f" and {model_type!r} cannot learn from it."
            )
        yield each


def _example(feedback: Feedback) -> Example:
    where = f"Feedback {feedback.feedback_id}"
    return Example(feedback.media_type, feedback.body, feedback.expected, where)

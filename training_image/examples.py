"""What people have said of answers, as examples with right answers to learn from."""

from __future__ import annotations

import base64
from datetime import datetime
from pathlib import Path

from model_types import Example
from trainshed.errors import InvalidFeedback
from trainshed.feedback import Feedback
from trainshed.feedback_file import read


def read_examples(path: Path, model_type: str) -> list[Example]:
    """The examples of a file of feedback, approved and corrected ones alike, the oldest first; of
    several with one input the newest. Raises `InvalidFeedback`."""
    newest: dict[tuple[str, bytes], tuple[datetime, str, Example]] = {}
    for feedback in read(path):
        if feedback.model_type != model_type:
            raise InvalidFeedback(
                f"Feedback {feedback.feedback_id} is on a model of the type"
                f" {feedback.model_type!r}; {model_type!r} cannot learn from it."
            )
        example = _example(feedback)
        dated = feedback.at, feedback.feedback_id, example
        key = example.media_type, example.body
        if key not in newest or newest[key][:2] < dated[:2]:
            newest[key] = dated
    return [example for *_, example in sorted(newest.values(), key=lambda dated: dated[:2])]


def _example(feedback: Feedback) -> Example:
    where = f"Feedback {feedback.feedback_id}"
    if feedback.media_type.startswith("text/"):
        body = feedback.input.encode()
    else:
        try:
            body = base64.b64decode(feedback.input, validate=True)
        except ValueError:
            raise InvalidFeedback(f"{where}: its input is not base64.") from None
    return Example(feedback.media_type, body, feedback.expected, where)

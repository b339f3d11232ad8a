"""Feedback: what a model was asked, what it answered, and what a person says to that."""

from __future__ import annotations

import base64
from enum import StrEnum
from typing import Annotated, Any

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

from trainshed.errors import InvalidFeedback
from trainshed.record import MODEL_ID
from trainshed.request import NAME_PATTERN

FEEDBACK_ID_PATTERN = "^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$"

MAX_INPUT_BYTES = 128 * 1024
"""Of what was asked. A row of a registry may have 400 KB with all else in it, and a picture is
written there in base64."""

MAX_BYTES = 384 * 1024
"""Of one feedback with all that is in it."""


TEXT = "text/plain"


class Verdict(StrEnum):
    APPROVED = "approved"
    CORRECTED = "corrected"


class Feedback(BaseModel):
    """One person's word on one answer. It is kept once, under the id that the person's program
    gave it, so that sending it again does no harm."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    feedback_id: Annotated[str, Field(pattern=FEEDBACK_ID_PATTERN)]
    name: Annotated[str, Field(pattern=NAME_PATTERN)]
    """The name of the model, under which the feedback of all its trainings is kept together."""
    model_id: str
    digest: Annotated[str, Field(pattern="^[0-9a-f]{64}$")]
    """The artifact that answered."""
    model_type: str
    at: AwareDatetime
    """When it came."""
    media_type: str
    """Of the input: `text/plain`, or a picture's."""
    input: str
    """What was asked, as `written` writes it."""
    answer: Any
    """What the model said, as it said it."""
    verdict: Verdict
    expected: Any
    """What is right, as the model type writes it (`model_types.Correctable`): of an approved answer
    its own, else what the person has put in its place."""

    @property
    def body(self) -> bytes:
        """What was asked, as a request had brought it. Raises `InvalidFeedback`."""
        if self.media_type == TEXT:
            return self.input.encode()
        try:
            return base64.b64decode(self.input, validate=True)
        except ValueError:
            raise InvalidFeedback(
                f"Feedback {self.feedback_id}: its input is not base64."
            ) from None

    def encode(self) -> str:
        """JSON in one line, as it is kept. Raises `InvalidFeedback` if that is too long."""
        text = self.model_dump_json()
        if (size := len(text.encode())) > MAX_BYTES:
            raise InvalidFeedback(
                f"The feedback takes {size} bytes with the answer; at most {MAX_BYTES} are kept."
            )
        return text


def written(media_type: str, body: bytes) -> str:
    """The input of a feedback: plain text as it is, all else in base64."""
    return body.decode() if media_type == TEXT else base64.b64encode(body).decode()


def name_of(model_id: str) -> str:
    """The name in a modelId, which is name, hyphen, UUID. Raises `ValueError`."""
    if not (found := MODEL_ID.fullmatch(model_id)):
        raise ValueError(f"{model_id!r} is no modelId")
    return found["name"]

"""What `POST /feedback` brings, as JSON."""

from __future__ import annotations

import base64
from collections.abc import Iterator, Mapping
from typing import Annotated, Any, TypeGuard

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from model_types import Answers, Correctable, InvalidInput, Json, MalformedBody, Predictor
from serving_image.served_model import ServedModel
from trainshed.feedback import FEEDBACK_ID_PATTERN, TEXT, Verdict


class FeedbackPost(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    feedback_id: Annotated[str, Field(alias="id", pattern=FEEDBACK_ID_PATTERN)]
    model_id: Annotated[str, Field(alias="modelId")]
    digest: str
    text: str = ""
    content: str = ""
    """In place of a text: the input in base64."""
    media_type: str = ""
    """Of the content."""
    verdict: Verdict
    correction: Json = None

    def asked(self) -> tuple[str, bytes]:
        """The media type and the body of the request that is spoken of. Raises `InvalidInput`."""
        said = self.model_fields_set & {"text", "content", "media_type"}
        if said == {"text"}:
            return TEXT, self.text.encode()
        if said != {"content", "media_type"} or self.media_type == TEXT:
            raise InvalidInput('Send "text", or "content" and "media_type" for what is no text.')
        try:
            return self.media_type, base64.b64decode(self.content, validate=True)
        except ValueError:
            raise InvalidInput('"content" is not base64.') from None


def parse(body: bytes) -> FeedbackPost:
    """Raises `MalformedBody` for what is no JSON, `InvalidInput` for JSON of another kind."""
    try:
        post = FeedbackPost.model_validate_json(body)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        if first["type"] == "json_invalid":
            raise MalformedBody(f"The body is not valid JSON: {first['ctx']['error']}.") from None
        where = ".".join(map(str, first["loc"])) or "The JSON"
        raise InvalidInput(f"{where}: {first['msg']}.") from None
    if (post.verdict is Verdict.CORRECTED) != ("correction" in post.model_fields_set):
        raise InvalidInput('"corrected" goes with a "correction", and "approved" with none.')
    return post


def can_be_corrected(predictor: Predictor) -> TypeGuard[Correctable]:
    """Whether people can say what its right answers are."""
    return isinstance(predictor, Correctable) and bool(media_types(predictor))


def media_types(predictor: Correctable) -> list[str]:
    """What can be spoken of: inputs that are sent as they are, not in JSON or in a form."""
    return [
        media_type
        for media_type in predictor.request_schemas
        if media_type != "application/json" and not media_type.startswith("multipart/")
    ]


def schema(served: ServedModel, predictor: Correctable) -> Json:
    """JSON Schema of what a server of this model takes."""
    verdicts: list[Any] = [
        {"verdict": {"const": Verdict.APPROVED}},
        {"verdict": {"const": Verdict.CORRECTED}, "correction": _correction(predictor)},
    ]
    return {
        "oneOf": [
            _object(
                id={"type": "string", "pattern": FEEDBACK_ID_PATTERN},
                modelId={"const": served.model_id},
                digest={"const": served.digest},
                **asked,
                **said,
            )
            for asked in _ways_to_ask(predictor)
            for said in verdicts
        ]
    }


def _ways_to_ask(predictor: Correctable) -> Iterator[Mapping[str, Json]]:
    kinds = media_types(predictor)
    if TEXT in kinds:
        yield {"text": predictor.request_schemas[TEXT]}
    others = [kind for kind in kinds if kind != TEXT]
    if others:
        content = {"type": "string", "contentEncoding": "base64"}
        yield {"content": content, "media_type": {"enum": others}}


def _correction(predictor: Correctable) -> Json:
    label = {"enum": list(predictor.labels)}
    if predictor.answers is Answers.LABEL:
        return _object(label=label)
    place = {"type": "integer", "minimum": 0}
    return _object(spans={"type": "array", "items": _object(start=place, end=place, label=label)})


def _object(**properties: Json) -> Json:
    return {
        "type": "object",
        "properties": properties,
        "required": list(properties),
        "additionalProperties": False,
    }

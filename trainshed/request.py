"""TrainingRequest: what a user puts on the queue, and its codec.

Two messages are understood: Trainshed's own, and the first generation's
`{"name", "image", "embeddings", "epochs"}`.
"""

from __future__ import annotations

import json
import re
import reprlib
import uuid
from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError

from trainshed.errors import InvalidRequest
from trainshed.model_type import MODEL_TYPE_PATTERN, Catalogue, Value, lookup

MAX_BODY_BYTES = 4096

MAX_LAUNCH_CHARACTERS = 7000
"""Of what a request adds to a launch: ECS takes 8,192 characters, JSON within JSON."""

NAME_PATTERN = r"^[a-z0-9][a-z0-9-]{0,62}$"

_FIRST_GENERATION = frozenset({"name", "image", "embeddings", "epochs"})


def _canonical_uuid(text: str) -> str:
    try:
        return str(uuid.UUID(text))
    except ValueError:
        raise ValueError("must be a UUID") from None


def _reachable(dataset: str) -> str:
    if not dataset.startswith(("/", "s3://")):
        raise ValueError("must be an absolute path or an s3:// address")
    if any(ord(character) < 32 for character in dataset):
        raise ValueError("must not hold control characters")
    return dataset


class TrainingRequest(BaseModel):
    """A wish for one model; `encode` and `decode` are its way onto a queue and off it."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, allow_inf_nan=False)

    name: Annotated[str, Field(pattern=NAME_PATTERN)]
    model_type: Annotated[str, Field(pattern=MODEL_TYPE_PATTERN)] = "ner"
    epochs: Annotated[int, Field(ge=1, le=10_000)] | None = None
    """None: as many as the model type says."""
    dataset: Annotated[str, Field(max_length=1024), AfterValidator(_reachable)] | None = None
    """None: the sample data set of the model type."""
    feedback: Annotated[str, Field(max_length=1024), AfterValidator(_reachable)] | None = None
    """A file that `feedback_file` has written; its examples join the training part."""
    hyperparameters: dict[Annotated[str, Field(max_length=64)], Value] = Field(default_factory=dict)
    priority: Annotated[int, Field(ge=0, le=9)] = 5
    """Higher goes first; the oldest first among equals."""
    max_attempts: Annotated[int, Field(ge=1, le=10)] = 3
    timeout_minutes: Annotated[int, Field(ge=1, le=14 * 24 * 60)] = 24 * 60
    """How long one attempt may run."""
    request_id: Annotated[str, AfterValidator(_canonical_uuid)] = Field(
        default_factory=lambda: str(uuid.uuid4())
    )

    @property
    def model_id(self) -> str:
        return f"{self.name}-{self.request_id}"

    def encode(self) -> str:
        """The message body. Raises `InvalidRequest` if it is too large for a queue."""
        fields = self.model_dump(exclude_defaults=True, exclude={"request_id"})
        document = {**fields, "request_id": self.request_id}
        return check_size(json.dumps(document, ensure_ascii=False))

    def completed(self, catalogue: Catalogue) -> TrainingRequest:
        """The same request with the model type's defaults filled in. Raises `InvalidRequest`."""
        model_type = lookup(catalogue, self.model_type)
        hyperparameters = model_type.complete(self.hyperparameters)
        if self.feedback is not None:
            model_type.require_feedback()
        told = [json.dumps(hyperparameters, ensure_ascii=False), self.dataset, self.feedback]
        size = len(json.dumps(told))
        if size > MAX_LAUNCH_CHARACTERS:
            raise InvalidRequest(
                f"With its defaults the request takes {size} characters of a launch;"
                f" at most {MAX_LAUNCH_CHARACTERS} are allowed."
            )
        return self.model_copy(
            update={
                "epochs": self.epochs or model_type.epochs,
                "hyperparameters": hyperparameters,
            }
        )


def build(**fields: Any) -> TrainingRequest:
    """A request from Python values. Raises `InvalidRequest`, which says what is wrong in words."""
    try:
        return TrainingRequest(**fields)
    except ValidationError as error:
        raise InvalidRequest(_in_words(error)) from None


def decode(body: str, message_id: str, catalogue: Catalogue) -> TrainingRequest:
    """Read a message body, fill in the model type's defaults and check everything.

    A body without a `request_id` takes the message's id, so that a redelivery finds its record.
    Raises `InvalidRequest`.
    """
    document = _parse(check_size(body))
    if document.keys() & {"image", "embeddings"}:
        document = _from_first_generation(document, catalogue)
    document.setdefault("request_id", message_id)
    return build(**document).completed(catalogue)


def renewed(request: TrainingRequest) -> TrainingRequest:
    """The same request under a new request id, so that it gives another model."""
    return request.model_copy(update={"request_id": str(uuid.uuid4())})


def check_size(body: str) -> str:
    """Give `body` back. Raises `InvalidRequest` if no queue and launch could carry it."""
    size = len(encode_text(body))
    if size > MAX_BODY_BYTES:
        raise InvalidRequest(f"The message has {size} bytes; at most {MAX_BODY_BYTES} are allowed.")
    return body


def name_in(body: str) -> str | None:
    """The valid name in a body that may be invalid otherwise; to file a rejected message under."""
    try:
        name = _parse(check_size(body)).get("name")
    except InvalidRequest:
        return None
    return name if isinstance(name, str) and re.fullmatch(NAME_PATTERN[1:-1], name) else None


def _parse(body: str) -> dict[str, Any]:
    try:
        document = json.loads(body, object_pairs_hook=_no_duplicates, parse_constant=_no_constants)
        # JSON can spell a lone surrogate, which no registry could keep and no log print.
        encode_text(json.dumps(document, ensure_ascii=False))
    except (ValueError, RecursionError) as error:
        raise InvalidRequest(f"The message is not valid JSON: {error}.") from None
    if not isinstance(document, dict):
        raise InvalidRequest("The message must be a JSON object.")
    return document


def encode_text(text: str) -> bytes:
    """The text as a queue carries it. Raises `InvalidRequest` for what is no text."""
    try:
        return text.encode("utf-8")
    except UnicodeEncodeError as error:
        raise InvalidRequest(
            f"The message holds a lone surrogate, {text[error.start]!r}, which is not a character."
        ) from None


def _no_constants(name: str) -> None:
    raise ValueError(f"{name} is no JSON number")


def _no_duplicates(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    document = dict(pairs)
    if len(document) < len(pairs):
        raise ValueError("a key stands in it twice")
    return document


def _from_first_generation(document: dict[str, Any], catalogue: Catalogue) -> dict[str, Any]:
    unknown = document.keys() - _FIRST_GENERATION
    if unknown:
        raise InvalidRequest(
            f"Unknown fields beside the first generation's: {', '.join(sorted(unknown))}."
        )
    translated: dict[str, Any] = {
        key: document[key] for key in ("name", "epochs") if key in document
    }
    if "image" in document:
        translated["model_type"] = _type_of_image(document["image"], catalogue)
    if document.get("embeddings") is not None:
        translated["hyperparameters"] = {"embeddings": document["embeddings"]}
    return translated


def _type_of_image(image: object, catalogue: Catalogue) -> str:
    """`…/ner-training:latest` → `ner`. The image only picks among known types and is never run."""
    if isinstance(image, str):
        repository = image.rsplit("/", 1)[-1].split("@", 1)[0].split(":", 1)[0]
        model_type = repository.removesuffix("-training").replace("-", "_")
        if model_type in catalogue:
            return model_type
    known = ", ".join(f"{name.replace('_', '-')}-training" for name in sorted(catalogue))
    raise InvalidRequest(
        f"The image {_quote(image)} is of no known model type; known are: {known}."
    )


def _quote(value: object) -> str:
    """A wrong value as a message shows it: cut where it is long or deep."""
    short = reprlib.Repr()
    short.maxstring = 100
    return short.repr(value)


def _in_words(error: ValidationError) -> str:
    return "; ".join(
        f"{'.'.join(map(str, problem['loc'])) or 'request'}: {_sentence(problem)}"
        for problem in error.errors(include_url=False, include_context=False)
    )


def _sentence(problem: Any) -> str:
    match problem["type"]:
        case "extra_forbidden":
            return "unknown field"
        case "missing":
            return "required"
        case "string_pattern_mismatch" if problem["loc"] == ("name",):
            return (
                "must be 1 to 63 lower-case letters, digits and hyphens, and start with a letter"
                f" or digit, not {_quote(problem['input'])}"
            )
    message = str(problem["msg"]).removeprefix("Value error, ")
    return f"{message[0].lower()}{message[1:]}, not {_quote(problem['input'])}"

"""What the core knows of a model type: its `model_type.json`, never its code."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator
from pydantic_core import from_json

from trainshed.errors import InvalidRequest, InvalidSettings

TypeName = Literal["string", "integer", "number", "boolean"]
Value = str | int | float | bool

FILE_NAME = "model_type.json"
MODEL_TYPE_PATTERN = r"^[a-z][a-z0-9_]{0,30}$"


class Hyperparameter(BaseModel):
    """One hyperparameter: its type, its default and what is allowed."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    type: TypeName
    default: Value
    minimum: float | None = None
    maximum: float | None = None
    choices: tuple[str, ...] | None = None
    description: str = ""

    @model_validator(mode="after")
    def _default_is_allowed(self) -> Hyperparameter:
        problem = self.problem_with(self.default)
        if problem:
            raise ValueError(f"the default {problem}")
        return self

    def problem_with(self, value: Value) -> str | None:
        """Say what is wrong with `value`, as the end of a sentence; None if nothing is."""
        if not self._has_type(value):
            return f"must be of type {self.type}, not {value!r}"
        if isinstance(value, int | float) and not isinstance(value, bool):
            if not abs(value) <= sys.float_info.max:  # NaN too is not
                return "must be a finite number that fits 64 bits"
            if self.minimum is not None and value < self.minimum:
                return f"must be at least {self.minimum:g}, not {value!r}"
            if self.maximum is not None and value > self.maximum:
                return f"must be at most {self.maximum:g}, not {value!r}"
        if self.choices is not None and value not in self.choices:
            return f"must be one of {', '.join(self.choices)}, not {value!r}"
        return None

    def parse(self, text: str) -> Value:
        """Read a value typed on a command line. Text that does not fit the type stays text, so
        that the check of the request names it."""
        try:
            match self.type:
                case "integer":
                    return int(text)
                case "number":
                    return float(text)
                case "boolean":
                    return {"true": True, "false": False}[text.lower()]
                case "string":
                    return text
        except (ValueError, KeyError):
            return text

    def _has_type(self, value: Value) -> bool:
        match self.type:
            case "string":
                return isinstance(value, str)
            case "boolean":
                return isinstance(value, bool)
            case "integer":
                return isinstance(value, int) and not isinstance(value, bool)
            case "number":
                return isinstance(value, int | float) and not isinstance(value, bool)


class ModelType(BaseModel):
    """A model type as its `model_type.json` describes it."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: Annotated[str, Field(pattern=MODEL_TYPE_PATTERN)]
    title: str = ""
    description: str = ""
    cpu: Annotated[int, Field(gt=0)]
    """In ECS's units: 1024 is one processor."""
    memory: Annotated[int, Field(gt=0)]
    """In MiB."""
    epochs: Annotated[int, Field(ge=1)]
    aliases: tuple[Annotated[str, Field(pattern=r"^[a-z][a-z0-9_-]{0,62}$")], ...] = ()
    """Further routes of the serving app, beside `/<name>`."""
    feedback: bool = False
    """Whether its trainer learns from what people have said of answers."""
    hyperparameters: dict[str, Hyperparameter]

    def require_feedback(self) -> None:
        """Raise `InvalidRequest` unless its trainer learns from feedback."""
        if not self.feedback:
            raise InvalidRequest(f"The model type {self.name!r} does not learn from feedback.")

    def complete(self, given: Mapping[str, Value]) -> dict[str, Value]:
        """`given` with the defaults of all that it leaves out. Raises `InvalidRequest`."""
        for key, value in given.items():
            if key not in self.hyperparameters:
                known = ", ".join(sorted(self.hyperparameters))
                raise InvalidRequest(
                    f"Unknown hyperparameter {key!r} of model type {self.name!r};"
                    f" it knows: {known}."
                )
            problem = self.hyperparameters[key].problem_with(value)
            if problem:
                raise InvalidRequest(f"The hyperparameter {key!r} {problem}.")
        return {key: given.get(key, spec.default) for key, spec in self.hyperparameters.items()}


Catalogue = Mapping[str, ModelType]
"""The allowed model types by name."""


def read_catalogue(folders: Iterable[Path]) -> Catalogue:
    """Read every `*/model_type.json` below `folders`; of two with one name the first counts.

    Raises `InvalidSettings` if a folder or a file cannot be used.
    """
    catalogue: dict[str, ModelType] = {}
    for folder in folders:
        if not folder.is_dir():
            raise InvalidSettings(f"The model types folder {folder} does not exist.")
        for path in sorted(folder.glob(f"*/{FILE_NAME}")):
            name = path.parent.name
            if name not in catalogue:
                catalogue[name] = _read(path, name)
    if not catalogue:
        raise InvalidSettings(f"No */{FILE_NAME} in {', '.join(map(str, folders))}.")
    return catalogue


def parse_catalogue(text: str) -> Catalogue:
    """Read a JSON object of name → model_type.json's content. Raises `InvalidSettings`."""
    try:
        contents = dict(from_json(text))
    except (ValueError, TypeError) as error:
        raise InvalidSettings(f"The catalogue is not a JSON object: {error}.") from error
    return {name: _validate(content, name, name) for name, content in contents.items()}


def _read(path: Path, name: str) -> ModelType:
    try:
        content = from_json(path.read_bytes())
    except (OSError, ValueError) as error:
        raise InvalidSettings(f"{path} is not a valid model type: {error}.") from error
    return _validate(content, name, path)


def _validate(content: object, name: str, where: object) -> ModelType:
    if not isinstance(content, dict):
        raise InvalidSettings(f"{where} is not a valid model type: it is no JSON object.")
    try:
        return ModelType.model_validate({**content, "name": name})
    except ValidationError as error:
        problems = "; ".join(
            f"{'.'.join(map(str, problem['loc']))}: {problem['msg']}" for problem in error.errors()
        )
        raise InvalidSettings(f"{where} is not a valid model type: {problems}.") from error


def lookup(catalogue: Catalogue, name: str) -> ModelType:
    """The model type of that name. Raises `InvalidRequest` naming those that are known."""
    try:
        return catalogue[name]
    except KeyError:
        known = ", ".join(sorted(catalogue))
        raise InvalidRequest(f"Unknown model type {name!r}; known are: {known}.") from None

"""The handoff to a container: record → environment and environment → assignment, in one file.

The environment is all that a container gets, on every engine; a training's is frozen with its
launch.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass

from pydantic import TypeAdapter, ValidationError

from trainshed.errors import InvalidSettings, WrongStatus
from trainshed.model_type import Value
from trainshed.record import Launch, ModelRecord, client_token
from trainshed.settings import Settings

TASK_VARIABLE = "TRAINSHED_TASK"
"""Where the container finds the id of its own task; set by whatever starts it."""

EXIT_OK = 0
EXIT_FAILED = 1
"""The training failed; the container's last report says why."""
EXIT_NOT_CLAIMED = 3
"""The attempt is not this container's to work on; it did nothing."""


@dataclass(frozen=True)
class Assignment:
    """What a training container is to do."""

    model_id: str
    model_type: str
    attempt: int
    epochs: int
    hyperparameters: Mapping[str, Value]
    dataset: str | None


def launch_of(record: ModelRecord, attempt: int, settings: Settings) -> Launch:
    """The launch parameters of an attempt, to be frozen in the record."""
    request = record.request
    if request is None:
        raise ValueError(f"{record.model_id} has no request")
    return Launch(
        token=client_token(record.model_id, attempt),
        model_type=request.model_type,
        environment={
            "TRAINSHED_MODEL_ID": record.model_id,
            "TRAINSHED_MODEL_TYPE": request.model_type,
            "TRAINSHED_ATTEMPT": str(attempt),
            "TRAINSHED_EPOCHS": str(request.epochs),
            "TRAINSHED_HYPERPARAMETERS": json.dumps(request.hyperparameters, ensure_ascii=False),
            "TRAINSHED_DATASET": request.dataset or "",
            "TRAINSHED_ENGINE": settings.engine,
            "TRAINSHED_HOME": str(settings.home),
            "TRAINSHED_MODEL_TYPES": os.pathsep.join(map(str, settings.model_type_folders)),
            "TRAINSHED_ALLOW_DOWNLOADS": "1" if settings.allow_downloads else "0",
        },
    )


def read_assignment(environ: Mapping[str, str]) -> Assignment:
    """The other direction. Raises `InvalidSettings` naming the variable that is wrong."""
    return Assignment(
        model_id=_required(environ, "TRAINSHED_MODEL_ID"),
        model_type=_required(environ, "TRAINSHED_MODEL_TYPE"),
        attempt=_number(environ, "TRAINSHED_ATTEMPT"),
        epochs=_number(environ, "TRAINSHED_EPOCHS"),
        hyperparameters=_hyperparameters(environ),
        dataset=environ.get("TRAINSHED_DATASET") or None,
    )


def serving_environment(record: ModelRecord, settings: Settings) -> dict[str, str]:
    """What a serving container is told of the one artifact that it serves. Raises `WrongStatus`."""
    if record.artifact is None or record.digest is None:
        raise WrongStatus(
            f"{record.model_id} is {record.status}: only a Completed model has an artifact."
        )
    return {
        "TRAINSHED_ARTIFACT": record.artifact,
        "TRAINSHED_ARTIFACT_DIGEST": record.digest,
        "TRAINSHED_ENGINE": settings.engine,
        "TRAINSHED_HOME": str(settings.home),
        "TRAINSHED_MODEL_TYPES": os.pathsep.join(map(str, settings.model_type_folders)),
    }


def read_task(environ: Mapping[str, str]) -> str:
    """The id of the task that this container is. Raises `InvalidSettings`."""
    return _required(environ, TASK_VARIABLE)


def _required(environ: Mapping[str, str], variable: str) -> str:
    try:
        return environ[variable]
    except KeyError:
        raise InvalidSettings(
            f"{variable} is not set: a training container is started by a launcher."
        ) from None


def _number(environ: Mapping[str, str], variable: str) -> int:
    text = _required(environ, variable)
    if not text.isascii() or not text.isdigit() or int(text) < 1:
        raise InvalidSettings(f"{variable}={text!r} is not a whole number from 1.")
    return int(text)


def _hyperparameters(environ: Mapping[str, str]) -> dict[str, Value]:
    variable = "TRAINSHED_HYPERPARAMETERS"
    try:
        return TypeAdapter(dict[str, Value]).validate_json(
            _required(environ, variable), strict=True
        )
    except ValidationError:
        raise InvalidSettings(f"{variable} is not a JSON object of plain values.") from None

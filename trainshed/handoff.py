"""The handoff to a container: record → environment and environment → assignment, in one file.

The environment is all that a container gets, on every engine; a training's is frozen with its
launch.
"""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Mapping
from dataclasses import dataclass

from pydantic import TypeAdapter, ValidationError

from trainshed.environment import read_environment, variable, whole_number
from trainshed.errors import WrongStatus
from trainshed.model_type import Value
from trainshed.record import Launch, ModelRecord, client_token
from trainshed.settings import Settings

TASK_VARIABLE = "TRAINSHED_TASK"
"""Set by whatever starts the container: no launch knows its task beforehand."""

EXIT_OK = 0
EXIT_FAILED = 1
"""The training failed; the container's last report says why."""
EXIT_NOT_CLAIMED = 3
"""The attempt is not this container's to work on; it did nothing."""
EXIT_OUT_OF_MEMORY = 4
"""The training asked for more memory than there was, and could still say so."""
EXIT_STORAGE_UNAVAILABLE = 5
"""It could not read what it needs, or not write what it made."""
EXIT_INTERRUPTED = 128 + signal.SIGTERM
"""It was told to stop; its last checkpoint is in the artifact store."""


def _hyperparameters(text: str) -> Mapping[str, Value]:
    try:
        return TypeAdapter(dict[str, Value]).validate_json(text, strict=True)
    except ValidationError:
        raise ValueError("must be a JSON object of plain values") from None


@dataclass(frozen=True)
class Assignment:
    """What a training container is to do."""

    model_id: str = variable("TRAINSHED_MODEL_ID", str, "the model to train")
    model_type: str = variable("TRAINSHED_MODEL_TYPE", str, "its model type")
    attempt: int = variable("TRAINSHED_ATTEMPT", whole_number(1, 1000), "the attempt")
    epochs: int = variable("TRAINSHED_EPOCHS", whole_number(1, 10**6), "how long to train")
    hyperparameters: Mapping[str, Value] = variable(
        "TRAINSHED_HYPERPARAMETERS", _hyperparameters, "the hyperparameters, JSON"
    )
    dataset: str | None = variable("TRAINSHED_DATASET", str, "the data set's path", None)
    feedback: str | None = variable("TRAINSHED_FEEDBACK", str, "the path of its feedback", None)

    @classmethod
    def from_environment(cls, environ: Mapping[str, str]) -> Assignment:
        """The other direction of `launch_of`. Raises `InvalidSettings`, naming the variable."""
        return read_environment(cls, environ)


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
            "TRAINSHED_FEEDBACK": request.feedback or "",
            **_training_settings(settings),
            **_engine_environment(settings),
        },
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
        **_engine_environment(settings),
    }


def _training_settings(settings: Settings) -> dict[str, str]:
    """On aws it is the task definition that says these, whatever the consumer's settings are."""
    if settings.aws is not None:
        return {}
    return {
        "TRAINSHED_ALLOW_DOWNLOADS": "1" if settings.allow_downloads else "0",
        "TRAINSHED_CHECKPOINT_SECONDS": repr(settings.checkpoint_seconds),
    }


def _engine_environment(settings: Settings) -> dict[str, str]:
    """How a container finds the engine; on aws its task definition says the rest."""
    if settings.aws is not None:
        return {"TRAINSHED_ENGINE": settings.engine}
    return {
        "TRAINSHED_ENGINE": settings.engine,
        "TRAINSHED_HOME": str(settings.home),
        "TRAINSHED_MODEL_TYPES": os.pathsep.join(map(str, settings.model_type_folders)),
    }

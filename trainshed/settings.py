"""Settings from the environment. Read once, at the edge, and passed in from there."""

from __future__ import annotations

import importlib.util
import os
from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from pathlib import Path

from trainshed.environment import read_environment, seconds, switch, variable, whole_number
from trainshed.errors import InvalidSettings
from trainshed.model_type import Catalogue, parse_catalogue, read_catalogue


def _engine(text: str) -> str:
    if text not in ("local", "aws"):
        raise ValueError("must be local or aws")
    return text


def _names(text: str) -> tuple[str, ...]:
    return tuple(part.strip() for part in text.split(",") if part.strip())


def _folder(text: str) -> Path:
    try:
        return Path(text).expanduser().absolute()
    except RuntimeError:
        raise ValueError("must be a path; no user of that name has a home folder") from None


def _folders(text: str) -> tuple[Path, ...]:
    folders = tuple(_folder(part) for part in text.split(os.pathsep) if part)
    if not folders:
        raise ValueError("must name a folder")
    return folders


def _builtin_model_types() -> tuple[Path, ...]:
    """The folder of the package `model_types`, found without importing it."""
    spec = importlib.util.find_spec("model_types")
    if spec is None or not spec.submodule_search_locations:
        return ()
    return (Path(spec.submodule_search_locations[0]),)


@dataclass(frozen=True)
class AwsSettings:
    """Where the `aws` engine finds its parts; terraform's output `environment` sets all of it."""

    queue_url: str = variable("TRAINSHED_QUEUE_URL", str, "the SQS queue of requests", "")
    dead_letter_queue_url: str = variable(
        "TRAINSHED_DEAD_LETTER_QUEUE_URL", str, "the SQS queue of dead letters", ""
    )
    table: str = variable("TRAINSHED_TABLE", str, "the DynamoDB table of records", "")
    feedback_table: str = variable(
        "TRAINSHED_FEEDBACK_TABLE", str, "the DynamoDB table of feedback", ""
    )
    artifact_bucket: str = variable(
        "TRAINSHED_ARTIFACT_BUCKET", str, "the S3 bucket of artifacts", ""
    )
    dataset_bucket: str = variable(
        "TRAINSHED_DATASET_BUCKET", str, "the S3 bucket that local data sets are uploaded to", ""
    )
    cluster: str = variable("TRAINSHED_CLUSTER", str, "the ECS cluster", "")
    task_family_prefix: str = variable(
        "TRAINSHED_TASK_FAMILY_PREFIX",
        str,
        "a task definition is this and its model type, with hyphens for underscores",
        "",
    )
    subnets: tuple[str, ...] = variable(
        "TRAINSHED_SUBNETS", _names, "the subnets of training tasks, separated by commas", tuple
    )
    security_groups: tuple[str, ...] = variable(
        "TRAINSHED_SECURITY_GROUPS", _names, "their security groups, likewise", tuple
    )
    capacity_providers: tuple[str, ...] = variable(
        "TRAINSHED_CAPACITY_PROVIDERS", _names, "what they run on, likewise", tuple
    )
    assign_public_ip: bool = variable(
        "TRAINSHED_ASSIGN_PUBLIC_IP", switch, "1: they get a public address", False
    )
    training_log_group: str = variable(
        "TRAINSHED_TRAINING_LOG_GROUP", str, "the CloudWatch log group of trainings", ""
    )

    def require(self, *names: str) -> None:
        """Raise `InvalidSettings` unless all of these fields are set."""
        variables = {spec.name: spec.metadata["variable"] for spec in fields(self)}
        missing = [variables[name] for name in names if not getattr(self, name)]
        if missing:
            raise InvalidSettings(
                f"The aws engine needs {', '.join(missing)}; see terraform's output `environment`."
            )


@dataclass(frozen=True)
class Settings:
    """All settings of Trainshed but the serving app's own, which are in `serving_image`."""

    engine: str = variable(
        "TRAINSHED_ENGINE", _engine, "where everything runs: `local` or `aws`", "local"
    )
    home: Path = variable(
        "TRAINSHED_HOME",
        _folder,
        "the local engine's folder: database, artifacts, logs",
        lambda: Path(".trainshed").absolute(),
    )
    cap: int = variable(
        "TRAINSHED_CAP", whole_number(1, 10_000), "how many trainings may run at once", 2
    )
    model_type_folders: tuple[Path, ...] = variable(
        "TRAINSHED_MODEL_TYPES",
        _folders,
        "folders with model types, separated like `PATH`; the first that has a name counts",
        _builtin_model_types,
    )
    catalogue_json: str = variable(
        "TRAINSHED_CATALOGUE",
        str,
        "the model types as one JSON object, where their folders are not at hand",
        "",
    )
    tick_seconds: float = variable(
        "TRAINSHED_TICK_SECONDS", seconds, "the time between two ticks of `trainshed run`", 1.0
    )
    visibility_seconds: float = variable(
        "TRAINSHED_VISIBILITY_SECONDS",
        seconds,
        "how long a received message stays hidden before it comes again",
        60.0,
    )
    max_receives: int = variable(
        "TRAINSHED_MAX_RECEIVES",
        whole_number(1, 10_000),
        "how often a message is received before it becomes a dead letter",
        5,
    )
    retry_seconds: float = variable(
        "TRAINSHED_RETRY_SECONDS",
        seconds,
        "the delay before the second attempt; it doubles with each further one",
        30.0,
    )
    stop_grace_seconds: float = variable(
        "TRAINSHED_STOP_GRACE_SECONDS",
        seconds,
        "how long a training may take to stop after SIGTERM, before SIGKILL",
        30.0,
    )
    checkpoint_seconds: float = variable(
        "TRAINSHED_CHECKPOINT_SECONDS",
        seconds,
        "the least time between two checkpoints that a training uploads while nobody stops it",
        300.0,
    )
    allow_downloads: bool = variable(
        "TRAINSHED_ALLOW_DOWNLOADS",
        switch,
        "1: pretrained parts may be fetched from a model hub by name",
        False,
    )

    aws: AwsSettings | None = None

    @classmethod
    def from_environment(cls, environ: Mapping[str, str]) -> Settings:
        """Read `TRAINSHED_…`; an empty variable counts as unset. Raises `InvalidSettings`."""
        settings = read_environment(cls, environ)
        if settings.engine == "aws":
            return replace(settings, aws=read_environment(AwsSettings, environ))
        return settings

    @property
    def has_feedback_store(self) -> bool:
        """Whether `open_feedback` has something to open: a server on aws may have no table."""
        return self.aws is None or bool(self.aws.feedback_table)

    def read_catalogue(self) -> Catalogue:
        """The model types that may be asked for, as they are now. Raises `InvalidSettings`."""
        if self.catalogue_json:
            return parse_catalogue(self.catalogue_json)
        return read_catalogue(self.model_type_folders)

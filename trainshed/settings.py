"""Settings from the environment. Read once, at the edge, and passed in from there."""

from __future__ import annotations

import importlib.util
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from trainshed.environment import read_environment, seconds, switch, variable, whole_number


def _engine(text: str) -> str:
    if text != "local":
        raise ValueError("must be local")
    return text


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
class Settings:
    """All settings of Trainshed but the serving app's own, which are in `serving_image`."""

    engine: str = variable("TRAINSHED_ENGINE", _engine, "where everything runs: `local`", "local")
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
    allow_downloads: bool = variable(
        "TRAINSHED_ALLOW_DOWNLOADS",
        switch,
        "1: pretrained parts may be fetched from a model hub by name",
        False,
    )

    @classmethod
    def from_environment(cls, environ: Mapping[str, str]) -> Settings:
        """Read `TRAINSHED_…`; an empty variable counts as unset. Raises `InvalidSettings`."""
        return read_environment(cls, environ)

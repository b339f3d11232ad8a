"""Engine: the ports, opened together. The only file that names the engines."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING

from trainshed.errors import InvalidSettings
from trainshed.ports import (
    ArtifactStore,
    DatasetStore,
    FeedbackStore,
    Launcher,
    Queue,
    Registry,
)
from trainshed.settings import AwsSettings, Settings

if TYPE_CHECKING:
    from trainshed.aws.parts import AwsParts


@dataclass(frozen=True)
class Engine:
    queue: Queue
    registry: Registry
    artifacts: ArtifactStore
    datasets: DatasetStore
    feedback: FeedbackStore
    launcher: Launcher


@contextmanager
def open_engine(settings: Settings) -> Iterator[Engine]:
    """Open the engine that the settings name, for the length of a `with`.

    Raises `InvalidSettings`, and `StorageUnavailable` if it cannot be used.
    """
    if settings.aws is not None:
        aws = _aws_parts(settings.aws)
        yield Engine(
            queue=aws.queue(),
            registry=aws.registry(),
            artifacts=aws.artifacts(),
            datasets=aws.datasets(),
            feedback=aws.feedback(),
            launcher=aws.launcher(),
        )
        return
    from trainshed.local.database import open_database
    from trainshed.local.feedback import LocalFeedback
    from trainshed.local.launcher import LocalLauncher
    from trainshed.local.queue import LocalQueue
    from trainshed.local.registry import LocalRegistry

    with open_database(settings.home / "trainshed.db") as database:
        yield Engine(
            queue=LocalQueue(database, settings.visibility_seconds, settings.max_receives),
            registry=LocalRegistry(database),
            artifacts=open_artifacts(settings),
            datasets=open_datasets(settings),
            feedback=LocalFeedback(database),
            launcher=LocalLauncher(
                settings.home / "tasks",
                settings.stop_grace_seconds,
                threads=max(1, (os.cpu_count() or 1) // settings.cap),
            ),
        )


@contextmanager
def open_registry(settings: Settings) -> Iterator[Registry]:
    """The registry alone: what a training container needs beside its two stores."""
    if settings.aws is not None:
        yield _aws_parts(settings.aws).registry()
        return
    from trainshed.local.database import open_database
    from trainshed.local.registry import LocalRegistry

    with open_database(settings.home / "trainshed.db") as database:
        yield LocalRegistry(database)


@contextmanager
def open_feedback(settings: Settings) -> Iterator[FeedbackStore]:
    """The feedback alone, for one thread: what a serving process needs beside the artifacts.

    Raises `InvalidSettings`, and `StorageUnavailable` if it cannot be used.
    """
    if settings.aws is not None:
        yield _aws_parts(settings.aws).feedback()
        return
    from trainshed.local.database import open_database
    from trainshed.local.feedback import LocalFeedback

    with open_database(settings.home / "trainshed.db") as database:
        yield LocalFeedback(database)


def open_artifacts(settings: Settings) -> ArtifactStore:
    """The artifact store alone."""
    if settings.aws is not None:
        return _aws_parts(settings.aws).artifacts()
    from trainshed.local.artifacts import LocalArtifacts

    return LocalArtifacts(settings.home / "artifacts")


def open_datasets(settings: Settings) -> DatasetStore:
    """The data sets alone."""
    if settings.aws is not None:
        return _aws_parts(settings.aws).datasets()
    from trainshed.local.datasets import LocalDatasets

    return LocalDatasets()


def own_task(settings: Settings, environ: Mapping[str, str]) -> str:
    """The launcher's id of the task that this container is. Raises `InvalidSettings`."""
    if settings.aws is not None:
        from trainshed.aws.metadata import VARIABLE
        from trainshed.aws.metadata import own_task as ecs_task

        if uri := environ.get(VARIABLE):
            return ecs_task(uri)
    elif task := environ.get("TRAINSHED_TASK"):
        return task
    raise InvalidSettings(
        "This is no task of a launcher's: a training container is started by one."
    )


@lru_cache(maxsize=1)
def _aws_parts(settings: AwsSettings) -> AwsParts:
    # Kept, for to make a client takes longer than a tick: a Lambda function's process has one at
    # every event.
    try:
        from trainshed.aws.parts import AwsParts
    except ModuleNotFoundError as error:
        raise InvalidSettings(
            f"The aws engine needs {error.name}: install Trainshed with its extra `aws`."
        ) from error
    return AwsParts(settings)

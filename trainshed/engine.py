"""Engine: the four ports, opened together. The only file that names the engines."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from trainshed.ports import ArtifactStore, Launcher, Queue, Registry
from trainshed.settings import Settings


@dataclass(frozen=True)
class Engine:
    queue: Queue
    registry: Registry
    artifacts: ArtifactStore
    launcher: Launcher


@contextmanager
def open_engine(settings: Settings) -> Iterator[Engine]:
    """Open the engine that the settings name, for the length of a `with`.

    Raises `StorageUnavailable` if it cannot be used.
    """
    from trainshed.local.database import open_database
    from trainshed.local.launcher import LocalLauncher
    from trainshed.local.queue import LocalQueue
    from trainshed.local.registry import LocalRegistry

    with open_database(settings.home / "trainshed.db") as database:
        yield Engine(
            queue=LocalQueue(database, settings.visibility_seconds, settings.max_receives),
            registry=LocalRegistry(database),
            artifacts=open_artifacts(settings),
            launcher=LocalLauncher(
                settings.home / "tasks",
                settings.stop_grace_seconds,
                threads=max(1, (os.cpu_count() or 1) // settings.cap),
            ),
        )


def open_artifacts(settings: Settings) -> ArtifactStore:
    """The artifact store alone: all that a serving process needs of an engine."""
    from trainshed.local.artifacts import LocalArtifacts

    return LocalArtifacts(settings.home / "artifacts")

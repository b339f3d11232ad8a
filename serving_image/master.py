"""What gunicorn's master does for its workers, before the first and after each of them."""

from __future__ import annotations

import atexit
import os
import shutil
import tempfile
from collections.abc import MutableMapping
from pathlib import Path

from serving_image.artifact import fetch_artifact

ARTIFACT_COPY = "TRAINSHED_ARTIFACT_COPY"
METRICS_FOLDER = "PROMETHEUS_MULTIPROC_DIR"


def prepare(environ: MutableMapping[str, str]) -> None:
    """Fetch and verify the artifact into a private folder, and tell the workers, which inherit
    `environ`, where it is. Raises `TrainshedError`."""
    folder = Path(tempfile.mkdtemp(prefix="trainshed-serving-"))
    atexit.register(_remove, folder, os.getpid())
    artifact, metrics = folder / "artifact", folder / "metrics"
    artifact.mkdir()
    metrics.mkdir()
    fetch_artifact(environ, artifact)
    environ[ARTIFACT_COPY] = str(artifact)
    environ[METRICS_FOLDER] = str(metrics)


def forget_worker(pid: int) -> None:
    """Take a worker that has ended out of the metrics that count live ones."""
    from prometheus_client.multiprocess import mark_process_dead  # needs METRICS_FOLDER to be set

    mark_process_dead(pid)  # type: ignore[no-untyped-call]


def _remove(folder: Path, owner: int) -> None:
    if os.getpid() == owner:  # a worker is a fork, and inherits what its master does at exit
        shutil.rmtree(folder, ignore_errors=True)

"""The training container's entry, `python -m training_image`: its environment tells it all."""

from __future__ import annotations

import logging
import os
import signal
import sys
from collections.abc import Mapping
from datetime import UTC, datetime

import model_types
from training_image.run_training import NotClaimed, run_training
from trainshed.engine import open_artifacts, open_datasets, open_registry, own_task
from trainshed.errors import TrainshedError
from trainshed.handoff import (
    EXIT_FAILED,
    EXIT_NOT_CLAIMED,
    EXIT_OK,
    Assignment,
)
from trainshed.ports import Registry, Report
from trainshed.settings import Settings

_logger = logging.getLogger("training_image")


def main(environ: Mapping[str, str]) -> int:
    """Run the attempt that the environment names, and give the exit code."""
    logging.basicConfig(
        level=logging.INFO, stream=sys.stdout, format="%(asctime)s %(levelname)s %(message)s"
    )
    try:
        settings = Settings.from_environment(environ)
        assignment = Assignment.from_environment(environ)
        task = own_task(settings, environ)
        with open_registry(settings) as registry:
            return _run(assignment, task, registry, settings)
    except TrainshedError as error:
        _logger.error("%s", error)
        return EXIT_FAILED


def _run(assignment: Assignment, task: str, registry: Registry, settings: Settings) -> int:
    try:
        artifacts, datasets = open_artifacts(settings), open_datasets(settings)
        run_training(assignment, task, registry, artifacts, datasets, settings, _now)
    except NotClaimed as error:
        _logger.warning("%s Nothing was done.", error)
        return EXIT_NOT_CLAIMED
    except (model_types.InvalidData, TrainshedError) as error:
        failure = str(error)
        _logger.error("%s", failure)
    except Exception as error:  # whatever it was, the record must say it
        failure = f"{type(error).__name__}: {error}"
        _logger.exception("The training failed.")
    else:
        return EXIT_OK
    registry.report(
        assignment.model_id, assignment.attempt, Report(at=_now(), failure=failure[:2000])
    )
    return EXIT_FAILED


def _now() -> datetime:
    return datetime.now(UTC)


if __name__ == "__main__":
    # A container's first process is ended by no signal that it does not handle itself.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    sys.exit(main(os.environ))

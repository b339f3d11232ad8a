"""The training container's entry, `python -m training_image`: its environment tells it all."""

from __future__ import annotations

import logging
import os
import signal
import sys
from collections.abc import Mapping
from datetime import UTC, datetime

import model_types
from training_image.interruption import Interrupted, Interruption
from training_image.memory import is_out_of_memory
from training_image.run_training import NotClaimed, run_training
from trainshed.engine import open_artifacts, open_datasets, open_registry, own_task
from trainshed.errors import StorageUnavailable, TrainshedError
from trainshed.handoff import (
    EXIT_FAILED,
    EXIT_INTERRUPTED,
    EXIT_NOT_CLAIMED,
    EXIT_OK,
    EXIT_OUT_OF_MEMORY,
    EXIT_STORAGE_UNAVAILABLE,
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
        with Interruption() as interruption:
            settings = Settings.from_environment(environ)
            assignment = Assignment.from_environment(environ)
            task = own_task(settings, environ)
            with open_registry(settings) as registry:
                return _run(assignment, task, registry, settings, interruption)
    except Interrupted:
        _logger.warning("The training was told to stop.")
        return EXIT_INTERRUPTED
    except StorageUnavailable as error:
        _logger.error("%s", error)
        return EXIT_STORAGE_UNAVAILABLE
    except TrainshedError as error:
        _logger.error("%s", error)
        return EXIT_FAILED


def _run(
    assignment: Assignment,
    task: str,
    registry: Registry,
    settings: Settings,
    interruption: Interruption,
) -> int:
    code = EXIT_FAILED
    try:
        stores = open_artifacts(settings), open_datasets(settings)
        run_training(assignment, task, registry, *stores, settings, _now, interruption)
    except NotClaimed as error:
        _logger.warning("%s Nothing was done.", error)
        return EXIT_NOT_CLAIMED
    except (model_types.InvalidData, TrainshedError) as error:
        failure = str(error)
        _logger.error("%s", failure)
        if isinstance(error, StorageUnavailable):
            code = EXIT_STORAGE_UNAVAILABLE
    except Exception as error:  # whatever it was, the record must say it
        failure = f"{type(error).__name__}: {error}"
        _logger.exception("The training failed.")
        if is_out_of_memory(error):
            code = EXIT_OUT_OF_MEMORY
    else:
        return EXIT_OK
    try:
        registry.report(
            assignment.model_id, assignment.attempt, Report(at=_now(), failure=failure[:2000])
        )
    except StorageUnavailable as error:  # the exit code says the most of it
        _logger.warning("This was not reported: %s", error)
    return code


def _now() -> datetime:
    return datetime.now(UTC)


if __name__ == "__main__":
    code = main(os.environ)
    # What is done stays done, however long a framework takes to be torn down.
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    sys.exit(code)

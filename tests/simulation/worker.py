"""`python -m tests.simulation.worker RUN FIRST COUNT`: one process of a campaign. It takes its turn
of the seeds from FIRST on, and leaves its report on its standard output."""

from __future__ import annotations

import logging
import pickle
import sys
import tempfile
from pathlib import Path

from .campaign import PROCESSES, run_chaos, run_shuffled

_RUNS = {run.__name__: run for run in (run_chaos, run_shuffled)}
_MEMORY = Path("/dev/shm")


def main(run: str, first: str, count: str) -> None:
    if _MEMORY.is_dir():  # a training's temporary files need no disk
        tempfile.tempdir = str(_MEMORY)
    report = _RUNS[run](range(int(first), int(count), PROCESSES))
    sys.stdout.buffer.write(pickle.dumps(report))


if __name__ == "__main__":
    logging.disable()
    main(*sys.argv[1:])

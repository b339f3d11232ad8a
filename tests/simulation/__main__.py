"""`python -m tests.simulation SEED`: show a schedule, and what is wrong with it if anything is."""

from __future__ import annotations

import logging
import sys

from .invariants import Violation
from .simulator import simulate


def main(seed: int) -> int:
    try:
        trace = simulate(seed).text
    except Violation as violation:
        sys.stdout.write(f"{violation.trace}\n{violation}\n")
        return 1
    sys.stdout.write(f"{trace}\n")
    return 0


if __name__ == "__main__":
    logging.disable()
    sys.exit(main(int(sys.argv[1])))

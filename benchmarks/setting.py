"""What a part of a run is given."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from benchmarks.shed import Shed


@dataclass(frozen=True)
class Setting:
    quick: bool
    """A look at whether all runs: goals are not judged by it."""
    work: Path
    """A folder for this run alone."""
    data: Path | None
    """The folder of the public data sets, where it is there."""
    peers: Path | None
    """The peers' Python, where their environment is there."""
    shed: Shed
    """The parts share it: what one has trained, another serves."""

"""What one experiment of the training part gives."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from benchmarks.report import Row, Table


@dataclass(frozen=True)
class Experiment:
    """Made by a function `(setting: Setting) -> Experiment`, in a module of its own."""

    text: str
    """Markdown, a paragraph or two: what is measured, how, and against which peer."""
    rows: Sequence[Row] = ()
    tables: Sequence[Table] = ()
    skipped: Sequence[str] = ()
    """What was not run and why."""

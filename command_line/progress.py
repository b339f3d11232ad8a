"""ProgressView: what `trainshed run` shows: bars on a terminal, a line per change elsewhere."""

from __future__ import annotations

import logging
from types import TracebackType

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn

from command_line.output import clean
from trainshed.ports import Registry, Report
from trainshed.record import ModelRecord, Status
from trainshed.words import progress


class _ConsoleHandler(logging.Handler):
    def __init__(self, console: Console) -> None:
        super().__init__()
        self._console = console

    def emit(self, record: logging.LogRecord) -> None:
        text = f"{record.levelname.lower()}: {clean(self.format(record))}"
        self._console.print(text, soft_wrap=True)


class ProgressView:
    """Follows the trainings that hold a slot, and says how each one ended."""

    def __init__(self, registry: Registry) -> None:
        self._registry = registry
        self._console = Console(stderr=True, markup=False, highlight=False)
        self._progress = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            TextColumn("{task.fields[note]}"),
            console=self._console,
            disable=not self._console.is_terminal,
        )
        self._seen: dict[str, Status] = {}
        self._bars: dict[str, TaskID] = {}

    def __enter__(self) -> ProgressView:
        self._progress.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._progress.stop()

    def log_handler(self) -> logging.Handler:
        """A handler that prints above the bars."""
        return _ConsoleHandler(self._console)

    def update(self) -> None:
        records = self._registry.holding()
        reports = self._registry.reports([(record.model_id, record.attempt) for record in records])
        for record in records:
            self._say(record)
            self._draw(record, reports.get((record.model_id, record.attempt)))
        for model_id in self._seen.keys() - {record.model_id for record in records}:
            record_now = self._registry.get(model_id)
            if record_now is not None:
                self._say(record_now)
            if model_id in self._bars:
                self._progress.remove_task(self._bars.pop(model_id))
            del self._seen[model_id]

    def _say(self, record: ModelRecord) -> None:
        if self._seen.get(record.model_id) is record.status:
            return
        self._seen[record.model_id] = record.status
        why = f": {clean(record.reason)}" if record.reason else ""
        self._console.print(f"{record.model_id}  {record.status}{why}", soft_wrap=True)

    def _draw(self, record: ModelRecord, report: Report | None) -> None:
        if record.model_id not in self._bars:
            self._bars[record.model_id] = self._progress.add_task(
                record.name, total=None, note=record.status
            )
        if report is not None and report.epochs:
            self._progress.update(
                self._bars[record.model_id],
                completed=report.epoch,
                total=report.epochs,
                note=progress(report),
            )

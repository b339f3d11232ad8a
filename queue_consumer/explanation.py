"""Explanation: what is said of a model, and the view of its record that it is made from."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from trainshed.engine import Engine
from trainshed.ports import Report
from trainshed.record import ModelRecord, Status
from trainshed.settings import Settings
from trainshed.words import between


@dataclass(frozen=True)
class Explanation:
    model_id: str
    status: Status | None
    """None: no consumer has taken it in yet."""
    says: tuple[str, ...]
    """Sentences, in the order that they are to be read."""
    lines: tuple[str, ...] = ()
    """What the last sentence leads up to: who holds the slots, or the end of a log."""
    advice: tuple[str, ...] = ()
    """What the reader can do."""


@dataclass(frozen=True)
class View:
    """All that a record is explained from."""

    engine: Engine
    settings: Settings
    record: ModelRecord
    report: Report | None
    now: datetime

    @property
    def attempts(self) -> str:
        most = self.record.request.max_attempts if self.record.request else 1
        return f"attempt {self.record.attempt} of {most}"

    def ago(self, moment: datetime | None) -> str:
        return between(moment or self.record.updated_at, self.now)

    def explained(
        self, says: list[str], lines: list[str] | None = None, advice: list[str] | None = None
    ) -> Explanation:
        request = self.record.request
        trigger = [f"It was asked for by {request.trigger}."] if request and request.trigger else []
        return Explanation(
            self.record.model_id,
            self.record.status,
            (*trigger, *says),
            tuple(lines or ()),
            tuple(advice or ()),
        )

"""Records by number, in a time that stands still: what makes the worlds of the model finite.

What no decision rests on (most of a record's history, its words) is left out. Time is relative: now
is always `NOW`, and what was written an hour ago, or any number of hours, was written at
`NOW - HOUR`. One hour is past every horizon that the protocol has, and past every token's life.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from functools import cache

from tests.building import NOW
from trainshed.errors import LaunchUncertain
from trainshed.record import ModelRecord, Status

HOUR = timedelta(hours=1)
SENT_AT = NOW - timedelta(days=1)

_TIMES = ("launched_at", "claimed_at", "updated_at")
"""The moments that decisions rest on. A retry's delay is none of them: here it is over at once."""

_OF_A_RUNNING_ATTEMPT = {
    **dict.fromkeys(("launch", "launched_at", "task", "claimed_at", "stop_cause", "cause")),
    "history": (),
}
"""What nobody looks at any more when the record is terminal."""


class Records:
    """Every record that was ever seen, each under a number of its own."""

    def __init__(self) -> None:
        self._records: list[ModelRecord] = []
        self._numbers: dict[str, int] = {}
        self._versions: dict[tuple[str, bool], int] = {}
        self.read = cache(self._read)
        self.written = cache(self._written)

    def __getitem__(self, number: int) -> ModelRecord:
        return self._records[number]

    def number(self, record: ModelRecord) -> int:
        asked = record.created_at if record.request else SENT_AT
        old = NOW - HOUR
        is_followed = record.task is not None and not record.status.is_terminal
        is_hasty = record.request is not None and record.request.timeout_minutes <= 60
        plain = record.model_copy(
            update={
                "created_at": asked,
                "updated_at": record.updated_at if is_followed else old,
                "launched_at": old if is_followed and not is_hasty else record.launched_at,
                "claimed_at": record.claimed_at and (record.claimed_at if is_hasty else old),
                "ended_at": None,
                "not_before": None,
                "tasks": {},
                "reason": None,
                "history": tuple(
                    event.model_copy(update={"at": asked, "status": Status.LAUNCHING})
                    for event in record.history
                    if event.text == f"attempt {record.attempt}: {LaunchUncertain()}"
                ),
                **(_OF_A_RUNNING_ATTEMPT if record.status.is_terminal else {}),
            }
        )
        # A record never becomes again what it was: so what it is tells its version, too.
        lasting = (plain.model_dump_json(exclude={"version", *_TIMES}), plain.claimed_at is None)
        version = self._versions.setdefault(lasting, len(self._versions))
        plain = plain.model_copy(update={"version": version})
        key = plain.model_dump_json()
        if key not in self._numbers:
            self._numbers[key] = len(self._records)
            self._records.append(plain)
        return self._numbers[key]

    def _read(self, number: int, elapsed: int) -> ModelRecord:
        """The world's record as a process sees it that began `elapsed` hours ago and goes by the
        time of its beginning."""
        return self._shifted(self[number], elapsed * HOUR)

    def _written(self, number: int, elapsed: int) -> int:
        """The other way round: what becomes of a record that such a process writes."""
        return self.number(self._shifted(self[number], -elapsed * HOUR))

    def older(self, number: int) -> int:
        """The record when an hour has passed."""
        return self.written(number, 1)

    @staticmethod
    def _shifted(record: ModelRecord, by: timedelta) -> ModelRecord:
        times: dict[str, datetime] = {}
        for name in _TIMES:
            moment: datetime | None = getattr(record, name)
            if moment is not None:
                times[name] = max(moment + by, NOW - HOUR)
        return record.model_copy(update=times)

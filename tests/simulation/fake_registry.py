"""FakeRegistry: a registry in memory. A record is read as it is; lists may be stale, as those of an
index of DynamoDB's."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from datetime import datetime, timedelta

from trainshed.errors import CapReached, Conflict
from trainshed.ports import Registry, Report, SlotCount, Waiting
from trainshed.record import ModelRecord, Status

from .world import no_lag


class FakeRegistry(Registry):
    def __init__(
        self,
        clock: Callable[[], datetime],
        lag: Callable[[], timedelta] = no_lag,
        wrote: Callable[[ModelRecord | None, ModelRecord], None] = lambda old, new: None,
    ) -> None:
        """`lag` says how stale the list is that is read now; `wrote` hears of every write."""
        self._clock = clock
        self._lag = lag
        self._wrote = wrote
        self._records: dict[str, ModelRecord] = {}
        self._past: dict[str, list[tuple[datetime, ModelRecord]]] = {}
        self._used = 0
        self._changes = 0
        self._reports: dict[tuple[str, int], Report] = {}

    def put_new(self, *records: ModelRecord) -> bool:
        written = 0
        for record in records:
            if record.model_id not in self._records:
                self._write(None, record)
                written += 1
        return written == len(records)

    def get(self, model_id: str) -> ModelRecord | None:
        return self._records.get(model_id)

    def replace(self, old: ModelRecord, new: ModelRecord, cap: int | None = None) -> None:
        change = int(new.holds_slot) - int(old.holds_slot)
        if change > 0 and cap is not None and self._used >= cap:
            raise CapReached
        stored = self._records.get(old.model_id)
        if stored is None or stored.version != old.version:
            raise Conflict
        self._used += change
        self._changes += abs(change)
        self._write(stored, new)

    def slots_in_use(self) -> int:
        return self._used

    def count_slots(self) -> SlotCount:
        held = sum(record.holds_slot for record in self._records.values())
        return SlotCount(self._used, held, self._changes)

    def mend_slots(self, count: SlotCount) -> None:
        if count.changes != self._changes:
            raise Conflict
        self._used = count.held
        self._changes += 1

    def ready(self, limit: int, now: datetime) -> list[ModelRecord]:
        return sorted(self._launchable(now), key=_turn)[:limit]

    def ahead_of(self, record: ModelRecord, now: datetime) -> int:
        return sum(_turn(other) < _turn(record) for other in self._launchable(now))

    def holding(self) -> list[ModelRecord]:
        found = [record for record in self._listed() if record.holds_slot]
        return sorted(found, key=lambda record: record.launched_at or record.created_at)

    def unfinished(self) -> int:
        return sum(not record.status.is_terminal for record in self._listed())

    def waiting(self) -> Waiting:
        found = [x.created_at for x in self._listed() if x.status is Status.PENDING]
        return Waiting(len(found), min(found, default=None))

    def newest(
        self, limit: int, status: Status | None = None, name: str | None = None
    ) -> list[ModelRecord]:
        return self._newest(
            limit,
            lambda record: status in (None, record.status) and name in (None, record.name),
        )

    def starting_with(self, prefix: str, limit: int) -> Sequence[ModelRecord]:
        return self._newest(limit, lambda record: record.model_id.startswith(prefix))

    def report(self, model_id: str, attempt: int, report: Report) -> None:
        self._reports[model_id, attempt] = report

    def reports(self, attempts: Collection[tuple[str, int]]) -> Mapping[tuple[str, int], Report]:
        return {key: self._reports[key] for key in attempts if key in self._reports}

    def records(self) -> Collection[ModelRecord]:
        """All of them, as they are."""
        return self._records.values()

    def _launchable(self, now: datetime) -> list[ModelRecord]:
        return [
            record
            for record in self._listed()
            if record.status is Status.PENDING
            and (record.not_before is None or record.not_before <= now)
        ]

    def _newest(self, limit: int, fits: Callable[[ModelRecord], bool]) -> list[ModelRecord]:
        found = sorted(filter(fits, self._listed()), key=lambda record: record.model_id)
        found.sort(key=lambda record: record.created_at, reverse=True)
        return found[:limit]

    def _write(self, old: ModelRecord | None, new: ModelRecord) -> None:
        self._records[new.model_id] = new
        self._past.setdefault(new.model_id, []).append((self._clock(), new))
        self._wrote(old, new)

    def _listed(self) -> Iterator[ModelRecord]:
        """The records as a list shows them that was made a while ago."""
        then = self._clock() - self._lag()
        for past in self._past.values():
            for written_at, record in reversed(past):
                if written_at <= then:
                    yield record
                    break


def _turn(record: ModelRecord) -> tuple[int, datetime, str]:
    return -record.priority, record.created_at, record.model_id

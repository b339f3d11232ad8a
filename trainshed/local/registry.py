"""LocalRegistry: the records, in SQLite. The columns beside the record are there to find it by."""

from __future__ import annotations

import sqlite3
from collections.abc import Collection, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from trainshed.errors import CapReached, Conflict, StorageUnavailable
from trainshed.local.database import Database
from trainshed.ports import Change, Registry, Report, SlotCount, Waiting
from trainshed.record import ModelRecord, Status

# No retry is delayed for a day: the clock was set back since.
_READY = "status = 'Pending' AND (not_before <= :now OR not_before > :now + 86400)"

_Kind = TypeVar("_Kind", bound=BaseModel)


class LocalRegistry(Registry):
    def __init__(self, database: Database) -> None:
        self._database = database

    def put_new(self, *records: ModelRecord) -> bool:
        with self._database.transaction() as db:
            cursor = db.executemany(
                "INSERT INTO models (model_id, name, status, version, unfinished, holds_slot,"
                " priority, not_before, created_at, record)"
                " VALUES (:model_id, :name, :status, :version, :unfinished, :holds_slot,"
                " :priority, :not_before, :created_at, :record) ON CONFLICT DO NOTHING",
                map(_columns, records),
            )
            return cursor.rowcount == len(records)

    def get(self, model_id: str) -> ModelRecord | None:
        records = self._select("WHERE model_id = ?", (model_id,))
        return records[0] if records else None

    def replace(self, old: ModelRecord, new: ModelRecord, cap: int | None = None) -> None:
        limit = cap if new.holds_slot and not old.holds_slot else None
        if limit is not None and self.slots_in_use() >= limit:
            raise CapReached  # seen by reading, which keeps no writer waiting
        with self._database.transaction() as db:
            self._replace(db, old, new, limit)

    def replace_together(self, changes: Sequence[Change], cap: int | None = None) -> bool:
        with suppress(CapReached, Conflict), self._database.transaction() as db:
            for old, new in changes:
                self._replace(db, old, new, cap if new.holds_slot and not old.holds_slot else None)
            return True
        return False

    def _replace(
        self, db: sqlite3.Connection, old: ModelRecord, new: ModelRecord, limit: int | None
    ) -> None:
        if limit is not None and self.slots_in_use() >= limit:
            raise CapReached
        cursor = db.execute(
            "UPDATE models SET status = :status, version = :version, unfinished = :unfinished,"
            " holds_slot = :holds_slot, not_before = :not_before, record = :record"
            " WHERE model_id = :model_id AND version = :old_version",
            {**_columns(new), "old_version": old.version},
        )
        if cursor.rowcount != 1:
            raise Conflict

    def slots_in_use(self) -> int:
        return self._count("holds_slot = 1")

    def count_slots(self) -> SlotCount:
        used = self.slots_in_use()
        return SlotCount(used, held=used, changes=0)

    def mend_slots(self, count: SlotCount) -> None:
        """There is nothing to mend: the records that hold a slot are the count."""

    def ready(self, limit: int, now: datetime) -> list[ModelRecord]:
        return self._select(
            f"WHERE {_READY} ORDER BY priority DESC, created_at, model_id LIMIT :limit",
            {"now": now.timestamp(), "limit": limit},
        )

    def ahead_of(self, record: ModelRecord, now: datetime) -> int:
        return self._count(
            f"{_READY}"
            " AND (-priority, created_at, model_id) < (-:priority, :created_at, :model_id)",
            {
                "now": now.timestamp(),
                "priority": record.priority,
                "created_at": record.created_at.timestamp(),
                "model_id": record.model_id,
            },
        )

    def holding(self) -> list[ModelRecord]:
        records = self._select("WHERE holds_slot = 1", ())
        return sorted(records, key=lambda record: record.launched_at or record.created_at)

    def unfinished(self) -> int:
        return self._count("unfinished = 1")

    def waiting(self) -> Waiting:
        with self._database.reading() as db:
            count, oldest = db.execute(
                "SELECT count(*), min(created_at) FROM models WHERE status = 'Pending'"
            ).fetchone()
        return Waiting(count, None if oldest is None else datetime.fromtimestamp(oldest, UTC))

    def newest(
        self, limit: int, status: Status | None = None, name: str | None = None
    ) -> list[ModelRecord]:
        return self._select(
            "WHERE (:status IS NULL OR status = :status) AND (:name IS NULL OR name = :name)"
            " ORDER BY created_at DESC, model_id LIMIT :limit",
            {"status": status, "name": name, "limit": limit},
        )

    def starting_with(self, prefix: str, limit: int) -> list[ModelRecord]:
        return self._select(
            "WHERE model_id >= :prefix AND substr(model_id, 1, length(:prefix)) = :prefix"
            " ORDER BY created_at DESC, model_id LIMIT :limit",
            {"prefix": prefix, "limit": limit},
        )

    def report(self, model_id: str, attempt: int, report: Report) -> None:
        with self._database.transaction() as db:
            db.execute(
                "INSERT INTO reports (model_id, attempt, report) VALUES (?, ?, ?)"
                " ON CONFLICT DO UPDATE SET report = excluded.report",
                (model_id, attempt, report.model_dump_json()),
            )

    def reports(self, attempts: Collection[tuple[str, int]]) -> dict[tuple[str, int], Report]:
        found: dict[tuple[str, int], Report] = {}
        with self._database.reading() as db:
            for model_id, attempt in attempts:
                row = db.execute(
                    "SELECT report FROM reports WHERE model_id = ? AND attempt = ?",
                    (model_id, attempt),
                ).fetchone()
                if row is not None:
                    found[model_id, attempt] = _parse(Report, row[0], model_id)
        return found

    def _select(self, rest: str, parameters: tuple[Any, ...] | dict[str, Any]) -> list[ModelRecord]:
        with self._database.reading() as db:
            query = f"SELECT record, model_id FROM models {rest}"  # noqa: S608
            rows = db.execute(query, parameters).fetchall()
        return [_parse(ModelRecord, text, model_id) for text, model_id in rows]

    def _count(self, condition: str, parameters: dict[str, Any] | None = None) -> int:
        with self._database.reading() as db:
            query = f"SELECT count(*) FROM models WHERE {condition}"  # noqa: S608
            (count,) = db.execute(query, parameters or {}).fetchone()
        return int(count)


def _parse(kind: type[_Kind], text: str, model_id: str) -> _Kind:
    try:
        return kind.model_validate_json(text)
    except ValidationError as error:
        raise StorageUnavailable(
            f"The database's {kind.__name__} of {model_id} cannot be read:"
            " it is damaged, or another version of Trainshed wrote it."
        ) from error


def _columns(record: ModelRecord) -> dict[str, object]:
    return {
        "model_id": record.model_id,
        "name": record.name,
        "status": record.status,
        "version": record.version,
        "unfinished": not record.status.is_terminal,
        "holds_slot": record.holds_slot,
        "priority": record.priority,
        "not_before": record.not_before.timestamp() if record.not_before else 0.0,
        "created_at": record.created_at.timestamp(),
        "record": record.stored(),
    }

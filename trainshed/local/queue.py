"""LocalQueue: the queue and its dead letters, in SQLite."""

from __future__ import annotations

import sqlite3
import time
import uuid
from collections.abc import Callable, Collection
from datetime import UTC, datetime

from trainshed.local.database import Database
from trainshed.ports import DeadLetter, Message, Queue

MAX_BATCH = 10


class LocalQueue(Queue):
    def __init__(
        self,
        database: Database,
        visibility_seconds: float,
        max_receives: int,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._database = database
        self._visibility_seconds = visibility_seconds
        self._max_receives = max_receives
        self._clock = clock

    def send(self, body: str) -> str:
        with self._database.transaction() as db:
            return self._insert(db, body)

    def receive(self, limit: int) -> list[Message]:
        now = self._clock()
        latest = now + self._visibility_seconds
        with self._database.reading() as db:
            # A consumer that has nothing to do keeps no writer waiting.
            waits = "SELECT 1 FROM messages WHERE visible_at <= ? OR visible_at > ?"
            if not db.execute(waits, (now, latest)).fetchone():
                return []
        with self._database.transaction() as db:
            # Nothing is hidden for longer than this: the clock was set back since.
            db.execute("UPDATE messages SET visible_at = ? WHERE visible_at > ?", (now, latest))
            db.execute(
                "INSERT INTO dead_letters (message_id, body, reason, died_at)"
                " SELECT message_id, body, 'received ' || receives || ' times, never dealt with', ?"
                " FROM messages WHERE visible_at <= ? AND receives >= ?",
                (now, now, self._max_receives),
            )
            db.execute(
                "DELETE FROM messages WHERE visible_at <= ? AND receives >= ?",
                (now, self._max_receives),
            )
            rows = db.execute(
                "UPDATE messages SET visible_at = ?, receives = receives + 1 WHERE message_id IN"
                " (SELECT message_id FROM messages WHERE visible_at <= ? ORDER BY sent_at LIMIT ?)"
                " RETURNING message_id, body, sent_at, receives",
                (latest, now, min(limit, MAX_BATCH)),
            ).fetchall()
        return [
            Message(message_id, body, _moment(sent_at), receives, receipt=message_id)
            for message_id, body, sent_at, receives in rows
        ]

    def delete(self, *messages: Message) -> None:
        with self._database.transaction() as db:
            db.executemany(
                "DELETE FROM messages WHERE message_id = ?",
                [(message.message_id,) for message in messages],
            )

    def bury(self, message: Message, reason: str) -> None:
        with self._database.transaction() as db:
            db.execute(
                # From the queue: one that was buried, and redriven since, must not come back.
                "INSERT INTO dead_letters (message_id, body, reason, died_at)"
                " SELECT message_id, body, ?, ? FROM messages WHERE message_id = ?",
                (reason, self._clock(), message.message_id),
            )
            db.execute("DELETE FROM messages WHERE message_id = ?", (message.message_id,))

    def depth(self) -> int:
        with self._database.reading() as db:
            (count,) = db.execute("SELECT count(*) FROM messages").fetchone()
        return int(count)

    def dead_letters(self, limit: int) -> list[DeadLetter]:
        with self._database.reading() as db:
            rows = db.execute(
                "SELECT message_id, body, reason, died_at FROM dead_letters"
                " ORDER BY died_at DESC, message_id LIMIT ?",
                (limit,),
            ).fetchall()
        return [
            DeadLetter(message_id, body, reason, _moment(died_at))
            for message_id, body, reason, died_at in rows
        ]

    def redrive(self, message_ids: Collection[str] | None) -> dict[str, str]:
        redriven = {}
        with self._database.transaction() as db:
            for message_id, body in db.execute(
                "SELECT message_id, body FROM dead_letters"
            ).fetchall():
                if message_ids is None or message_id in message_ids:
                    redriven[message_id] = self._insert(db, body)
                    db.execute("DELETE FROM dead_letters WHERE message_id = ?", (message_id,))
        return redriven

    def _insert(self, db: sqlite3.Connection, body: str) -> str:
        message_id, now = str(uuid.uuid4()), self._clock()
        db.execute(
            "INSERT INTO messages (message_id, body, sent_at, visible_at) VALUES (?, ?, ?, ?)",
            (message_id, body, now, now),
        )
        return message_id


def _moment(seconds: float) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)

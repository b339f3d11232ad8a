"""LocalQueue: the queue and its dead letters, in SQLite."""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable, Collection
from datetime import UTC, datetime

from trainshed.local.database import Database
from trainshed.ports import DeadLetter, Message, Queue


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
        message_id = str(uuid.uuid4())
        with self._database.transaction() as db:
            db.execute(
                "INSERT INTO messages (message_id, body, visible_at) VALUES (?, ?, ?)",
                (message_id, body, self._clock()),
            )
        return message_id

    def receive(self, limit: int) -> list[Message]:
        now = self._clock()
        with self._database.transaction() as db:
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
                "SELECT message_id, body, receives + 1 FROM messages WHERE visible_at <= ?"
                " ORDER BY visible_at LIMIT ?",
                (now, min(limit, 10)),
            ).fetchall()
            messages = [
                Message(message_id, body, receives, receipt=str(uuid.uuid4()))
                for message_id, body, receives in rows
            ]
            db.executemany(
                "UPDATE messages SET visible_at = ?, receives = ?, receipt = ?"
                " WHERE message_id = ?",
                [
                    (now + self._visibility_seconds, m.receives, m.receipt, m.message_id)
                    for m in messages
                ],
            )
        return messages

    def delete(self, message: Message) -> None:
        # By id, not by receipt: whoever has dealt with a message has dealt with its redelivery.
        with self._database.transaction() as db:
            db.execute("DELETE FROM messages WHERE message_id = ?", (message.message_id,))

    def bury(self, message: Message, reason: str) -> None:
        with self._database.transaction() as db:
            db.execute(
                "INSERT INTO dead_letters (message_id, body, reason, died_at) VALUES (?, ?, ?, ?)"
                " ON CONFLICT DO NOTHING",
                (message.message_id, message.body, reason, self._clock()),
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
            DeadLetter(message_id, body, reason, datetime.fromtimestamp(died_at, UTC))
            for message_id, body, reason, died_at in rows
        ]

    def redrive(self, message_ids: Collection[str] | None) -> list[str]:
        with self._database.transaction() as db:
            rows = db.execute("SELECT message_id, body FROM dead_letters").fetchall()
            chosen = [row for row in rows if message_ids is None or row[0] in message_ids]
            db.executemany(
                "INSERT INTO messages (message_id, body, visible_at) VALUES (?, ?, ?)",
                [(str(uuid.uuid4()), body, self._clock()) for _, body in chosen],
            )
            db.executemany(
                "DELETE FROM dead_letters WHERE message_id = ?", [(row[0],) for row in chosen]
            )
        return [row[0] for row in chosen]

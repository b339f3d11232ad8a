"""LocalFeedback: what people say of answers, in SQLite."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from pydantic import ValidationError

from trainshed.errors import StorageUnavailable
from trainshed.feedback import Feedback
from trainshed.local.database import Database
from trainshed.ports import FeedbackStore

PAGE = 32
"""How many are read at once. Between two pages nothing is held, so that a slow reader keeps SQLite
from no checkpoint, and may be as slow as it likes."""


class LocalFeedback(FeedbackStore):
    def __init__(self, database: Database) -> None:
        self._database = database

    def put(self, feedback: Sequence[Feedback]) -> list[bool]:
        rows = [(each.name, each.feedback_id, each.encode()) for each in feedback]
        with self._database.transaction() as db:
            return [
                db.execute(
                    "INSERT INTO feedback (name, feedback_id, feedback) VALUES (?, ?, ?)"
                    " ON CONFLICT DO NOTHING",
                    row,
                ).rowcount
                == 1
                for row in rows
            ]

    def of(self, name: str) -> Iterator[Feedback]:
        last = ""
        while True:
            with self._database.reading() as db:
                rows = db.execute(
                    "SELECT feedback_id, feedback FROM feedback"
                    " WHERE name = ? AND feedback_id > ? ORDER BY feedback_id LIMIT ?",
                    (name, last, PAGE),
                ).fetchall()
            for feedback_id, text in rows:
                yield _parse(feedback_id, text)
            if len(rows) < PAGE:
                return
            last = rows[-1][0]


def _parse(feedback_id: str, text: str) -> Feedback:
    try:
        return Feedback.model_validate_json(text)
    except ValidationError as error:
        raise StorageUnavailable(
            f"The database's feedback {feedback_id} cannot be read: it is damaged, or another"
            " version of Trainshed wrote it."
        ) from error

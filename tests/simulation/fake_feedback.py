"""FakeFeedback: a feedback store in memory."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from trainshed.feedback import Feedback
from trainshed.ports import FeedbackStore


class FakeFeedback(FeedbackStore):
    def __init__(self) -> None:
        self._kept: dict[tuple[str, str], str] = {}

    def put(self, feedback: Sequence[Feedback]) -> list[bool]:
        rows = [((each.name, each.feedback_id), each.encode()) for each in feedback]
        return [self._put(key, text) for key, text in rows]

    def of(self, name: str) -> Iterator[Feedback]:
        keys = sorted(key for key in self._kept if key[0] == name)
        return (Feedback.model_validate_json(self._kept[key]) for key in keys)

    def _put(self, key: tuple[str, str], text: str) -> bool:
        is_new = key not in self._kept
        self._kept.setdefault(key, text)
        return is_new

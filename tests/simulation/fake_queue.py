"""FakeQueue: a queue in memory, as SQS promises it and no better."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from trainshed.ports import DeadLetter, Message, Queue

MAX_BATCH = 10


@dataclass
class _Held:
    message_id: str
    body: str
    sent_at: datetime
    visible_at: datetime
    receives: int = 0


class FakeQueue(Queue):
    def __init__(
        self,
        clock: Callable[[], datetime],
        visibility_seconds: float,
        max_receives: int,
        new_id: Callable[[], str] = lambda: str(uuid.uuid4()),
        hides: Callable[[Message], float] | None = None,
        misses: Callable[[], bool] = lambda: False,
    ) -> None:
        """`hides` says for how many seconds a message is really hidden when it is received (0: it
        is delivered twice), `misses` whether a receive overlooks a message that waits."""
        self._clock = clock
        self._max_receives = max_receives
        self._new_id = new_id
        self._hides = hides or (lambda _: visibility_seconds)
        self._misses = misses
        self._messages: dict[str, _Held] = {}
        self._dead: dict[str, DeadLetter] = {}

    def send(self, body: str) -> str:
        message_id, now = self._new_id(), self._clock()
        self._messages[message_id] = _Held(message_id, body, now, now)
        return message_id

    def receive(self, limit: int) -> list[Message]:
        now = self._clock()
        received: list[Message] = []
        for held in [held for held in self._messages.values() if held.visible_at <= now]:
            if held.receives >= self._max_receives:
                del self._messages[held.message_id]
                reason = f"received {held.receives} times, never dealt with"
                self._bury(held, reason)
            elif len(received) < min(limit, MAX_BATCH) and not self._misses():
                held.receives += 1
                message = Message(
                    held.message_id,
                    held.body,
                    held.sent_at,
                    held.receives,
                    receipt=f"{held.message_id}/{held.receives}",
                )
                held.visible_at = now + timedelta(seconds=self._hides(message))
                received.append(message)
        return received

    def delete(self, *messages: Message) -> None:
        for message in messages:
            self._messages.pop(message.message_id, None)

    def bury(self, message: Message, reason: str) -> None:
        held = self._messages.pop(message.message_id, None)
        if held is not None:
            self._bury(held, reason)

    def depth(self) -> int:
        return len(self._messages)

    def dead_letters(self, limit: int) -> list[DeadLetter]:
        newest = sorted(self._dead.values(), key=lambda letter: letter.message_id)
        newest.sort(key=lambda letter: letter.died_at, reverse=True)
        return newest[:limit]

    def redrive(self, message_ids: Collection[str] | None) -> Mapping[str, str]:
        wanted = [
            letter
            for letter in self._dead.values()
            if message_ids is None or letter.message_id in message_ids
        ]
        redriven = {}
        for letter in wanted:
            redriven[letter.message_id] = self.send(letter.body)
            del self._dead[letter.message_id]
        return redriven

    def holds(self, message_id: str) -> bool:
        """Whether it waits or is in flight."""
        return message_id in self._messages

    def dead_letter(self, message_id: str) -> DeadLetter | None:
        return self._dead.get(message_id)

    def _bury(self, held: _Held, reason: str) -> None:
        self._dead[held.message_id] = DeadLetter(
            held.message_id, held.body, reason, died_at=self._clock()
        )

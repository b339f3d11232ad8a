"""Intake: queue → registry. From here on the record is the truth, and the queue is free again."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from datetime import datetime

from trainshed.engine import Engine
from trainshed.errors import InvalidRequest
from trainshed.model_type import Catalogue
from trainshed.ports import Message
from trainshed.record import ModelRecord, pending, rejected
from trainshed.request import decode

_logger = logging.getLogger(__name__)

BATCH = 10
MAX_BATCHES = 20
"""Per tick, so that a flood of messages cannot keep the slots waiting."""


def take_in(engine: Engine, catalogue: Catalogue, now: datetime) -> int:
    """Turn waiting messages into records, Pending or Rejected; give how many were dealt with.

    The record is put before the message goes: a crash in between brings the message again, and it
    finds its record.
    """
    count = 0
    for _ in range(MAX_BATCHES):
        messages = engine.queue.receive(BATCH)
        _take_in_batch(engine, catalogue, messages, now)
        count += len(messages)
        if not messages:  # a queue with many hosts may give fewer than it has
            break
    return count


def _take_in_batch(
    engine: Engine, catalogue: Catalogue, messages: Sequence[Message], now: datetime
) -> None:
    accepted: list[Message] = []
    records: list[ModelRecord] = []
    for message in messages:
        try:
            request = decode(message.body, message.message_id, catalogue)
        except InvalidRequest as error:
            engine.registry.put_new(rejected(message.body, message.message_id, str(error), now))
            engine.queue.bury(message, str(error))
            _logger.warning("message %s rejected: %s", message.message_id, error)
        else:
            accepted.append(message)
            records.append(pending(request, message.sent_at, now))
    if accepted:
        engine.registry.put_new(*records)
        engine.queue.delete(*accepted)

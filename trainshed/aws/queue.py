"""SqsQueue: the queue and its dead letters, two SQS queues."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from datetime import UTC, datetime
from typing import Any

from trainshed.aws.clients import in_words
from trainshed.ports import DeadLetter, Message, Queue

BATCH = 10
WAIT_SECONDS = 1
"""Long polling: SQS then asks all of its hosts, so that no message that is there is missed."""

_BROWSE_SECONDS = 30
"""How long a dead letter that is being looked at stays hidden from other looks."""
_REASON = "reason"
_ORIGINAL_ID = "original_message_id"
_MAX_REASON = 1024


class SqsQueue(Queue):
    def __init__(self, sqs: Any, queue_url: str, dead_letter_url: str) -> None:
        """How often a message is received before it is a dead letter is the queue's own redrive
        policy."""
        self._sqs = sqs
        self._queue_url = queue_url
        self._dead_letter_url = dead_letter_url

    def send(self, body: str) -> str:
        with in_words("The queue"):
            sent = self._sqs.send_message(QueueUrl=self._queue_url, MessageBody=body)
        return str(sent["MessageId"])

    def receive(self, limit: int) -> list[Message]:
        with in_words("The queue"):
            answer = self._sqs.receive_message(
                QueueUrl=self._queue_url,
                MaxNumberOfMessages=min(limit, BATCH),
                WaitTimeSeconds=WAIT_SECONDS,
                MessageSystemAttributeNames=["ApproximateReceiveCount", "SentTimestamp"],
            )
        return [
            Message(
                message_id=message["MessageId"],
                body=message["Body"],
                sent_at=_sent_at(message),
                receives=int(message["Attributes"]["ApproximateReceiveCount"]),
                receipt=message["ReceiptHandle"],
            )
            for message in answer.get("Messages", [])
        ]

    def delete(self, message: Message) -> None:
        with in_words("The queue"):
            self._sqs.delete_message(QueueUrl=self._queue_url, ReceiptHandle=message.receipt)

    def bury(self, message: Message, reason: str) -> None:
        # Sent before it is deleted: a crash in between buries it twice, which `dead_letters` folds.
        with in_words("The dead-letter queue"):
            self._sqs.send_message(
                QueueUrl=self._dead_letter_url,
                MessageBody=message.body,
                MessageAttributes={
                    _REASON: _attribute(_printable(reason)[:_MAX_REASON]),
                    _ORIGINAL_ID: _attribute(message.message_id),
                },
            )
        self.delete(message)

    def depth(self) -> int:
        with in_words("The queue"):
            answer = self._sqs.get_queue_attributes(
                QueueUrl=self._queue_url,
                AttributeNames=[
                    "ApproximateNumberOfMessages",
                    "ApproximateNumberOfMessagesNotVisible",
                    "ApproximateNumberOfMessagesDelayed",
                ],
            )
        return sum(int(count) for count in answer["Attributes"].values())

    def dead_letters(self, limit: int) -> list[DeadLetter]:
        found: dict[str, DeadLetter] = {}
        for raw in self._browse():
            letter = _dead_letter(raw)
            found.setdefault(letter.message_id, letter)
        newest = sorted(found.values(), key=lambda letter: letter.message_id)
        newest.sort(key=lambda letter: letter.died_at, reverse=True)
        return newest[:limit]

    def redrive(self, message_ids: Collection[str] | None) -> dict[str, str]:
        redriven: dict[str, str] = {}
        for raw in self._browse():
            letter = _dead_letter(raw)
            if message_ids is not None and letter.message_id not in message_ids:
                continue
            if letter.message_id not in redriven:
                redriven[letter.message_id] = self.send(letter.body)
            with in_words("The dead-letter queue"):
                self._sqs.delete_message(
                    QueueUrl=self._dead_letter_url, ReceiptHandle=raw["ReceiptHandle"]
                )
        return redriven

    def _browse(self) -> Iterator[dict[str, Any]]:
        """All dead letters. SQS can only be read by receiving, which hides; so what was not deleted
        meanwhile is shown again at the end."""
        seen: list[dict[str, Any]] = []
        try:
            while True:
                with in_words("The dead-letter queue"):
                    answer = self._sqs.receive_message(
                        QueueUrl=self._dead_letter_url,
                        MaxNumberOfMessages=BATCH,
                        WaitTimeSeconds=WAIT_SECONDS,
                        VisibilityTimeout=_BROWSE_SECONDS,
                        MessageSystemAttributeNames=["SentTimestamp"],
                        MessageAttributeNames=["All"],
                    )
                batch = answer.get("Messages", [])
                if not batch:
                    return
                seen += batch
                yield from batch
        finally:
            self._show_again(seen)

    def _show_again(self, messages: list[dict[str, Any]]) -> None:
        for start in range(0, len(messages), BATCH):
            entries = [
                {
                    "Id": str(index),
                    "ReceiptHandle": message["ReceiptHandle"],
                    "VisibilityTimeout": 0,
                }
                for index, message in enumerate(messages[start : start + BATCH])
            ]
            # One that has been deleted fails alone, inside of the answer.
            with in_words("The dead-letter queue"):
                self._sqs.change_message_visibility_batch(
                    QueueUrl=self._dead_letter_url, Entries=entries
                )


def _dead_letter(raw: dict[str, Any]) -> DeadLetter:
    attributes = raw.get("MessageAttributes", {})
    return DeadLetter(
        message_id=attributes.get(_ORIGINAL_ID, {}).get("StringValue", raw["MessageId"]),
        body=raw["Body"],
        # Without one it was the queue's redrive policy that moved it.
        reason=attributes.get(_REASON, {}).get(
            "StringValue", "received too many times, never dealt with"
        ),
        died_at=_sent_at(raw),
    )


def _sent_at(raw: dict[str, Any]) -> datetime:
    return datetime.fromtimestamp(int(raw["Attributes"]["SentTimestamp"]) / 1000, UTC)


def _attribute(text: str) -> dict[str, str]:
    return {"DataType": "String", "StringValue": text}


def _printable(text: str) -> str:
    """SQS refuses control characters."""
    return "".join(character if character.isprintable() else "?" for character in text)

"""SqsQueue: the queue and its dead letters, two SQS queues."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator
from datetime import UTC, datetime
from typing import Any

from botocore.exceptions import ClientError

from trainshed.aws.words import error_code, in_words
from trainshed.errors import InvalidRequest
from trainshed.ports import DeadLetter, Message, Queue

BATCH = 10
WAIT_SECONDS = 1
"""Long polling: SQS then asks all of its hosts, so that no message that is there is missed."""

_BROWSE_SECONDS = 60
"""How long a dead letter that is being looked at stays hidden from other looks."""
_REASON = "reason"
_ORIGINAL_ID = "original_message_id"
_MAX_REASON = 1024
_BURIAL_SECONDS = 60
_DEALT_WITH = ("ReceiptHandleIsInvalid", "InvalidParameterValue", "MessageNotInflight")
"""SQS's words for the receipt of a message that is deleted, or on the queue again."""


class SqsQueue(Queue):
    def __init__(
        self, sqs: Any, queue_url: str, dead_letter_url: str, wait_seconds: int = WAIT_SECONDS
    ) -> None:
        """How long a received message is hidden, and how often it is received before it is a dead
        letter, are the queue's own attributes."""
        self._sqs = sqs
        self._queue_url = queue_url
        self._dead_letter_url = dead_letter_url
        self._wait_seconds = wait_seconds

    def send(self, body: str) -> str:
        with in_words("The queue"):
            try:
                sent = self._sqs.send_message(QueueUrl=self._queue_url, MessageBody=body)
            except ClientError as error:
                if error_code(error) == "InvalidMessageContents":
                    raise InvalidRequest(
                        "The message holds characters that SQS does not take."
                    ) from error
                raise
        return str(sent["MessageId"])

    def receive(self, limit: int) -> list[Message]:
        with in_words("The queue"):
            answer = self._sqs.receive_message(
                QueueUrl=self._queue_url,
                MaxNumberOfMessages=min(limit, BATCH),
                WaitTimeSeconds=self._wait_seconds,
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

    def delete(self, *messages: Message) -> None:
        for start in range(0, len(messages), BATCH):
            entries = [
                {"Id": str(index), "ReceiptHandle": message.receipt}
                for index, message in enumerate(messages[start : start + BATCH])
            ]
            # One that cannot be deleted now comes again, and finds its record.
            with in_words("The queue"):
                self._sqs.delete_message_batch(QueueUrl=self._queue_url, Entries=entries)

    def bury(self, message: Message, reason: str) -> None:
        if not self._hold(message):
            return
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
            letter = self._dead_letter(raw)
            found.setdefault(letter.message_id, letter)
        newest = sorted(found.values(), key=lambda letter: letter.message_id)
        newest.sort(key=lambda letter: letter.died_at, reverse=True)
        return newest[:limit]

    def redrive(self, message_ids: Collection[str] | None) -> dict[str, str]:
        redriven: dict[str, str] = {}
        for raw in self._browse():
            message_id = _message_id(raw)
            if message_ids is not None and message_id not in message_ids:
                continue
            if message_id not in redriven:
                redriven[message_id] = self.send(raw["Body"])
            with in_words("The dead-letter queue"):
                self._sqs.delete_message(
                    QueueUrl=self._dead_letter_url, ReceiptHandle=raw["ReceiptHandle"]
                )
        return redriven

    def _dead_letter(self, raw: dict[str, Any]) -> DeadLetter:
        reason = raw.get("MessageAttributes", {}).get(_REASON, {}).get("StringValue")
        return DeadLetter(
            message_id=_message_id(raw),
            body=raw["Body"],
            reason=reason or f"received {self._max_receives()} times, never dealt with",
            died_at=_sent_at(raw),  # if SQS has moved it: when it was sent first
        )

    def _max_receives(self) -> int:
        """How often a message is received before the queue's redrive policy moves it."""
        with in_words("The queue"):
            answer = self._sqs.get_queue_attributes(
                QueueUrl=self._queue_url, AttributeNames=["RedrivePolicy"]
            )
        return int(json.loads(answer["Attributes"]["RedrivePolicy"])["maxReceiveCount"])

    def _hold(self, message: Message) -> bool:
        """Keep a received message hidden during its burial; say whether it is still there."""
        with in_words("The queue"):
            try:
                self._sqs.change_message_visibility(
                    QueueUrl=self._queue_url,
                    ReceiptHandle=message.receipt,
                    VisibilityTimeout=_BURIAL_SECONDS,
                )
            except ClientError as error:
                if error_code(error).rsplit(".", 1)[-1] in _DEALT_WITH:
                    return False
                raise
        return True

    def _browse(self) -> Iterator[dict[str, Any]]:
        """All dead letters. SQS can only be read by receiving, which hides; so what was not deleted
        meanwhile is shown again at the end."""
        seen: dict[str, dict[str, Any]] = {}
        try:
            while True:
                with in_words("The dead-letter queue"):
                    answer = self._sqs.receive_message(
                        QueueUrl=self._dead_letter_url,
                        MaxNumberOfMessages=BATCH,
                        WaitTimeSeconds=self._wait_seconds,
                        VisibilityTimeout=_BROWSE_SECONDS,
                        MessageSystemAttributeNames=["SentTimestamp"],
                        MessageAttributeNames=["All"],
                    )
                batch = {raw["MessageId"]: raw for raw in answer.get("Messages", [])}
                if batch.keys() <= seen.keys():  # none, or they come round again already
                    return
                yield from (raw for key, raw in batch.items() if key not in seen)
                seen |= batch
        finally:
            self._show_again(list(seen.values()))

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


def _message_id(raw: dict[str, Any]) -> str:
    """That of the message that died; one that SQS has moved keeps its own."""
    original = raw.get("MessageAttributes", {}).get(_ORIGINAL_ID, {})
    return str(original.get("StringValue", raw["MessageId"]))


def _sent_at(raw: dict[str, Any]) -> datetime:
    return datetime.fromtimestamp(int(raw["Attributes"]["SentTimestamp"]) / 1000, UTC)


def _attribute(text: str) -> dict[str, str]:
    return {"DataType": "String", "StringValue": text}


def _printable(text: str) -> str:
    """SQS refuses control characters."""
    return "".join(character if character.isprintable() else "?" for character in text)

"""DynamoFeedback: what people say of answers, in a DynamoDB table of its own.

An item holds the feedback as JSON; its key is `name` and `feedback_id`.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from botocore.exceptions import ClientError
from pydantic import ValidationError

from trainshed.aws.words import error_code, in_words
from trainshed.errors import StorageUnavailable
from trainshed.feedback import Feedback
from trainshed.ports import FeedbackStore

AT_ONCE = 8
"""How many are written at the same time. A transaction could take a hundred at once, at twice the
price, and would fail as a whole where one is known already."""


class DynamoFeedback(FeedbackStore):
    def __init__(self, dynamodb: Any, table: str) -> None:
        self._dynamodb = dynamodb
        self._table = table

    def put(self, feedback: Sequence[Feedback]) -> list[bool]:
        items = [
            {
                "name": {"S": each.name},
                "feedback_id": {"S": each.feedback_id},
                "feedback": {"S": each.encode()},
            }
            for each in feedback
        ]
        if len(items) < 2:  # the most often, and needs no thread
            return list(map(self._put, items))
        with ThreadPoolExecutor(min(AT_ONCE, len(items))) as threads:
            return list(threads.map(self._put, items))

    def of(self, name: str) -> Iterator[Feedback]:
        with in_words("The feedback"):
            pages = self._dynamodb.get_paginator("query").paginate(
                TableName=self._table,
                KeyConditionExpression="#name = :name",
                ExpressionAttributeNames={"#name": "name"},
                ExpressionAttributeValues={":name": {"S": name}},
                ConsistentRead=True,
            )
            for page in pages:
                for item in page["Items"]:
                    yield _parse(item)

    def _put(self, item: dict[str, Any]) -> bool:
        with in_words("The feedback"):
            try:
                self._dynamodb.put_item(
                    TableName=self._table,
                    Item=item,
                    ConditionExpression="attribute_not_exists(feedback_id)",
                )
            except ClientError as error:
                if error_code(error) == "ConditionalCheckFailedException":
                    return False
                raise
        return True


def _parse(item: dict[str, Any]) -> Feedback:
    try:
        return Feedback.model_validate_json(item["feedback"]["S"])
    except ValidationError as error:
        raise StorageUnavailable(
            f"The feedback {item['feedback_id']['S']} cannot be read;"
            " another version of Trainshed wrote it."
        ) from error

"""DynamoRegistry: the records, in one DynamoDB table, with the count of slots beside them.

An item holds the record as JSON; its other attributes are there to find it by, and to compare:

    model_id   the key; `#slots` is the item that counts them (`used`) and its own changes
               (`changes`), `#report…` are reports
    version    for the conditional write
    state      `pending` or `slot`, absent once the record is terminal, so that the index `by_state`
               (state, state_order) holds unfinished records only and never grows with history
    name       index `by_name` (name, created_at)
    kind       always `model`: indexes `by_age` (kind, created_at) and `by_id` (kind, model_id)
"""

from __future__ import annotations

import random
import time
from collections.abc import Collection, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from boto3.dynamodb.types import TypeDeserializer, TypeSerializer
from botocore.exceptions import ClientError
from pydantic import ValidationError

from trainshed.aws.words import error_code, in_words
from trainshed.errors import CapReached, Conflict, StorageUnavailable
from trainshed.ports import Change, Registry, Report, SlotCount, Waiting
from trainshed.record import ModelRecord, Status

REPORT_DAYS = 90
"""Reports are kept this long, by the table's TTL."""

_SLOTS = "#slots"
_PENDING, _SLOT = "pending", "slot"
_TRIES = 8
_AT_ONCE = 100
"""How many items DynamoDB gives in one answer."""
_WRITTEN_AT_ONCE = 99
"""How many records go into one transaction, beside the count of slots."""
_IS_NEW = "attribute_not_exists(model_id)"
_TAKEN = ("ConditionalCheckFailedException", "TransactionConflictException")
"""The second: the record is being changed this very moment, so it is there."""

_serialize = TypeSerializer().serialize
_deserialize = TypeDeserializer().deserialize


class DynamoRegistry(Registry):
    def __init__(self, dynamodb: Any, table: str) -> None:
        self._dynamodb = dynamodb
        self._table = table

    def put_new(self, *records: ModelRecord) -> bool:
        new = {record.model_id: record for record in reversed(records)}
        while len(new) > 1:
            writes = [self._put(record, _IS_NEW) for record in new.values()]
            reasons = self._transact(writes)
            if reasons is None:
                return len(new) == len(records)
            new = {
                model_id: new[model_id]
                for model_id, reason in zip(new, reasons, strict=True)
                if reason != "ConditionalCheckFailed"
            }
        written = [self._put_one(record) for record in new.values()]
        return len(written) == len(records) and all(written)

    def _put_one(self, record: ModelRecord) -> bool:
        with in_words("The registry"):
            try:
                self._dynamodb.put_item(
                    TableName=self._table,
                    Item=_item(record),
                    ConditionExpression=_IS_NEW,
                )
            except ClientError as error:
                if error_code(error) in _TAKEN:
                    return False
                raise
        return True

    def get(self, model_id: str) -> ModelRecord | None:
        item = self._get(model_id)
        return _record(item["record"]) if item else None

    def replace(self, old: ModelRecord, new: ModelRecord, cap: int | None = None) -> None:
        count = self._count_slots([(old, new)], cap)
        reasons = self._transact([*count, self._put_over(old, new)])
        if reasons is None:
            return
        raise CapReached if count and reasons[0] == "ConditionalCheckFailed" else Conflict

    def replace_together(self, changes: Sequence[Change], cap: int | None = None) -> bool:
        if len(changes) > _WRITTEN_AT_ONCE:
            return False
        writes = [self._put_over(old, new) for old, new in changes]
        return self._transact([*self._count_slots(changes, cap), *writes]) is None

    def slots_in_use(self) -> int:
        item = self._get(_SLOTS)
        return int(item["used"]) if item else 0

    def count_slots(self) -> SlotCount:
        # Over the table itself: an index may be late. A count during which no slot has changed
        # hands is one of a single moment.
        for _ in range(_TRIES):
            before = self._get(_SLOTS)
            held = sum(
                page["Count"]
                for page in self._pages(
                    "scan",
                    FilterExpression="#state = :state",
                    ExpressionAttributeNames={"#state": "state"},
                    ExpressionAttributeValues={":state": {"S": _SLOT}},
                    Select="COUNT",
                    ConsistentRead=True,
                )
            )
            if self._get(_SLOTS) == before:
                used, changes = (int(before.get(key, 0)) for key in ("used", "changes"))
                return SlotCount(used, held, changes)
        raise Conflict("Slots change hands too often to be counted.")

    def mend_slots(self, count: SlotCount) -> None:
        with in_words("The registry"):
            try:
                self._dynamodb.update_item(
                    TableName=self._table,
                    Key={"model_id": {"S": _SLOTS}},
                    UpdateExpression="SET used = :held, changes = :next",
                    ConditionExpression="changes = :changes OR attribute_not_exists(changes)",
                    ExpressionAttributeValues=_serialized(
                        {
                            ":held": count.held,
                            ":changes": count.changes,
                            ":next": count.changes + 1,
                        }
                    ),
                )
            except ClientError as error:
                if error_code(error) in _TAKEN:
                    raise Conflict from None
                raise

    def ready(self, limit: int, now: datetime) -> list[ModelRecord]:
        return self._records(
            limit,
            IndexName="by_state",
            KeyConditionExpression="#state = :state",
            FilterExpression="not_before <= :now",
            ExpressionAttributeNames={"#state": "state"},
            ExpressionAttributeValues={":state": {"S": _PENDING}, ":now": {"S": _moment(now)}},
        )

    def ahead_of(self, record: ModelRecord, now: datetime) -> int:
        return sum(
            page["Count"]
            for page in self._pages(
                IndexName="by_state",
                KeyConditionExpression="#state = :state AND state_order < :order",
                FilterExpression="not_before <= :now",
                ExpressionAttributeNames={"#state": "state"},
                ExpressionAttributeValues={
                    ":state": {"S": _PENDING},
                    ":order": {"S": _queue_order(record)},
                    ":now": {"S": _moment(now)},
                },
                Select="COUNT",
            )
        )

    def holding(self) -> list[ModelRecord]:
        return self._records(
            None,
            IndexName="by_state",
            KeyConditionExpression="#state = :state",
            ExpressionAttributeNames={"#state": "state"},
            ExpressionAttributeValues={":state": {"S": _SLOT}},
        )

    def unfinished(self) -> int:
        return self._count(_PENDING) + self._count(_SLOT)

    def waiting(self) -> Waiting:
        asked = [
            item["created_at"]["S"].partition("#")[0]
            for page in self._pages(
                IndexName="by_state",
                KeyConditionExpression="#state = :state",
                ExpressionAttributeNames={"#state": "state"},
                ExpressionAttributeValues={":state": {"S": _PENDING}},
                ProjectionExpression="created_at",
            )
            for item in page["Items"]
        ]
        oldest = min(asked, default=None)
        return Waiting(len(asked), None if oldest is None else datetime.fromisoformat(oldest))

    def newest(
        self, limit: int, status: Status | None = None, name: str | None = None
    ) -> list[ModelRecord]:
        key, value = ("name", name) if name is not None else ("kind", "model")
        query: dict[str, Any] = {
            "IndexName": "by_name" if name is not None else "by_age",
            "KeyConditionExpression": "#key = :key",
            "ExpressionAttributeNames": {"#key": key},
            "ExpressionAttributeValues": {":key": {"S": value}},
            "ScanIndexForward": False,
        }
        if status is not None:
            query["FilterExpression"] = "#status = :status"
            query["ExpressionAttributeNames"]["#status"] = "status"
            query["ExpressionAttributeValues"][":status"] = {"S": str(status)}
        return self._records(limit, **query)

    def starting_with(self, prefix: str, limit: int) -> list[ModelRecord]:
        records = self._records(
            None,
            IndexName="by_id",
            KeyConditionExpression="kind = :kind AND begins_with(model_id, :prefix)",
            ExpressionAttributeValues={":kind": {"S": "model"}, ":prefix": {"S": prefix}},
        )
        records.sort(key=lambda record: record.created_at, reverse=True)
        return records[:limit]

    def report(self, model_id: str, attempt: int, report: Report) -> None:
        with in_words("The registry"):
            self._dynamodb.put_item(
                TableName=self._table,
                Item=_serialized(
                    {
                        "model_id": _report_key(model_id, attempt),
                        "report": report.model_dump_json(),
                        "expires_at": int(report.at.timestamp()) + REPORT_DAYS * 86400,
                    }
                ),
            )

    def reports(self, attempts: Collection[tuple[str, int]]) -> dict[tuple[str, int], Report]:
        attempt_of = {_report_key(*attempt): attempt for attempt in attempts}
        keys, found = list(attempt_of), {}
        while keys:
            asked = {"Keys": [{"model_id": {"S": key}} for key in keys[:_AT_ONCE]]}
            with in_words("The registry"):
                answer = self._dynamodb.batch_get_item(
                    RequestItems={self._table: {**asked, "ConsistentRead": True}}
                )
            for item in answer["Responses"].get(self._table, []):
                report = Report.model_validate_json(item["report"]["S"])
                found[attempt_of[item["model_id"]["S"]]] = report
            left = answer.get("UnprocessedKeys", {}).get(self._table, {}).get("Keys", [])
            keys = [key["model_id"]["S"] for key in left] + keys[_AT_ONCE:]
        return found

    def _count(self, state: str) -> int:
        return sum(
            page["Count"]
            for page in self._pages(
                IndexName="by_state",
                KeyConditionExpression="#state = :state",
                ExpressionAttributeNames={"#state": "state"},
                ExpressionAttributeValues={":state": {"S": state}},
                Select="COUNT",
            )
        )

    def _get(self, key: str) -> dict[str, Any]:
        with in_words("The registry"):
            answer = self._dynamodb.get_item(
                TableName=self._table, Key={"model_id": {"S": key}}, ConsistentRead=True
            )
        return _deserialized(answer.get("Item", {}))

    def _put(self, record: ModelRecord, condition: str, **values: object) -> dict[str, Any]:
        put: dict[str, Any] = {
            "TableName": self._table,
            "Item": _item(record),
            "ConditionExpression": condition,
        }
        if values:
            put["ExpressionAttributeValues"] = {
                f":{name}": _serialize(value) for name, value in values.items()
            }
        return {"Put": put}

    def _put_over(self, old: ModelRecord, new: ModelRecord) -> dict[str, Any]:
        return self._put(new, "version = :version", version=old.version)

    def _count_slots(self, changes: Sequence[Change], cap: int | None) -> list[dict[str, Any]]:
        """The write that counts the slots that change hands; none if none does."""
        change = sum(int(new.holds_slot) - int(old.holds_slot) for old, new in changes)
        if not change:
            return []
        values = {":change": change, ":none": 0, ":one": 1}
        update: dict[str, Any] = {
            "TableName": self._table,
            "Key": {"model_id": {"S": _SLOTS}},
            "UpdateExpression": "SET used = if_not_exists(used, :none) + :change,"
            " changes = if_not_exists(changes, :none) + :one",
        }
        if change > 0 and cap is not None:
            # Nobody has taken a slot yet where there is no count: then the cap alone decides.
            first = " OR attribute_not_exists(used)" if change <= cap else ""
            update["ConditionExpression"] = f"used <= :others{first}"
            values[":others"] = cap - change
        update["ExpressionAttributeValues"] = _serialized(values)
        return [{"Update": update}]

    def _transact(self, writes: list[dict[str, Any]]) -> list[str] | None:
        """Do all the writes or none. Gives None, or for each write why it could not be done."""
        for attempt in range(_TRIES):
            with in_words("The registry"):
                try:
                    self._dynamodb.transact_write_items(TransactItems=writes)
                except self._dynamodb.exceptions.TransactionCanceledException as error:
                    reasons = [reason["Code"] for reason in error.response["CancellationReasons"]]
                    if "ConditionalCheckFailed" in reasons:
                        return reasons
                else:
                    return None
            # Two transactions met at one item, which says nothing of either's conditions.
            time.sleep(random.uniform(0, 0.02 * 2**attempt))  # noqa: S311
        raise StorageUnavailable("The registry is too busy: its transactions keep meeting.")

    def _records(self, limit: int | None, **query: Any) -> list[ModelRecord]:
        records = []
        for page in self._pages(**query):
            for item in page["Items"]:
                records.append(_record(item["record"]["S"]))
                if len(records) == limit:
                    return records
        return records

    def _pages(self, how: str = "query", **query: Any) -> Iterator[Mapping[str, Any]]:
        with in_words("The registry"):
            paginator = self._dynamodb.get_paginator(how)
            yield from paginator.paginate(TableName=self._table, **query)


def _item(record: ModelRecord) -> dict[str, Any]:
    attributes = {
        "model_id": record.model_id,
        "name": record.name,
        "kind": "model",
        "status": str(record.status),
        "version": record.version,
        "created_at": f"{_moment(record.created_at)}#{record.model_id}",
        "not_before": _moment(record.not_before or datetime.fromtimestamp(0, UTC)),
        "record": record.stored(),
    }
    if not record.status.is_terminal:
        attributes["state"] = _SLOT if record.holds_slot else _PENDING
        attributes["state_order"] = (
            _moment(record.launched_at or record.created_at)
            if record.holds_slot
            else _queue_order(record)
        )
    return _serialized(attributes)


def _queue_order(record: ModelRecord) -> str:
    """A text that sorts as records are launched."""
    return f"{9 - record.priority}#{_moment(record.created_at)}#{record.model_id}"


def _record(text: str) -> ModelRecord:
    try:
        return ModelRecord.model_validate_json(text)
    except ValidationError as error:
        raise StorageUnavailable(
            f"A record cannot be read; another version of Trainshed wrote it: {error}"
        ) from error


def _moment(moment: datetime) -> str:
    """A text that sorts as the moment does."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def _report_key(model_id: str, attempt: int) -> str:
    return f"#report#{model_id}#{attempt}"


def _serialized(values: Mapping[str, Any]) -> dict[str, Any]:
    return {key: _serialize(value) for key, value in values.items()}


def _deserialized(item: Mapping[str, Any]) -> dict[str, Any]:
    return {key: _deserialize(value) for key, value in item.items()}

"""What a model costs in calls of AWS, from `submit` to Completed, in batches of ten: it must not
creep up unseen. What is here is what `benchmarks/dispatch` counts."""

from __future__ import annotations

from collections import Counter

from benchmarks.dispatch.life import CONTAINER, JUDGING, LAUNCHING, MODELS, SUBMIT, live
from tests.aws_platform import AwsHost

OF_TEN = {
    (SUBMIT, "sqs", "SendMessage"): 10,
    # For what holds a slot; for what waits, before the queue was asked and after; and once more to
    # measure.
    (LAUNCHING, "dynamodb", "Query"): 4,
    (LAUNCHING, "dynamodb", "GetItem"): 3,
    (LAUNCHING, "sqs", "ReceiveMessage"): 2,
    # Ten records, ten slots, ten tasks.
    (LAUNCHING, "dynamodb", "TransactWriteItems"): 3,
    (LAUNCHING, "sqs", "DeleteMessageBatch"): 1,
    (LAUNCHING, "ecs", "RunTask"): 10,
    (LAUNCHING, "sqs", "GetQueueAttributes"): 1,
    # The claim, and the report of the one epoch.
    (CONTAINER, "dynamodb", "GetItem"): 10,
    (CONTAINER, "dynamodb", "TransactWriteItems"): 10,
    (CONTAINER, "dynamodb", "PutItem"): 10,
    (JUDGING, "dynamodb", "Query"): 2,
    (JUDGING, "dynamodb", "GetItem"): 1,
    (JUDGING, "ecs", "DescribeTasks"): 1,
    (JUDGING, "dynamodb", "TransactWriteItems"): 10,
    (JUDGING, "sqs", "ReceiveMessage"): 1,
}
"""Of the queue, the registry and the launcher."""
OF_S3 = {
    (CONTAINER, "s3", "PutObject"): 3,
    (JUDGING, "s3", "GetObject"): 1,
    (JUDGING, "s3", "HeadObject"): 2,
    (JUDGING, "s3", "ListObjectsV2"): 1,
}
"""A model's: two files and their manifest, and a look for checkpoints."""


def test_a_model_takes_these_calls_and_no_more(aws_server: AwsHost) -> None:
    found = Counter(
        {
            key: count
            for key, count in live(aws_server).counted().items()
            if key[0] in (SUBMIT, LAUNCHING, CONTAINER, JUDGING)
        }
    )
    assert found == {**OF_TEN, **{key: MODELS * count for key, count in OF_S3.items()}}
    assert sum(OF_TEN.values()) / MODELS <= 8

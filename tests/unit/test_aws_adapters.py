"""What the adapters to AWS do beyond the contract, and with what only AWS can come up with."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError
from botocore.stub import ANY, Stubber

from tests.aws_platform import AwsHost, AwsPlatform, make_platform
from tests.building import NOW, feedback_of, pending_record, reserved
from trainshed.aws.artifacts import S3Artifacts
from trainshed.aws.datasets import S3Datasets
from trainshed.aws.feedback import DynamoFeedback
from trainshed.aws.queue import SqsQueue
from trainshed.aws.registry import DynamoRegistry
from trainshed.errors import (
    ArtifactExists,
    CapReached,
    InvalidRequest,
    StorageUnavailable,
    UnknownDataset,
)
from trainshed.ports import Report
from trainshed.record import cancel


def stubbed(service: str) -> Stubber:
    """A client that answers as it is told."""
    client = boto3.session.Session().client(
        service,
        region_name="eu-west-1",
        aws_access_key_id="x",
        aws_secret_access_key="x",
    )
    return Stubber(client)


@pytest.fixture
def platform(aws_server: AwsHost) -> AwsPlatform:
    return make_platform(aws_server)


@pytest.fixture
def queue(platform: AwsPlatform) -> SqsQueue:
    settings = platform.settings
    return SqsQueue(
        platform.server.client("sqs"),
        settings["TRAINSHED_QUEUE_URL"],
        settings["TRAINSHED_DEAD_LETTER_QUEUE_URL"],
        wait_seconds=0,
    )


@pytest.fixture
def registry(platform: AwsPlatform) -> DynamoRegistry:
    return DynamoRegistry(platform.server.client("dynamodb"), platform.name)


class TestQueue:
    def test_characters_that_sqs_does_not_take(self) -> None:
        sqs = stubbed("sqs")
        sqs.add_client_error("send_message", "InvalidMessageContents")
        with sqs, pytest.raises(InvalidRequest, match="characters that SQS does not take"):
            SqsQueue(sqs.client, "q", "d").send("a\x00b")

    def test_a_reason_with_control_characters_and_without_end(self, queue: SqsQueue) -> None:
        queue.send("body")
        [message] = queue.receive(1)
        queue.bury(message, "line\nanother\x1b[0m ä" + "x" * 5000)
        [letter] = queue.dead_letters(1)
        assert letter.reason.startswith("line?another?[0m äx")
        assert len(letter.reason) == 1024

    def test_more_dead_letters_than_one_receive_gives(self, queue: SqsQueue) -> None:
        ids = {queue.send(str(number)) for number in range(23)}
        while messages := queue.receive(10):
            for message in messages:
                queue.bury(message, "wrong")
        for _ in range(2):  # a look hides nothing
            assert {letter.message_id for letter in queue.dead_letters(100)} == ids
        chosen = set(list(ids)[:12])
        assert queue.redrive(chosen).keys() == chosen
        assert {letter.message_id for letter in queue.dead_letters(100)} == ids - chosen

    def test_a_queue_that_is_not_there(self, platform: AwsPlatform) -> None:
        url = f"{platform.server.url}/123456789012/none"
        queue = SqsQueue(platform.server.client("sqs"), url, url, wait_seconds=0)
        with pytest.raises(StorageUnavailable, match="The queue cannot be used"):
            queue.receive(1)


class TestRegistry:
    def test_a_terminal_record_leaves_the_index_of_the_unfinished(
        self, platform: AwsPlatform, registry: DynamoRegistry
    ) -> None:
        record = pending_record()
        registry.put_new(record)
        assert self.unfinished(platform) == [record.model_id]
        registry.replace(record, cancel(record, NOW))
        assert self.unfinished(platform) == []

    def unfinished(self, platform: AwsPlatform) -> list[str]:
        index = platform.server.client("dynamodb").scan(
            TableName=platform.name, IndexName="by_state"
        )
        return [item["model_id"]["S"] for item in index["Items"]]

    def test_reports_and_the_count_of_slots_are_no_records(
        self, registry: DynamoRegistry, platform: AwsPlatform
    ) -> None:
        record = pending_record()
        registry.put_new(record)
        registry.replace(record, reserved(record), cap=1)
        registry.report(record.model_id, 1, Report(at=NOW))
        assert [found.model_id for found in registry.newest(10)] == [record.model_id]
        assert registry.starting_with("#", 10) == []
        [report] = (
            item
            for item in platform.server.client("dynamodb").scan(TableName=platform.name)["Items"]
            if "expires_at" in item
        )
        assert int(report["expires_at"]["N"]) == int(NOW.timestamp()) + 90 * 86400

    def test_a_record_of_another_version_is_said_to_be_one(
        self, registry: DynamoRegistry, platform: AwsPlatform
    ) -> None:
        record = pending_record()
        registry.put_new(record)
        platform.server.client("dynamodb").update_item(
            TableName=platform.name,
            Key={"model_id": {"S": record.model_id}},
            UpdateExpression="SET #record = :new",
            ExpressionAttributeNames={"#record": "record"},
            ExpressionAttributeValues={":new": {"S": json.dumps({"model": "new"})}},
        )
        for look in (lambda: registry.get(record.model_id), lambda: registry.newest(1)):
            with pytest.raises(StorageUnavailable, match="another version of Trainshed"):
                look()

    def test_a_table_that_is_not_there(self, platform: AwsPlatform) -> None:
        registry = DynamoRegistry(platform.server.client("dynamodb"), "none")
        for look in (registry.slots_in_use, registry.unfinished, lambda: registry.newest(1)):
            with pytest.raises(StorageUnavailable, match="The registry cannot be used"):
                look()


class TestFeedback:
    def test_feedback_of_another_version_is_said_to_be_one(self, platform: AwsPlatform) -> None:
        dynamodb = platform.server.client("dynamodb")
        table = platform.settings["TRAINSHED_FEEDBACK_TABLE"]
        store = DynamoFeedback(dynamodb, table)
        feedback = feedback_of()
        store.put([feedback])
        dynamodb.update_item(
            TableName=table,
            Key={"name": {"S": feedback.name}, "feedback_id": {"S": feedback.feedback_id}},
            UpdateExpression="SET feedback = :new",
            ExpressionAttributeValues={":new": {"S": json.dumps({"new": 1})}},
        )
        with pytest.raises(StorageUnavailable, match="another version of Trainshed"):
            list(store.of(feedback.name))

    def test_a_table_that_is_not_there(self, platform: AwsPlatform) -> None:
        store = DynamoFeedback(platform.server.client("dynamodb"), "none")
        for look in (lambda: store.put([feedback_of()]), lambda: list(store.of("my-model"))):
            with pytest.raises(StorageUnavailable, match="The feedback cannot be used"):
                look()

    def test_one_that_cannot_be_written_fails_all(self) -> None:
        dynamodb = stubbed("dynamodb")
        dynamodb.add_client_error("put_item", "ProvisionedThroughputExceededException")
        with dynamodb, pytest.raises(StorageUnavailable, match="The feedback cannot be used"):
            DynamoFeedback(dynamodb.client, "t").put([feedback_of()])


class TestBusyRegistry:
    @pytest.fixture
    def dynamodb(self) -> Iterator[Stubber]:
        with stubbed("dynamodb") as stubber:
            yield stubber
            stubber.assert_no_pending_responses()

    def cancelled(self, dynamodb: Stubber, *codes: str) -> None:
        """The next transaction is cancelled for these reasons."""
        dynamodb.add_client_error(
            "transact_write_items",
            "TransactionCanceledException",
            modeled_fields={"CancellationReasons": [{"Code": code} for code in codes]},
        )

    def test_transactions_that_meet_are_tried_again(self, dynamodb: Stubber) -> None:
        self.cancelled(dynamodb, "TransactionConflict", "None")
        self.cancelled(dynamodb, "None", "TransactionConflict")
        dynamodb.add_response("transact_write_items", {}, {"TransactItems": ANY})
        record = pending_record()
        DynamoRegistry(dynamodb.client, "t").replace(record, reserved(record), cap=1)

    def test_a_condition_that_does_not_hold_is_an_answer(self, dynamodb: Stubber) -> None:
        self.cancelled(dynamodb, "ConditionalCheckFailed", "TransactionConflict")
        record = pending_record()
        with pytest.raises(CapReached):
            DynamoRegistry(dynamodb.client, "t").replace(record, reserved(record), cap=1)

    def test_transactions_that_keep_meeting_are_an_error(
        self, dynamodb: Stubber, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("trainshed.aws.registry.time.sleep", lambda seconds: None)
        for _ in range(8):
            self.cancelled(dynamodb, "TransactionConflict", "TransactionConflict")
        record = pending_record()
        with pytest.raises(StorageUnavailable, match="too busy"):
            DynamoRegistry(dynamodb.client, "t").replace(record, reserved(record), cap=1)

    def test_a_record_that_is_just_being_changed_is_there(self, dynamodb: Stubber) -> None:
        dynamodb.add_client_error("put_item", "TransactionConflictException")
        assert not DynamoRegistry(dynamodb.client, "t").put_new(pending_record())

    def test_reports_that_dynamodb_had_no_time_for_are_asked_for_again(
        self, dynamodb: Stubber
    ) -> None:
        def item(number: int) -> dict[str, Any]:
            report = Report(at=NOW, epoch=number).model_dump_json()
            return {"model_id": {"S": f"#report#m#{number}"}, "report": {"S": report}}

        def asked(number: int) -> dict[str, Any]:
            return {"Keys": [{"model_id": {"S": f"#report#m#{number}"}}], "ConsistentRead": True}

        dynamodb.add_response(
            "batch_get_item",
            {"Responses": {"t": [item(1)]}, "UnprocessedKeys": {"t": asked(2)}},
        )
        dynamodb.add_response(
            "batch_get_item", {"Responses": {"t": [item(2)]}}, {"RequestItems": {"t": asked(2)}}
        )
        found = DynamoRegistry(dynamodb.client, "t").reports([("m", 1), ("m", 2)])
        assert {attempt: report.epoch for (_, attempt), report in found.items()} == {1: 1, 2: 2}


class TestArtifacts:
    @pytest.fixture
    def store(self, platform: AwsPlatform) -> S3Artifacts:
        bucket = platform.settings["TRAINSHED_ARTIFACT_BUCKET"]
        return S3Artifacts(platform.server.client("s3"), bucket, part_bytes=5 << 20)

    def test_what_may_expire_is_tagged(
        self, store: S3Artifacts, platform: AwsPlatform, tmp_path: Path
    ) -> None:
        small, large = tmp_path / "small", tmp_path / "large"
        small.write_bytes(b"x")
        large.write_bytes(b"x" * (6 << 20))
        tags = {}
        for prefix in ("models/m-1/checkpoints/1/2", "models/m-1/1"):
            for path in (small, large):
                key = f"{prefix}/{path.name}"
                store.put(key, path)
                answer = platform.server.client("s3").get_object_tagging(
                    Bucket=platform.settings["TRAINSHED_ARTIFACT_BUCKET"], Key=key
                )
                tags[key] = [(tag["Key"], tag["Value"]) for tag in answer["TagSet"]]
        expiring = [("trainshed", "checkpoint")]
        assert tags == {
            "models/m-1/checkpoints/1/2/small": expiring,
            "models/m-1/checkpoints/1/2/large": expiring,
            "models/m-1/1/small": [],
            "models/m-1/1/large": [],
        }

    def test_an_upload_in_parts_that_fails_leaves_nothing(
        self, store: S3Artifacts, platform: AwsPlatform, tmp_path: Path
    ) -> None:
        path = tmp_path / "large"
        path.write_bytes(b"x" * (6 << 20))
        s3 = platform.server.client("s3")
        broken = _Breaking(s3, "complete_multipart_upload")
        bucket = platform.settings["TRAINSHED_ARTIFACT_BUCKET"]
        with pytest.raises(ConnectionError):
            S3Artifacts(broken, bucket, part_bytes=5 << 20).put("models/a", path)
        assert store.keys("models") == []
        assert s3.list_multipart_uploads(Bucket=bucket).get("Uploads", []) == []
        store.put("models/a", path)

    def test_an_upload_in_parts_that_had_ended_already_is_one_that_exists(
        self, store: S3Artifacts, platform: AwsPlatform, tmp_path: Path
    ) -> None:
        """Its answer got lost, and it was sent again: now the key is taken, the upload is gone."""
        path = tmp_path / "large"
        path.write_bytes(b"x" * (6 << 20))
        twice = _EndingTwice(platform.server.client("s3"))
        bucket = platform.settings["TRAINSHED_ARTIFACT_BUCKET"]
        with pytest.raises(ArtifactExists):
            S3Artifacts(twice, bucket, part_bytes=5 << 20).put("models/a", path)
        assert store.keys("models") == ["models/a"]

    def test_an_upload_in_parts_ends_only_if_its_key_is_free(
        self, platform: AwsPlatform, tmp_path: Path
    ) -> None:
        """S3 heeds the condition, moto does not; so it is looked at on its way there."""
        path = tmp_path / "large"
        path.write_bytes(b"x" * (6 << 20))
        s3 = platform.server.client("s3")
        conditions = []

        def note(params: dict[str, Any], **_: Any) -> None:
            conditions.append(params["headers"].get("If-None-Match"))

        s3.meta.events.register("before-call.s3.CompleteMultipartUpload", note)
        bucket = platform.settings["TRAINSHED_ARTIFACT_BUCKET"]
        S3Artifacts(s3, bucket, part_bytes=5 << 20).put("models/a", path)
        assert conditions == ["*"]

    def test_a_file_that_somebody_else_put_without_a_checksum_is_read(
        self, store: S3Artifacts, platform: AwsPlatform
    ) -> None:
        platform.server.client("s3").put_object(
            Bucket=platform.settings["TRAINSHED_ARTIFACT_BUCKET"], Key="models/a", Body=b"abc"
        )
        entry = store.entry("models/a")
        assert entry is not None
        assert entry.sha256.startswith("ba7816bf8f01cfea414140de5dae2223")

    def test_a_bucket_that_is_not_there(self, platform: AwsPlatform, tmp_path: Path) -> None:
        path = tmp_path / "file"
        path.write_bytes(b"x")
        store = S3Artifacts(platform.server.client("s3"), "none-of-this-name")
        with pytest.raises(StorageUnavailable, match="The bucket none-of-this-name cannot be used"):
            store.put("models/a", path)


class _Breaking:
    """A client whose one call fails as when the connection breaks."""

    def __init__(self, client: Any, name: str) -> None:
        self._client = client
        self._name = name

    def __getattr__(self, name: str) -> Any:
        if name == self._name:
            return self._fail
        return getattr(self._client, name)

    def _fail(self, **_: Any) -> None:
        raise ConnectionError


class _EndingTwice:
    """A client that ends an upload, and then hears from S3 that there is none."""

    def __init__(self, client: Any) -> None:
        self._client = client

    def __getattr__(self, name: str) -> Any:
        return getattr(self._client, name)

    def complete_multipart_upload(self, **given: Any) -> None:
        self._client.complete_multipart_upload(**given)
        raise ClientError({"Error": {"Code": "PreconditionFailed"}}, "CompleteMultipartUpload")

    def abort_multipart_upload(self, **_: Any) -> None:
        raise ClientError({"Error": {"Code": "NoSuchUpload"}}, "AbortMultipartUpload")


class TestDatasets:
    @pytest.fixture
    def bucket(self, platform: AwsPlatform) -> str:
        return platform.settings["TRAINSHED_DATASET_BUCKET"]

    @pytest.fixture
    def store(self, platform: AwsPlatform, bucket: str) -> S3Datasets:
        return S3Datasets(platform.server.client("s3"), bucket)

    def test_what_is_uploaded_lies_under_its_sha256_and_once(
        self, store: S3Datasets, bucket: str, platform: AwsPlatform, tmp_path: Path
    ) -> None:
        s3 = platform.server.client("s3")
        file = tmp_path / "words.csv"
        file.write_bytes(b"a,b\n")
        address = store.place(file)
        assert address.startswith(f"s3://{bucket}/datasets/")
        assert address.endswith("/words.csv")
        assert len(address.split("/")[4]) == 64
        [first] = s3.list_objects_v2(Bucket=bucket)["Contents"]
        store.place(file)
        [again] = s3.list_objects_v2(Bucket=bucket)["Contents"]
        assert again["LastModified"] == first["LastModified"]
        file.write_bytes(b"a,c\n")
        assert store.place(file) != address

    def test_an_upload_that_broke_off_is_completed(
        self, store: S3Datasets, bucket: str, platform: AwsPlatform, tmp_path: Path
    ) -> None:
        data = tmp_path / "data"
        data.mkdir()
        for name in "abc":
            (data / name).write_text(name)
        address = store.place(data)
        key = address.removeprefix(f"s3://{bucket}/") + "b"
        platform.server.client("s3").delete_object(Bucket=bucket, Key=key)
        assert store.place(data) == address
        fetched = tmp_path / "fetched"
        fetched.mkdir()
        store.fetch(address, fetched)
        assert sorted(path.name for path in fetched.iterdir()) == ["a", "b", "c"]

    def test_an_empty_folder_is_no_data_set(self, store: S3Datasets, tmp_path: Path) -> None:
        with pytest.raises(UnknownDataset, match="holds no files"):
            store.place(tmp_path)

    def test_no_key_leads_out_of_the_folder(
        self, store: S3Datasets, bucket: str, platform: AwsPlatform, tmp_path: Path
    ) -> None:
        for key in ("d/../../evil", "d//tmp/evil", "d/good", "d/sub/", "d/.."):
            platform.server.client("s3").put_object(Bucket=bucket, Key=key, Body=b"x")
        folder = tmp_path / "folder"
        folder.mkdir()
        store.fetch(f"s3://{bucket}/d/", folder)
        found = {path.relative_to(tmp_path).as_posix() for path in tmp_path.rglob("*")}
        assert found <= {"folder", "folder/good", "folder/tmp", "folder/tmp/evil"}
        assert "folder/good" in found
        with pytest.raises(UnknownDataset, match="names no file"):
            store.fetch(f"s3://{bucket}/d/..", folder)

    @pytest.mark.parametrize("tail", ["key", "keys/"])
    def test_a_bucket_that_is_not_there(self, store: S3Datasets, tmp_path: Path, tail: str) -> None:
        with pytest.raises(UnknownDataset, match="There is no data set"):
            store.fetch(f"s3://none-of-this-name/{tail}", tmp_path)

    @pytest.mark.parametrize(
        ("tail", "operation", "code"),
        [("key", "head_object", "403"), ("keys/", "list_objects_v2", "AccessDenied")],
    )
    def test_what_may_not_be_read_is_the_users_to_mend(
        self, tmp_path: Path, tail: str, operation: str, code: str
    ) -> None:
        with stubbed("s3") as s3:
            s3.add_client_error(operation, code, http_status_code=403)
            with pytest.raises(UnknownDataset, match="may not be read here: copy it into"):
                S3Datasets(s3.client, "bucket").fetch(f"s3://somebody-elses/{tail}", tmp_path)

"""What asks for a training where it is no user: the same event, the same model."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.building import NOW, pending_record
from trainshed.errors import InvalidRequest, LaunchRefused
from trainshed.handoff import launch_of
from trainshed.local.launcher import LocalLauncher
from trainshed.model_type import Catalogue
from trainshed.record import ModelRecord, pending
from trainshed.request import TrainingRequest, decode, renewed
from trainshed.settings import AwsSettings, Settings
from trainshed.trigger import NewObject, Push

DIGEST = "sha256:" + "0123456789abcdef" * 4
PUSH = {"kind": "push", "repository": "trainshed-training-toy", "digest": DIGEST}
OBJECT = {"kind": "object", "bucket": "data-sets", "key": "reviews/ä <1>.csv", "version": "3.x_-Y"}
FIRST, SECOND = (f"{number}" * 8 + "-2222-4222-8222-222222222222" for number in (1, 2))


def read(
    catalogue: Catalogue, trigger: Any, message_id: str = FIRST, **fields: Any
) -> TrainingRequest:
    body = {"name": "nightly", "model_type": "toy", "trigger": trigger, **fields}
    return decode(json.dumps(body), message_id, catalogue)


@pytest.mark.parametrize("trigger", [PUSH, OBJECT])
def test_every_delivery_of_an_event_asks_for_the_same_model(
    catalogue: Catalogue, trigger: dict[str, str]
) -> None:
    first, second = (read(catalogue, trigger, message_id) for message_id in (FIRST, SECOND))
    assert first == second
    assert first.request_id not in (FIRST, SECOND)


@pytest.mark.parametrize(
    ("trigger", "other"),
    [
        (PUSH, {**PUSH, "digest": f"sha256:{'f' * 64}"}),
        (PUSH, {**PUSH, "repository": "trainshed-training-other"}),
        (OBJECT, {**OBJECT, "bucket": "other"}),
        (OBJECT, {**OBJECT, "key": "reviews/other.csv"}),
        (OBJECT, {**OBJECT, "version": "other"}),
    ],
)
def test_another_event_asks_for_another_model(
    catalogue: Catalogue, trigger: dict[str, str], other: dict[str, str]
) -> None:
    assert read(catalogue, trigger).request_id != read(catalogue, other).request_id


def test_each_request_for_an_event_is_another_model(catalogue: Catalogue) -> None:
    first, second = (read(catalogue, PUSH, name=name) for name in ("nightly", "weekly"))
    assert first.request_id != second.request_id


def test_a_request_id_that_is_given_counts(catalogue: Catalogue) -> None:
    assert read(catalogue, PUSH, request_id=SECOND).request_id == SECOND


@pytest.mark.parametrize(
    ("trigger", "said"),
    [
        ("push", "trigger: "),
        ({}, "trigger: "),
        ({**PUSH, "kind": "pull"}, "trigger: "),
        ({**PUSH, "digest": "latest"}, "trigger.push.digest: "),
        ({**PUSH, "digest": f"{DIGEST}\n"}, "trigger.push.digest: "),
        ({**PUSH, "digest": None}, "trigger.push.digest: "),
        ({**PUSH, "repository": "../other"}, "trigger.push.repository: "),
        ({**PUSH, "image": "evil/image"}, "trigger.push.image: unknown field"),
        ({"kind": "push", "digest": DIGEST}, "trigger.push.repository: required"),
        ({**OBJECT, "key": "a\nb"}, "trigger.object.key: "),
        ({**OBJECT, "key": "a" * 1025}, "trigger.object.key: "),
        ({**OBJECT, "version": None}, "trigger.object.version: "),
        ({**OBJECT, "version": "1?versionId=2"}, "trigger.object.version: "),
        ({**OBJECT, "bucket": "My Bucket"}, "trigger.object.bucket: "),
    ],
)
def test_a_trigger_that_no_event_could_be_is_refused(
    catalogue: Catalogue, trigger: object, said: str
) -> None:
    with pytest.raises(InvalidRequest) as raised:
        read(catalogue, trigger)
    assert str(raised.value).startswith(said)


@pytest.mark.parametrize("trigger", [PUSH, OBJECT])
def test_it_goes_through_queue_and_registry_unchanged(
    catalogue: Catalogue, trigger: dict[str, str]
) -> None:
    request = read(catalogue, trigger)
    assert decode(request.encode(), SECOND, catalogue) == request
    record = pending(request, NOW, NOW)
    assert ModelRecord.model_validate_json(record.model_dump_json()) == record
    assert record.history[0].text == f"accepted from the queue, asked for by {request.trigger}"


def test_what_a_user_asks_for_has_no_trigger(catalogue: Catalogue) -> None:
    record = pending_record()
    assert record.history[0].text == "accepted from the queue"
    assert record.request is not None
    assert "trigger" not in record.request.encode()
    old = json.loads(record.model_dump_json())
    del old["request"]["trigger"]
    assert ModelRecord.model_validate_json(json.dumps(old)) == record, "as it was written before"


def test_how_it_is_shown(catalogue: Catalogue) -> None:
    assert str(read(catalogue, PUSH).trigger) == f"ecr:trainshed-training-toy@{DIGEST}"
    shown = "s3://data-sets/reviews/ä <1>.csv?versionId=3.x_-Y"
    assert str(read(catalogue, OBJECT).trigger) == shown
    assert isinstance(read(catalogue, PUSH).trigger, Push)
    assert isinstance(read(catalogue, OBJECT).trigger, NewObject)


def test_a_push_is_trained_in_the_pushed_image_and_so_is_its_retry(catalogue: Catalogue) -> None:
    settings = Settings(engine="aws", aws=AwsSettings())
    request = read(catalogue, PUSH)
    for asked in (request, renewed(request)):
        assert launch_of(pending(asked, NOW, NOW), 1, settings).image_digest == DIGEST
    other = read(catalogue, OBJECT)
    assert launch_of(pending(other, NOW, NOW), 1, settings).image_digest is None


def test_the_local_engine_has_no_images(catalogue: Catalogue, tmp_path: Path) -> None:
    launch = launch_of(pending(read(catalogue, PUSH), NOW, NOW), 1, Settings(home=tmp_path))
    with pytest.raises(LaunchRefused, match=f"image {DIGEST}, and the local engine has no images"):
        LocalLauncher(tmp_path / "tasks", 1).launch(launch)
    assert not (tmp_path / "tasks").exists()

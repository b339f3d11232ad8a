"""What a user can do: submit, find by id, name or start of an id, cancel, retry, wait."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from queue_consumer.intake import take_in
from tests.building import NOW, FakeClock, feedback_of, pending_record, request_of, reserved
from trainshed.checkpoints import Checkpoint, Checkpoints
from trainshed.client import UNFINISHED, Client
from trainshed.engine import Engine
from trainshed.errors import (
    AmbiguousModel,
    InvalidRequest,
    TrainshedError,
    UnknownModel,
    WrongStatus,
)
from trainshed.feedback_file import read
from trainshed.model_type import Catalogue
from trainshed.record import (
    Cause,
    ModelRecord,
    Status,
    cancel,
    claim,
    client_token,
    complete,
    fail,
    note_task,
    rejected,
    send_back,
)
from trainshed.settings import Settings

from .conftest import FakeLauncher


@pytest.fixture
def client(engine: Engine, settings: Settings) -> Client:
    return Client(engine, settings)


def put(engine: Engine, record: ModelRecord, status: Status = Status.PENDING) -> ModelRecord:
    """Write the record, and bring it to a status."""
    engine.registry.put_new(record)

    def move(after: ModelRecord) -> None:
        nonlocal record
        engine.registry.replace(record, after)
        record = after

    if status is Status.CANCELLED:
        move(cancel(record, NOW))
    elif status is not Status.PENDING:
        move(reserved(record))
        if status is not Status.LAUNCHING:
            move(claim(record, 1, "task", NOW))
        if status is Status.COMPLETED:
            move(complete(record, 1, "task", "d" * 64, NOW))
        elif status is Status.FAILED:
            move(fail(record, 1, "task", Cause.TRAINING_ERROR, "bad", NOW))
        elif status is Status.CANCELLING:
            move(cancel(record, NOW))
    assert record.status is status
    return record


class TestFind:
    def test_by_modelid(self, engine: Engine, client: Client) -> None:
        put(engine, pending_record("cat", age_seconds=1))
        record = put(engine, pending_record("cat", age_seconds=9))
        assert client.find(record.model_id) == record

    def test_by_name_the_newest_completed_one(self, engine: Engine, client: Client) -> None:
        put(engine, pending_record("cat", age_seconds=40), Status.COMPLETED)
        wanted = put(engine, pending_record("cat", age_seconds=30), Status.COMPLETED)
        put(engine, pending_record("cat", age_seconds=20), Status.FAILED)
        put(engine, pending_record("cat", age_seconds=10))
        put(engine, pending_record("cat-food", age_seconds=5), Status.COMPLETED)
        assert client.find("cat") == wanted

    def test_by_name_the_newest_at_all_where_none_is_completed(
        self, engine: Engine, client: Client
    ) -> None:
        put(engine, pending_record("cat", age_seconds=20), Status.FAILED)
        newest = put(engine, pending_record("cat", age_seconds=10))
        assert client.find("cat") == newest

    def test_by_name_the_newest_of_several_wanted_statuses(
        self, engine: Engine, client: Client
    ) -> None:
        for age, status in enumerate(reversed(list(UNFINISHED))):
            newest = pending_record("cat", age_seconds=50 - age)
            newest = put(engine, newest, status)
        put(engine, pending_record("cat"), Status.COMPLETED)
        assert client.find("cat", among=UNFINISHED) == newest
        assert client.find("cat", among=list(UNFINISHED)[::-1]) == newest

    def test_a_name_goes_before_the_start_of_a_modelid(
        self, engine: Engine, client: Client
    ) -> None:
        record = put(engine, pending_record("cat", age_seconds=9))
        put(engine, pending_record("cat-food"))
        assert client.find("cat") == record

    def test_by_the_start_of_a_modelid_that_one_has(self, engine: Engine, client: Client) -> None:
        record = put(engine, pending_record("cat"))
        put(engine, pending_record("dog"))
        assert client.find("c") == record
        assert client.find(record.model_id[:-1]) == record

    def test_a_start_that_two_have_is_ambiguous(self, engine: Engine, client: Client) -> None:
        records = [put(engine, pending_record("cat")) for _ in range(2)]
        with pytest.raises(AmbiguousModel) as caught:
            client.find("cat-")
        assert all(record.model_id in str(caught.value) for record in records)

    @pytest.mark.parametrize(
        "model", ["dog", "", "CAT", "%", "cat%", "c_t", "../cat", "cat\n", "\udcff", "-", "🙂"]
    )
    def test_what_is_not_there(self, engine: Engine, client: Client, model: str) -> None:
        put(engine, pending_record("cat"))
        with pytest.raises(UnknownModel, match=r"^There is no model .* in .*home\.$") as caught:
            client.find(model)
        str(caught.value).encode("utf-8")

    def test_a_message_that_still_waits_is_spoken_of(self, client: Client) -> None:
        client.submit(request_of("cat"))
        with pytest.raises(UnknownModel, match=r"1 message\(s\) wait on the queue"):
            client.find("cat")


class TestSubmit:
    def test_it_gives_the_modelid_that_the_record_will_have(
        self, engine: Engine, client: Client, catalogue: Catalogue
    ) -> None:
        model_id = client.submit(request_of("cat"))
        assert engine.registry.get(model_id) is None
        take_in(engine, catalogue, NOW)
        assert client.find(model_id).status is Status.PENDING

    def test_a_wrong_request_is_not_queued(self, engine: Engine, client: Client) -> None:
        with pytest.raises(InvalidRequest, match="Unknown hyperparameter"):
            client.submit(request_of("cat", hyperparameters={"x": 1}))
        with pytest.raises(InvalidRequest, match="Unknown model type"):
            client.submit(request_of("cat", model_type="other"))
        assert engine.queue.depth() == 0

    @pytest.mark.parametrize(
        "body",
        [
            '{"name": "cat", "model_type": "toy"}',
            '{"name": "cat"}',
            "no json",
            "",
            "\\",
            "x" * 100_000,
        ],
    )
    def test_a_raw_message_is_told_what_becomes_of_it(
        self, engine: Engine, client: Client, catalogue: Catalogue, body: str
    ) -> None:
        queued = client.submit_message(body)
        take_in(engine, catalogue, NOW)
        record = engine.registry.get(queued.model_id)
        assert record is not None
        assert record.reason == queued.rejection
        assert (record.status is Status.REJECTED) == (queued.rejection is not None)


class TestCancel:
    @pytest.mark.parametrize(
        ("status", "after"),
        [
            (Status.PENDING, Status.CANCELLED),
            (Status.LAUNCHING, Status.CANCELLING),
            (Status.IN_PROGRESS, Status.CANCELLING),
        ],
    )
    def test_what_is_not_finished(
        self, engine: Engine, client: Client, status: Status, after: Status
    ) -> None:
        record = put(engine, pending_record("cat"), status)
        assert client.cancel("cat", NOW).status is after
        found = engine.registry.get(record.model_id)
        assert found is not None
        assert found.status is after

    @pytest.mark.parametrize("status", [Status.PENDING, Status.IN_PROGRESS])
    def test_the_checkpoints_go_once_the_model_has_ended(
        self, engine: Engine, client: Client, status: Status, tmp_path: Path
    ) -> None:
        record = put(engine, pending_record("cat"), status)
        folder = tmp_path / "checkpoint"
        folder.mkdir()
        (folder / "weights").touch()
        checkpoints = Checkpoints(engine.artifacts, record.model_id)
        checkpoints.put(Checkpoint(epoch=1, attempt=1), folder, "toy", NOW)
        ended = client.cancel("cat", NOW).status.is_terminal
        assert bool(checkpoints.newest_first()) is not ended

    @pytest.mark.parametrize("status", [Status.COMPLETED, Status.FAILED, Status.CANCELLED])
    def test_what_is_finished(self, engine: Engine, client: Client, status: Status) -> None:
        record = put(engine, pending_record("cat"), status)
        with pytest.raises(WrongStatus, match=f"is {status}"):
            client.cancel("cat", NOW)
        assert engine.registry.get(record.model_id) == record

    def test_of_a_name_the_newest_that_is_not_finished(
        self, engine: Engine, client: Client
    ) -> None:
        wanted = put(engine, pending_record("cat", age_seconds=20), Status.IN_PROGRESS)
        put(engine, pending_record("cat", age_seconds=30))
        put(engine, pending_record("cat", age_seconds=10), Status.COMPLETED)
        assert client.cancel("cat", NOW).model_id == wanted.model_id


class TestRetry:
    @pytest.mark.parametrize("status", [Status.FAILED, Status.CANCELLED])
    def test_the_same_request_gives_a_new_model(
        self, engine: Engine, client: Client, catalogue: Catalogue, status: Status
    ) -> None:
        old = put(engine, pending_record("cat", priority=7, epochs=3), status)
        model_id = client.retry("cat", NOW)
        take_in(engine, catalogue, NOW)
        new = client.find(model_id)
        assert model_id != old.model_id
        assert new.request is not None
        assert old.request is not None
        assert (new.request.epochs, new.priority) == (3, 7)
        assert engine.registry.get(old.model_id) == old, "a terminal record never changes"

    @pytest.mark.parametrize(
        ("status", "advice"),
        [
            (Status.PENDING, "it waits for a slot, not for a retry"),
            (Status.LAUNCHING, "cancel it first"),
            (Status.IN_PROGRESS, "cancel it first"),
            (Status.CANCELLING, "retry it when it is Cancelled"),
            (Status.COMPLETED, "submit it again"),
        ],
    )
    def test_what_cannot_be_retried(
        self, engine: Engine, client: Client, status: Status, advice: str
    ) -> None:
        put(engine, pending_record("cat"), status)
        with pytest.raises(WrongStatus, match=advice):
            client.retry("cat", NOW)
        assert engine.queue.depth() == 0

    def test_a_rejected_message_lies_in_the_dead_letters(
        self, engine: Engine, client: Client
    ) -> None:
        record = rejected("{}", "33333333-3333-4333-8333-333333333333", "bad", NOW)
        engine.registry.put_new(record)
        with pytest.raises(
            WrongStatus, match="dead-letters redrive 33333333-3333-4333-8333-333333333333"
        ):
            client.retry(record.model_id, NOW)

    def test_its_feedback_is_kept(
        self, engine: Engine, client: Client, catalogue: Catalogue
    ) -> None:
        engine.feedback.put([feedback_of("cat")])
        feedback = client.with_feedback(request_of("cat")).feedback
        old = put(engine, pending_record("cat", feedback=feedback), Status.FAILED)
        model_id = client.retry(old.model_id, NOW)
        take_in(engine, catalogue, NOW)
        new = client.find(model_id)
        assert new.request is not None
        assert new.request.feedback == feedback is not None


class TestWithFeedback:
    def test_all_that_is_said_of_a_name_goes_into_one_file(
        self, engine: Engine, client: Client, home: Path
    ) -> None:
        said = [feedback_of("cat", number) for number in (2, 1)]
        engine.feedback.put(
            [*said, feedback_of("dog", 3), feedback_of("cat", 4, model_type="other")]
        )
        asked = request_of("cat", epochs=3)
        request = client.with_feedback(asked)
        assert request.feedback is not None
        file = Path(request.feedback)
        assert file.parent == home / "feedback"
        assert list(read(file)) == said[::-1]
        assert request.model_copy(update={"feedback": None}) == asked

    def test_the_same_feedback_is_the_same_file(
        self, engine: Engine, client: Client, home: Path
    ) -> None:
        engine.feedback.put([feedback_of("cat", 1)])
        asked = request_of("cat")
        first = client.with_feedback(asked)
        assert client.with_feedback(asked) == first
        assert [str(file) for file in (home / "feedback").iterdir()] == [first.feedback]
        engine.feedback.put([feedback_of("cat", 2)])
        assert client.with_feedback(asked).feedback != first.feedback
        assert len(list(read(Path(first.feedback or "")))) == 1, "what is queued stays as it was"

    def test_without_any_there_is_nothing_to_train_on(
        self, engine: Engine, client: Client, home: Path
    ) -> None:
        engine.feedback.put([feedback_of("cat", model_type="other")])
        with pytest.raises(InvalidRequest, match=r"no feedback on a model named 'cat' of .* 'toy'"):
            client.with_feedback(request_of("cat"))
        assert not (home / "feedback").exists()

    def test_a_model_type_that_does_not_learn_from_it(
        self, engine: Engine, settings: Settings
    ) -> None:
        told = {"toy": {"cpu": 256, "memory": 512, "epochs": 1, "hyperparameters": {}}}
        deaf = Client(engine, replace(settings, catalogue_json=json.dumps(told)))
        engine.feedback.put([feedback_of("cat")])
        with pytest.raises(InvalidRequest, match="'toy' does not learn from feedback"):
            deaf.with_feedback(request_of("cat"))


class TestWait:
    def test_it_ends_with_the_record(self, engine: Engine, client: Client) -> None:
        record = put(engine, pending_record("cat"), Status.FAILED)
        assert client.wait(record.model_id, timeout_seconds=0) == record

    def test_each_is_called_before_each_look(self, engine: Engine, client: Client) -> None:
        record = put(engine, pending_record("cat"))
        looks: list[int] = []

        def each() -> None:
            looks.append(len(looks))
            if len(looks) == 3:
                client.cancel("cat", NOW)

        found = client.wait(record.model_id, timeout_seconds=60, poll_seconds=0, each=each)
        assert (found.status, looks) == (Status.CANCELLED, [0, 1, 2])

    def test_it_says_what_it_waited_for_in_vain(self, engine: Engine, client: Client) -> None:
        put(engine, pending_record("cat"))
        model_id = client.find("cat").model_id
        with pytest.raises(TrainshedError, match=r"is Pending after 0 seconds\. Is a consumer"):
            client.wait(model_id, timeout_seconds=0)
        with pytest.raises(TrainshedError, match="is still on the queue"):
            client.wait("nobody", timeout_seconds=0)


class TestLogTask:
    def test_the_task_of_each_attempt(
        self, engine: Engine, client: Client, launcher: FakeLauncher
    ) -> None:
        record = put(engine, pending_record("cat"), Status.LAUNCHING)
        assert record.launch is not None
        task = launcher.launch(record.launch)
        assert client.log_task(record) == task
        assert client.log_task(record, 1) == task

    def test_a_task_that_its_launcher_has_forgotten(
        self, engine: Engine, client: Client, launcher: FakeLauncher
    ) -> None:
        record = put(engine, pending_record("cat"), Status.LAUNCHING)
        record = note_task(record, 1, "task-1", NOW)
        record = claim(record, 1, "task-2", NOW)  # which was launched too, and came first
        back = send_back(record, 1, "task-2", Cause.HOST_LOST, "lost", NOW, NOW)
        again = note_task(reserved(back), 2, "task-3", NOW)
        assert launcher.find(client_token(record.model_id, 1)) is None
        assert client.log_task(back) == client.log_task(back, 1) == "task-2"
        assert [client.log_task(again, attempt) for attempt in (1, 2)] == ["task-2", "task-3"]

    @pytest.mark.parametrize("attempt", [2, 99])
    def test_an_attempt_that_was_not(self, engine: Engine, client: Client, attempt: int) -> None:
        record = put(engine, pending_record("cat"), Status.LAUNCHING)
        with pytest.raises(WrongStatus, match=f"no log of attempt {attempt}"):
            client.log_task(record, attempt)

    def test_before_the_first_attempt(self, client: Client) -> None:
        with pytest.raises(WrongStatus, match="is Pending and has no log yet"):
            client.log_task(pending_record("cat"))


def test_the_clock_of_these_tests_stands_still(clock: FakeClock) -> None:
    before = clock()
    clock.advance(minutes=1)
    assert clock() - before == timedelta(minutes=1)

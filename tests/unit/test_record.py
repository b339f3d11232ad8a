"""The life of a record: every transition from every status, and what can never happen."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.building import NOW, launch_for, pending_record, reserved
from trainshed.errors import Stale, TrainshedError, WrongStatus
from trainshed.record import (
    Cause,
    Launch,
    ModelRecord,
    Status,
    artifact_prefix,
    cancel,
    cancelled,
    checkpoints_prefix,
    claim,
    client_token,
    complete,
    fail,
    is_checkpoint,
    note_task,
    rejected,
    rejected_id,
    reserve,
    send_back,
    stop_for,
)
from trainshed.request import TrainingRequest
from trainshed.trigger import Push

LATER = NOW + timedelta(minutes=1)
TASK = "task-1"
MESSAGE_ID = "22222222-2222-4222-8222-222222222222"

Transition = Callable[[ModelRecord, int, str | None], ModelRecord]

TRANSITIONS: Mapping[str, Transition] = {
    "reserve": lambda r, attempt, task: reserve(r, attempt + 1, launch_for(r, attempt + 1), LATER),
    "note_task": lambda r, attempt, task: note_task(r, attempt, "task-2", LATER),
    "claim": lambda r, attempt, task: claim(r, attempt, task or TASK, LATER),
    "complete": lambda r, attempt, task: complete(r, attempt, task or "", "d" * 64, LATER),
    "fail": lambda r, attempt, task: fail(r, attempt, task, Cause.TRAINING_ERROR, "bad", LATER),
    "send_back": lambda r, attempt, task: send_back(
        r, attempt, task, Cause.HOST_LOST, "lost", LATER, LATER
    ),
    "stop_for": lambda r, attempt, task: stop_for(r, attempt, Cause.TIMEOUT, LATER),
    "cancel": lambda r, attempt, task: cancel(r, LATER),
    "cancelled": lambda r, attempt, task: cancelled(r, attempt, task, LATER),
}
"""Each with the attempt and the task that it is about."""


def records() -> dict[str, ModelRecord]:
    """A record in every status, and in more than one state where that makes a difference."""
    new = pending_record()
    launching = reserved(new)
    in_progress = note_task(launching, 1, TASK, NOW)
    claimed = claim(in_progress, 1, TASK, NOW)
    cancelling = cancel(in_progress, NOW)
    return {
        "pending": new,
        "pending again": send_back(launching, 1, None, Cause.HOST_LOST, "lost", NOW, NOW),
        "launching": launching,
        "in progress": in_progress,
        "claimed": claimed,
        "being stopped": stop_for(claimed, 1, Cause.TIMEOUT, NOW),
        "cancelling": cancelling,
        "cancelling, no task": cancel(launching, NOW),
        "completed": complete(claimed, 1, TASK, "d" * 64, NOW),
        "failed": fail(claimed, 1, TASK, Cause.TRAINING_ERROR, "bad", NOW),
        "cancelled": cancelled(cancelling, 1, TASK, NOW),
        "cancelled early": cancel(new, NOW),
        "rejected": rejected("{}", MESSAGE_ID, "no name", NOW),
    }


LEGAL: Mapping[str, Mapping[str, Status]] = {
    "reserve": {"pending": Status.LAUNCHING, "pending again": Status.LAUNCHING},
    "note_task": {
        "launching": Status.IN_PROGRESS,
        "cancelling, no task": Status.CANCELLING,
    },
    "claim": {
        "launching": Status.IN_PROGRESS,
        "in progress": Status.IN_PROGRESS,
        "claimed": Status.IN_PROGRESS,
        "being stopped": Status.IN_PROGRESS,
    },
    "complete": {
        "in progress": Status.COMPLETED,
        "claimed": Status.COMPLETED,
        "being stopped": Status.COMPLETED,
    },
    "fail": {
        "launching": Status.FAILED,
        "in progress": Status.FAILED,
        "claimed": Status.FAILED,
        "being stopped": Status.FAILED,
    },
    "send_back": {
        "launching": Status.PENDING,
        "in progress": Status.PENDING,
        "claimed": Status.PENDING,
        "being stopped": Status.PENDING,
    },
    "stop_for": {
        "launching": Status.LAUNCHING,
        "in progress": Status.IN_PROGRESS,
        "claimed": Status.IN_PROGRESS,
    },
    "cancel": {
        "pending": Status.CANCELLED,
        "pending again": Status.CANCELLED,
        "launching": Status.CANCELLING,
        "in progress": Status.CANCELLING,
        "claimed": Status.CANCELLING,
        "being stopped": Status.CANCELLING,
    },
    "cancelled": {
        "cancelling": Status.CANCELLED,
        "cancelling, no task": Status.CANCELLED,
    },
}
"""Transition → state → status afterwards. Everything else is refused."""


@pytest.mark.parametrize("state", records())
@pytest.mark.parametrize("transition", TRANSITIONS)
def test_the_complete_table(transition: str, state: str) -> None:
    record = records()[state]
    before = record.model_copy(deep=True)
    expected = LEGAL[transition].get(state)
    if expected is None:
        with pytest.raises((Stale, WrongStatus)):
            TRANSITIONS[transition](record, record.attempt, record.task)
    else:
        after = TRANSITIONS[transition](record, record.attempt, record.task)
        assert after.status is expected
        if after is not record:
            assert after.version == record.version + 1
            assert after.updated_at == LATER
            assert after.history[:-1] == record.history
            assert after.history[-1].status is expected
    assert record == before


@pytest.mark.parametrize("state", records())
@pytest.mark.parametrize("transition", [name for name in TRANSITIONS if name != "cancel"])
@pytest.mark.parametrize("distance", [-1, 1])
def test_an_event_of_another_attempt_changes_nothing(
    transition: str, state: str, distance: int
) -> None:
    record = records()[state]
    with pytest.raises(Stale):
        TRANSITIONS[transition](record, record.attempt + distance, record.task)


@pytest.mark.parametrize("state", records())
@pytest.mark.parametrize("transition", ["complete", "fail", "send_back", "cancelled"])
@pytest.mark.parametrize("task", ["another task", None])
def test_a_verdict_on_another_task_changes_nothing(
    transition: str, state: str, task: str | None
) -> None:
    record = records()[state]
    if task == record.task:
        task = "another task"
    with pytest.raises(Stale):
        TRANSITIONS[transition](record, record.attempt, task)


def test_reserving_starts_an_attempt_afresh() -> None:
    record = records()["pending again"]
    assert (record.cause, record.reason) == (Cause.HOST_LOST, "lost")
    launch = launch_for(record, 2)
    after = reserve(record, 2, launch, LATER)
    assert (after.attempt, after.holds_slot, after.launch) == (2, True, launch)
    assert after.launched_at == LATER
    unset = (after.task, after.claimed_at, after.stop_cause, after.not_before, after.cause)
    assert unset == (None, None, None, None, None)


def test_sending_back_frees_the_slot_and_forgets_the_attempts_own() -> None:
    record = records()["being stopped"]
    after = send_back(record, 1, TASK, Cause.SPOT_INTERRUPTION, "taken away", LATER, NOW)
    assert (after.holds_slot, after.attempt, after.not_before) == (False, 1, LATER)
    assert (after.launch, after.task, after.claimed_at, after.stop_cause) == (None,) * 4
    assert (after.cause, after.reason) == (Cause.SPOT_INTERRUPTION, "taken away")
    assert after.ended_at is None


def test_completing_names_the_artifact() -> None:
    record = records()["claimed"]
    after = complete(record, 1, TASK, "d" * 64, LATER)
    assert after.artifact == artifact_prefix(record.model_id, 1)
    assert after.artifact == f"models/{record.model_id}/1"
    assert (after.digest, after.ended_at, after.holds_slot) == ("d" * 64, LATER, False)


def test_failing_says_why() -> None:
    after = fail(records()["claimed"], 1, TASK, Cause.OUT_OF_MEMORY, "too big", LATER)
    assert (after.cause, after.reason) == (Cause.OUT_OF_MEMORY, "too big")
    assert (after.holds_slot, after.ended_at) == (False, LATER)


def test_the_first_claim_wins() -> None:
    claimed = claim(records()["launching"], 1, "first", NOW)
    assert (claimed.task, claimed.claimed_at) == ("first", NOW)
    with pytest.raises(Stale, match="claimed by another container"):
        claim(claimed, 1, "second", LATER)
    assert claim(claimed, 1, "first", LATER) is claimed, "its answer may have been lost"


def test_a_claim_takes_the_record_over_from_the_task_that_was_noted() -> None:
    noted = records()["in progress"]
    claimed = claim(noted, 1, "doubled", LATER)
    assert claimed.task == "doubled"
    with pytest.raises(Stale, match="another task"):
        fail(claimed, 1, TASK, Cause.HOST_LOST, "the other one ended", LATER)


def test_cancelling_keeps_the_slot_until_the_attempt_is_seen_stopped() -> None:
    cancelling = records()["cancelling"]
    assert cancelling.holds_slot
    after = cancelled(cancelling, 1, TASK, LATER)
    assert not after.holds_slot
    assert after.ended_at == LATER


@pytest.mark.parametrize("state", ["cancelling", "completed", "failed", "cancelled", "rejected"])
def test_cancelling_what_is_over_says_what_it_is(state: str) -> None:
    record = records()[state]
    with pytest.raises(WrongStatus, match=f"is {record.status}"):
        cancel(record, LATER)


def test_rejected_records_are_filed_under_the_messages_id() -> None:
    body = f'{{"name": "my-model", "request_id": "{MESSAGE_ID[::-1]}", "epochs": 0}}'
    assert rejected_id(body, MESSAGE_ID) == f"my-model-{MESSAGE_ID}"
    assert rejected_id("no json", MESSAGE_ID) == f"rejected-{MESSAGE_ID}"
    record = rejected(body, MESSAGE_ID, "epochs", NOW)
    assert (record.name, record.reason) == ("my-model", "epochs")
    assert (record.cause, record.ended_at) == (Cause.INVALID_REQUEST, NOW)


def test_a_client_token_is_64_hexadecimal_characters_of_one_attempt() -> None:
    tokens = {client_token(model_id, n) for model_id in ("a", "b", "a|1") for n in (1, 11)}
    assert len(tokens) == 6
    assert all(re.fullmatch("[0-9a-f]{64}", token) for token in tokens)
    assert client_token("a", 1) == client_token("a", 1)


def test_which_statuses_are_terminal() -> None:
    terminal = {status for status in Status if status.is_terminal}
    assert terminal == {Status.COMPLETED, Status.FAILED, Status.CANCELLED, Status.REJECTED}


def test_which_causes_are_the_platforms() -> None:
    platform = {cause for cause in Cause if cause.is_platform}
    assert platform == {
        *(Cause.START_FAILED, Cause.HOST_LOST),
        *(Cause.SPOT_INTERRUPTION, Cause.INTERRUPTION),
        Cause.STORAGE_UNAVAILABLE,
    }


DESIGN = {
    (Status.PENDING, Status.LAUNCHING),
    (Status.PENDING, Status.CANCELLED),
    (Status.LAUNCHING, Status.IN_PROGRESS),
    (Status.LAUNCHING, Status.PENDING),
    (Status.LAUNCHING, Status.COMPLETED),
    (Status.LAUNCHING, Status.FAILED),
    (Status.LAUNCHING, Status.CANCELLING),
    (Status.IN_PROGRESS, Status.PENDING),
    (Status.IN_PROGRESS, Status.COMPLETED),
    (Status.IN_PROGRESS, Status.FAILED),
    (Status.IN_PROGRESS, Status.CANCELLING),
    (Status.CANCELLING, Status.CANCELLED),
}
"""The moves that the design allows; staying is allowed to all that is not terminal."""

steps = st.lists(
    st.tuples(
        st.sampled_from(sorted(TRANSITIONS)),
        st.sampled_from([0, 0, 0, -1, 1]),
        st.sampled_from(["its own", "its own", "task-1", "task-2", None]),
    ),
    max_size=30,
)


@given(steps)
def test_whatever_happens_in_whatever_order_a_record_stays_sound(
    steps: list[tuple[str, int, str | None]],
) -> None:
    record = pending_record()
    claims: dict[int, set[str]] = {}
    for name, distance, task in steps:
        before = record
        about = record.task if task == "its own" else task
        try:
            record = TRANSITIONS[name](before, before.attempt + distance, about)
        except (Stale, WrongStatus):
            continue
        if record is before:
            continue
        assert not before.status.is_terminal
        assert record.version == before.version + 1
        assert record.status is before.status or (before.status, record.status) in DESIGN
        assert record.attempt - before.attempt == (name == "reserve")
        running = (Status.LAUNCHING, Status.IN_PROGRESS, Status.CANCELLING)
        assert record.holds_slot == (record.status in running)
        assert (record.ended_at is not None) == record.status.is_terminal
        assert (record.digest is not None) == (record.status is Status.COMPLETED)
        if record.claimed_at is not None:
            claims.setdefault(record.attempt, set()).add(record.task or "")
        assert ModelRecord.model_validate_json(record.stored()) == record
    assert all(len(tasks) == 1 for tasks in claims.values()), "one container works on an attempt"
    assert len(record.history) == record.version + 1


@pytest.mark.parametrize("state", records())
def test_it_is_stored_without_fields_that_say_nothing(state: str) -> None:
    """As training images know records that are older than these fields, and refuse others."""
    record = records()[state]
    stored = json.loads(record.stored())
    assert ModelRecord.model_validate_json(record.stored()) == record
    assert stored.keys() == ModelRecord.model_fields.keys()
    if record.request is not None:
        unsaid = {"dataset", "feedback", "trigger"}
        assert stored["request"].keys() == TrainingRequest.model_fields.keys() - unsaid
        assert stored["request"]["priority"] == 5, "what may be another default one day is said"
    if record.launch is not None:
        assert stored["launch"].keys() == Launch.model_fields.keys() - {"image_digest"}


def test_it_is_stored_with_all_that_says_something() -> None:
    push = Push(kind="push", repository="r", digest=f"sha256:{'0' * 64}")
    record = pending_record(feedback="/f", dataset="/d", hyperparameters={"size": 0}, trigger=push)
    launch = launch_for(record).model_copy(update={"image_digest": push.digest})
    record = reserve(record, 1, launch, NOW)
    assert json.loads(record.stored()) == json.loads(record.model_dump_json())
    assert ModelRecord.model_validate_json(record.stored()) == record


def test_a_transition_that_forgot_its_guard_cannot_leave_the_table() -> None:
    for state in records().values():
        if state.status.is_terminal:
            with pytest.raises(Stale):
                state._moved(NOW, Status.PENDING, "a mistake")


def test_the_errors_are_ours() -> None:
    assert issubclass(Stale, TrainshedError)
    assert issubclass(WrongStatus, TrainshedError)


@pytest.mark.parametrize(
    ("key", "known"),
    [
        (f"{checkpoints_prefix('m-1')}/1/2/state/weights", True),
        (f"{checkpoints_prefix('m-1')}/1/2/manifest.json", True),
        (f"{artifact_prefix('m-1', 1)}/manifest.json", False),
        (f"{artifact_prefix('m-1', 1)}/checkpoints/1", False),
        (checkpoints_prefix("m-1"), False),
        ("elsewhere/m-1/checkpoints/1/2/file", False),
    ],
)
def test_a_checkpoint_is_known_by_its_key(key: str, known: bool) -> None:
    assert is_checkpoint(key) is known

"""What `explain` says of each status, line by line."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest

from queue_consumer.explain import explain
from queue_consumer.explanation import Explanation
from tests.building import NOW, pending_record, request_of, reserved
from trainshed.engine import Engine
from trainshed.errors import UnknownModel
from trainshed.ports import Phase, Report, TaskState
from trainshed.record import (
    Cause,
    ModelRecord,
    Status,
    cancel,
    cancelled,
    cancelled_early,
    claim,
    complete,
    fail,
    note_doubt,
    note_task,
    rejected,
    send_back,
    stop_for,
)
from trainshed.settings import Settings
from trainshed.trigger import NewObject

from .conftest import FakeLauncher

ID = "11111111-1111-4111-8111-111111111111"
CAT = f"cat-{ID}"
START_ONE = "Nothing, if a consumer runs; else start one: trainshed run"
AGO = NOW - timedelta(minutes=5)


def put(engine: Engine, record: ModelRecord) -> ModelRecord:
    assert engine.registry.put_new(record)
    return record


def cat(**fields: object) -> ModelRecord:
    return pending_record("cat", age_seconds=300, request_id=ID, **fields)


def running(claimed: bool = True, **fields: object) -> ModelRecord:
    record = note_task(reserved(cat(**fields), AGO), 1, "task", AGO)
    return claim(record, 1, "task", AGO) if claimed else record


def shown(engine: Engine, settings: Settings, now: datetime = NOW) -> list[str]:
    found = explain(engine, settings, CAT, now)
    assert found.model_id == CAT
    return [str(found.status), *found.says, *found.lines, "--", *found.advice]


class TestNotTakenIn:
    def test_it_may_be_among_the_messages(self, engine: Engine, settings: Settings) -> None:
        engine.queue.send(request_of("cat", request_id=ID).encode())
        assert shown(engine, settings) == [
            "None",
            "No consumer has taken it in yet.",
            "1 message(s) wait on the queue, and it may be among them.",
            "--",
            START_ONE,
            f"To drop it there: trainshed cancel {CAT}",
        ]

    def test_its_message_is_a_dead_letter(self, engine: Engine, settings: Settings) -> None:
        engine.queue.send(request_of("cat", request_id=ID).encode())
        [message] = engine.queue.receive(1)
        engine.queue.bury(message, "received 5 times, never dealt with")
        assert shown(engine, settings) == [
            "None",
            "Its message lies in the dead letters: received 5 times, never dealt with.",
            "--",
            "Put it back on the queue: trainshed dead-letters redrive " + message.message_id,
        ]

    @pytest.mark.parametrize("model", [CAT, "cat", "nobody"])
    def test_nobody_has_heard_of_it(self, engine: Engine, settings: Settings, model: str) -> None:
        with pytest.raises(UnknownModel):
            explain(engine, settings, model, NOW)


class TestPending:
    def test_a_slot_is_free(self, engine: Engine, settings: Settings) -> None:
        put(engine, cat())
        assert shown(engine, settings) == [
            "Pending",
            "A slot is free for it: 0 of 2 are in use.",
            "--",
            START_ONE,
        ]

    def test_others_go_before_it(self, engine: Engine, settings: Settings) -> None:
        put(engine, cat())
        put(engine, pending_record("older", age_seconds=301))
        put(engine, pending_record("urgent", priority=9))
        put(engine, pending_record("younger"))
        dog = put(engine, reserved(pending_record("dog"), NOW - timedelta(seconds=65)))
        cow = reserved(pending_record("a-cow"), NOW - timedelta(seconds=3))
        put(engine, claim(cow, 1, "task-2", NOW))
        engine.registry.report(
            cow.model_id, 1, Report(at=NOW, epoch=1, epochs=3, loss=0.5, seconds_left=70)
        )
        width = len(cow.model_id)
        assert shown(engine, settings) == [
            "Pending",
            "It is number 3 in the queue; priority 5, higher goes first, then older.",
            "2 of 2 slots are in use:",
            f"{dog.model_id:{width}}  Launching for 1:05",
            f"{cow.model_id}  In Progress for 3 s, epoch 1/3  loss 0.5  1:10 left",
            "--",
            START_ONE,
        ]

    def test_a_retry_waits(self, engine: Engine, settings: Settings) -> None:
        then = NOW + timedelta(seconds=28)
        taken = reserved(cat(), AGO)
        cause = Cause.START_FAILED
        put(engine, send_back(taken, 1, None, cause, "ECS refused: no capacity.", then, AGO))
        assert shown(engine, settings) == [
            "Pending",
            "The platform ended attempt 1 of 3 (failed to start): ECS refused: no capacity.",
            "The next attempt is launched in 28 s, at 05:06:35 UTC, if there is a slot then.",
            "A slot is free for it: 0 of 2 are in use.",
            "--",
            f"To launch it without the delay: trainshed retry {CAT}",
            START_ONE,
        ]


class TestLaunching:
    def test_just_begun(self, engine: Engine, settings: Settings) -> None:
        put(engine, reserved(cat(), NOW - timedelta(seconds=2)))
        assert shown(engine, settings) == [
            "Launching",
            "It has held a slot for 2 s, and attempt 1 of 3 is being launched.",
            "--",
            START_ONE,
        ]

    def test_the_launcher_did_not_say(self, engine: Engine, settings: Settings) -> None:
        doubt = "ECS did not say whether it started: 500."
        put(engine, note_doubt(reserved(cat(), AGO), 1, doubt, NOW))
        assert shown(engine, settings) == [
            "Launching",
            "It has held a slot for 5:00, and attempt 1 of 3 is being launched.",
            "The launcher's last answer: ECS did not say whether it started: 500.",
            (
                "So the launch is repeated at every tick, which cannot start it twice, until"
                " 05:46:07 UTC."
            ),
            "--",
            START_ONE,
        ]
        assert shown(engine, settings, NOW + timedelta(hours=1))[3] == (
            "A launch is not repeated after 45 minutes: the next tick looks for its task, and ends"
            " the attempt if there is none."
        )


class TestInProgress:
    LIMIT = "It is stopped if it has not ended in 55:00 (timeout_minutes is 60)."
    LOGS = f"To see what it prints: trainshed logs -f {CAT}"

    def test_its_container_has_not_begun(
        self, engine: Engine, settings: Settings, launcher: FakeLauncher
    ) -> None:
        put(engine, running(claimed=False, timeout_minutes=60))
        launcher.states["task"] = TaskState(Phase.STARTING)
        assert shown(engine, settings) == [
            "In Progress",
            "The task of attempt 1 of 3, launched 5:00 ago, has not begun to work yet.",
            "Its task is being made ready: a place for it, its image.",
            self.LIMIT,
            "--",
            self.LOGS,
        ]

    def test_it_trains_and_reports(
        self, engine: Engine, settings: Settings, launcher: FakeLauncher
    ) -> None:
        put(engine, running(timeout_minutes=60))
        launcher.states["task"] = TaskState(Phase.RUNNING)
        at = NOW - timedelta(seconds=9)
        report = Report(at=at, epoch=2, epochs=8, loss=0.25, score=0.75, score_name="micro F1")
        engine.registry.report(CAT, 1, report)
        assert shown(engine, settings) == [
            "In Progress",
            "It is being trained, in attempt 1 of 3, for 5:00.",
            "Its last report, 9 s ago: epoch 2/8  loss 0.25  micro F1 0.750.",
            "Its task runs.",
            self.LIMIT,
            "--",
            self.LOGS,
        ]

    def test_silence_is_named_and_no_death(
        self, engine: Engine, settings: Settings, launcher: FakeLauncher
    ) -> None:
        put(engine, running(timeout_minutes=60))
        launcher.states["task"] = TaskState(Phase.RUNNING)
        assert shown(engine, settings)[2] == "It has not reported yet."
        assert shown(engine, settings)[3] == "Its task runs."
        assert shown(engine, settings, AGO + timedelta(minutes=10))[2:4] == [
            "It has not reported yet.",
            "It is silent, but it is not stopped for that: an epoch may take long.",
        ]

    @pytest.mark.parametrize(
        ("state", "says"),
        [
            (None, "The launcher cannot tell at the moment how its task is, which is no sign of"),
            (TaskState(Phase.MISSING), "The launcher knows no such task."),
            (TaskState(Phase.STOPPED, 0), "Its task has stopped, with exit code 0: the next tick"),
            (TaskState(Phase.STOPPED), "Its task has stopped, with no exit code: the next tick"),
        ],
    )
    def test_what_the_launcher_says_of_its_task(
        self,
        engine: Engine,
        settings: Settings,
        launcher: FakeLauncher,
        state: TaskState | None,
        says: str,
    ) -> None:
        put(engine, running())
        if state is not None:
            launcher.states["task"] = state
        lines = shown(engine, settings)
        assert lines[3].startswith(says)
        assert lines[-1] == START_ONE

    def test_it_is_being_stopped(
        self, engine: Engine, settings: Settings, launcher: FakeLauncher
    ) -> None:
        put(engine, stop_for(running(timeout_minutes=4), 1, Cause.TIMEOUT, NOW))
        launcher.states["task"] = TaskState(Phase.RUNNING)
        assert shown(engine, settings)[3:] == [
            "Its task runs.",
            (
                "It is being stopped (timeout): its timeout_minutes is 4. It keeps its slot until"
                " its task has been seen stopped."
            ),
            "--",
            self.LOGS,
            "For more time, submit it again with a longer --timeout-minutes.",
        ]


def test_cancelling(engine: Engine, settings: Settings, launcher: FakeLauncher) -> None:
    put(engine, cancel(running(), NOW - timedelta(seconds=4)))
    launcher.states["task"] = TaskState(Phase.RUNNING)
    assert shown(engine, settings) == [
        "Cancelling",
        "It was cancelled 4 s ago.",
        "Its task runs.",
        "It keeps its slot until its task has been seen stopped.",
        "--",
        START_ONE,
    ]


def test_cancelling_before_its_task_is_known(engine: Engine, settings: Settings) -> None:
    put(engine, cancel(reserved(cat(), AGO), AGO))
    assert shown(engine, settings)[1:3] == [
        "It was cancelled 5:00 ago.",
        "Its task is not known yet; it is looked for at each tick, and stopped.",
    ]


def test_completed(engine: Engine, settings: Settings) -> None:
    put(engine, complete(running(), 1, "task", "d" * 64, NOW - timedelta(minutes=1)))
    engine.registry.report(CAT, 1, Report(at=AGO, epoch=8, epochs=8, loss=0.125))
    assert shown(engine, settings) == [
        "Completed",
        "It was trained in 4:00, in attempt 1 of 3, and every file of its artifact verified.",
        "Its last report: epoch 8/8  loss 0.125.",
        f"Artifact: models/{CAT}/1",
        f"Digest: {'d' * 64}",
        "--",
        f"To serve it: trainshed serve {CAT}",
        f"To ask it: trainshed predict {CAT} TEXT, or --file and --media-type",
    ]


def test_failed_by_its_own_fault(
    engine: Engine, settings: Settings, launcher: FakeLauncher
) -> None:
    reason = "line 3 has no tag"
    put(engine, fail(running(), 1, "task", Cause.TRAINING_ERROR, reason, AGO))
    launcher.logs["task"] = "".join(f"line {n}\n" for n in range(30)) + "\nhalf"
    assert shown(engine, settings) == [
        "Failed",
        "It failed 5:00 ago, in attempt 1 of 3: line 3 has no tag",
        "The cause (training error) is not the platform's, so it is not tried again.",
        "The end of its log:",
        *(f"line {n}" for n in range(21, 30)),
        "half",
        "--",
        "Mend the data or the settings, and submit it again.",
        f"To queue the same request once more: trainshed retry {CAT}",
        f"To see all of it: trainshed logs {CAT}",
    ]


def test_failed_by_the_platforms_fault(engine: Engine, settings: Settings) -> None:
    taken = reserved(cat(max_attempts=1), AGO)
    put(engine, fail(taken, 1, None, Cause.START_FAILED, "No place. That was attempt 1 of 1.", AGO))
    assert shown(engine, settings) == [
        "Failed",
        "It failed 5:00 ago, in attempt 1 of 1: No place. That was attempt 1 of 1.",
        "The cause is the platform's (failed to start), and its attempts are spent.",
        "--",
        f"To try it again: trainshed retry {CAT}",
    ]


@pytest.mark.parametrize("cause", [cause for cause in Cause if not cause.is_platform])
def test_each_cause_has_its_advice(engine: Engine, settings: Settings, cause: Cause) -> None:
    put(engine, fail(running(), 1, "task", cause, "why", AGO))
    advice = shown(engine, settings)[shown(engine, settings).index("--") + 1 :]
    assert len(advice) == 2
    assert advice[0]


def test_rejected(engine: Engine, settings: Settings) -> None:
    body = '{"name": "cat", "epochs": 0}'
    put(engine, rejected(body, ID, "epochs: must be at least 1", AGO))
    assert shown(engine, settings) == [
        "Rejected",
        "Its message was refused 5:00 ago: epochs: must be at least 1",
        f"It was put into the dead letters as {ID}; nothing was trained.",
        "--",
        "Send a message that is right.",
        (
            "If it is right by now, such as for a model type that was added since:"
            f" trainshed dead-letters redrive {ID}"
        ),
    ]


@pytest.mark.parametrize(
    ("record", "says", "advice"),
    [
        (
            cancelled_early(CAT, AGO),
            (
                "It was cancelled 5:00 ago, before it was taken in; its message is dropped when it"
                " comes."
            ),
            "Submit it again if it is wanted after all.",
        ),
        (
            cancel(cat(), AGO),
            "It was cancelled 5:00 ago, before its first attempt.",
            f"If it is wanted after all: trainshed retry {CAT}",
        ),
        (
            cancelled(cancel(running(), AGO), 1, "task", AGO),
            "It was cancelled 5:00 ago, in attempt 1 of 3.",
            f"If it is wanted after all: trainshed retry {CAT}",
        ),
    ],
)
def test_cancelled(
    engine: Engine, settings: Settings, record: ModelRecord, says: str, advice: str
) -> None:
    put(engine, record)
    assert shown(engine, settings) == ["Cancelled", says, "--", advice]


def test_what_asked_for_it_is_said_first(engine: Engine, settings: Settings) -> None:
    trigger = NewObject(kind="object", bucket="data-sets", key="reviews/new.csv", version="v1")
    put(engine, cat(trigger=trigger))
    says = shown(engine, settings)[1]
    assert says == "It was asked for by s3://data-sets/reviews/new.csv?versionId=v1."


def test_of_a_name_the_newest_is_explained(engine: Engine, settings: Settings) -> None:
    put(engine, complete(running(), 1, "task", "d" * 64, NOW))
    newer = put(engine, pending_record("cat", age_seconds=1))
    found: Explanation = explain(engine, settings, "cat", NOW)
    assert (found.model_id, found.status) == (newer.model_id, Status.PENDING)

"""Explain: where a model stands and why, in words. It only looks, and changes nothing."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta

from queue_consumer.dispatch import LAUNCH_HORIZON
from queue_consumer.explain_ended import cancelled, completed, failed, rejected
from queue_consumer.explanation import Explanation, View
from trainshed.client import Client
from trainshed.engine import Engine
from trainshed.errors import UnknownModel
from trainshed.ports import Phase, TaskState
from trainshed.record import MODEL_ID, ModelRecord, Status
from trainshed.settings import Settings
from trainshed.words import between, progress

SILENT_AFTER = timedelta(minutes=10)
"""A training that has not reported for so long is called silent, which is all that follows."""

_MANY = 10_000


def explain(engine: Engine, settings: Settings, model: str, now: datetime) -> Explanation:
    """Explain the model of a modelId or of the start of one, or the newest of a name.

    Raises `UnknownModel`, `AmbiguousModel`.
    """
    try:
        record = Client(engine, settings).find(model, among=())
    except UnknownModel:
        if (found := _on_its_way(engine, settings, model)) is None:
            raise
        return found
    key = (record.model_id, record.attempt)
    report = engine.registry.reports([key]).get(key)
    return _EXPLAIN[record.status](View(engine, settings, record, report, now))


def _on_its_way(engine: Engine, settings: Settings, model: str) -> Explanation | None:
    """What can be said of a modelId that has no record."""
    if not (found := MODEL_ID.fullmatch(model)):
        return None
    for letter in engine.queue.dead_letters(_MANY):
        if found["id"] in (letter.message_id, *letter.body.lower().split('"')):
            return Explanation(
                model,
                None,
                (f"Its message lies in the dead letters: {letter.reason}.",),
                advice=(
                    f"Put it back on the queue: trainshed dead-letters redrive {letter.message_id}",
                ),
            )
    if not (waiting := engine.queue.depth()):
        return None
    return Explanation(
        model,
        None,
        (
            "No consumer has taken it in yet.",
            f"{waiting} message(s) wait on the queue, and it may be among them.",
        ),
        advice=(_consumer(settings), f"To drop it there: trainshed cancel {model}"),
    )


def _pending(view: View) -> Explanation:
    record, registry, cap = view.record, view.engine.registry, view.settings.cap
    says, advice = [], []
    if record.cause is not None:
        says.append(f"The platform ended {view.attempts} ({record.cause}): {record.reason}")
    if record.not_before is not None and record.not_before > view.now:
        says.append(
            f"The next attempt is launched in {between(view.now, record.not_before)}, at"
            f" {record.not_before:%H:%M:%S} UTC, if there is a slot then."
        )
        advice.append(f"To launch it without the delay: trainshed retry {record.model_id}")
    ahead, holding = registry.ahead_of(record, view.now), registry.holding()
    used = registry.slots_in_use()
    if used + ahead < cap:
        says.append(f"A slot is free for it: {used} of {cap} are in use.")
        return view.explained(says, advice=[*advice, _consumer(view.settings)])
    says.append(
        f"It is number {ahead + 1} in the queue; priority {record.priority}, higher goes first,"
        " then older."
    )
    says.append(f"{used} of {cap} slots are in use:")
    return view.explained(says, _holders(view, holding), [*advice, _consumer(view.settings)])


def _holders(view: View, holding: list[ModelRecord]) -> list[str]:
    reports = view.engine.registry.reports([(x.model_id, x.attempt) for x in holding])
    width = max((len(record.model_id) for record in holding), default=0)
    lines = []
    for record in holding:
        report = reports.get((record.model_id, record.attempt))
        did = f", {progress(report)}" if report and report.epochs else ""
        since = f"for {view.ago(record.launched_at)}"
        lines.append(f"{record.model_id:{width}}  {record.status} {since}{did}")
    return lines


def _launching(view: View) -> Explanation:
    record = view.record
    began = record.launched_at or record.updated_at
    says = [f"It has held a slot for {view.ago(began)}, and {view.attempts} is being launched."]
    if record.reason:
        says.append(f"The launcher's last answer: {record.reason}")
    if view.now - began >= LAUNCH_HORIZON:
        says.append(
            "A launch is not repeated after 45 minutes: the next tick looks for its task, and ends"
            " the attempt if there is none."
        )
    elif record.reason:
        says.append(
            "So the launch is repeated at every tick, which cannot start it twice, until"
            f" {began + LAUNCH_HORIZON:%H:%M:%S} UTC."
        )
    return view.explained(says, advice=[_consumer(view.settings)])


def _in_progress(view: View) -> Explanation:
    record = view.record
    state = _state(view)
    advice = [f"To see what it prints: trainshed logs -f {record.model_id}"]
    if record.claimed_at is None:
        ago = view.ago(record.launched_at)
        says = [f"The task of {view.attempts}, launched {ago} ago, has not begun to work yet."]
    else:
        says = [f"It is being trained, in {view.attempts}, for {view.ago(record.claimed_at)}."]
        says += _reported(view, record.claimed_at)
    says.append(_of_task(state))
    minutes = record.request.timeout_minutes if record.request else 0
    if record.stop_cause is not None:
        says.append(
            f"It is being stopped ({record.stop_cause}): its timeout_minutes is {minutes}. It keeps"
            " its slot until its task has been seen stopped."
        )
        advice.append("For more time, submit it again with a longer --timeout-minutes.")
    else:
        end = (record.claimed_at or record.launched_at or view.now) + timedelta(minutes=minutes)
        when = f"in {between(view.now, end)}" if end > view.now else "at the next tick"
        says.append(f"It is stopped if it has not ended {when} (timeout_minutes is {minutes}).")
    if state is None or state.phase in (Phase.STOPPED, Phase.MISSING):
        advice.append(_consumer(view.settings))
    return view.explained(says, advice=advice)


def _reported(view: View, began: datetime) -> list[str]:
    report = view.report
    if report is None:
        says = ["It has not reported yet."]
    else:
        says = [f"Its last report, {view.ago(report.at)} ago: {progress(report)}."]
    if view.now - (report.at if report else began) >= SILENT_AFTER:
        says.append("It is silent, but it is not stopped for that: an epoch may take long.")
    return says


def _state(view: View) -> TaskState | None:
    task = view.record.task
    return view.engine.launcher.describe([task]).get(task) if task else None


def _of_task(state: TaskState | None) -> str:
    if state is None:
        return "The launcher cannot tell at the moment how its task is, which is no sign of death."
    match state.phase:
        case Phase.STARTING:
            return "Its task is being made ready: a place for it, its image."
        case Phase.RUNNING:
            return "Its task runs."
        case Phase.MISSING:
            return (
                "The launcher knows no such task. If that is still so after 15 minutes without"
                " news, the attempt is over."
            )
        case Phase.STOPPED:
            code = "no exit code" if state.exit_code is None else f"exit code {state.exit_code}"
            return f"Its task has stopped, with {code}: the next tick judges it."


def _cancelling(view: View) -> Explanation:
    asked = [event.at for event in view.record.history if event.status is Status.CANCELLING]
    says = [f"It was cancelled {view.ago(asked[0] if asked else None)} ago."]
    if view.record.task is None:
        says.append("Its task is not known yet; it is looked for at each tick, and stopped.")
    else:
        says.append(_of_task(_state(view)))
    says.append("It keeps its slot until its task has been seen stopped.")
    return view.explained(says, advice=[_consumer(view.settings)])


def _consumer(settings: Settings) -> str:
    if settings.aws is not None:
        return "Nothing, if the consumer ticks, each minute; else look at its log and its alarms."
    return "Nothing, if a consumer runs; else start one: trainshed run"


_EXPLAIN: dict[Status, Callable[[View], Explanation]] = {
    Status.PENDING: _pending,
    Status.LAUNCHING: _launching,
    Status.IN_PROGRESS: _in_progress,
    Status.CANCELLING: _cancelling,
    Status.COMPLETED: completed,
    Status.FAILED: failed,
    Status.REJECTED: rejected,
    Status.CANCELLED: cancelled,
}

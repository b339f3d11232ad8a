"""What there is to say of a model that has ended, and what its user can do now."""

from __future__ import annotations

from collections import deque
from datetime import datetime

from queue_consumer.explanation import Explanation, View
from trainshed.client import Client
from trainshed.errors import WrongStatus
from trainshed.record import Cause, ModelRecord
from trainshed.words import between, progress

LOG_LINES = 10


def completed(view: View) -> Explanation:
    record = view.record
    says = [
        (
            f"It was trained in {between(record.claimed_at or record.created_at, _end(record))}, in"
            f" {view.attempts}, and every file of its artifact verified."
        )
    ]
    if view.report is not None and view.report.epochs:
        says.append(f"Its last report: {progress(view.report)}.")
    says += [f"Artifact: {record.artifact}", f"Digest: {record.digest}"]
    if view.settings.aws is not None:
        serve = f"terraform -chdir=terraform/serving apply -var model_id={record.model_id}"
    else:
        serve = f"trainshed serve {record.model_id}"
    ask = f"trainshed predict {record.model_id} TEXT, or --file and --media-type"
    return view.explained(says, advice=[f"To serve it: {serve}", f"To ask it: {ask}"])


def failed(view: View) -> Explanation:
    record = view.record
    says = [f"It failed {view.ago(_end(record))} ago, in {view.attempts}: {record.reason}"]
    again = f"trainshed retry {record.model_id}"
    if record.cause is not None and record.cause.is_platform:
        says.append(f"The cause is the platform's ({record.cause}), and its attempts are spent.")
        advice = [f"To try it again: {again}"]
    else:
        says.append(f"The cause ({record.cause}) is not the platform's, so it is not tried again.")
        mend = _MEND[record.cause or Cause.TRAINING_ERROR]
        advice = [mend, f"To queue the same request once more: {again}"]
    if lines := _end_of_log(view):
        says.append("The end of its log:")
        advice.append(f"To see all of it: trainshed logs {record.model_id}")
    return view.explained(says, lines, advice)


_MEND = {
    Cause.INVALID_REQUEST: "Mend the request, and submit it again.",
    Cause.TRAINING_ERROR: "Mend the data or the settings, and submit it again.",
    Cause.OUT_OF_MEMORY: "Ask for a smaller batch, or give its model type more memory.",
    Cause.BAD_ARTIFACT: "Look at what the model type's train.py leaves in its output folder.",
    Cause.TIMEOUT: "Submit it again with a longer --timeout-minutes, fewer epochs or less data.",
}


def _end_of_log(view: View) -> list[str]:
    launcher = view.engine.launcher
    try:
        task = Client(view.engine, view.settings).log_task(view.record)
    except WrongStatus:
        return []
    last: deque[str] = deque(maxlen=LOG_LINES)
    rest, cursor = "", None
    while (page := launcher.log(task, cursor)).text:
        *whole, rest = (rest + page.text).split("\n")
        last.extend(line for line in whole if line.strip())
        cursor = page.cursor
    if rest.strip():
        last.append(rest)
    return list(last)


def rejected(view: View) -> Explanation:
    record = view.record
    message = record.model_id[-36:]
    return view.explained(
        [
            f"Its message was refused {view.ago(_end(record))} ago: {record.reason}",
            f"It was put into the dead letters as {message}; nothing was trained.",
        ],
        advice=[
            "Send a message that is right.",
            (
                "If it is right by now, such as for a model type that was added since:"
                f" trainshed dead-letters redrive {message}"
            ),
        ],
    )


def cancelled(view: View) -> Explanation:
    record = view.record
    ago = f"It was cancelled {view.ago(_end(record))} ago"
    if record.request is None:
        says = f"{ago}, before it was taken in; its message is dropped when it comes."
        return view.explained([says], advice=["Submit it again if it is wanted after all."])
    when = f"in {view.attempts}" if record.attempt else "before its first attempt"
    again = f"If it is wanted after all: trainshed retry {record.model_id}"
    return view.explained([f"{ago}, {when}."], advice=[again])


def _end(record: ModelRecord) -> datetime:
    return record.ended_at or record.updated_at

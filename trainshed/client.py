"""Client: what a user does with models, from the command line or from Python."""

from __future__ import annotations

import re
import tempfile
import time
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from itertools import chain
from pathlib import Path

from trainshed import feedback_file
from trainshed.checkpoints import Checkpoints
from trainshed.engine import Engine
from trainshed.errors import (
    AmbiguousModel,
    InvalidRequest,
    TrainshedError,
    UnknownModel,
    WrongStatus,
)
from trainshed.model_type import Catalogue, lookup
from trainshed.record import (
    MODEL_ID,
    ModelRecord,
    Status,
    cancel,
    cancelled_early,
    client_token,
    hasten,
    rejected_id,
)
from trainshed.request import TrainingRequest, build, decode, encode_text, renewed
from trainshed.settings import Settings

_MODEL = re.compile("[a-z0-9-]+")
"""What every modelId, name and start of a modelId is made of."""

UNFINISHED = frozenset(status for status in Status if not status.is_terminal)

_NO_RETRY = {
    Status.PENDING: "it waits for a slot, not for a retry. `trainshed explain` says more.",
    Status.LAUNCHING: "cancel it first, or submit it once more beside it.",
    Status.IN_PROGRESS: "cancel it first, or submit it once more beside it.",
    Status.CANCELLING: "retry it when it is Cancelled.",
    Status.COMPLETED: "submit it again to train another.",
    Status.CANCELLED: "its message was never read. Submit it again.",
    Status.REJECTED: "`trainshed dead-letters redrive {message}` tries its message again.",
}
"""Why there is nothing to retry, and what to do instead."""


@dataclass(frozen=True)
class Queued:
    """What became of a raw message: the modelId that its record will have, and why it will be
    Rejected if it will."""

    model_id: str
    rejection: str | None


class Client:
    """A user's view of an engine."""

    def __init__(self, engine: Engine, settings: Settings) -> None:
        self._engine = engine
        self._settings = settings

    def with_feedback(self, request: TrainingRequest) -> TrainingRequest:
        """The same request with what people have said so far of the answers of all models of its
        name and model type, brought to where a training finds it. Raises `InvalidRequest` if that
        is nothing, or the model type does not learn from it."""
        lookup(self._catalogue(), request.model_type).require_feedback()
        said = (
            each
            for each in self._engine.feedback.of(request.name)
            if each.model_type == request.model_type
        )
        first = next(said, None)
        if first is None:
            raise InvalidRequest(
                f"There is no feedback on a model named {request.name!r} of the type"
                f" {request.model_type!r}."
            )
        with self._feedback_folder() as folder:
            path = feedback_file.write(folder, chain([first], said))
            place = self._engine.datasets.place(path)
        return build(**{**dict(request), "feedback": place})

    def submit(self, request: TrainingRequest) -> str:
        """Queue a training and give its modelId. Raises `InvalidRequest`."""
        request.completed(self._catalogue())
        self._engine.queue.send(request.encode())
        return request.model_id

    def submit_message(self, body: str) -> Queued:
        """Queue a raw message as it is, also a wrong one: it gets a record that says why."""
        encode_text(body)
        message_id = self._engine.queue.send(body)
        try:
            return Queued(decode(body, message_id, self._catalogue()).model_id, None)
        except InvalidRequest as error:
            return Queued(rejected_id(body, message_id), str(error))

    def find(self, model: str, among: Collection[Status] = (Status.COMPLETED,)) -> ModelRecord:
        """The record of a modelId, of a name, or of the start of a modelId that only one has.

        Of a name's records, the newest whose status is `among` the wanted ones counts, else the
        newest. Raises `UnknownModel`, `AmbiguousModel`.
        """
        registry = self._engine.registry
        if not _MODEL.fullmatch(model):
            raise UnknownModel(self._unknown(model))
        record = registry.get(model)
        if record is not None:
            return record
        named = [
            record for status in among for record in registry.newest(1, status=status, name=model)
        ]
        if named := named or registry.newest(1, name=model):
            return max(named, key=lambda record: record.created_at)
        if not (found := registry.starting_with(model, 2)):
            raise UnknownModel(self._unknown(model))
        if len(found) > 1:
            raise AmbiguousModel(
                f"More than one modelId starts with {model!r}:"
                f" {found[0].model_id} and {found[1].model_id}, to name two."
            )
        return found[0]

    def cancel(self, model: str, now: datetime) -> ModelRecord:
        """Cancel a model that is not finished; nothing happens to one that is being cancelled.

        A modelId without a record gets one that is Cancelled, so that its message, which may be on
        the queue, is dropped when it is taken in. Raises `WrongStatus`.
        """
        try:
            model_id = self.find(model, among=UNFINISHED).model_id
        except UnknownModel:
            if not MODEL_ID.fullmatch(model):
                raise
            early = cancelled_early(model, now)
            if self._engine.registry.put_new(early):
                return early
            model_id = model  # it has been taken in this very moment
        cancelled = self._engine.registry.amend(
            model_id,
            lambda record: record if record.status is Status.CANCELLING else cancel(record, now),
        )
        if cancelled.status.is_terminal:
            Checkpoints(self._engine.artifacts, model_id).clear()
        return cancelled

    def retry(self, model: str, now: datetime) -> str:
        """Queue the request of a Failed or Cancelled model once more, as a new model, for terminal
        records never change; of a Pending one that waits for its next attempt, lift the delay.

        Gives the modelId of what will be trained. Raises `WrongStatus`.
        """
        record = self.find(model, among=(Status.FAILED, Status.CANCELLED, Status.PENDING))
        if record.status is Status.PENDING and record.not_before and record.not_before > now:
            return self._engine.registry.amend(
                record.model_id, lambda current: hasten(current, now)
            ).model_id
        if record.status in (Status.FAILED, Status.CANCELLED) and record.request is not None:
            return self.submit(renewed(record.request))
        advice = _NO_RETRY[record.status].format(message=record.model_id[-36:])
        raise WrongStatus(f"{record.model_id} is {record.status}: {advice}")

    def wait(
        self,
        model_id: str,
        timeout_seconds: float,
        poll_seconds: float = 1.0,
        each: Callable[[], object] = lambda: None,
    ) -> ModelRecord:
        """Wait until a model is finished, calling `each` before each look (such as a consumer's
        tick, where none runs elsewhere). Raises `TrainshedError` when the time is up."""
        deadline = time.monotonic() + timeout_seconds
        while True:
            each()
            record = self._engine.registry.get(model_id)
            if record is not None and record.status.is_terminal:
                return record
            if time.monotonic() >= deadline:
                status = record.status if record is not None else "still on the queue"
                raise TrainshedError(
                    f"{model_id} is {status} after {timeout_seconds:g} seconds."
                    " Is a consumer running?"
                )
            time.sleep(poll_seconds)

    def log_task(self, record: ModelRecord, attempt: int | None = None) -> str:
        """The task whose log an attempt (the current one by default) has. Raises `WrongStatus`."""
        attempt = attempt or record.attempt
        # A launcher may forget its tasks, and a record its launch: one of the two knows.
        task = record.tasks.get(attempt)
        if task is None and 1 <= attempt <= record.attempt:
            task = self._engine.launcher.find(client_token(record.model_id, attempt))
        if task is None:
            raise WrongStatus(
                f"{record.model_id} is {record.status} and has no log"
                + (f" of attempt {attempt}." if attempt else " yet.")
            )
        return task

    def _catalogue(self) -> Catalogue:
        return self._settings.read_catalogue()

    @contextmanager
    def _feedback_folder(self) -> Iterator[Path]:
        """The local engine uses a file where it lies; from elsewhere it is uploaded."""
        if self._settings.aws is None:
            yield self._settings.home / "feedback"
        else:
            with tempfile.TemporaryDirectory() as folder:
                yield Path(folder)

    def _unknown(self, model: str) -> str:
        waiting = self._engine.queue.depth()
        if not waiting:
            where = f" in {self._settings.home}" if self._settings.aws is None else ""
            return f"There is no model {model!r}{where}."
        return (
            f"There is no model {model!r}. {waiting} message(s) wait on the queue:"
            " a model is known once a consumer (`trainshed run`) has taken its message in."
        )

"""The programs of the model: the project's own code on ports that ask the world over a line."""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Sequence
from datetime import datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, cast

from queue_consumer.dispatch import fill_slots
from queue_consumer.intake import take_in
from queue_consumer.reconcile import reconcile
from tests.building import NOW, TOY_MODEL_TYPES
from trainshed.client import Client
from trainshed.engine import Engine
from trainshed.errors import ArtifactExists, Stale, UnknownModel, WrongStatus
from trainshed.handoff import EXIT_FAILED, EXIT_OK
from trainshed.local.datasets import LocalDatasets
from trainshed.manifest import publish
from trainshed.ports import ArtifactStore, FileEntry, Message, Registry, Report, TaskState
from trainshed.record import Launch, ModelRecord, claim
from trainshed.request import TrainingRequest
from trainshed.settings import Settings

from .exhaustive_processes import Line, Program
from .exhaustive_records import SENT_AT, Records
from .fake_feedback import FakeFeedback

SETTINGS = Settings(
    home=Path("/nowhere"), cap=1, model_type_folders=(TOY_MODEL_TYPES,), retry_seconds=0.0
)
_CATALOGUE = SETTINGS.read_catalogue()


class Programs:
    """What can run in a world of these requests."""

    def __init__(self, requests: Sequence[TrainingRequest], records: Records) -> None:
        self._requests = requests
        self._records = records

    def consumer(self, part: str) -> Program:
        """A part of a tick. A tick is its three parts in a row, with nothing kept in between: so
        parts that begin in any order are every tick there can be, and some more."""

        def program(line: Line) -> object:
            engine = self._engine(line)
            if part == "reconcile":
                return len(reconcile(engine, SETTINGS, line.clock))
            if part == "intake":
                return take_in(engine, _CATALOGUE, line.clock())
            return fill_slots(engine, SETTINGS, line.clock)

        return program

    def canceller(self, index: int) -> Program:
        """A user who wants a model cancelled."""

        def program(line: Line) -> object:
            client = Client(self._engine(line), SETTINGS)
            try:
                return client.cancel(self._requests[index].model_id, line.clock())
            except WrongStatus:
                return None

        return program

    def claimer(self, index: int, attempt: int, task: str) -> Program:
        """The beginning of a container; says whether the attempt is its own to work on."""
        model_id = self._requests[index].model_id

        def program(line: Line) -> bool:
            try:
                self._engine(line).registry.amend(
                    model_id, lambda record: claim(record, attempt, task, line.clock())
                )
            except (Stale, UnknownModel):
                return False
            return True

        return program

    def publisher(self, index: int, attempt: int) -> Program:
        """The end of a container; gives its exit code. Of the beginning it keeps nothing, so it is
        a program of its own."""
        model_id = self._requests[index].model_id

        def program(line: Line) -> int:
            with TemporaryDirectory() as folder:
                Path(folder, "model.bin").write_bytes(b"weights")
                store = self._engine(line).artifacts
                try:
                    publish(store, Path(folder), model_id, "toy", attempt, NOW)
                except ArtifactExists:
                    return EXIT_FAILED
            return EXIT_OK

        return program

    def _engine(self, line: Line) -> Engine:
        return Engine(
            queue=cast("Any", _Queue(line, self._requests)),
            registry=cast("Any", _Registry(line, self._requests, self._records)),
            artifacts=cast("Any", _Artifacts(line)),
            datasets=LocalDatasets(),
            feedback=FakeFeedback(),
            launcher=cast("Any", _Launcher(line)),
        )


class _Queue:
    def __init__(self, line: Line, requests: Sequence[TrainingRequest]) -> None:
        self._line = line
        self._requests = requests
        self._has_given = False

    def receive(self, limit: int) -> list[Message]:
        """One batch in a consumer's intake: a second one is the same as another intake's first."""
        if self._has_given:
            return []
        self._has_given = True
        return [self._message(index) for index in self._line.ask("receive")]

    def delete(self, *messages: Message) -> None:
        for message in messages:
            self._line.ask("delete", int(message.receipt))

    def depth(self) -> int:
        """For a message to a user, no more."""
        return 0

    def _message(self, index: int) -> Message:
        request = self._requests[index]
        sent_at = SENT_AT + timedelta(minutes=index)
        return Message(request.request_id, request.encode(), sent_at, 1, receipt=str(index))


class _Registry:
    """What is no primitive is the project's own; the primitives ask."""

    amend = Registry.amend
    amend_each = Registry.amend_each
    replace_together = Registry.replace_together
    """Never done: one change after the other has every interleaving that all at once has."""

    def __init__(self, line: Line, requests: Sequence[TrainingRequest], records: Records) -> None:
        self._line = line
        self._records = records
        self._indexes = {request.model_id: index for index, request in enumerate(requests)}

    def put_new(self, *records: ModelRecord) -> bool:
        """One after the other: what comes in between two of them is what may come here at all."""
        written = [
            self._line.ask("put_new", self._indexes[record.model_id], self._records.number(record))
            for record in records
        ]
        return all(written)

    def get(self, model_id: str) -> ModelRecord | None:
        record: ModelRecord | None = self._line.ask("get", self._indexes[model_id])
        return record

    def replace(self, old: ModelRecord, new: ModelRecord, cap: int | None = None) -> None:
        self._line.ask(
            "replace",
            self._indexes[new.model_id],
            old.version,
            self._records.number(new),
            int(new.holds_slot) - int(old.holds_slot),
            cap,
        )

    def slots_in_use(self) -> int:
        in_use: int = self._line.ask("slots_in_use")
        return in_use

    def ready(self, limit: int, now: datetime) -> list[ModelRecord]:
        return list(self._line.ask("ready"))

    def holding(self) -> list[ModelRecord]:
        return list(self._line.ask("holding"))

    def newest(self, *_: object, **__: object) -> list[ModelRecord]:
        """A model is asked for by its whole modelId."""
        return []

    starting_with = newest

    def report(self, model_id: str, attempt: int, report: Report) -> None:
        """No decision rests on it."""

    def reports(self, attempts: Collection[tuple[str, int]]) -> dict[tuple[str, int], Report]:
        return {}


class _Artifacts:
    def __init__(self, line: Line) -> None:
        self._line = line

    def put(self, key: str, path: Path) -> None:
        self._line.ask("put", key, path.read_bytes())

    def read(self, key: str) -> bytes:
        content: bytes | None = self._line.ask("read", key)
        if content is None:
            raise FileNotFoundError(key)
        return content

    def entry(self, key: str) -> FileEntry | None:
        content: bytes | None = self._line.ask("read", key)
        if content is None:
            return None
        return FileEntry(size=len(content), sha256=hashlib.sha256(content).hexdigest())

    def keys(self, prefix: str) -> list[str]:
        """Asked for checkpoints, of which these trainings leave none."""
        return []


class _Stored(Line):
    """Answers for a store that stands still."""

    def __init__(self, artifacts: dict[str, bytes]) -> None:
        self._artifacts = artifacts

    def ask(self, *call: Any) -> Any:
        return self._artifacts.get(call[1])


def stored(artifacts: dict[str, bytes]) -> ArtifactStore:
    """These files, to be read as an artifact store's."""
    return cast("ArtifactStore", _Artifacts(_Stored(artifacts)))


class _Launcher:
    def __init__(self, line: Line) -> None:
        self._line = line

    def launch(self, launch: Launch) -> str:
        task: str = self._line.ask("launch", launch.token)
        return task

    def find(self, token: str) -> str | None:
        task: str | None = self._line.ask("find", token)
        return task

    def describe(self, tasks: Collection[str]) -> dict[str, TaskState]:
        return dict(self._line.ask("describe", *tasks)) if tasks else {}

    def stop(self, task: str, reason: str) -> None:
        self._line.ask("stop", task)

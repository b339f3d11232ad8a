"""The invariants I1 to I13, as far as a world of fakes can judge them.

I11 is the serving process's, I14 compares two engines. Each check names its invariant.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from typing import Protocol

from trainshed.errors import InvalidRequest
from trainshed.model_type import Catalogue
from trainshed.record import Cause, ModelRecord, Status, rejected_id
from trainshed.request import decode

from .fake_artifacts import FakeArtifacts
from .fake_queue import FakeQueue
from .fake_registry import FakeRegistry

_NEXT = {
    Status.PENDING: {Status.PENDING, Status.LAUNCHING, Status.CANCELLED},
    Status.LAUNCHING: {
        Status.LAUNCHING,
        Status.IN_PROGRESS,
        Status.PENDING,
        Status.COMPLETED,
        Status.FAILED,
        Status.CANCELLING,
    },
    Status.IN_PROGRESS: {
        Status.IN_PROGRESS,
        Status.PENDING,
        Status.COMPLETED,
        Status.FAILED,
        Status.CANCELLING,
    },
    Status.CANCELLING: {Status.CANCELLING, Status.CANCELLED},
}
"""Written down once more, so that the code's own table is no judge of itself."""

_HOLDERS = frozenset({Status.LAUNCHING, Status.IN_PROGRESS, Status.CANCELLING})


class Violation(Exception):
    """An invariant does not hold. Its message names it; `trace` tells how it came to that."""

    def __init__(self, message: str) -> None:
        super().__init__(message)
        self.trace = ""


@dataclass(frozen=True)
class Sent:
    """A message that was put on the queue."""

    message_id: str
    model_id: str
    """Of the record that it must get."""
    is_valid: bool


def sent(body: str, message_id: str, catalogue: Catalogue) -> Sent:
    try:
        return Sent(message_id, decode(body, message_id, catalogue).model_id, True)
    except InvalidRequest:
        return Sent(message_id, rejected_id(body, message_id), False)


class Container(Protocol):
    """What is asked of a container that runs."""

    works: bool

    @property
    def task(self) -> str: ...

    @property
    def model_id(self) -> str: ...

    @property
    def attempt(self) -> int: ...


class Invariants:
    def __init__(
        self, queue: FakeQueue, registry: FakeRegistry, artifacts: FakeArtifacts, cap: int
    ) -> None:
        self._queue = queue
        self._registry = registry
        self._artifacts = artifacts
        self._cap = cap

    def check_write(self, old: ModelRecord | None, new: ModelRecord) -> None:
        """One record's change."""
        which = f"{new.name}: {old.status if old else 'nothing'} → {new.status}"
        if old is None:
            if new.attempt or new.holds_slot:
                raise Violation(f"I4 · {which}: it begins with an attempt")
            return
        if old.status.is_terminal:
            raise Violation(f"I2 · {which}: a terminal state has changed")
        if new.status not in _NEXT[old.status]:
            law = "I13" if old.status is Status.CANCELLING else "I9"
            raise Violation(f"{law} · {which}: there is no such transition")
        if new.version != old.version + 1:
            raise Violation(f"I9 · {which}: version {old.version} → {new.version}")
        begins = old.status is Status.PENDING and new.status is Status.LAUNCHING
        if new.attempt != old.attempt + begins:
            raise Violation(f"I9 · {which}: attempt {old.attempt} → {new.attempt}")
        if new.holds_slot is not (new.status in _HOLDERS):
            raise Violation(f"I5 · {which}: holds a slot: {new.holds_slot}")
        if new.request is not None and new.attempt > new.request.max_attempts:
            raise Violation(f"I10 · {which}: attempt {new.attempt} of {new.request.max_attempts}")
        if new.status is Status.COMPLETED:
            self._check_artifact(new, which)

    def check(self, messages: Iterable[Sent], containers: Collection[Container]) -> None:
        """The world between two steps."""
        self._check_slots()
        self._check_containers(containers)
        for message in messages:
            if not self._is_kept(message):
                raise Violation(f"I6 · the message of {message.model_id} has vanished")

    def check_rest(
        self, messages: Collection[Sent], cancelled: Iterable[str], harmed: Collection[str]
    ) -> None:
        """The world when nothing is left to happen. `cancelled` and `harmed` are modelIds: those
        whose users were told so, and those that the platform has given a reason to fail."""
        if self._registry.slots_in_use():
            raise Violation(f"I5 · {self._registry.slots_in_use()} slots are in use at rest")
        for record in self._registry.records():
            if not record.status.is_terminal:
                raise Violation(f"I2 · {record.name} is {record.status} at rest")
            if _is_blamed(record) and record.model_id not in harmed:
                raise Violation(f"the user is told that {record.name}, which is fine, has failed")
        asked_for = {message.model_id for message in messages}
        for record in self._registry.records():
            if record.model_id not in asked_for and record.request is not None:
                raise Violation(f"I2 · nobody has asked for {record.name}")
        for message in messages:
            letter = self._queue.dead_letter(message.message_id)
            if letter is None and self._registry.get(message.model_id) is None:
                raise Violation(f"I2 · {message.model_id} has got no record")
            if not message.is_valid and letter is None:
                raise Violation(f"I6 · {message.model_id} is rejected, and is no dead letter")
        for model_id in cancelled:
            found = self._registry.get(model_id)
            if found is None or found.status is not Status.CANCELLED:
                raise Violation(f"I13 · {model_id} was cancelled, and is so no more")

    def _check_slots(self) -> None:
        used, held = self._registry.slots_in_use(), self._registry.count_slots().held
        if used != held:
            raise Violation(f"I5 · {used} slots in use, {held} records hold one")
        if used > self._cap:
            raise Violation(f"I1 · {used} slots in use under a cap of {self._cap}")

    def _check_containers(self, containers: Collection[Container]) -> None:
        working: dict[str, Container] = {}
        for container in containers:
            record = self._registry.get(container.model_id)
            if record is None or record.attempt < container.attempt:
                raise Violation(f"I4 · {container.task} runs, and no record knows its attempt")
            if not container.works:
                continue
            if container.model_id in working:
                raise Violation(f"I3 · two containers work on {record.name}")
            working[container.model_id] = container
        if len(working) > self._cap:
            raise Violation(f"I1 · {len(working)} trainings run under a cap of {self._cap}")

    def _is_kept(self, message: Sent) -> bool:
        if self._queue.holds(message.message_id):
            return True
        letter = self._queue.dead_letter(message.message_id)
        if letter is not None:
            return bool(letter.reason)
        return message.is_valid and self._registry.get(message.model_id) is not None

    def _check_artifact(self, record: ModelRecord, which: str) -> None:
        prefix = f"models/{record.model_id}/{record.attempt}"
        try:
            content = self._artifacts.read(f"{prefix}/manifest.json")
            files = json.loads(content)["files"]
            for name, told in files.items():
                kept = self._artifacts.read(f"{prefix}/{name}")
                if told != {"size": len(kept), "sha256": hashlib.sha256(kept).hexdigest()}:
                    raise Violation(f"I7 · {which}: {name} is not what the manifest says")
        except (FileNotFoundError, ValueError, KeyError) as error:
            raise Violation(f"I7 · {which}: its artifact is not whole: {error!r}") from error
        if not files or record.digest != hashlib.sha256(content).hexdigest():
            raise Violation(f"I7 · {which}: the digest is another's")


def _is_blamed(record: ModelRecord) -> bool:
    """Whether it says of a training without a fault that it had one."""
    return (
        record.cause in (Cause.TRAINING_ERROR, Cause.OUT_OF_MEMORY, Cause.BAD_ARTIFACT)
        and record.request is not None
        and record.request.hyperparameters["ending"] == "well"
    )

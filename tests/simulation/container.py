"""Container: the training image's own code in a world of fakes, and what the world knows of it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime

import model_types
from training_image.interruption import Interrupted, Interruption
from training_image.memory import is_out_of_memory
from training_image.run_training import NotClaimed, run_training
from trainshed.engine import Engine
from trainshed.errors import StorageUnavailable, TrainshedError
from trainshed.handoff import (
    EXIT_FAILED,
    EXIT_INTERRUPTED,
    EXIT_NOT_CLAIMED,
    EXIT_OK,
    EXIT_OUT_OF_MEMORY,
    EXIT_STORAGE_UNAVAILABLE,
    Assignment,
)
from trainshed.ports import Report
from trainshed.settings import Settings

from .actors import Actor
from .fake_launcher import FakeTask
from .fates import Blow, Fate

_HANGS_SECONDS = 7200.0
"""In each epoch: past any timeout but the 24 hours of whoever has named none."""


class Sigterm(Interruption):
    """SIGTERM, as a world sends it: it arrives where the training asks or hears something."""

    def ask(self) -> None:
        self._asked = True

    def arrive(self) -> None:
        self._raise_if_due()


@dataclass
class Container:
    """One that runs."""

    fake: FakeTask
    fate: Fate
    sigterm: Sigterm = field(default_factory=Sigterm)
    actor: Actor | None = None
    blow: Blow = Blow.NONE
    """What has struck it."""
    is_stopping: bool = False
    """Whether SIGTERM is on its way, or has come."""
    works: bool = False
    """Whether it has begun to do more than to claim its attempt, and has not ended that."""
    is_done: bool = False
    """Whether it only has to say how it went."""

    @property
    def task(self) -> str:
        return self.fake.task

    @property
    def model_id(self) -> str:
        return self.fake.model_id

    @property
    def attempt(self) -> int:
        return self.fake.attempt

    @property
    def epoch_seconds(self) -> float:
        return _HANGS_SECONDS if self.fate.blow is Blow.HANGS else self.fate.epoch_seconds

    def asks(self, port: str, verb: str) -> None:
        """Hear of a call that it makes."""
        claims = (port, verb) in (("registry", "get"), ("registry", "replace"))
        self.works |= not claims and not self.is_done

    def run(self, engine: Engine, settings: Settings, clock: Callable[[], datetime]) -> int:
        """What `training_image.__main__` does; gives the exit code."""
        assignment = Assignment.from_environment(self.fake.launch.environment)
        code = EXIT_FAILED
        try:
            run_training(
                assignment,
                self.task,
                engine.registry,
                engine.artifacts,
                engine.datasets,
                settings,
                clock,
                self.sigterm,
            )
        except NotClaimed:
            return EXIT_NOT_CLAIMED
        except Interrupted:
            return EXIT_INTERRUPTED
        except (model_types.InvalidData, TrainshedError) as error:
            failure = str(error)
            if isinstance(error, StorageUnavailable):
                code = EXIT_STORAGE_UNAVAILABLE
        except Exception as error:  # noqa: BLE001 - as the entry does
            failure = f"{type(error).__name__}: {error}"
            if is_out_of_memory(error):
                code = EXIT_OUT_OF_MEMORY
        else:
            return EXIT_OK
        self.works, self.is_done = False, True
        try:
            report = Report(at=clock(), failure=failure[:2000])
            engine.registry.report(self.model_id, self.attempt, report)
        except Interrupted:
            return EXIT_INTERRUPTED
        except StorageUnavailable:
            pass  # the exit code says the most of it
        return code

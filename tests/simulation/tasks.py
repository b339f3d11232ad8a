"""Tasks: what becomes of a task from its launch to its end, by its fate and by who stops it."""

from __future__ import annotations

from collections.abc import Callable, Collection
from datetime import datetime

from trainshed.engine import Engine
from trainshed.settings import Settings

from .actors import Actor, Stage
from .container import Container
from .fake_launcher import FakeLauncher, FakeTask
from .fates import Blow, end_state, fate_of
from .world import Agenda, Chance

_GRACE_SECONDS = 120.0
_SIGKILLED = 137


class Tasks:
    def __init__(
        self,
        launcher: FakeLauncher,
        agenda: Agenda,
        stage: Stage,
        *,
        chance_of: Callable[[str], Chance],
        strikes_early: bool,
        engine_for: Callable[[str], Engine],
        settings: Settings,
        clock: Callable[[], datetime],
        changed: Callable[[], None],
        note: Callable[[str, str], None],
    ) -> None:
        self.running: dict[str, Container] = {}
        """By their tasks."""
        self.harmed: set[str] = set()
        """The models of containers that were killed or whose artifacts were damaged."""
        self._launcher = launcher
        self._agenda = agenda
        self._stage = stage
        self._chance_of = chance_of
        self._strikes_early = strikes_early
        self._engine_for = engine_for
        self._settings = settings
        self._clock = clock
        self._changed = changed
        self._note = note

    @property
    def all_ended(self) -> bool:
        return all(task.has_ended for task in self._launcher.all.values())

    def containers(self) -> Collection[Container]:
        return self.running.values()

    def start(self, fake: FakeTask) -> None:
        """It has been launched this moment."""
        fate = fate_of(self._chance_of(f"fate {fake.task}"), self._strikes_early)
        container = Container(fake, fate)
        if fate.blow is Blow.START_FAILED:
            self._agenda.after(fate.starts_after, lambda: self._ended(container, fate.blow, None))
        else:
            self._agenda.after(fate.starts_after, lambda: self._begin(container))

    def ask_to_stop(self, fake: FakeTask) -> None:
        container = self.running.get(fake.task)
        if container is not None:
            self._terminate(container, Blow.NONE)
        elif fake.state.phase.value == "starting":
            # It never begins, and has no exit code.
            self._agenda.after(5.0, lambda: self._stop_before_start(fake))

    def _stop_before_start(self, fake: FakeTask) -> None:
        if fake.task not in self.running and not fake.has_ended:
            self._launcher.end(fake, end_state(Blow.HOST, None))
            self._changed()

    def _begin(self, container: Container) -> None:
        if container.fake.has_ended:
            return
        self._launcher.begin(container.fake)
        self.running[container.task] = container
        engine = self._engine_for(container.task)
        actor = self._stage.enter(
            container.task,
            lambda: container.run(engine, self._settings, self._clock),
            lambda actor: self._left(container, actor),
        )
        container.actor = actor
        self._note(container.task, "its container begins")
        fate = container.fate
        if fate.blow in (Blow.SPOT, Blow.OPERATOR):
            self._agenda.after(fate.struck_after, lambda: self._terminate(container, fate.blow))
        elif fate.blow in (Blow.MEMORY, Blow.HOST):
            self._agenda.after(fate.struck_after, lambda: self._kill(container, fate.blow))
        if container.fake.stop_reason is not None:
            self._terminate(container, Blow.NONE)
        self._changed()
        self._stage.proceed(actor)

    def _terminate(self, container: Container, blow: Blow) -> None:
        """SIGTERM, and after the grace time SIGKILL."""
        actor = container.actor
        if actor is None or actor.has_ended or container.is_stopping:
            return
        container.blow = blow
        container.is_stopping = True
        self._note(container.task, f"SIGTERM ({blow.value})")
        self._agenda.after(_GRACE_SECONDS, lambda: self._kill(container, blow))
        if not container.fate.is_stubborn:
            container.sigterm.ask()
            turn = actor.turn
            self._agenda.after(0, lambda: self._rouse(actor, turn))

    def _rouse(self, actor: Actor, turn: int) -> None:
        if not actor.has_ended and actor.turn == turn:
            self._stage.proceed(actor)

    def _kill(self, container: Container, blow: Blow) -> None:
        actor = container.actor
        if actor is not None and not actor.has_ended:
            container.blow = blow
            self.harmed.add(container.model_id)
            self._note(container.task, f"killed ({blow.value})")
            self._stage.kill(actor)

    def _left(self, container: Container, actor: Actor) -> None:
        """Its process is gone: by itself, killed, or crashed in the middle of a call."""
        del self.running[container.task]
        exit_code = actor.result if isinstance(actor.result, int) else _SIGKILLED
        if container.blow is Blow.NONE and actor.error is not None and not container.is_stopping:
            container.blow = Blow.HOST  # it crashed, and its host with it
        if actor.error is not None:
            self.harmed.add(container.model_id)
        blow = container.blow
        self._note(container.task, f"exits with {exit_code} ({blow.value})")
        told_after = self._chance_of(f"end of {container.task}").between(0, 40)
        self._agenda.after(told_after, lambda: self._ended(container, blow, exit_code))

    def _ended(self, container: Container, blow: Blow, exit_code: int | None) -> None:
        if not container.fake.has_ended:
            self._launcher.end(container.fake, end_state(blow, exit_code))
            self._note(container.task, "is Stopped")
            self._changed()

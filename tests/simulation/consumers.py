"""Consumers: what wakes them, how long they have, and whether they leave anybody waiting."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

from queue_consumer.tick import tick
from trainshed.engine import Engine
from trainshed.record import Status
from trainshed.settings import Settings

from .actors import Actor, Stage
from .fake_registry import FakeRegistry
from .invariants import Violation
from .world import Agenda, Chance, Faults, VirtualClock

_AT_ONCE = 4
_FOR_EVER = 1e7
_RESERVE = timedelta(seconds=15)
"""As the Lambda handler has it: launching stops this long before the deadline."""


class Consumers:
    def __init__(
        self,
        registry: FakeRegistry,
        settings: Settings,
        clock: VirtualClock,
        agenda: Agenda,
        stage: Stage,
        faults: Faults,
        *,
        chance_of: Callable[[str], Chance],
        shuffles_events: bool,
        engine_of: Callable[[str, Chance, list[Actor], bool], Engine],
        judge: Callable[[Callable[[], None]], None],
        ended: Callable[[Actor], None],
        note: Callable[[str, str], None],
    ) -> None:
        self.running: set[str] = set()
        self._registry = registry
        self._settings = settings
        self._clock = clock
        self._agenda = agenda
        self._stage = stage
        self._faults = faults
        self._chance_of = chance_of
        self._chance = chance_of("events")
        self._shuffles_events = shuffles_events
        self._engine_of = engine_of
        self._judge = judge
        self._ended = ended
        self._note = note
        self._interval = self._chance.between(60, 300)
        self._woken = 0
        self._away_until = 0.0
        self._starving: dict[tuple[str, int], int] = {}

    def schedule(self) -> None:
        """The scheduler fires, and will fire again."""
        if self._chance.strikes("consumers away for an hour or so", 0.03):
            self._away_until = self._clock.seconds() + self._chance.between(1200, 6000)
        self.event()
        self._agenda.after(self._interval, self.schedule)

    def come_back(self) -> None:
        self._away_until = 0.0

    def event(self) -> None:
        """Something happens that a consumer is to be woken for."""
        chance = self._chance
        if self._shuffles_events:
            for _ in range(3):
                if chance.happens(0.8):
                    self._agenda.after(chance.between(0, 600), self._wake)
        elif not chance.strikes("event lost", 0.15):
            late = chance.strikes("event late", 0.15)
            self._agenda.after(chance.between(0, 900) if late else 1.0, self._wake)
            if chance.strikes("event doubled", 0.2):
                self._agenda.after(1.0, self._wake)

    def _wake(self) -> None:
        if len(self.running) >= _AT_ONCE or self._clock.seconds() < self._away_until:
            return
        self._woken += 1
        name = f"consumer {self._woken}"
        chance = self._chance_of(name)
        # One on a laptop has all the time there is, and may sleep in the middle of a call.
        on_laptop = chance.strikes("consumer without a time limit", 0.2)
        life = _FOR_EVER if on_laptop else chance.between(60, 900)
        deadline = self._clock.now + timedelta(seconds=life) - _RESERVE
        me: list[Actor] = []
        engine = self._engine_of(name, chance, me, on_laptop)
        hungry = self._hungry()

        def run() -> None:
            tick(engine, self._settings, self._clock, deadline)
            if not self._faults.may_strike:
                self._judge(lambda: self._check_fed(hungry))

        actor = self._stage.enter(name, run, self._left)
        me.append(actor)
        self.running.add(name)
        if not on_laptop:
            self._agenda.after(life, lambda: self._time_is_up(actor))
        self._stage.proceed(actor)

    def _time_is_up(self, actor: Actor) -> None:
        if not actor.has_ended:
            self._faults.count["consumer at its time limit"] += 1
            self._note(actor.name, "its time is up")
            self._stage.kill(actor)

    def _left(self, actor: Actor) -> None:
        self.running.remove(actor.name)
        self._ended(actor)

    def _hungry(self) -> set[tuple[str, int]]:
        """The Pending records that may be launched now: none where no slot is free."""
        if self._registry.slots_in_use() >= self._settings.cap:
            return set()
        return {
            (record.model_id, record.version)
            for record in self._registry.records()
            if record.status is Status.PENDING
            and (record.not_before is None or record.not_before <= self._clock.now)
        }

    def _check_fed(self, hungry: set[tuple[str, int]]) -> None:
        """I12, at the end of an undisturbed tick, at whose beginning these were `hungry`: a slot
        that came free meanwhile is filled by whoever freed it, and may still be at it."""
        left = hungry & self._hungry()
        self._starving = {key: self._starving.get(key, 0) + 1 for key in left}
        for (model_id, _), ticks in sorted(self._starving.items()):
            if ticks >= 2:
                raise Violation(f"I12 · {model_id} waits beside a free slot")

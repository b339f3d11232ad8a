"""Simulation: a world that runs. Consumers, users and containers are actors in it; all that happens
between their calls is on one agenda, and the next thing on it happens next."""

from __future__ import annotations

import json
from collections.abc import Callable, Collection
from contextlib import suppress
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

from trainshed.client import Client
from trainshed.engine import Engine
from trainshed.errors import TrainshedError, WrongStatus
from trainshed.local.datasets import LocalDatasets
from trainshed.model_type import parse_catalogue
from trainshed.record import ModelRecord
from trainshed.settings import Settings

from .actors import Actor, Crash, Stage
from .consumers import Consumers
from .fake_artifacts import FakeArtifacts
from .fake_feedback import FakeFeedback
from .fake_launcher import FakeLauncher
from .fake_queue import FakeQueue
from .fake_registry import FakeRegistry
from .invariants import Invariants, Sent, Violation, sent
from .tasks import Tasks
from .users import Wish, wishes
from .wire import Wire
from .world import NO_LAG, Agenda, Chance, Faults, VirtualClock

MODEL_TYPES = Path(__file__).parent / "model_types"
_CATALOGUE_JSON = json.dumps(
    {path.parent.name: json.loads(path.read_text()) for path in MODEL_TYPES.glob("*/*.json")}
)
_CATALOGUE = parse_catalogue(_CATALOGUE_JSON)

_VISIBILITY_SECONDS = 60.0
_MAX_RECEIVES = 5
_REST_WITHIN_SECONDS = 80 * 3600.0
"""Five trainings one after the other, each of three attempts that hang for hours."""


@dataclass(frozen=True)
class Plan:
    """What a schedule is put through."""

    has_faults: bool = True
    """Otherwise tasks still end badly, but no call fails, and nothing is stale, doubled or gone."""
    shuffles_events: bool = False
    """Whether each event comes three times, each late by up to ten minutes, and a fifth never."""


CHAOS = Plan()


class Simulation:
    def __init__(self, seed: int, plan: Plan) -> None:
        self.faults = Faults(seed, plan.has_faults)
        self._seed = seed
        self._plan = plan
        self._clock = VirtualClock()
        self._agenda = Agenda(self._clock)
        self._stage = Stage()
        self._chance = self._chance_of("world")
        self._lines: list[str] = []
        self._violation: Violation | None = None
        self._messages: list[Sent] = []
        self._cancelled: list[str] = []
        self._users = 0
        """How many of them have not done yet what they want."""
        self._pace = (0.02, 0.5, 5.0)[self._chance.below(3)]
        self._settings = Settings(
            home=Path("/nowhere"),
            cap=1 + self._chance.below(3),
            model_type_folders=(MODEL_TYPES,),
            catalogue_json=_CATALOGUE_JSON,
            retry_seconds=self._chance.between(0, 120),
            checkpoint_seconds=0.0 if self._chance.happens(0.5) else 1e9,
        )
        self._build()

    @property
    def text(self) -> str:
        return "\n".join(self._lines)

    def records(self) -> Collection[ModelRecord]:
        return self._registry.records()

    def run(self) -> None:
        """Raises `Violation`."""
        disturbed_for = self._chance.between(1200, 7200) if self._chaos else 0.0
        for wish in wishes(self._chance_of("users"), 1 + self._chance.below(5), self._chaos):
            self._users += 1
            self._agenda.after(wish.after, lambda wish=wish: self._send(wish))  # type: ignore[misc]
        self._agenda.after(disturbed_for, self._calm_down)
        self._agenda.after(0, self._consumers.schedule)
        while not self._is_at_rest():
            self._agenda.next()()
            if self._violation is not None:
                raise self._violation
            if self._clock.seconds() > disturbed_for + _REST_WITHIN_SECONDS:
                raise Violation("I2 · the world does not come to rest")
        self._invariants.check_rest(self._messages, self._cancelled, self._tasks.harmed)

    def close(self) -> None:
        self._stage.close()

    # What the world is made of.

    def _build(self) -> None:
        chance, clock = self._chance_of("ports"), self._clock

        def lag(what: str) -> Callable[[], timedelta]:
            def stale() -> timedelta:
                if chance.strikes(f"stale: {what}", 0.15):
                    return timedelta(seconds=chance.between(0, 300))
                return NO_LAG

            return stale

        def hides(_: object) -> float:
            return 0.0 if chance.strikes("delivered twice", 0.05) else _VISIBILITY_SECONDS

        def keeps(key: str, content: bytes) -> bytes:
            if not chance.strikes("artifact damaged", 0.02):
                return content
            self._tasks.harmed.add(key.split("/")[1])
            return content[:-1]

        self._queue = FakeQueue(
            clock,
            _VISIBILITY_SECONDS,
            _MAX_RECEIVES,
            new_id=self._chance_of("message ids").uuid,
            hides=hides,
            misses=lambda: chance.strikes("delivered late and out of order", 0.1),
        )
        self._registry = FakeRegistry(clock, lag("records"), self._wrote)
        self._artifacts = FakeArtifacts(clock, keeps)
        self._launcher = FakeLauncher(
            clock,
            lag("tasks"),
            started=lambda task: self._tasks.start(task),
            asked_to_stop=lambda task: self._tasks.ask_to_stop(task),
            forgets=lambda: chance.strikes("launched twice", 0.1),
        )
        self._engine = Engine(
            self._queue,
            self._registry,
            self._artifacts,
            LocalDatasets(),
            FakeFeedback(),
            self._launcher,
        )
        self._tasks = Tasks(
            self._launcher,
            self._agenda,
            self._stage,
            chance_of=self._chance_of,
            strikes_early=not self._chaos,
            engine_for=self._engine_of_container,
            settings=self._settings,
            clock=clock,
            changed=lambda: self._consumers.event(),
            note=self._note,
        )
        self._consumers = Consumers(
            self._registry,
            self._settings,
            clock,
            self._agenda,
            self._stage,
            self.faults,
            chance_of=self._chance_of,
            shuffles_events=self._plan.shuffles_events,
            engine_of=self._engine_of,
            judge=self._judge,
            ended=self._judge_end,
            note=self._note,
        )
        self._invariants = Invariants(
            self._queue, self._registry, self._artifacts, self._settings.cap
        )

    @property
    def _chaos(self) -> bool:
        return self._plan.has_faults

    def _chance_of(self, name: str) -> Chance:
        return Chance(f"{self._seed} {name}", self.faults)

    def _engine_of_container(self, task: str) -> Engine:
        chance, actor = self._chance_of(f"container {task}"), task.removeprefix("task/")

        def wait(port: str, verb: str) -> None:
            container = self._tasks.running[task]
            container.asks(port, verb)
            seconds = self._latency(chance)
            if (port, verb) == ("registry", "report") and not container.is_done:
                seconds += container.epoch_seconds
            assert container.actor is not None
            self._pause(container.actor, seconds)
            container.sigterm.arrive()

        return self._wire(chance, actor, wait).engine(self._engine)

    def _engine_of(
        self, name: str, chance: Chance, me: list[Actor], may_sleep: bool = False
    ) -> Engine:
        def wait(port: str, verb: str) -> None:
            seconds = self._latency(chance)
            if may_sleep and chance.strikes("consumer asleep for hours", 0.03):
                seconds += chance.between(3600, 9000)
            self._pause(me[0], seconds)

        return self._wire(chance, name, wait).engine(self._engine)

    def _wire(self, chance: Chance, name: str, wait: Callable[[str, str], None]) -> Wire:
        return Wire(
            chance,
            wait,
            note=lambda what: self._note(name, what),
            changed=self._check,
            token_is_known=self._launcher.knows_token,
        )

    def _latency(self, chance: Chance) -> float:
        if chance.strikes("call that takes minutes", 0.004):
            return chance.between(60, 600)
        return chance.between(0, self._pace)

    def _pause(self, actor: Actor, seconds: float) -> None:
        """Let others go first, for so long."""
        if not self._agenda.skip(seconds):
            turn = actor.turn
            self._agenda.after(seconds, lambda: self._proceed(actor, turn))
            actor.pause()

    def _proceed(self, actor: Actor, turn: int) -> None:
        if not actor.has_ended and actor.turn == turn:  # it may have been woken before
            self._stage.proceed(actor)

    # What happens.

    def _calm_down(self) -> None:
        self._note("world", "no more faults from here on")
        self.faults.may_strike = False
        self._consumers.come_back()

    def _judge_end(self, actor: Actor) -> None:
        """An end that is no fault's doing is a fault of the code."""
        if actor.error is None or isinstance(actor.error, Crash):
            return
        self._note(actor.name, f"ends with {type(actor.error).__name__}: {actor.error}")
        if not isinstance(actor.error, TrainshedError) or not self.faults.count:
            self._violation = self._violation or Violation(f"the code raised {actor.error!r}")

    def _send(self, wish: Wish) -> None:
        message_id = self._queue.send(wish.body)
        message = sent(wish.body, message_id, _CATALOGUE)
        self._messages.append(message)
        self._users -= 1
        self._note("user", f"sends {message.model_id[:12]}")
        if wish.repeated_after is not None:
            self._users += 1
            again = Wish(wish.body, 0, None, None)
            self._agenda.after(wish.repeated_after, lambda: self._send(again))
        if wish.cancelled_after is not None and message.is_valid:
            self._users += 1
            self._agenda.after(wish.cancelled_after, lambda: self._cancel(message.model_id))

    def _cancel(self, model_id: str) -> None:
        name = f"user of {model_id[:4]}"
        chance = self._chance_of(f"cancel {model_id} {len(self._lines)}")
        me: list[Actor] = []
        client = Client(self._engine_of(name, chance, me), self._settings)

        def run() -> None:
            with suppress(WrongStatus):
                client.cancel(model_id, self._clock.now)
                self._cancelled.append(model_id)

        def ended(actor: Actor) -> None:
            self._users -= 1
            self._judge_end(actor)

        me.append(self._stage.enter(name, run, ended))
        self._stage.proceed(me[0])

    # What must hold.

    def _check(self) -> None:
        self._judge(lambda: self._invariants.check(self._messages, self._tasks.containers()))

    def _wrote(self, old: ModelRecord | None, new: ModelRecord) -> None:
        self._judge(lambda: self._invariants.check_write(old, new))

    def _judge(self, check: Callable[[], None]) -> None:
        """Keep the first violation, and stop whoever has caused it."""
        try:
            check()
        except Violation as violation:
            self._violation = self._violation or violation
            raise Crash from None

    def _is_at_rest(self) -> bool:
        return (
            not self.faults.may_strike
            and not self._users
            and not self._consumers.running
            and self._queue.depth() == 0
            and self._tasks.all_ended
            and all(record.status.is_terminal for record in self._registry.records())
        )

    def _note(self, who: str, what: str) -> None:
        self._lines.append(f"{self._clock.seconds():10.3f} {who}: {what}")

"""The search: every state that can be reached, the shortest path to a wrong one, and whether there
is always a way on to where all is done.

A state is a world, the consumers that are at work in it and the user who may cancel a model. At
each step one of them makes one call, or dies, or something happens by itself. A consumer may begin
at any time, which is what a doubled, late or invented event amounts to; and a list that lags behind
is one that a consumer has asked for earlier.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from trainshed.request import TrainingRequest

from .exhaustive_processes import IDLE, Crash
from .exhaustive_world import Rules, Violation, World

PARTS = ("reconcile", "intake", "dispatch")
_WISHES = -1
"""The user who has not yet said that a model is to be cancelled."""

State = tuple[int, ...]
"""The world, the user and the consumers, each as a number: of a world, of an actor."""


def _actor(process: int, elapsed: int) -> int:
    return process * 2 + elapsed if process != IDLE else IDLE


@dataclass(frozen=True)
class Outcome:
    states: int
    steps: int
    worlds: int
    done: int
    """States in which all is done."""
    trouble: Sequence[str] = ()
    """The shortest path to what must not be, step by step."""


class Search:
    def __init__(
        self,
        requests: Sequence[TrainingRequest],
        consumers: int,
        hours: int = 0,
        cancelled: int | None = None,
    ) -> None:
        """`hours` may pass. Of `requests`, `cancelled` is one that a user may want cancelled."""
        self._rules = rules = Rules(requests, hours)
        self._worlds: list[World] = []
        self._numbers: dict[World, int] = {}
        self._events: dict[int, list[tuple[str, int]]] = {}
        self._calls: dict[tuple[int, int], list[tuple[str, int, int]]] = {}
        self._settlements: dict[tuple[int, int], int] = {}
        programs, start = rules.programs, rules.processes.start
        self._parts = [_actor(start(part, programs.consumer(part)), 0) for part in PARTS]
        if cancelled is not None:
            self._cancel = _actor(start("cancel", programs.canceller(cancelled)), 0)
        user = IDLE if cancelled is None else _WISHES
        self._begin: State = (self._number("", rules.begin), user, *(IDLE,) * consumers)

    def run(self) -> Outcome:
        """Go through all states, breadth first; stop at the first trouble."""
        states, numbers = [self._begin], {self._begin: 0}
        parents = array("L", [0])
        sources, targets = array("L"), array("L")
        at = 0
        while at < len(states):
            try:
                for _, _, state in self._steps(states[at]):
                    number = numbers.setdefault(state, len(states))
                    if number == len(states):
                        states.append(state)
                        parents.append(at)
                    sources.append(at)
                    targets.append(number)
            except (Violation, Crash) as trouble:
                path = [*self._path(states, parents, at), str(trouble)]
                return Outcome(len(states), len(sources), len(self._worlds), 0, path)
            at += 1
        is_done = [self._rules.is_done(world) for world in self._worlds]
        done = [number for number, state in enumerate(states) if is_done[state[0]]]
        stuck = _first_without_a_way(len(states), sources, targets, done)
        path = []
        if stuck is not None:
            path = [*self._path(states, parents, stuck), "from here not all can become terminal"]
        return Outcome(len(states), len(sources), len(self._worlds), len(done), path)

    def _steps(self, state: State) -> Iterator[tuple[str, str, State]]:
        """Who does what, and what the state is then."""
        world, user, *consumers = state
        for text, after in self._events_of(world):
            yield "", text, self._state(after, user, consumers)
        for place, consumer in enumerate(consumers):
            if place and consumer == consumers[place - 1]:
                continue  # what the other one can do is the same
            others = consumers[:place] + consumers[place + 1 :]
            if consumer != IDLE:
                yield "a consumer", "dies", self._state(world, user, (IDLE, *others))
            for actor in self._parts if consumer == IDLE else (consumer,):
                for text, then, after in self._calls_of(world, actor):
                    yield "a consumer", text, self._state(after, user, (then, *others))
        if user != IDLE:
            actor = self._cancel if user == _WISHES else user
            for text, then, after in self._calls_of(world, actor):
                yield "the user", text, self._state(after, then, consumers)
        if not any(actor % 2 for actor in (*consumers, max(user, IDLE))):
            older = self._rules.hour_passes(self._worlds[world])
            if older is not None:
                user, *consumers = (actor + 1 if actor > IDLE else actor for actor in state[1:])
                number = self._number("an hour passes", older)
                yield "", "an hour passes", self._state(number, user, consumers)

    def _state(self, world: int, user: int, consumers: Iterable[int]) -> State:
        settled = sorted([self._settled(world, consumer) for consumer in consumers])
        return (world, self._settled(world, user), *settled)

    def _settled(self, world: int, actor: int) -> int:
        if actor <= IDLE:
            return actor
        key = (world, actor)
        if key not in self._settlements:
            process, elapsed = divmod(actor, 2)
            after = self._rules.settled(self._worlds[world], process, elapsed)
            goes_on = self._rules.processes[after].call is not None
            self._settlements[key] = _actor(after, elapsed) if goes_on else IDLE
        return self._settlements[key]

    def _events_of(self, world: int) -> list[tuple[str, int]]:
        if world not in self._events:
            self._events[world] = [
                (text, self._number(text, after))
                for text, after in self._rules.events(self._worlds[world])
            ]
        return self._events[world]

    def _calls_of(self, world: int, actor: int) -> list[tuple[str, int, int]]:
        """What the actor's call may come to: in words, the actor and the world afterwards."""
        key = (world, actor)
        if key not in self._calls:
            self._calls[key] = list(self._call(self._worlds[world], *divmod(actor, 2)))
        return self._calls[key]

    def _call(self, world: World, process: int, elapsed: int) -> Iterator[tuple[str, int, int]]:
        processes = self._rules.processes
        for step in self._rules.answers(world, processes[process].call or (), elapsed):
            after = self._rules.next(process, step.answer, elapsed)
            goes_on = processes[after].call is not None
            then = _actor(after, elapsed) if goes_on else IDLE
            yield step.text, then, self._number(step.text, step.world)

    def _number(self, text: str, world: World) -> int:
        """The number of a world, which is looked at when it is met first."""
        world = self._rules.plain(world)
        if world not in self._numbers:
            try:
                self._rules.check(world)
            except Violation as violation:
                raise Violation(f"{text}: {violation}") from None
            self._numbers[world] = len(self._worlds)
            self._worlds.append(world)
        return self._numbers[world]

    def _path(self, states: Sequence[State], parents: Sequence[int], at: int) -> list[str]:
        path = []
        while at:
            for who, text, state in self._steps(states[parents[at]]):
                if state == states[at]:
                    path.append(f"{who} {text}".strip())
                    break
            at = parents[at]
        return path[::-1]


def _first_without_a_way(
    count: int, sources: Sequence[int], targets: Sequence[int], done: Sequence[int]
) -> int | None:
    """The first of `count` states from which no step after step leads to one that is done."""
    # The steps that lead to a state, side by side: those of state n from first[n] to first[n + 1].
    first = array("L", [0]) * (count + 1)
    for target in targets:
        first[target + 1] += 1
    for state in range(count):
        first[state + 1] += first[state]
    free, before = array("L", first), array("L", [0]) * len(sources)
    for source, target in zip(sources, targets, strict=True):
        before[free[target]] = source
        free[target] += 1
    has_a_way = bytearray(count)
    reached = list(done)
    for state in reached:
        has_a_way[state] = 1
    while reached:
        state = reached.pop()
        for source in before[first[state] : first[state + 1]]:
            if not has_a_way[source]:
                has_a_way[source] = 1
                reached.append(source)
    stuck = has_a_way.find(0)
    return None if stuck < 0 else stuck

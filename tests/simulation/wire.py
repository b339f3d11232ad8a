"""Wire: what lies between a program and its ports. Calls take time on it, fail on it or lose their
answers; and the program may be gone before or after its call has acted."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, cast

from trainshed.engine import Engine
from trainshed.errors import LaunchRefused, LaunchUncertain, StorageUnavailable, TrainshedError
from trainshed.local.datasets import LocalDatasets
from trainshed.ports import ArtifactStore, Launcher, Queue, Registry

from .actors import Crash
from .brief import brief
from .world import Chance

_THROTTLED = 0.02
_LOST_ANSWER = 0.02
_CRASH = 0.012
"""The odds of these at each call."""

_REPEATED = frozenset({("registry", "put_new"), ("artifacts", "put"), ("queue", "delete")})
"""Calls that a client library repeats by itself where it got no answer. DynamoDB's transactions
carry a token of their own, so that one that is repeated is answered like the first."""


_READS = frozenset(
    {
        *("get", "read", "entry", "keys", "files", "depth", "dead_letters", "holding", "ready"),
        *("newest", "starting_with", "reports", "slots_in_use", "describe", "find", "tasks"),
    }
)
"""Verbs that change nothing, after which there is nothing new to judge."""


class Wire:
    """One program's."""

    def __init__(
        self,
        chance: Chance,
        wait: Callable[[str, str], None],
        note: Callable[[str], None],
        changed: Callable[[], None],
        token_is_known: Callable[[str], bool],
    ) -> None:
        """`wait` lets others go first: a call takes time. `note` hears of each call and what came
        of it, `changed` of each that may have changed the world. All may raise `Crash`, or whatever
        the program is to be interrupted with."""
        self._chance = chance
        self._wait = wait
        self._note = note
        self._changed = changed
        self._token_is_known = token_is_known

    def engine(self, engine: Engine) -> Engine:
        """The same engine, at the other end of this wire."""
        return Engine(
            cast("Queue", Far(self, "queue", engine.queue)),
            cast("Registry", Far(self, "registry", engine.registry)),
            cast("ArtifactStore", Far(self, "artifacts", engine.artifacts)),
            LocalDatasets(),
            engine.feedback,
            cast("Launcher", Far(self, "launcher", engine.launcher)),
        )

    def call(self, port: str, verb: str, act: Callable[..., Any], given: Any, named: Any) -> Any:
        what = f"{port}.{verb}({', '.join(map(brief, given))})"
        self._wait(port, verb)
        self._crash("crash before", what)
        if self._chance.strikes(f"throttled: {port}", _THROTTLED):
            self._fail(port, verb, what, "throttled")
        if verb == "launch":
            self._refuse(what, given[0].token)
        try:
            answer = act(*given, **named)
            if (port, verb) in _REPEATED and self._chance.strikes("acted twice", _LOST_ANSWER):
                self._note(f"{what} → {brief(answer)}, answer lost, repeated")
                answer = act(*given, **named)
        except (TrainshedError, FileNotFoundError) as error:
            self._note(f"{what} → {type(error).__name__}")
            raise
        self._note(f"{what} → {brief(answer)}")
        if verb not in _READS:
            self._changed()
        self._crash("crash after", what)
        odds = 0.15 if verb == "launch" else _LOST_ANSWER
        if self._chance.strikes(f"answer lost: {port}", odds):
            self._fail(port, verb, what, "answer lost")
        return answer

    def _crash(self, when: str, what: str) -> None:
        if self._chance.strikes(f"{when} {what.split('(')[0]}", _CRASH):
            self._note(f"{what} → {when}")
            raise Crash

    def _refuse(self, what: str, token: str) -> None:
        # Where the token is known, its task is there, and ECS says so.
        if not self._token_is_known(token) and self._chance.strikes("failures[]", 0.06):
            self._note(f"{what} → refused")
            raise LaunchRefused("ECS had no place for it: RESOURCE:CPU.")

    def _fail(self, port: str, verb: str, what: str, how: str) -> None:
        self._note(f"{what} → {how}")
        if verb == "launch":
            raise LaunchUncertain(f"ECS did not say whether it started: {how}.")
        raise StorageUnavailable(f"The {port} does not answer: {how}.")


class Far:
    """A port at the other end of a wire. Only what is no primitive is done on this side."""

    def __init__(self, wire: Wire, name: str, port: Any) -> None:
        self._wire = wire
        self._name = name
        self._port = port

    def amend(self, *given: Any, **named: Any) -> Any:
        return Registry.amend(cast("Registry", self), *given, **named)

    def amend_each(self, *given: Any, **named: Any) -> Any:
        return Registry.amend_each(cast("Registry", self), *given, **named)

    def __getattr__(self, verb: str) -> Callable[..., Any]:
        act = getattr(self._port, verb)

        def call(*given: Any, **named: Any) -> Any:
            return self._wire.call(self._name, verb, act, given, named)

        return call

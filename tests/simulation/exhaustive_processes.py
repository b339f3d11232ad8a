"""Processes that can be copied: the project's own code, run again from its beginning for each step.

A process is a program and the answers that its ports have given it so far. To see what it does
next, the program is run on ports that give these answers once more, and end the run at the first
call beyond them. Each such history is run once, and has a number.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from tests.building import NOW
from trainshed.errors import Conflict

from .exhaustive_records import HOUR

Call = tuple[Any, ...]
"""A port's verb and what it was given, hashable."""

Program = Callable[["Line"], object]
"""Runs the project's code on ports that ask all they are asked over the line."""

IDLE = 0
"""The number of no process."""


class _Beyond(BaseException):
    """The end of what is known of a process. No `except Exception` sees it."""

    def __init__(self, call: Call) -> None:
        self.call = call


class Crash(Exception):
    """The project's code raised what it must not."""


class Line:
    """What a program hears of the world."""

    def __init__(self, answers: tuple[tuple[Any, int], ...]) -> None:
        self._answers = iter(answers)
        self._elapsed = 0

    def ask(self, *call: Any) -> Any:
        """The world's answer; an exception's class is raised."""
        known = next(self._answers, None)
        if known is None:
            raise _Beyond(call)
        answer, self._elapsed = known
        if isinstance(answer, type) and issubclass(answer, Exception):
            raise answer
        return answer

    def clock(self) -> datetime:
        """The time at which the last answer came."""
        return NOW + self._elapsed * HOUR


@dataclass(frozen=True)
class Process:
    """A program's whole past, and what it asks next."""

    program: Program
    answers: tuple[tuple[Any, int], ...]
    before: int
    """The process that it was one answer ago."""
    call: Call | None
    """None: it has ended."""
    result: object = None
    steps: dict[Any, int] = field(default_factory=dict)


class Processes:
    def __init__(self) -> None:
        self._all = [Process(lambda line: None, (), IDLE, None)]
        self._started: dict[Any, int] = {}

    def __getitem__(self, number: int) -> Process:
        return self._all[number]

    def __len__(self) -> int:
        return len(self._all)

    def start(self, name: Any, program: Program) -> int:
        """The process of that program, whose name is `name`, before its first answer."""
        if name not in self._started:
            self._started[name] = self._run(program, ())
        return self._started[name]

    def step(self, number: int, key: Any, answer: Callable[[], Any], elapsed: int) -> int:
        """What becomes of a process when it is given the answer, which `key` names."""
        process = self._all[number]
        step = (key, elapsed)
        if step not in process.steps:
            answers = (*process.answers, (answer(), elapsed))
            after = self._run(process.program, answers, number)
            process.steps[step] = (
                process.before if self._begins_anew(process, key, after) else after
            )
        return process.steps[step]

    def _begins_anew(self, process: Process, key: Any, after: int) -> bool:
        """Whether this is the loop of `Registry.amend`: the record was changed by somebody else, it
        is read again, and nothing of the first time is kept."""
        return key is Conflict and self._all[process.before].call == self._all[after].call

    def _run(
        self, program: Program, answers: tuple[tuple[Any, int], ...], before: int = IDLE
    ) -> int:
        try:
            result = program(Line(answers))
        except _Beyond as end:
            process = Process(program, answers, before, end.call)
        except Exception as error:
            raise Crash(f"{type(error).__name__}: {error}") from error
        else:
            process = Process(program, answers, before, None, result)
        self._all.append(process)
        return len(self._all) - 1

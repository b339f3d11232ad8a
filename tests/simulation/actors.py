"""Actors: programs that take turns, each on a thread of its own. Only one runs at a time, and it is
the stage that says which, so that nothing rests on the threads' own speed."""

from __future__ import annotations

import threading
from collections.abc import Callable


class Crash(BaseException):
    """The process is gone, in the middle of what it did. No `except Exception` sees it."""


class Actor:
    """A program on the stage."""

    def __init__(
        self,
        name: str,
        program: Callable[[], object],
        ended: Callable[[Actor], None],
        worker: _Worker,
    ) -> None:
        self.name = name
        self.turn = 0
        """Which one it has: one that it was promised may have come sooner by another way."""
        self.result: object = None
        self.error: BaseException | None = None
        """What it raised."""
        self.has_ended = False
        self._program = program
        self.ended = ended
        self.worker = worker
        self._doomed = False

    def proceed(self) -> None:
        """Let it go on until it pauses or ends. For the stage's side."""
        self.turn += 1
        self.worker.proceed(self._run)

    def kill(self) -> None:
        """End it where it pauses. For the stage's side."""
        self._doomed = True
        if not self.has_ended:
            self.proceed()

    def pause(self) -> None:
        """Wait for the next turn. For the program's side. Raises `Crash` if it is to end here."""
        if not self._doomed:
            self.worker.pause()
        if self._doomed:
            raise Crash

    def _run(self) -> None:
        try:
            if not self._doomed:
                self.result = self._program()
        except BaseException as error:  # noqa: BLE001 - the stage's side judges it
            self.error = error
        self.has_ended = True


class Stage:
    """Where actors run. Threads are used again, for to start one takes long."""

    def __init__(self) -> None:
        self._all: list[_Worker] = []
        self._actors: list[Actor] = []
        self._idle: list[_Worker] = []

    def enter(
        self, name: str, program: Callable[[], object], ended: Callable[[Actor], None]
    ) -> Actor:
        """An actor that waits for its first turn. `ended` hears of its end."""
        if not self._idle:
            self._idle.append(_Worker())
            self._all.append(self._idle[-1])
        actor = Actor(name, program, ended, self._idle.pop())
        self._actors.append(actor)
        return actor

    def proceed(self, actor: Actor) -> None:
        actor.proceed()
        self._tidy(actor)

    def kill(self, actor: Actor) -> None:
        if not actor.has_ended:
            actor.kill()
            self._tidy(actor)

    def close(self) -> None:
        """End all actors and threads."""
        for actor in self._actors:
            if not actor.has_ended:
                actor.kill()
        for worker in self._all:
            worker.close()

    def _tidy(self, actor: Actor) -> None:
        if actor.has_ended:
            self._actors.remove(actor)
            self._idle.append(actor.worker)
            actor.ended(actor)


class _Worker:
    """A thread and the two locks by which the turn is handed over."""

    def __init__(self) -> None:
        self._go, self._back = threading.Lock(), threading.Lock()
        self._go.acquire()
        self._back.acquire()
        self._program: Callable[[], None] | None = None
        self._thread = threading.Thread(target=self._loop, daemon=True)
        self._thread.start()

    def proceed(self, program: Callable[[], None]) -> None:
        self._program = program
        self._go.release()
        self._back.acquire()

    def pause(self) -> None:
        self._back.release()
        self._go.acquire()

    def close(self) -> None:
        self._program = None
        self._go.release()
        self._thread.join()

    def _loop(self) -> None:
        while True:
            self._go.acquire()
            if self._program is None:
                return
            self._program()
            self._back.release()

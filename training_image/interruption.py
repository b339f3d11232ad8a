"""SIGTERM: a container is told to stop, and has as long as the platform gives it (120 s on Fargate)
to bring what it has done into safety."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager


class Interrupted(BaseException):
    """The training has been told to stop. No `Exception`, so that no trainer takes it for one."""


class Interruption:
    """Raises `Interrupted` in the main thread when SIGTERM comes, but not where that would do harm.

    An exception that is raised out of a signal's handler can get lost, in a destructor or in a
    framework's callback; so it is raised again at the end of whatever is held.
    """

    def __init__(self) -> None:
        self._asked = False
        self._holds = 0

    @property
    def asked(self) -> bool:
        """Whether SIGTERM has come."""
        return self._asked

    def __enter__(self) -> Interruption:
        self._before = signal.signal(signal.SIGTERM, self._hear)
        return self

    def __exit__(self, *_: object) -> None:
        signal.signal(signal.SIGTERM, self._before)

    @contextmanager
    def held(self) -> Iterator[None]:
        """What is done in here is done to its end; then comes the exception, if it is due."""
        self._holds += 1
        try:
            yield
        finally:
            self._holds -= 1
        self._raise_if_due()

    def hold_for_good(self) -> None:
        """From here on, all is done to its end."""
        self._holds += 1

    def _hear(self, *_: object) -> None:
        self._asked = True
        self._raise_if_due()

    def _raise_if_due(self) -> None:
        if self._asked and not self._holds:
            raise Interrupted

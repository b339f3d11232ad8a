"""A clock that a test can move on, for moto's SQS; part of the server."""

from __future__ import annotations

import time

import moto.sqs.models as sqs


class SqsClock:
    def __init__(self) -> None:
        self._ahead = 0.0

    def advance(self, seconds: float) -> None:
        self._ahead += seconds

    def install(self) -> None:
        """Let all of moto's SQS go by this clock."""
        setattr(sqs, "unix_time", self._seconds)  # noqa: B010
        setattr(sqs, "unix_time_millis", lambda: self._seconds() * 1000)  # noqa: B010

    def _seconds(self) -> float:
        return time.time() + self._ahead

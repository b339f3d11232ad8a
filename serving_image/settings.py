"""What a server is told by its environment, beside the settings that all of Trainshed has."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from trainshed.environment import read_environment, seconds, switch, variable, whole_number

LOG_LEVELS = ("critical", "error", "warning", "info", "debug")


def _digest(text: str) -> str:
    if not re.fullmatch(r"[0-9a-f]{64}", text):
        raise ValueError("must be a SHA-256 in hex")
    return text


def _digests(text: str) -> tuple[str, ...]:
    return tuple(_digest(part.strip()) for part in text.split(","))


def _log_level(text: str) -> str:
    if text not in LOG_LEVELS:
        raise ValueError(f"must be one of {', '.join(LOG_LEVELS)}")
    return text


@dataclass(frozen=True)
class ServingSettings:
    artifact: str = variable(
        "TRAINSHED_ARTIFACT", str, "the prefix of the artifact in the artifact store"
    )
    artifact_digest: str = variable(
        "TRAINSHED_ARTIFACT_DIGEST",
        _digest,
        "the SHA-256 of its manifest, in hex: this is served and nothing else",
    )
    host: str = variable("TRAINSHED_HOST", str, "the address to listen at", "0.0.0.0")  # noqa: S104
    port: int = variable(
        "TRAINSHED_PORT",
        whole_number(0, 65535),
        "the port to listen at; 0: a free one, which the log names",
        8080,
    )
    workers: int = variable("TRAINSHED_WORKERS", whole_number(1, 256), "worker processes", 1)
    max_body_bytes: int = variable(
        "TRAINSHED_MAX_BODY_BYTES",
        whole_number(1, 1024**3),
        "the longest request body that is taken",
        1024**2,
    )
    client_seconds: float = variable(
        "TRAINSHED_CLIENT_SECONDS",
        seconds,
        "how long a request may take to come in full, and its answer to be taken, in seconds",
        30.0,
    )
    max_batch: int = variable(
        "TRAINSHED_MAX_BATCH",
        whole_number(1, 1024),
        "the most inputs that the model takes at once",
        8,
    )
    api_keys: tuple[str, ...] = variable(
        "TRAINSHED_API_KEY_SHA256",
        _digests,
        "the SHA-256, in hex, of the key that requests must have; several are separated by commas",
        tuple,
        secret=True,  # a key that was put here by mistake
    )
    take_feedback: bool = variable(
        "TRAINSHED_TAKE_FEEDBACK",
        switch,
        "0: no feedback is taken; on the aws engine none is either where it has no table for it",
        True,
    )
    log_level: str = variable(
        "TRAINSHED_LOG_LEVEL", _log_level, "the least that is logged: `debug` … `critical`", "info"
    )

    @classmethod
    def from_environment(cls, environ: Mapping[str, str]) -> ServingSettings:
        """Read `TRAINSHED_…`; an empty variable counts as unset. Raises `InvalidSettings`."""
        return read_environment(cls, environ)

    @property
    def bind(self) -> str:
        """Host and port as gunicorn writes them."""
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"

"""What every command starts from: the settings, the engine, the client and the clock."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime

from trainshed.client import Client
from trainshed.engine import Engine, open_engine
from trainshed.settings import Settings


@dataclass(frozen=True)
class Session:
    settings: Settings
    engine: Engine
    client: Client


@contextmanager
def open_session() -> Iterator[Session]:
    """Read the environment and open the engine that it names."""
    settings = Settings.from_environment(os.environ)
    with open_engine(settings) as engine:
        yield Session(settings, engine, Client(engine, settings))


def now() -> datetime:
    return datetime.now(UTC)

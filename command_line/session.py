"""What every command starts from: the settings, the engine, the client and the clock."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime

from trainshed.client import Client
from trainshed.engine import Engine, open_engine
from trainshed.model_type import Catalogue, read_catalogue
from trainshed.settings import Settings


@dataclass(frozen=True)
class Session:
    settings: Settings
    catalogue: Catalogue
    engine: Engine
    client: Client


@contextmanager
def open_session() -> Iterator[Session]:
    """Read the environment and open the engine that it names."""
    settings = Settings.from_environment(os.environ)
    catalogue = read_catalogue(settings.model_type_folders)
    with open_engine(settings) as engine:
        yield Session(settings, catalogue, engine, Client(engine, catalogue))


def now() -> datetime:
    return datetime.now(UTC)

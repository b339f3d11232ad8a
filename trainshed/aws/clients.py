"""boto3 clients, and their errors in words."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from trainshed.errors import StorageUnavailable

_CONFIG = Config(
    retries={"mode": "standard", "max_attempts": 5}, connect_timeout=5, read_timeout=60
)


def client(service: str) -> Any:
    """A client of the environment's account and region. Raises `StorageUnavailable`."""
    with in_words(service):
        return boto3.session.Session().client(service, config=_CONFIG)


def error_code(error: ClientError) -> str:
    return str(error.response.get("Error", {}).get("Code", ""))


@contextmanager
def in_words(what: str) -> Iterator[None]:
    """Turn what boto3 raises into `StorageUnavailable`."""
    try:
        yield
    except (ClientError, BotoCoreError) as error:
        raise StorageUnavailable(f"{what} cannot be used: {error}") from error

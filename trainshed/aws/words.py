"""boto3's errors in words."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from botocore.exceptions import BotoCoreError, ClientError

from trainshed.errors import StorageUnavailable


def error_code(error: ClientError) -> str:
    return str(error.response.get("Error", {}).get("Code", ""))


@contextmanager
def in_words(what: str) -> Iterator[None]:
    """Turn what boto3 raises into `StorageUnavailable`."""
    try:
        yield
    except (ClientError, BotoCoreError) as error:
        raise StorageUnavailable(f"{what} cannot be used: {error}") from error

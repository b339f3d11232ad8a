"""What a container learns of itself from ECS's task metadata endpoint, version 4."""

from __future__ import annotations

import json
import urllib.request

from trainshed.errors import InvalidSettings

VARIABLE = "ECS_CONTAINER_METADATA_URI_V4"

_SECONDS = 10


def own_task(uri: str) -> str:
    """The ARN of the task that this container belongs to. Raises `InvalidSettings`."""
    try:
        with urllib.request.urlopen(f"{uri}/task", timeout=_SECONDS) as answer:  # noqa: S310
            return str(json.load(answer)["TaskARN"])
    except (OSError, ValueError, KeyError) as error:
        raise InvalidSettings(f"ECS does not say which task this is: {error!r}") from error

"""Trigger: what asked for a training where it was no user.

It stands in the request. What names the same event asks for the same model, so that an event may be
delivered any number of times.
"""

from __future__ import annotations

import uuid
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

_NAMESPACE = uuid.UUID("c7e6bd1c-66a6-4c5e-9d3e-6d6b0f6c9d0f")


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)


class Push(_Frozen):
    """A new training image; the training runs exactly this one.

    Nobody compares the repository with that of the model type: it says where the image was pushed,
    and the image is pulled from the model type's own, by its digest.
    """

    kind: Literal["push"]
    repository: Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9._/-]{0,255}$")]
    digest: Annotated[str, Field(pattern=r"^sha256:[0-9a-f]{64}$")]

    def __str__(self) -> str:
        return f"ecr:{self.repository}@{self.digest}"


class NewObject(_Frozen):
    """A new object in S3, or a new version of one."""

    kind: Literal["object"]
    bucket: Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9.-]{2,62}$")]
    key: Annotated[str, Field(max_length=1024, pattern=r"^[^\x00-\x1f]+$")]
    version: Annotated[str, Field(max_length=1024, pattern=r"^[A-Za-z0-9._-]+$")]

    def __str__(self) -> str:
        return f"s3://{self.bucket}/{self.key}?versionId={self.version}"


Trigger = Annotated[Push | NewObject, Field(discriminator="kind")]


def request_id_of(trigger: Push | NewObject, name: str) -> str:
    """A UUID, the same whenever this event asks for a model of this name, whatever else is in the
    request: of two that one event queues under one name only the first is trained. Where Terraform
    lists the requests, it refuses two of one name at plan."""
    return str(uuid.uuid5(_NAMESPACE, f"{trigger}\n{name}"))

"""The task definition for one image: the model type's own, with that image in it.

A task can be started with another environment than its definition's, but not with another image.
"""

from __future__ import annotations

from typing import Any

from botocore.exceptions import ClientError

from trainshed.aws.words import error_code
from trainshed.errors import LaunchUncertain


def define(ecs: Any, family: str, container: str, digest: str) -> str:
    """The family of the task definition that is `family`'s newest, but runs the image `digest`
    (`sha256:…`) of the same repository in `container`; it is registered if it is not there.

    Its name tells what is in it, so that whoever comes second finds it, or registers the same. Of
    two that come at once ECS refuses one: that one finds it too, or raises `LaunchUncertain`, for
    the other may start a task with it. Raises besides what `ecs`, a client, does.
    """
    answer = ecs.describe_task_definition(taskDefinition=family, include=["TAGS"])
    base = answer["taskDefinition"]
    name = f"{family}_{base['revision']}_{digest.removeprefix('sha256:')}"
    if not _is_there(ecs, name):
        known = ecs.meta.service_model.operation_model("RegisterTaskDefinition").input_shape.members
        parameters = {
            **{key: value for key, value in base.items() if key in known},
            "family": name,
            "containerDefinitions": [
                {**each, "image": _pinned(each["image"], digest)}
                if each["name"] == container
                else each
                for each in base["containerDefinitions"]
            ],
        }
        # Who may register has to give the platform's tags; those of AWS's own nobody may give.
        tags = [tag for tag in answer.get("tags", []) if not tag["key"].startswith("aws:")]
        try:
            ecs.register_task_definition(**parameters, tags=tags)
        except ClientError as error:
            # Its code is that of a definition that is wrong: only the words tell them apart.
            if error_code(error) != "ClientException":
                raise
            if not _is_there(ecs, name):
                if "concurrent" in str(error):
                    raise LaunchUncertain(
                        f"Somebody else defines the image too: {error}"
                    ) from error
                raise
    return name


def _is_there(ecs: Any, family: str) -> bool:
    try:
        ecs.describe_task_definition(taskDefinition=family)
    except ClientError as error:
        if error_code(error) != "ClientException":
            raise
        return False
    return True


def _pinned(image: str, digest: str) -> str:
    """`host:5000/repository:tag` → `host:5000/repository@digest`."""
    path, slash, last = image.rpartition("/")
    return f"{path}{slash}{last.split('@')[0].split(':')[0]}@{digest}"

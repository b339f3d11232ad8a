"""Every error that Trainshed raises on purpose, under one root.

A class's docstring is its default message.
"""

from __future__ import annotations

import inspect


class TrainshedError(Exception):
    """Something went wrong."""

    def __init__(self, message: str | None = None) -> None:
        super().__init__(message or inspect.cleandoc(type(self).__doc__ or ""))


class InvalidSettings(TrainshedError):
    """A setting in the environment is wrong."""


class InvalidRequest(TrainshedError):
    """The training request is invalid."""


class UnknownModel(TrainshedError):
    """There is no such model."""


class AmbiguousModel(TrainshedError):
    """More than one model fits."""


class UnknownDataset(TrainshedError):
    """There is no such data set."""


class InvalidFeedback(TrainshedError):
    """The feedback cannot be kept, or is none."""


class WrongStatus(TrainshedError):
    """The model's status does not allow this."""


class StorageUnavailable(TrainshedError):
    """The database or the artifact store cannot be read or written."""


class ArtifactExists(TrainshedError):
    """An artifact's file is written once, and this one is there already."""


class ArtifactDamaged(TrainshedError):
    """A file of the artifact is missing or is not what the manifest says."""


class LaunchRefused(TrainshedError):
    """The launcher refused: no task was started."""


class LaunchUncertain(TrainshedError):
    """The launcher did not say whether a task was started; the launch must be repeated."""


class Conflict(TrainshedError):
    """The record was changed by someone else since it was read."""


class CapReached(TrainshedError):
    """All slots are in use."""


class Stale(TrainshedError):
    """The record has moved on; this change no longer applies."""

"""Checkpoints: what a later attempt of a model goes on from, in the artifact store.

They lie below `models/<modelId>/checkpoints/<attempt>/<epoch>/`, each one written as an artifact
is: its files first, its manifest last.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from trainshed.errors import ArtifactDamaged, TrainshedError
from trainshed.manifest import MANIFEST_NAME, fetch, publish_below
from trainshed.ports import ArtifactStore
from trainshed.record import checkpoints_prefix

_logger = logging.getLogger(__name__)

KEPT = 2
"""So many of the newest whole ones stay: should one be damaged, there is the one before it."""


@dataclass(frozen=True)
class Checkpoint:
    epoch: int
    """Epochs done."""
    attempt: int
    """Of the one that wrote it."""


class Checkpoints:
    """Those of one model."""

    def __init__(self, store: ArtifactStore, model_id: str) -> None:
        self._store = store
        self._model_id = model_id
        self._prefix = checkpoints_prefix(model_id)

    def newest_first(self) -> list[Checkpoint]:
        """All that there is anything of, the half-written ones too. The latest attempt's go first,
        whatever their epochs: it may have begun anew."""
        found = set()
        for key in self._store.keys(self._prefix):
            match key.removeprefix(f"{self._prefix}/").split("/"):
                case [attempt, epoch, _, *_] if attempt.isdecimal() and epoch.isdecimal():
                    found.add(Checkpoint(int(epoch), int(attempt)))
        return sorted(found, key=lambda each: (each.attempt, each.epoch), reverse=True)

    def put(self, checkpoint: Checkpoint, folder: Path, model_type: str, now: datetime) -> None:
        """Store the files of `folder`; then the old ones go.

        It may be put again if a first time went wrong. Raises `ArtifactDamaged` for what can be no
        checkpoint.
        """
        prefix = self._below(checkpoint)
        self._delete(prefix)
        (folder / MANIFEST_NAME).unlink(missing_ok=True)
        publish_below(
            self._store, prefix, folder, self._model_id, model_type, checkpoint.attempt, now
        )
        whole = 0
        for found in self.newest_first():
            if whole == KEPT:
                self._delete(self._below(found))
            elif self._store.entry(f"{self._below(found)}/{MANIFEST_NAME}") is not None:
                whole += 1

    def fetch(self, checkpoint: Checkpoint, folder: Path) -> None:
        """Copy its files into `folder`, verified. Raises `ArtifactDamaged`, naming the file."""
        prefix = self._below(checkpoint)
        manifest = fetch(self._store, prefix, None, folder)
        if (manifest.model_id, manifest.attempt) != (self._model_id, checkpoint.attempt):
            raise ArtifactDamaged(f"{prefix} holds what is another model's or attempt's.")

    def clear(self) -> None:
        """Take them all away, for their model has ended. What cannot be deleted only costs room."""
        try:
            self._delete(self._prefix)
        except TrainshedError as error:
            _logger.warning("%s: its checkpoints stay behind: %s", self._model_id, error)

    def _delete(self, prefix: str) -> None:
        keys = self._store.keys(prefix)
        # A manifest goes before the files that it names, so that none is taken for whole.
        for key in sorted(keys, key=lambda key: not key.endswith(f"/{MANIFEST_NAME}")):
            self._store.delete(key)

    def _below(self, checkpoint: Checkpoint) -> str:
        return f"{self._prefix}/{checkpoint.attempt}/{checkpoint.epoch}"

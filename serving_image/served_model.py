"""What is served: the description that an artifact gives of its model."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from model_types import Json
from serving_image.json_body import finite
from trainshed.manifest import Manifest


@dataclass(frozen=True)
class ServedModel:
    folder: Path
    """The verified copy of the artifact's files."""
    model_id: str
    model_type: str
    attempt: int
    created_at: str
    """When the artifact was finished, ISO 8601."""
    digest: str
    """SHA-256 of the manifest."""
    aliases: Sequence[str]
    """Other paths that the model type answers at."""
    metrics: Json
    history: Sequence[Json]
    """One row per epoch."""
    curves: bytes | None
    """A PNG."""

    @classmethod
    def read(
        cls, folder: Path, manifest: Manifest, digest: str, model_type_folders: Iterable[Path]
    ) -> ServedModel:
        """Raises `LookupError` where no folder holds the model type, `ValueError` for a report that
        cannot be parsed."""
        model_type = read_model_type(manifest.model_type, model_type_folders)
        return cls(
            folder=folder,
            model_id=manifest.model_id,
            model_type=manifest.model_type,
            attempt=manifest.attempt,
            created_at=manifest.created_at.isoformat(),
            digest=digest,
            aliases=tuple("/" + alias.lstrip("/") for alias in model_type.get("aliases", ())),
            metrics=_read_metrics(folder / "metrics.json"),
            history=_read_history(folder / "history.csv"),
            curves=_read_bytes(folder / "training_curves.png"),
        )

    @property
    def paths(self) -> Sequence[str]:
        """Where inputs are posted to, the model type's own path first."""
        return (f"/{self.model_type}", *self.aliases)


def read_model_type(name: str, folders: Iterable[Path]) -> Json:
    """model_type.json of the first folder that has it. Raises `LookupError`."""
    for folder in folders:
        file = folder / name / "model_type.json"
        if file.is_file():
            return json.loads(file.read_text(encoding="utf-8"))
    raise LookupError(f"no folder named {name!r} among the model types")


def _read_bytes(file: Path) -> bytes | None:
    return file.read_bytes() if file.is_file() else None


def _read_metrics(file: Path) -> Json:
    content = _read_bytes(file)
    return None if content is None else finite(json.loads(content))


def _read_history(file: Path) -> Sequence[Json]:
    if not file.is_file():
        return ()
    with file.open(newline="", encoding="utf-8") as lines:
        return tuple(
            {name: _number(value) for name, value in row.items()} for row in csv.DictReader(lines)
        )


def _number(written: str) -> Json:
    for parse in (int, float):
        try:
            return finite(parse(written))
        except ValueError:
            continue
    return written

"""LocalDatasets: a data set is used where it lies."""

from __future__ import annotations

from pathlib import Path

from trainshed.errors import UnknownDataset
from trainshed.ports import DatasetStore


class LocalDatasets(DatasetStore):
    def place(self, path: Path) -> str:
        return str(path.absolute())

    def fetch(self, dataset: str, folder: Path) -> Path:
        path = Path(dataset)
        if not path.is_absolute() or not path.exists():
            raise UnknownDataset(f"There is no data set {dataset} on this machine.")
        return path

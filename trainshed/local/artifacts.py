"""LocalArtifacts: the artifact store, a folder."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path

from trainshed.errors import ArtifactExists, StorageUnavailable
from trainshed.local.files import sync_folder
from trainshed.manifest import check_key, entry_of
from trainshed.ports import ArtifactStore, FileEntry, StoredFile, Upload


class LocalArtifacts(ArtifactStore):
    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def put(self, key: str, path: Path) -> None:
        target = self._path(key)
        with _in_words(target):
            target.parent.mkdir(parents=True, exist_ok=True)
            # Beside the target, so that it can be linked; with a name that no key can have.
            handle, name = tempfile.mkstemp(prefix="~", dir=target.parent)
            try:
                with os.fdopen(handle, "wb") as copy, path.open("rb") as source:
                    shutil.copyfileobj(source, copy, 1 << 20)
                    copy.flush()
                    os.fsync(handle)
                # A link fails where a rename would overwrite: this is what writes a key once.
                os.link(name, target)
                sync_folder(target.parent)
            except FileExistsError:
                raise ArtifactExists(f"{key} has been written already.") from None
            finally:
                Path(name).unlink()

    def get(self, key: str, path: Path) -> None:
        source = self._path(key)
        with _in_words(source):
            if _is_stored(source):
                shutil.copyfile(source, path)
                return
        raise FileNotFoundError(key)

    def read(self, key: str) -> bytes:
        source = self._path(key)
        with _in_words(source):
            if _is_stored(source):
                return source.read_bytes()
        raise FileNotFoundError(key)

    def entry(self, key: str) -> FileEntry | None:
        path = self._path(key)
        with _in_words(path):
            return entry_of(path) if _is_stored(path) else None

    def keys(self, prefix: str) -> list[str]:
        folder = self._path(prefix)
        with _in_words(folder):
            return sorted(
                path.relative_to(self._folder).as_posix()
                for path in folder.rglob("*")
                if path.is_file() and not path.name.startswith("~")
            )

    def delete(self, key: str) -> None:
        path = self._path(key)
        with _in_words(path):
            if path.is_file():
                path.unlink(missing_ok=True)

    def files(self, prefix: str) -> list[StoredFile]:
        found = []
        for key in self.keys(prefix):
            with suppress(FileNotFoundError):  # deleted meanwhile
                found.append(StoredFile(key, _written_at(self._folder / key)))
        return found

    def uploads(self) -> list[Upload]:
        found = []
        for path in sorted(self._folder.rglob("~*")):
            with suppress(FileNotFoundError):  # ended meanwhile
                place = path.relative_to(self._folder).as_posix()
                found.append(Upload(place, path.name, _written_at(path)))
        return found

    def abort(self, upload: Upload) -> None:
        path = self._folder / check_key(str(Path(upload.key).parent)) / upload.upload_id
        with _in_words(path):
            path.unlink(missing_ok=True)

    def _path(self, key: str) -> Path:
        return self._folder / check_key(key)


def _written_at(path: Path) -> datetime:
    return datetime.fromtimestamp(path.stat().st_mtime, UTC)


def _is_stored(path: Path) -> bool:
    """Whether it is a file of the store's own: what a link leads to is up to somebody else."""
    return path.is_file() and not path.is_symlink()


@contextmanager
def _in_words(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise StorageUnavailable(f"{path} cannot be used: {error}.") from error

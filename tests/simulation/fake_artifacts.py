"""FakeArtifacts: an artifact store in memory."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from datetime import datetime
from pathlib import Path

from trainshed.errors import ArtifactExists
from trainshed.manifest import check_key
from trainshed.ports import ArtifactStore, FileEntry, StoredFile, Upload


class FakeArtifacts(ArtifactStore):
    def __init__(
        self,
        clock: Callable[[], datetime],
        keeps: Callable[[str, bytes], bytes] = lambda key, content: content,
    ) -> None:
        """`keeps` says what of a file's content is really there once it has been stored."""
        self._clock = clock
        self._keeps = keeps
        self._files: dict[str, tuple[bytes, datetime]] = {}
        self._uploads: dict[str, Upload] = {}

    def put(self, key: str, path: Path) -> None:
        if check_key(key) in self._files:
            raise ArtifactExists(f"{key} has been written already.")
        self._files[key] = (self._keeps(key, path.read_bytes()), self._clock())

    def get(self, key: str, path: Path) -> None:
        path.write_bytes(self.read(key))

    def read(self, key: str) -> bytes:
        if check_key(key) not in self._files:
            raise FileNotFoundError(key)
        return self._files[key][0]

    def entry(self, key: str) -> FileEntry | None:
        if check_key(key) not in self._files:
            return None
        content, _ = self._files[key]
        return FileEntry(size=len(content), sha256=hashlib.sha256(content).hexdigest())

    def keys(self, prefix: str) -> list[str]:
        below = f"{check_key(prefix)}/"
        return sorted(key for key in self._files if key.startswith(below))

    def files(self, prefix: str) -> list[StoredFile]:
        return [StoredFile(key, self._files[key][1]) for key in self.keys(prefix)]

    def uploads(self) -> list[Upload]:
        return sorted(self._uploads.values(), key=lambda upload: upload.key)

    def abort(self, upload: Upload) -> None:
        self._uploads.pop(upload.upload_id, None)

    def delete(self, key: str) -> None:
        self._files.pop(check_key(key), None)

    def abandon_upload(self, key: str) -> None:
        """What a writer leaves behind that dies on the way."""
        upload_id = f"upload-{len(self._uploads) + 1}"
        self._uploads[upload_id] = Upload(check_key(key), upload_id, self._clock())

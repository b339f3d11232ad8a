"""What an artifact holds: file → size and sha256; to write it, to verify it, to fetch by it.

The files are written first and `manifest.json` last, so an artifact with a manifest is whole.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from trainshed.errors import ArtifactDamaged, ArtifactExists, TrainshedError
from trainshed.ports import ArtifactStore, FileEntry
from trainshed.record import artifact_prefix

MANIFEST_NAME = "manifest.json"
_NAME = "[A-Za-z0-9._-]{1,255}"  # longer ones no file system takes
_KEY = re.compile(rf"(?!.*(^|/)\.{{1,2}}(/|$)){_NAME}(/{_NAME})*", re.ASCII)
_MAX_KEY = 900  # S3 takes 1,024 bytes


class Manifest(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    model_id: Annotated[str, Field(max_length=100)]
    model_type: str
    attempt: Annotated[int, Field(ge=1, le=1000)]
    created_at: datetime
    feedback: Annotated[int, Field(ge=0)] = 0
    """How many examples with right answers by people joined the training part."""
    files: dict[str, FileEntry]

    def encode(self) -> bytes:
        return self.model_dump_json(indent=1).encode()


def check_key(key: str) -> str:
    """Give `key` back. Raises `TrainshedError` unless it is a plain relative path."""
    if not _is_key(key):
        raise TrainshedError(f"{key!r} is not a valid artifact key.")
    return key


def _is_key(key: str) -> bool:
    return bool(_KEY.fullmatch(key)) and len(key) <= _MAX_KEY


def entry_of(path: Path) -> FileEntry:
    """Size and sha256 of a file."""
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
        return FileEntry(size=file.tell(), sha256=digest)


def digest_of(manifest: bytes) -> str:
    """The digest that names an artifact: the sha256 of its manifest.json."""
    return hashlib.sha256(manifest).hexdigest()


def publish(
    store: ArtifactStore,
    folder: Path,
    model_id: str,
    model_type: str,
    attempt: int,
    now: datetime,
    feedback: int = 0,
) -> None:
    """Write every file of `folder` as the attempt's artifact, then its manifest.

    Raises `ArtifactDamaged` for what can be no artifact, before anything is written, and
    `ArtifactExists`.
    """
    prefix = artifact_prefix(model_id, attempt)
    publish_below(store, prefix, folder, model_id, model_type, attempt, now, feedback)


def publish_below(
    store: ArtifactStore,
    prefix: str,
    folder: Path,
    model_id: str,
    model_type: str,
    attempt: int,
    now: datetime,
    feedback: int = 0,
) -> None:
    """`publish`, at a place that the caller chooses."""
    paths = {
        path.relative_to(folder).as_posix(): path
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }
    if not paths:
        raise ArtifactDamaged("The trainer has left no files.")
    for name in paths:
        if name == MANIFEST_NAME or not _is_key(f"{prefix}/{name}"):
            raise ArtifactDamaged(f"The trainer has left a file named {name!r}: rename it.")
    manifest = Manifest(
        model_id=model_id,
        model_type=model_type,
        attempt=attempt,
        created_at=now,
        feedback=feedback,
        files={name: entry_of(path) for name, path in paths.items()},
    )
    for name, path in paths.items():
        _put(store, f"{prefix}/{name}", path)
    written = folder / MANIFEST_NAME
    written.write_bytes(manifest.encode())
    _put(store, f"{prefix}/{MANIFEST_NAME}", written)


def _put(store: ArtifactStore, key: str, path: Path) -> None:
    try:
        store.put(key, path)
    except ArtifactExists:
        # A client library repeats by itself a call whose answer was lost, and then meets at the key
        # what it has written there.
        if store.entry(key) != entry_of(path):
            raise


def verify(store: ArtifactStore, model_id: str, attempt: int) -> str:
    """Check every file that the attempt's manifest names where it lies; give its digest.

    Raises `ArtifactDamaged`, naming the file.
    """
    prefix = artifact_prefix(model_id, attempt)
    manifest, content = _read_manifest(store, prefix)
    if (manifest.model_id, manifest.attempt) != (model_id, attempt):
        raise ArtifactDamaged(
            f"{prefix}/{MANIFEST_NAME} is that of {manifest.model_id}, attempt {manifest.attempt}."
        )
    for name, expected in manifest.files.items():
        _compare(name, store.entry(f"{prefix}/{name}"), expected)
    return digest_of(content)


def fetch(
    store: ArtifactStore,
    prefix: str,
    digest: str | None,
    folder: Path,
    wanted: Callable[[str], bool] = lambda _: True,
) -> Manifest:
    """Copy the manifest that has `digest` (any, where that is None), and the `wanted` files of it,
    into `folder`, verified.

    Raises `ArtifactDamaged`, naming the file, before anything of it could have been parsed.
    """
    manifest, content = _read_manifest(store, prefix, digest)
    (folder / MANIFEST_NAME).write_bytes(content)
    for name, expected in manifest.files.items():
        if wanted(name):
            target = folder / name
            target.parent.mkdir(parents=True, exist_ok=True)
            try:
                store.get(f"{prefix}/{name}", target)
            except FileNotFoundError:
                _compare(name, None, expected)
            _compare(name, entry_of(target), expected)
    return manifest


def _read_manifest(
    store: ArtifactStore, prefix: str, digest: str | None = None
) -> tuple[Manifest, bytes]:
    try:
        content = store.read(f"{prefix}/{MANIFEST_NAME}")
    except FileNotFoundError:
        raise ArtifactDamaged(f"There is no {MANIFEST_NAME} in {prefix}.") from None
    if digest is not None and digest_of(content) != digest:
        raise ArtifactDamaged(
            f"{prefix}/{MANIFEST_NAME} has the digest {digest_of(content)}, not {digest}:"
            " it is damaged, or another artifact's."
        )
    try:
        manifest = Manifest.model_validate_json(content)
    except ValidationError:
        raise ArtifactDamaged(f"{prefix}/{MANIFEST_NAME} cannot be read: it is damaged.") from None
    for name in manifest.files:
        if not _is_key(f"{prefix}/{name}"):
            raise ArtifactDamaged(f"{prefix}/{MANIFEST_NAME} names a file {name[:100]!r}.")
    return manifest, content


def _compare(name: str, actual: FileEntry | None, expected: FileEntry) -> None:
    if actual is None:
        raise ArtifactDamaged(f"{name} is missing from the artifact.")
    if actual != expected:
        raise ArtifactDamaged(
            f"{name} is damaged: it has {actual.size} bytes and sha256 {actual.sha256[:12]}…,"
            f" the manifest says {expected.size} and {expected.sha256[:12]}…."
        )

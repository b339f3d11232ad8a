"""What an artifact holds: file → size and sha256; to write it, to verify it, to fetch by it.

The files are written first and `manifest.json` last, so an artifact with a manifest is whole.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Annotated, Protocol

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from trainshed.errors import ArtifactDamaged, TrainshedError

MANIFEST_NAME = "manifest.json"
_KEY = re.compile(r"(?!.*(^|/)\.{1,2}(/|$))[A-Za-z0-9._-]+(/[A-Za-z0-9._-]+)*", re.ASCII)


class FileEntry(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    size: Annotated[int, Field(ge=0)]
    """In bytes."""
    sha256: Annotated[str, Field(pattern="^[0-9a-f]{64}$")]


class Manifest(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    model_id: str
    model_type: str
    attempt: int
    created_at: datetime
    files: dict[str, FileEntry]

    def encode(self) -> bytes:
        return self.model_dump_json(indent=1).encode()


class Files(Protocol):
    """What is needed of an artifact store here; `ArtifactStore` in `ports.py` has it."""

    def put(self, key: str, path: Path) -> None: ...

    def get(self, key: str, path: Path) -> None: ...

    def entry(self, key: str) -> FileEntry | None: ...


def check_key(key: str) -> str:
    """Give `key` back. Raises `TrainshedError` unless it is a plain relative path."""
    if not _KEY.fullmatch(key) or len(key) > 900:
        raise TrainshedError(f"{key!r} is not a valid artifact key.")
    return key


def entry_of(path: Path) -> FileEntry:
    """Size and sha256 of a file."""
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
        return FileEntry(size=file.tell(), sha256=digest)


def digest_of(manifest: bytes) -> str:
    """The digest that names an artifact: the sha256 of its manifest.json."""
    return hashlib.sha256(manifest).hexdigest()


def publish(
    store: Files,
    prefix: str,
    folder: Path,
    model_id: str,
    model_type: str,
    attempt: int,
    now: datetime,
) -> None:
    """Write every file of `folder` below `prefix`, then the manifest. Raises `ArtifactExists`."""
    paths = {
        path.relative_to(folder).as_posix(): path
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }
    manifest = Manifest(
        model_id=model_id,
        model_type=model_type,
        attempt=attempt,
        created_at=now,
        files={name: entry_of(path) for name, path in paths.items()},
    )
    for name, path in paths.items():
        store.put(f"{prefix}/{name}", path)
    written = folder / MANIFEST_NAME
    written.write_bytes(manifest.encode())
    store.put(f"{prefix}/{MANIFEST_NAME}", written)


def verify(store: Files, prefix: str, scratch: Path) -> str:
    """Check every file that the manifest names where it lies, and give the manifest's digest.

    `scratch` is a folder for the manifest's copy. Raises `ArtifactDamaged`, naming the file.
    """
    manifest, digest = _read_manifest(store, prefix, scratch)
    for name, expected in manifest.files.items():
        _compare(name, store.entry(f"{prefix}/{name}"), expected)
    return digest


def fetch(
    store: Files,
    prefix: str,
    digest: str,
    folder: Path,
    wanted: Callable[[str], bool] = lambda _: True,
) -> Manifest:
    """Copy the `wanted` files of the artifact whose manifest has `digest` into `folder`, verified.

    Raises `ArtifactDamaged`, naming the file, before anything of it could have been parsed.
    """
    manifest, actual = _read_manifest(store, prefix, folder)
    if actual != digest:
        raise ArtifactDamaged(
            f"{prefix}/{MANIFEST_NAME} has the digest {actual}, not {digest}:"
            " it is another artifact."
        )
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


def _read_manifest(store: Files, prefix: str, folder: Path) -> tuple[Manifest, str]:
    copy = folder / MANIFEST_NAME
    try:
        store.get(f"{prefix}/{MANIFEST_NAME}", copy)
    except FileNotFoundError:
        raise ArtifactDamaged(f"There is no {MANIFEST_NAME} in {prefix}.") from None
    content = copy.read_bytes()
    try:
        manifest = Manifest.model_validate_json(content)
        for name in manifest.files:
            check_key(f"{prefix}/{name}")
    except (ValidationError, TrainshedError):
        raise ArtifactDamaged(f"{prefix}/{MANIFEST_NAME} cannot be read: it is damaged.") from None
    return manifest, digest_of(content)


def _compare(name: str, actual: FileEntry | None, expected: FileEntry) -> None:
    if actual is None:
        raise ArtifactDamaged(f"{name} is missing from the artifact.")
    if actual != expected:
        raise ArtifactDamaged(
            f"{name} is damaged: it has {actual.size} bytes and sha256 {actual.sha256[:12]}…,"
            f" the manifest says {expected.size} and {expected.sha256[:12]}…."
        )

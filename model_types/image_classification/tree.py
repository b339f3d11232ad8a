"""Tree: the files of a folder or of a zip file, read one by one and never unpacked."""

from __future__ import annotations

import lzma
import zipfile
import zlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path, PurePosixPath

from model_types import InvalidData

MAX_FILE_BYTES = 32 * 1024**2
"""Of one picture's file, unpacked."""

_ZIP_FAULTS = (
    *(OSError, EOFError, ValueError, NotImplementedError, RuntimeError),
    *(zipfile.BadZipFile, zlib.error, lzma.LZMAError),
)
"""What `zipfile` raises at what is damaged, encrypted, or packed in a way that it does not know."""

_CHAFF = ("__MACOSX", "Thumbs.db", "desktop.ini")
"""What systems leave behind, beside names that begin with a dot."""


@dataclass(frozen=True)
class File:
    path: Sequence[str]
    """Its name behind those of its folders, below the tree's root."""
    where: str
    """How a message names it."""
    read: Callable[[], bytes]
    """Raises `InvalidData`, also for what is too long."""


@dataclass(frozen=True)
class Tree:
    name: str
    files: Sequence[File]
    """In the order of their paths."""
    folders: frozenset[Sequence[str]]
    """The paths of all folders, the empty ones too."""

    @property
    def top(self) -> list[str]:
        """The names of the folders that lie in no other, in order."""
        return sorted(path[0] for path in self.folders if len(path) == 1)

    def below(self, folder: str) -> Tree:
        """What a folder of the top holds."""
        return Tree(
            f"{self.name}: {folder}",
            [replace(f, path=f.path[1:]) for f in self.files if f.path[0] == folder and f.path[1:]],
            frozenset(path[1:] for path in self.folders if path[0] == folder and path[1:]),
        )


@contextmanager
def open_tree(path: Path) -> Iterator[Tree]:
    """Read from a folder or a zip file while the context lasts. Raises `InvalidData`."""
    if path.is_dir():
        yield _folder(path)
        return
    if not path.is_file():
        raise InvalidData(f"{path} does not exist. Give a folder or a zip file.")
    try:
        archive = zipfile.ZipFile(path)
    except _ZIP_FAULTS as fault:
        raise InvalidData(
            f"{path.name} is no zip file, or is damaged or cut off ({fault}). Pack it again."
        ) from None
    with archive:
        yield _archive(path.name, archive)


def _folder(root: Path) -> Tree:
    files, folders = [], set()
    for path in sorted(root.rglob("*")):
        names = path.relative_to(root).parts
        if _is_chaff(names):
            continue
        if path.is_dir():
            folders.add(names)
        else:
            files.append(File(names, "/".join((root.name, *names)), partial(_read_file, path)))
    return Tree(root.name, files, frozenset(folders))


def _archive(name: str, archive: zipfile.ZipFile) -> Tree:
    files, folders = [], set()
    for info in sorted(archive.infolist(), key=lambda info: info.filename):
        where = f"{name}: {info.filename}"
        names = PurePosixPath(info.filename).parts
        # Nothing is unpacked, so that such names do no harm; but no honest program writes them.
        if not names or {"/", ".."} & set(names) or "\\" in info.filename:
            raise InvalidData(f"{where!r} leads out of the zip file. Take it out.")
        if _is_chaff(names):
            continue
        parents = names if info.is_dir() else names[:-1]
        folders |= {parents[:depth] for depth in range(1, len(parents) + 1)}
        if not info.is_dir():
            files.append(File(names, where, partial(_read_member, archive, info, where)))
    return Tree(name, files, frozenset(folders))


def _is_chaff(names: Sequence[str]) -> bool:
    return any(name.startswith(".") or name in _CHAFF for name in names)


def _read_file(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            return _checked(file.read(MAX_FILE_BYTES + 1), str(path))
    except OSError as fault:
        raise InvalidData(f"{path} cannot be read: {fault.strerror}.") from None


def _read_member(archive: zipfile.ZipFile, info: zipfile.ZipInfo, where: str) -> bytes:
    try:
        with archive.open(info) as file:
            content = file.read(MAX_FILE_BYTES + 1)  # what the zip file says of its size may lie
    except _ZIP_FAULTS as fault:
        raise InvalidData(f"{where} cannot be unpacked: {fault}. Pack it again.") from None
    return _checked(content, where)


def _checked(content: bytes, where: str) -> bytes:
    if len(content) > MAX_FILE_BYTES:
        raise InvalidData(f"{where} is over {MAX_FILE_BYTES} bytes. Make it smaller.")
    return content

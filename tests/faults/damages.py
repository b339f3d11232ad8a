"""What can befall an artifact on its disk: to one of its files, and to its manifest."""

from __future__ import annotations

import json
import os
import random
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from trainshed.manifest import MANIFEST_NAME

Damage = Callable[[Path, random.Random], None]
"""Does it to the file at the path."""


def truncate(path: Path, chance: random.Random) -> None:
    os.truncate(path, chance.randrange(path.stat().st_size))


def empty(path: Path, chance: random.Random) -> None:
    os.truncate(path, 0)


def flip_a_bit(path: Path, chance: random.Random) -> None:
    content = bytearray(path.read_bytes())
    content[chance.randrange(len(content))] ^= 1 << chance.randrange(8)
    path.write_bytes(content)


def overwrite_a_block(path: Path, chance: random.Random) -> None:
    """As a disk does that has lost a sector: the size stays."""
    content = bytearray(path.read_bytes())
    start = chance.randrange(len(content))
    content[start:] = bytes(byte ^ 0xFF for byte in content[start:])
    path.write_bytes(content)


def append(path: Path, chance: random.Random) -> None:
    with path.open("ab") as file:
        file.write(chance.choice([b"\0", b"\n", chance.randbytes(4096)]))


def grow_sparsely(path: Path, chance: random.Random) -> None:
    os.truncate(path, 1 << 20)


def delete(path: Path, chance: random.Random) -> None:
    path.unlink()


def swap(path: Path, chance: random.Random) -> None:
    """Exchange it and another file of the artifact."""
    artifact = next(folder for folder in path.parents if (folder / MANIFEST_NAME).exists())
    others = [p for p in artifact.rglob("*") if p.is_file() and p.name != MANIFEST_NAME]
    other = chance.choice(sorted(p for p in others if p.read_bytes() != path.read_bytes()))
    aside = path.with_name("~aside")
    path.rename(aside)
    other.rename(path)
    aside.rename(other)


def make_folder(path: Path, chance: random.Random) -> None:
    path.unlink()
    path.mkdir()


def make_pipe(path: Path, chance: random.Random) -> None:
    """Whoever opens it waits for ever."""
    path.unlink()
    os.mkfifo(path)


def link_nowhere(path: Path, chance: random.Random) -> None:
    path.unlink()
    path.symlink_to(chance.choice(["nowhere", path.name, "/dev/zero", "/dev/null", "/"]))


def link_elsewhere(path: Path, chance: random.Random) -> None:
    """To the very content, outside: what it says there is up to somebody else."""
    aside = path.parents[4] / "aside"
    path.rename(aside)
    path.symlink_to(aside)


TO_FILES: tuple[Damage, ...] = (
    truncate,
    empty,
    flip_a_bit,
    overwrite_a_block,
    append,
    grow_sparsely,
    delete,
    swap,
    make_folder,
    make_pipe,
    link_nowhere,
    link_elsewhere,
)

TO_BYTES_OF_MANIFEST = tuple(damage for damage in TO_FILES if damage is not swap)

ENTRY = {"size": 0, "sha256": "0" * 64}

ODD_NAMES = (
    *("../x", "../../../../../x", "/etc/passwd", "a/../../x", "..", ".", "", "a//b", "a/", "/"),
    *("a\nb", "~x", "a b", "ä", "a\\b", "C:\\x", "a\0b", "\u202eb.nib", "-" * 1000, "a/./b"),
    *("x" * 256, "a/" + "x" * 256 + "/b", "%2e%2e/x", "$HOME", "a;b", "*", "a\u2028b"),
)

_NO_NUMBERS: tuple[Any, ...] = (None, "many", 1.5, float("nan"), -float("inf"), 10**400, [], {})
_NO_MOMENTS: tuple[Any, ...] = (None, "yesterday", [1], {})
NO_ENTRIES: tuple[Any, ...] = (
    *(None, [], "x", 0, {}, {"size": 0}, {**ENTRY, "path": "/etc/passwd"}),
    *({**ENTRY, "size": wrong} for wrong in (-1, *_NO_NUMBERS)),
    *({**ENTRY, "sha256": wrong} for wrong in ("0" * 63, "0" * 65, "G" * 64, "A" * 64, 0, None)),
)

Rewrite = Callable[[Mapping[str, Any], random.Random], bytes]
"""The manifest as a document → the bytes in its place. No artifact may have such a manifest."""


def _with_file(name: str, entry: Any) -> Rewrite:
    def rewrite(document: Mapping[str, Any], chance: random.Random) -> bytes:
        return json.dumps({**document, "files": {**document["files"], name: entry}}).encode()

    return rewrite


def _without(key: str) -> Rewrite:
    return lambda document, _: json.dumps({k: v for k, v in document.items() if k != key}).encode()


def _with(**changes: object) -> Rewrite:
    return lambda document, _: json.dumps({**document, **changes}).encode()


def _deep(opening: str, closing: str, depth: int) -> Rewrite:
    def rewrite(document: Mapping[str, Any], chance: random.Random) -> bytes:
        nested = opening * depth + closing * depth
        return json.dumps({**document, "files": None}).replace("null", nested).encode()

    return rewrite


def _all_of(content: bytes) -> Rewrite:
    return lambda document, _: content


def _many_files(document: Mapping[str, Any], chance: random.Random) -> bytes:
    return json.dumps({**document, "files": {f"f{n}": ENTRY for n in range(20_000)}}).encode()


def _other_encoding(document: Mapping[str, Any], chance: random.Random) -> bytes:
    return json.dumps(document).encode(chance.choice(["utf-16", "utf-32", "utf-8-sig", "cp037"]))


def _someone_elses(document: Mapping[str, Any], chance: random.Random) -> bytes:
    """With a name that would not fit into any message."""
    return json.dumps({**document, "model_id": "x" * (4 << 20)}).encode()


REWRITES: tuple[Rewrite, ...] = (
    *(_with_file(name, ENTRY) for name in ODD_NAMES),
    *(_with_file("a", entry) for entry in NO_ENTRIES),
    *(_without(key) for key in ("model_id", "model_type", "attempt", "created_at", "files")),
    *(_with(files=files) for files in (None, [], "x", 0, [["a", ENTRY]])),
    *(_with(attempt=wrong) for wrong in _NO_NUMBERS),
    *(_with(created_at=wrong) for wrong in _NO_MOMENTS),
    _with(model_id=1),
    _with(extra=True),
    *(_deep("[", "]", depth) for depth in (1, 100, 10_000, 1_000_000)),
    *(_deep('{"a":', "}", depth) for depth in (3, 100, 10_000, 1_000_000)),
    *map(_all_of, (b"null", b"[]", b"{}", b'""', b"0", b"NaN", b"{", b"\0", b"\xff" * 100)),
    _all_of(b" " * (1 << 20)),
    _all_of(b"[" * (4 << 20)),
    _all_of(b"9" * (1 << 20)),
    _other_encoding,
    _many_files,
    _someone_elses,
)

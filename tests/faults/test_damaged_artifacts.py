"""A damaged artifact is refused, by all who could take it, before anything of it is parsed."""

from __future__ import annotations

import json
import random
import shutil
from collections.abc import Callable, Collection, Iterator
from contextlib import suppress
from dataclasses import dataclass, replace
from itertools import cycle, islice
from pathlib import Path
from typing import NoReturn

import pytest

from serving_image import artifact as serving
from tests.web.conftest import MODEL_ID, PREFIX, Home, publish_artifact
from trainshed.errors import ArtifactDamaged
from trainshed.local.artifacts import LocalArtifacts
from trainshed.manifest import MANIFEST_NAME, digest_of, fetch, verify

from .damages import REWRITES, TO_BYTES_OF_MANIFEST, TO_FILES

__all__ = ["publish_artifact"]

SEED = 9


@dataclass(frozen=True)
class Damaged:
    """A copy of a good artifact, to be damaged, and those who may take it."""

    folder: Path
    digest: str
    """By which it is asked for."""

    @property
    def home(self) -> Path:
        return self.folder / "home"

    @property
    def artifact(self) -> Path:
        return self.home / "artifacts" / PREFIX

    @property
    def store(self) -> LocalArtifacts:
        return LocalArtifacts(self.home / "artifacts")

    def verify(self) -> str:
        return verify(self.store, MODEL_ID, 1)

    def fetch(self) -> None:
        fetch(self.store, PREFIX, self.digest, self._fetched())

    def serve(self) -> None:
        environ = Home(self.home, self.digest).environment
        serving.fetch_artifact(environ, self._fetched())

    def _fetched(self) -> Path:
        folder = self.folder / "fetched"
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir()
        return folder


@pytest.fixture
def good(publish_artifact: Callable[..., Home]) -> Home:
    return publish_artifact()


@pytest.fixture
def copies(good: Home, tmp_path: Path) -> Iterator[Damaged]:
    """One copy after the other, and nothing written beside it."""
    return _copies(good, tmp_path / "damaged")


def _copies(good: Home, folder: Path) -> Iterator[Damaged]:
    before = sorted(path.name for path in folder.parent.iterdir())
    while True:
        copy = Damaged(folder, good.digest)
        shutil.copytree(good.artifact, copy.artifact)
        yield copy
        assert {path.name for path in folder.iterdir()} <= {"home", "fetched", "aside"}
        shutil.rmtree(folder)
        assert sorted(path.name for path in folder.parent.iterdir()) == before


def test_the_good_one_is_taken(copies: Iterator[Damaged]) -> None:
    copy = next(copies)
    assert copy.verify() == copy.digest
    copy.fetch()
    copy.serve()


@pytest.fixture
def nothing_parsed(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever reads more of a fetched artifact than its bytes fails the test."""

    def parse(*_: object) -> NoReturn:
        raise AssertionError("parsed")

    monkeypatch.setattr(serving, "read_artifact", parse)


def is_refused(take: Callable[[], object], names: Collection[str]) -> None:
    """Refused, and the message names one of these files."""
    with pytest.raises(ArtifactDamaged) as refusal:
        take()
    assert any(name in str(refusal.value) for name in names), (names, str(refusal.value))


def files_of(artifact: Path) -> dict[str, bytes]:
    """Name → content of what lies there as a file of its own."""
    return {
        path.relative_to(artifact).as_posix(): path.read_bytes()
        for path in sorted(artifact.rglob("*"))
        if path.is_file() and not path.is_symlink()
    }


@pytest.mark.usefixtures("nothing_parsed")
def test_a_damaged_file(
    good: Home,
    copies: Iterator[Damaged],
    how_many: Callable[[int, int], int],
    tell: Callable[[str], None],
) -> None:
    chance, count, whole = random.Random(SEED), how_many(24, 500), files_of(good.artifact)
    for copy, damage in zip(copies, islice(cycle(TO_FILES), count), strict=False):
        damage(copy.artifact / chance.choice([*whole.keys() - {MANIFEST_NAME}]), chance)
        left = files_of(copy.artifact)
        changed = {name for name, content in whole.items() if left.get(name) != content}
        assert changed, damage.__name__
        is_refused(copy.verify, changed)
        is_refused(copy.fetch, changed)
        if not all(name.startswith("framework/") for name in changed):
            is_refused(copy.serve, changed)
    tell(f"{count} artifacts with a damaged file: {count} refused, the file named")


@pytest.mark.usefixtures("nothing_parsed")
def test_a_manifest_that_something_happened_to(
    copies: Iterator[Damaged], how_many: Callable[[int, int], int], tell: Callable[[str], None]
) -> None:
    chance, count, consistent = random.Random(SEED), how_many(11, 200), 0
    for copy, damage in zip(copies, islice(cycle(TO_BYTES_OF_MANIFEST), count), strict=False):
        damage(copy.artifact / MANIFEST_NAME, chance)
        is_refused(copy.fetch, [MANIFEST_NAME])
        is_refused(copy.serve, [MANIFEST_NAME])
        with suppress(ArtifactDamaged):
            assert copy.verify() != copy.digest
            consistent += 1  # a date's digit, say: only the digest tells
    tell(
        f"{count} artifacts with a damaged manifest: {count} refused, the file named;"
        f" {consistent} of them by the digest alone"
    )


@pytest.mark.usefixtures("nothing_parsed")
def test_a_manifest_that_no_artifact_may_have(
    copies: Iterator[Damaged], how_many: Callable[[int, int], int], tell: Callable[[str], None]
) -> None:
    chance, count = random.Random(SEED), how_many(25, 300)
    rewrites = list(REWRITES)
    chance.shuffle(rewrites)
    for copy, rewrite in zip(copies, islice(cycle(rewrites), count), strict=False):
        path = copy.artifact / MANIFEST_NAME
        content = rewrite(json.loads(path.read_bytes()), chance)
        path.write_bytes(content)
        is_refused(copy.verify, [MANIFEST_NAME, "is missing from the artifact"])
        is_refused(copy.fetch, [MANIFEST_NAME])
        is_refused(copy.serve, [MANIFEST_NAME])
        # Not even if it were the one that is asked for.
        trusted = replace(copy, digest=digest_of(content))
        is_refused(trusted.fetch, [MANIFEST_NAME, "is missing from the artifact"])
        is_refused(trusted.serve, [MANIFEST_NAME, "is missing from the artifact"])
    tell(f"{count} artifacts with an odd manifest: {count} refused, the file named")

"""The folder of artifacts: nothing half-written is ever seen, and nothing of it is left."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from trainshed.errors import ArtifactExists, StorageUnavailable
from trainshed.local.artifacts import LocalArtifacts

KEY = "models/m/1/model.bin"


@pytest.fixture
def store(tmp_path: Path) -> LocalArtifacts:
    return LocalArtifacts(tmp_path / "artifacts")


def files_of(tmp_path: Path) -> list[str]:
    return sorted(path.name for path in (tmp_path / "artifacts").rglob("*") if path.is_file())


def in_thread(call: Callable[[], None]) -> threading.Thread:
    thread = threading.Thread(target=call)
    thread.start()
    return thread


def test_a_file_is_not_seen_while_it_is_being_written(
    store: LocalArtifacts, tmp_path: Path
) -> None:
    """The source is a pipe, so that the test decides how far the write has come."""
    source = tmp_path / "source"
    os.mkfifo(source)
    writing = in_thread(lambda: store.put(KEY, source))
    with source.open("wb", buffering=0) as pipe:
        for _ in range(64):  # more than the pipe holds, so that some of it has been taken out
            pipe.write(bytes(65536))
        assert store.keys("models") == []
        assert store.entry(KEY) is None
        with pytest.raises(FileNotFoundError):
            store.get(KEY, tmp_path / "copy")
        with pytest.raises(FileNotFoundError):
            store.read(KEY)
    writing.join(timeout=60)
    entry = store.entry(KEY)
    assert entry is not None
    assert entry.size == 64 * 65536
    assert files_of(tmp_path) == ["model.bin"]


def test_the_slower_of_two_writers_overwrites_nothing(
    store: LocalArtifacts, tmp_path: Path
) -> None:
    slow, quick = tmp_path / "slow", tmp_path / "quick"
    os.mkfifo(slow)
    quick.write_bytes(b"quick")
    outcomes: list[str] = []

    def put_slowly() -> None:
        try:
            store.put(KEY, slow)
        except ArtifactExists as error:
            outcomes.append(str(error))

    writing = in_thread(put_slowly)
    with slow.open("wb", buffering=0) as pipe:
        pipe.write(b"slow")
        store.put(KEY, quick)
    writing.join(timeout=60)
    assert outcomes == [f"{KEY} has been written already."]
    assert store.read(KEY) == b"quick"
    assert files_of(tmp_path) == ["model.bin"]


def test_a_write_that_fails_leaves_nothing(store: LocalArtifacts, tmp_path: Path) -> None:
    with pytest.raises(StorageUnavailable, match=r"model\.bin cannot be used: .*No such file"):
        store.put(KEY, tmp_path / "missing")
    assert files_of(tmp_path) == []
    assert store.entry(KEY) is None


def test_a_folder_that_cannot_be_used(tmp_path: Path) -> None:
    (tmp_path / "artifacts").touch()
    source = tmp_path / "source"
    source.touch()
    with pytest.raises(StorageUnavailable, match=r"model\.bin cannot be used"):
        LocalArtifacts(tmp_path / "artifacts").put(KEY, source)

"""The contract of `ArtifactStore`: whole or not at all, and each key once."""

from __future__ import annotations

import hashlib
from datetime import UTC, datetime, timedelta
from pathlib import Path
from threading import Barrier

import pytest

from tests.racing import race
from trainshed.engine import Engine
from trainshed.errors import ArtifactExists, TrainshedError
from trainshed.ports import ArtifactStore, FileEntry

from .benches import Bench

KEY = "models/m/1/model.bin"


@pytest.fixture
def store(engine: Engine) -> ArtifactStore:
    return engine.artifacts


@pytest.fixture
def source(tmp_path: Path) -> Path:
    path = tmp_path / "source"
    path.write_bytes(b"some\x00bytes\n")
    return path


def content_of(store: ArtifactStore, key: str, tmp_path: Path) -> bytes:
    target = tmp_path / "copy"
    store.get(key, target)
    return target.read_bytes()


def test_a_file_comes_back_as_it_was_put(
    store: ArtifactStore, source: Path, tmp_path: Path
) -> None:
    store.put(KEY, source)
    assert content_of(store, KEY, tmp_path) == source.read_bytes()
    assert store.read(KEY) == source.read_bytes()
    assert source.exists()


def test_an_empty_and_a_large_file(store: ArtifactStore, tmp_path: Path) -> None:
    for name, content in {"empty": b"", "large": bytes(range(256)) * 40_000}.items():
        path = tmp_path / name
        path.write_bytes(content)
        store.put(f"models/{name}", path)
        assert content_of(store, f"models/{name}", tmp_path) == content


def test_a_key_is_written_once(store: ArtifactStore, source: Path, tmp_path: Path) -> None:
    store.put(KEY, source)
    other = tmp_path / "other"
    other.write_bytes(b"other")
    with pytest.raises(ArtifactExists, match=r"model\.bin"):
        store.put(KEY, other)
    assert content_of(store, KEY, tmp_path) == source.read_bytes()
    assert store.keys("models/m") == [KEY]


def test_of_many_that_put_one_key_exactly_one_does(bench: Bench, tmp_path: Path) -> None:
    sources = [tmp_path / f"source-{number}" for number in range(8)]
    for number, path in enumerate(sources):
        path.write_bytes(bytes([number]) * 300_000)

    def run(number: int, start: Barrier) -> int:
        with bench.open() as engine:
            start.wait()
            engine.artifacts.put(KEY, sources[number])
            return number

    outcomes = race(len(sources), run)
    [winner] = [outcome for outcome in outcomes if isinstance(outcome, int)]
    assert sum(isinstance(outcome, ArtifactExists) for outcome in outcomes) == len(sources) - 1
    with bench.open() as engine:
        assert content_of(engine.artifacts, KEY, tmp_path) == sources[winner].read_bytes()
        assert engine.artifacts.keys("models") == [KEY]


def test_others_see_a_file_only_when_it_is_whole(bench: Bench, tmp_path: Path) -> None:
    source = tmp_path / "source"
    source.write_bytes(b"x" * 8_000_000)
    whole = FileEntry(size=8_000_000, sha256=hashlib.sha256(source.read_bytes()).hexdigest())

    def run(number: int, start: Barrier) -> list[FileEntry | None]:
        with bench.open() as engine:
            start.wait()
            if number == 0:
                engine.artifacts.put(KEY, source)
                return []
            seen: list[FileEntry | None] = []
            while not seen or seen[-1] is None:
                listed = engine.artifacts.keys("models")
                assert listed in ([], [KEY])
                seen.append(engine.artifacts.entry(KEY))
            return seen

    _, seen = race(2, run)
    assert isinstance(seen, list)
    assert set(seen) <= {None, whole}


def test_a_missing_file(store: ArtifactStore, source: Path, tmp_path: Path) -> None:
    store.put(KEY, source)
    with pytest.raises(FileNotFoundError):
        store.get("models/m/1/other.bin", tmp_path / "copy")
    assert not (tmp_path / "copy").exists()
    with pytest.raises(FileNotFoundError):
        store.read("models/m/1/other.bin")
    assert store.entry("models/m/1/other.bin") is None


def test_a_folder_is_not_a_file(store: ArtifactStore, source: Path, tmp_path: Path) -> None:
    store.put(KEY, source)
    assert store.entry("models/m") is None
    with pytest.raises(FileNotFoundError):
        store.get("models/m", tmp_path / "copy")
    with pytest.raises(FileNotFoundError):
        store.read("models/m")


def test_an_entry_has_size_and_sha256_of_what_is_stored(store: ArtifactStore, source: Path) -> None:
    store.put(KEY, source)
    content = source.read_bytes()
    assert store.entry(KEY) == FileEntry(
        size=len(content), sha256=hashlib.sha256(content).hexdigest()
    )


def test_keys_are_those_below_a_prefix_sorted(store: ArtifactStore, source: Path) -> None:
    keys = ["models/m/1/b", "models/m/1/a/c", "models/m/10/a", "models/n/1/a", "models/m/1/a.d"]
    for key in keys:
        store.put(key, source)
    assert store.keys("models") == sorted(keys)
    assert store.keys("models/m/1") == ["models/m/1/a.d", "models/m/1/a/c", "models/m/1/b"]
    assert store.keys("models/m/2") == []
    assert store.keys("other") == []


def test_a_deleted_file_is_gone_and_its_neighbours_stay(
    store: ArtifactStore, source: Path, tmp_path: Path
) -> None:
    keys = [KEY, "models/m/1/model.bin.old", "models/m/1/model", "models/m/10/model.bin"]
    for key in keys:
        store.put(key, source)
    store.delete(KEY)
    assert store.entry(KEY) is None
    assert store.keys("models") == sorted(keys[1:])
    with pytest.raises(FileNotFoundError):
        store.get(KEY, tmp_path / "copy")
    with pytest.raises(FileNotFoundError):
        store.read(KEY)


def test_deleting_again_or_what_was_never_there_does_nothing(
    store: ArtifactStore, source: Path
) -> None:
    store.put(KEY, source)
    store.delete("models/m/1/other.bin")
    store.delete("models/m")  # what lies below it has keys of its own
    store.delete("elsewhere/a/b")
    assert store.keys("models") == [KEY]
    store.delete(KEY)
    store.delete(KEY)
    assert store.keys("models") == []


def test_a_deleted_key_can_be_written_again(
    store: ArtifactStore, source: Path, tmp_path: Path
) -> None:
    store.put(KEY, source)
    store.delete(KEY)
    other = tmp_path / "other"
    other.write_bytes(b"other")
    store.put(KEY, other)
    assert content_of(store, KEY, tmp_path) == b"other"


def test_many_that_delete_one_key_all_return(bench: Bench, source: Path) -> None:
    with bench.open() as engine:
        engine.artifacts.put(KEY, source)

    def run(number: int, start: Barrier) -> int:
        with bench.open() as engine:
            start.wait()
            engine.artifacts.delete(KEY)
            return number

    assert sorted(map(str, race(8, run))) == [str(number) for number in range(8)]
    with bench.open() as engine:
        assert engine.artifacts.keys("models") == []


@pytest.mark.parametrize(
    "key",
    [
        *("", "/", "/etc/passwd", "../x", "a/../b", "a/..", "..", "a//b", "a/", "./a"),
        *("a b", "ä", "a\n", "~a", "a" * 901, "a\x00b", "a\\b"),
    ],
)
def test_a_key_that_is_no_plain_relative_path_is_refused(
    store: ArtifactStore, source: Path, tmp_path: Path, key: str
) -> None:
    for call in (
        lambda: store.put(key, source),
        lambda: store.get(key, tmp_path / "copy"),
        lambda: store.read(key),
        lambda: store.entry(key),
        lambda: store.keys(key),
        lambda: store.delete(key),
    ):
        with pytest.raises(TrainshedError, match="not a valid artifact key"):
            call()


def test_files_are_listed_with_when_they_were_written(store: ArtifactStore, source: Path) -> None:
    assert store.files("models") == []
    before = datetime.now(UTC) - timedelta(seconds=2)
    for key in ("models/m/1/b", "models/m/1/a/c", "other/x"):
        store.put(key, source)
    found = store.files("models")
    assert (
        [file.key for file in found] == store.keys("models") == ["models/m/1/a/c", "models/m/1/b"]
    )
    assert all(
        before < file.written_at < datetime.now(UTC) + timedelta(seconds=2) for file in found
    )


def test_an_upload_whose_writer_died_is_seen_and_can_be_aborted(
    bench: Bench, store: ArtifactStore, source: Path
) -> None:
    store.put(KEY, source)
    assert store.uploads() == []
    bench.abandon_upload(f"{KEY}.2")
    assert store.keys("models") == [KEY], "it is no file"
    [upload] = store.uploads()
    assert upload.key.startswith("models/m/1/")
    # Not when exactly: moto says of every upload that it was begun in 2010.
    assert upload.begun_at < datetime.now(UTC) + timedelta(seconds=2)
    store.abort(upload)
    assert store.uploads() == []
    store.abort(upload)
    assert store.keys("models") == [KEY]

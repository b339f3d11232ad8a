"""An artifact is whole and what its manifest says, or it is refused with the file's name."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.building import NOW
from trainshed.errors import ArtifactDamaged, ArtifactExists, TrainshedError
from trainshed.local.artifacts import LocalArtifacts
from trainshed.manifest import Manifest, digest_of, fetch, publish, verify

PREFIX = "models/m-1/1"
FILES = {"model.bin": b"\x00weights", "empty": b"", "framework/deep/state.pt": b"big" * 1000}


class NotedArtifacts(LocalArtifacts):
    """Notes the order of writes, and goes wrong at one of them where it is told to."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.writes: list[str] = []
        self.reads: list[str] = []
        self.breaks_at: str | None = None

    def put(self, key: str, path: Path) -> None:
        if key == self.breaks_at:
            raise TrainshedError("broken")
        super().put(key, path)
        self.writes.append(key)

    def get(self, key: str, path: Path) -> None:
        super().get(key, path)
        self.reads.append(key)

    def read(self, key: str) -> bytes:
        self.reads.append(key)
        return super().read(key)


@pytest.fixture
def store(tmp_path: Path) -> NotedArtifacts:
    return NotedArtifacts(tmp_path / "store")


@pytest.fixture
def output(tmp_path: Path) -> Path:
    folder = tmp_path / "output"
    for name, content in FILES.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    return folder


@pytest.fixture
def scratch(tmp_path: Path) -> Path:
    folder = tmp_path / "scratch"
    folder.mkdir()
    return folder


def publish_to(store: LocalArtifacts, output: Path) -> None:
    publish(store, output, "m-1", "toy", 1, NOW)


def stored(tmp_path: Path, name: str) -> Path:
    return tmp_path / "store" / PREFIX / name


def test_an_artifact_survives_the_store(store: NotedArtifacts, output: Path, scratch: Path) -> None:
    publish_to(store, output)
    digest = verify(store, "m-1", 1)
    target = scratch / "target"
    target.mkdir()
    manifest = fetch(store, PREFIX, digest, target)
    assert {name: (target / name).read_bytes() for name in manifest.files} == FILES
    assert (manifest.model_id, manifest.model_type, manifest.attempt) == ("m-1", "toy", 1)
    assert manifest.created_at == NOW
    assert digest == digest_of((target / "manifest.json").read_bytes())


def test_the_manifest_is_written_last(store: NotedArtifacts, output: Path) -> None:
    publish_to(store, output)
    assert store.writes[-1] == f"{PREFIX}/manifest.json"
    assert sorted(store.writes[:-1]) == sorted(f"{PREFIX}/{name}" for name in FILES)


@pytest.mark.parametrize("name", FILES)
def test_without_every_file_there_is_no_manifest(
    store: NotedArtifacts, output: Path, scratch: Path, name: str
) -> None:
    store.breaks_at = f"{PREFIX}/{name}"
    with pytest.raises(TrainshedError, match="broken"):
        publish_to(store, output)
    with pytest.raises(ArtifactDamaged, match=r"no manifest\.json"):
        verify(store, "m-1", 1)


def test_an_artifact_is_published_once(store: NotedArtifacts, output: Path, scratch: Path) -> None:
    publish_to(store, output)
    digest = verify(store, "m-1", 1)
    (output / "manifest.json").unlink()
    (output / "model.bin").write_bytes(b"other")
    with pytest.raises(ArtifactExists):
        publish_to(store, output)
    assert verify(store, "m-1", 1) == digest


class RepeatedArtifacts(LocalArtifacts):
    """Each write is made twice, as a client library makes it that has got no answer."""

    def put(self, key: str, path: Path) -> None:
        super().put(key, path)
        super().put(key, path)


def test_a_write_that_was_repeated_because_its_answer_was_lost_is_no_failure(
    tmp_path: Path, output: Path
) -> None:
    store = RepeatedArtifacts(tmp_path / "store")
    publish(store, output, "m-1", "toy", 1, NOW)
    assert verify(store, "m-1", 1) == digest_of((output / "manifest.json").read_bytes())


def delete(path: Path) -> None:
    path.unlink()


def truncate(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-1])


def flip_a_bit(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[0] ^= 1
    path.write_bytes(content)


def append(path: Path) -> None:
    path.write_bytes(path.read_bytes() + b"\x00")


damages = pytest.mark.parametrize("damage", [delete, truncate, flip_a_bit, append])


@damages
@pytest.mark.parametrize("name", ["model.bin", "framework/deep/state.pt"])
def test_a_damaged_file_is_named(
    store: NotedArtifacts,
    output: Path,
    scratch: Path,
    tmp_path: Path,
    damage: Callable[[Path], None],
    name: str,
) -> None:
    publish_to(store, output)
    digest = verify(store, "m-1", 1)
    damage(stored(tmp_path, name))
    with pytest.raises(ArtifactDamaged, match=name):
        verify(store, "m-1", 1)
    with pytest.raises(ArtifactDamaged, match=name):
        fetch(store, PREFIX, digest, scratch)


@damages
def test_a_damaged_manifest(
    store: NotedArtifacts,
    output: Path,
    scratch: Path,
    tmp_path: Path,
    damage: Callable[[Path], None],
) -> None:
    publish_to(store, output)
    digest = verify(store, "m-1", 1)
    damage(stored(tmp_path, "manifest.json"))
    with pytest.raises(ArtifactDamaged, match=r"manifest\.json"):
        verify(store, "m-1", 1)
    with pytest.raises(ArtifactDamaged, match=r"manifest\.json"):
        fetch(store, PREFIX, digest, scratch)


def test_another_artifact_than_the_digest_names_is_not_fetched(
    store: NotedArtifacts, output: Path, scratch: Path
) -> None:
    publish_to(store, output)
    with pytest.raises(ArtifactDamaged, match="it is damaged, or another artifact's"):
        fetch(store, PREFIX, "0" * 64, scratch)
    assert store.reads == [f"{PREFIX}/manifest.json"]


def test_only_the_wanted_files_are_fetched(
    store: NotedArtifacts, output: Path, scratch: Path, tmp_path: Path
) -> None:
    publish_to(store, output)
    digest = verify(store, "m-1", 1)
    delete(stored(tmp_path, "framework/deep/state.pt"))
    fetch(store, PREFIX, digest, scratch, wanted=lambda name: not name.startswith("framework/"))
    found = sorted(p.relative_to(scratch).as_posix() for p in scratch.rglob("*") if p.is_file())
    assert found == ["empty", "manifest.json", "model.bin"]


@pytest.mark.parametrize(
    "name",
    ["../x", "../../../../x", "/etc/passwd", "a/../../x", "..", ".", "", "a//b", "a\nb", "~x"],
)
def test_a_manifest_with_an_evil_file_name_is_damaged(
    store: NotedArtifacts, scratch: Path, tmp_path: Path, name: str
) -> None:
    entry = {"size": 0, "sha256": "0" * 64}
    document = json.loads(
        Manifest(model_id="m-1", model_type="toy", attempt=1, created_at=NOW, files={}).encode()
    )
    evil = tmp_path / "evil.json"
    evil.write_text(json.dumps({**document, "files": {name: entry}}))
    store.put(f"{PREFIX}/manifest.json", evil)
    with pytest.raises(ArtifactDamaged):
        verify(store, "m-1", 1)
    with pytest.raises(ArtifactDamaged):
        fetch(store, PREFIX, digest_of(evil.read_bytes()), scratch)
    found = [path.name for path in scratch.rglob("*") if path.is_file()]
    assert set(found) <= {"manifest.json"}
    assert set(store.reads) == {f"{PREFIX}/manifest.json"}


@pytest.mark.parametrize(
    "entry",
    [
        {"size": -1, "sha256": "0" * 64},
        {"size": 0, "sha256": "0" * 63},
        {"size": 0, "sha256": "G" * 64},
        {"size": 0},
        {"size": 0, "sha256": "0" * 64, "path": "/etc/passwd"},
    ],
)
def test_a_manifest_with_a_wrong_entry_is_damaged(
    store: NotedArtifacts, scratch: Path, tmp_path: Path, entry: dict[str, object]
) -> None:
    document = json.loads(
        Manifest(model_id="m-1", model_type="toy", attempt=1, created_at=NOW, files={}).encode()
    )
    wrong = tmp_path / "wrong.json"
    wrong.write_text(json.dumps({**document, "files": {"a": entry}}))
    store.put(f"{PREFIX}/manifest.json", wrong)
    with pytest.raises(ArtifactDamaged):
        verify(store, "m-1", 1)


@pytest.mark.parametrize("name", ["two words", "ä", "~x", "manifest.json"])
def test_a_file_with_a_name_that_no_artifact_can_have_is_not_published(
    store: NotedArtifacts, output: Path, name: str
) -> None:
    (output / name).touch()
    with pytest.raises(ArtifactDamaged, match=f"a file named '{name}': rename it"):
        publish_to(store, output)
    assert store.writes == []


def test_a_trainer_that_leaves_nothing_has_no_artifact(
    store: NotedArtifacts, tmp_path: Path
) -> None:
    (tmp_path / "nothing" / "folder").mkdir(parents=True)
    with pytest.raises(ArtifactDamaged, match="left no files"):
        publish_to(store, tmp_path / "nothing")
    assert store.writes == []


@pytest.mark.parametrize(("model_id", "attempt"), [("m-2", 1), ("m-1", 2)])
def test_the_manifest_of_another_attempt_is_none_of_this_one(
    store: NotedArtifacts, output: Path, tmp_path: Path, model_id: str, attempt: int
) -> None:
    publish(store, output, model_id, "toy", attempt, NOW)
    other = tmp_path / "store" / "models" / model_id / str(attempt)
    shutil.copytree(other, tmp_path / "store" / PREFIX)
    with pytest.raises(ArtifactDamaged, match=f"is that of {model_id}, attempt {attempt}"):
        verify(store, "m-1", 1)

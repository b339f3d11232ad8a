"""Layouts that are read, and what is told of data sets that are wrong."""

from __future__ import annotations

import struct
import zipfile
import zlib
from collections.abc import Mapping
from pathlib import Path

import pytest

from model_types import InvalidData
from model_types.image_classification import tree
from model_types.image_classification.dataset import Parts, read_parts

from .conftest import encode, noise, pictures, write_zip

CLASSES = ("cat", "dog")
SET = pictures(CLASSES, 10)


def write_folder(root: Path, files: Mapping[str, bytes]) -> Path:
    for name, content in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(content)
    return root


def read(path: Path) -> Parts:
    return read_parts(path, 16, seed=1)


def below(folder: str, files: Mapping[str, bytes]) -> dict[str, bytes]:
    return {f"{folder}/{name}": content for name, content in files.items()}


def sizes(parts: Parts) -> tuple[int, int, int]:
    return len(parts.train), len(parts.dev), len(parts.test)


@pytest.mark.parametrize("wrapped", [False, True])
@pytest.mark.parametrize("zipped", [False, True])
def test_a_folder_or_zip_of_classes_is_split(tmp_path: Path, zipped: bool, wrapped: bool) -> None:
    files = {**SET, "cat/Thumbs.db": b"", ".DS_Store": b""}
    files = {**(below("my pictures", files) if wrapped else files), "__MACOSX/cat/._1.png": b""}
    path = tmp_path / "set"
    write_zip(path, files) if zipped else write_folder(path, files)
    parts = read(path)
    assert sizes(parts) == (16, 2, 2)
    assert parts.labels == ["cat", "dog"]
    assert {sample.label for sample in parts.dev} == {sample.label for sample in parts.test}
    pixels = {s.pixels.tobytes() for part in (parts.train, parts.dev, parts.test) for s in part}
    assert len(pixels) == 20


@pytest.mark.parametrize("dev", ["dev", "val", "valid", "validation"])
def test_parts_as_zips_as_folders_and_as_folders_in_a_zip(tmp_path: Path, dev: str) -> None:
    other = pictures(CLASSES, 3, start=5000)
    (tmp_path / "zips").mkdir()
    write_zip(tmp_path / "zips" / "train.zip", SET)
    write_zip(tmp_path / "zips" / f"{dev}.zip", other)
    (tmp_path / "zips" / "README.md").write_text("Left aside.")
    both = {**below("train", SET), **below(dev, other)}
    write_folder(tmp_path / "folders", both)
    write_zip(tmp_path / "one.zip", below("wrapped", both))
    for name in ("zips", "folders", "one.zip"):
        parts = read(tmp_path / name)
        assert sizes(parts) == (18, 6, 2)


def test_a_class_may_be_called_train(tmp_path: Path) -> None:
    parts = read(write_folder(tmp_path, pictures(("car", "train"), 5)))
    assert parts.labels == ["car", "train"]


def test_the_seed_alone_decides_on_the_split(tmp_path: Path) -> None:
    path = write_zip(tmp_path / "set.zip", SET)

    def dev(seed: int) -> list[bytes]:
        return [sample.pixels.tobytes() for sample in read_parts(path, 16, seed).dev]

    assert dev(1) == dev(1)
    assert any(dev(1) != dev(seed) for seed in range(2, 8))


def test_copies_of_one_picture_stay_together(tmp_path: Path) -> None:
    copies = {name.replace(".", f"{n}."): SET[name] for name in SET for n in "abc"}
    parts = read(write_zip(tmp_path / "set.zip", copies))
    kept = [
        {sample.pixels.tobytes() for sample in part}
        for part in (parts.train, parts.dev, parts.test)
    ]
    assert sum(map(len, kept)) == len(set().union(*kept)) == 20


ONE_MORE = "cat/x.png"


@pytest.mark.parametrize(
    ("files", "message"),
    [
        ({}, "set.zip holds no pictures"),
        (pictures(("cat",), 9), "one class only, 'cat'"),
        (pictures(CLASSES, 4), r"too few distinct pictures \(fewer than 5\) of 'cat', 'dog'"),
        ({**SET, "bird/": b""}, "no pictures of 'bird'"),
        ({**SET, "x.png": b""}, r"set.zip: x.png lies in no class's folder"),
        ({**SET, "cat/a/x.png": b""}, "set.zip: cat/a/x.png lies too deep"),
        ({**SET, ONE_MORE: b""}, "set.zip: cat/x.png is empty"),
        ({**SET, ONE_MORE: b"hello"}, "set.zip: cat/x.png is no JPEG or PNG. Replace it"),
        ({**SET, ONE_MORE: b"%PDF-1.7"}, "set.zip: cat/x.png looks like a PDF"),
        ({**SET, ONE_MORE: encode(noise(1, (40, 40)))[:900]}, "cat/x.png is damaged or cut off"),
        ({**SET, "../x.png": b""}, "set.zip: ../x.png' leads out of the zip file"),
        ({**SET, "/etc/x.png": b""}, "leads out of the zip file"),
        ({**SET, "..\\x.png": b""}, "leads out of the zip file"),
        ({**below("test", SET), **below("val", SET)}, "holds val/, test/, and no train/. Add it"),
        ({**below("dev", SET), **below("val", SET), **below("train", SET)}, "dev and val mean"),
        (
            {**below("train", SET), **below("val", pictures(("cow",), 1))},
            "dev part has classes that the train part lacks: 'cow'",
        ),
    ],
)
def test_what_is_wrong_is_told_with_its_file(
    tmp_path: Path, files: Mapping[str, bytes], message: str
) -> None:
    with pytest.raises(InvalidData, match=message):
        read(write_zip(tmp_path / "set.zip", files))


def test_a_bomb_is_refused_before_it_is_decoded(tmp_path: Path) -> None:
    picture = bytearray(encode(noise(1)))
    picture[16:24] = struct.pack(">II", 100_000, 100_000)
    picture[29:33] = struct.pack(">I", zlib.crc32(bytes(picture[12:29])))
    path = write_zip(tmp_path / "set.zip", {**SET, ONE_MORE: bytes(picture)})
    with pytest.raises(InvalidData, match=r"cat/x\.png has 100000 × 100000 pixels, more than"):
        read(path)


def test_a_file_that_unpacks_to_too_much_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tree, "MAX_FILE_BYTES", 1000)
    with zipfile.ZipFile(tmp_path / "set.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("cat/x.png", bytes(100_000))
    with pytest.raises(InvalidData, match=r"set.zip: cat/x.png is over 1000 bytes"):
        read(tmp_path / "set.zip")


def test_damaged_and_encrypted_zip_files_are_told(tmp_path: Path) -> None:
    whole = write_zip(tmp_path / "whole.zip", SET).read_bytes()
    (tmp_path / "short.zip").write_bytes(whole[: len(whole) // 2])
    (tmp_path / "text.zip").write_bytes(b"no zip file")
    place = whole.index(SET["cat/3.png"]) + 60
    (tmp_path / "rotten.zip").write_bytes(whole[:place] + b"#" + whole[place + 1 :])
    locked = bytearray(whole)
    locked[locked.index(b"PK\x01\x02") + 8] |= 1
    locked[6] |= 1
    (tmp_path / "locked.zip").write_bytes(locked)
    for name, message in (
        ("short", "short.zip is no zip file, or is damaged or cut off"),
        ("text", "text.zip is no zip file"),
        ("rotten", "rotten.zip: cat/3.png cannot be unpacked: Bad CRC-32"),
        ("locked", "locked.zip: cat/0.png cannot be unpacked: .*encrypted"),
        ("none", "none.zip does not exist"),
    ):
        with pytest.raises(InvalidData, match=message):
            read(tmp_path / f"{name}.zip")


def test_a_folder_of_zips_needs_train(tmp_path: Path) -> None:
    write_zip(tmp_path / "val.zip", SET)
    with pytest.raises(InvalidData, match=r"holds val\.zip, and no train\.zip"):
        read(tmp_path)


def test_what_is_wrong_in_a_folder_is_told_with_its_path(tmp_path: Path) -> None:
    write_folder(tmp_path / "set", {**SET, ONE_MORE: b"hello"})
    with pytest.raises(InvalidData, match=r"set/cat/x\.png is no JPEG or PNG"):
        read(tmp_path / "set")
    (tmp_path / "set" / "cat" / "x.png").unlink()
    (tmp_path / "set" / "bird").mkdir()
    with pytest.raises(InvalidData, match="no pictures of 'bird'"):
        read(tmp_path / "set")

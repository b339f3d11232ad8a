from __future__ import annotations

from pathlib import Path

import pytest

from model_types import InvalidData
from model_types.ner.conll import entities_of, read_data_set, read_file
from model_types.ner.text import MAX_TOKENS

ROWS = "George\tB-PER\nleft\tO\nParis\tB-LOC\n\n"


def write(path: Path, content: str | bytes) -> Path:
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


@pytest.mark.parametrize(
    ("tags", "expected"),
    [
        ("B-A I-A O B-A", [(0, 2, "A"), (3, 4, "A")]),
        ("I-A I-A O I-B", [(0, 2, "A"), (3, 4, "B")]),
        ("I-A B-A I-B", [(0, 1, "A"), (1, 2, "A"), (2, 3, "B")]),
        ("B-A I-A E-A S-A S-A", [(0, 3, "A"), (3, 4, "A"), (4, 5, "A")]),
        ("B-A L-A U-A I-A", [(0, 2, "A"), (2, 3, "A"), (3, 4, "A")]),
        ("B-A E-A I-A", [(0, 2, "A"), (2, 3, "A")]),
        ("B-creative-work I-creative-work", [(0, 2, "creative-work")]),
        ("O O", []),
    ],
)
def test_every_scheme_gives_the_same_entities(
    tags: str, expected: list[tuple[int, int, str]]
) -> None:
    assert entities_of(tags.split()) == expected


def test_reads_columns(tmp_path: Path) -> None:
    content = (
        "\ufeff-DOCSTART- -X- O\n\n# a remark\nGeorge NNP B-PER\r\n# O\nis VBZ O\n\t\n"
        "New York\tx\tB-LOC\nCity\tx\tI-LOC\n"
    )
    first, second = read_file(write(tmp_path / "a.txt", content))
    assert first.words == ["George", "#", "is"]
    assert first.entities == [(0, 1, "PER")]
    assert second.words == ["New York", "City"]
    assert second.entities == [(0, 2, "LOC")]


def test_long_sentences_are_cut(tmp_path: Path) -> None:
    file = write(tmp_path / "a.txt", "a O\n" * (MAX_TOKENS - 1) + "b B-X\nc I-X\n")
    first, second = read_file(file)
    assert first.entities == [(MAX_TOKENS - 1, MAX_TOKENS, "X")]
    assert second.entities == [(0, 1, "X")]


def test_one_file_is_split_the_same_way_every_time(tmp_path: Path) -> None:
    file = write(tmp_path / "a", "".join(f"w{i} B-X\n\n" for i in range(100)))
    data = read_data_set(file)
    assert (len(data.train), len(data.dev), len(data.test)) == (80, 10, 10)
    words = {sentence.words[0] for sentence in data.train + data.dev + data.test}
    assert len(words) == 100
    assert read_data_set(file) == data


def test_folder_with_all_parts(tmp_path: Path) -> None:
    for name, count in (("train.bio", 12), ("valid.iob", 3), ("test.tsv", 4)):
        write(tmp_path / name, ROWS * count)
    write(tmp_path / "train.py", "no data")
    write(tmp_path / "notes.txt", "no data")
    data = read_data_set(tmp_path)
    assert (len(data.train), len(data.dev), len(data.test)) == (12, 3, 4)
    assert data.labels == ["LOC", "PER"]


def test_missing_test_part_is_split_off_train(tmp_path: Path) -> None:
    write(tmp_path / "train.conll", ROWS * 20)
    write(tmp_path / "dev.conll", ROWS * 5)
    data = read_data_set(tmp_path)
    assert (len(data.train), len(data.dev), len(data.test)) == (18, 5, 2)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("", r"data\.txt: the file is empty; give"),
        ("\n \n", r"data\.txt: the file is empty; give"),
        ("a O\nb\n", r"data\.txt:2: there is one column, 'b'; give"),
        ("a\tO\n\tB-X\n", r"data\.txt:2: the first column is empty; give"),
        ("a O\n\nb 3\n", r"data\.txt:3: '3' in the last column is no tag; give"),
        ("a PER\n", r"data\.txt:1: 'PER' in the last column is no tag; give"),
        ("a B-\n", r"data\.txt:1: 'B-' in the last column is no tag; give"),
        (b"a O\n\xff O\n", r"data\.txt:2: it is not UTF-8 \(byte 4\); save"),
        ("a O\n\n" * 20, r"data\.txt: no word of the training sentences has an entity tag"),
        ("a B-X\n\n" * 3, r"data\.txt: 3 sentences are too few; give at least 10"),
    ],
)
def test_bad_file(tmp_path: Path, content: str | bytes, message: str) -> None:
    with pytest.raises(InvalidData, match=message):
        read_data_set(write(tmp_path / "data.txt", content))


def test_missing_path(tmp_path: Path) -> None:
    with pytest.raises(InvalidData, match="nothing: there is no such file or folder"):
        read_data_set(tmp_path / "nothing")


def test_folder_without_train_file(tmp_path: Path) -> None:
    write(tmp_path / "data.txt", ROWS)
    with pytest.raises(InvalidData, match=r"there is no training file; name it train\.conll"):
        read_data_set(tmp_path)


def test_folder_with_two_train_files(tmp_path: Path) -> None:
    write(tmp_path / "train.txt", ROWS)
    write(tmp_path / "train.conll", ROWS)
    with pytest.raises(InvalidData, match=r"train\.conll and train\.txt could both be"):
        read_data_set(tmp_path)

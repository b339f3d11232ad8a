from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

from model_types import InvalidData
from model_types.sentiment.dataset import Sample, read_file, read_parts

ROWS = "".join(f"text {number},{'yes' if number % 3 else 'no'}\n" for number in range(60))


def _file(folder: Path, content: str | bytes, name: str = "data.csv") -> Path:
    file = folder / name
    file.write_bytes(content.encode() if isinstance(content, str) else content)
    return file


@pytest.mark.parametrize(
    "content",
    [
        'text,label\n"a, ""b""\nc",x\n',
        '\ufefftext,label\r\n"a, ""b""\nc",x\r\n',
        'id,label,text,more\n7,x,"a, ""b""\nc",\n\n',
        'Label , TEXT\n x ,"a, ""b""\nc"\n',
        'label,text,label_text\n0,"a, ""b""\nc",x\n',
    ],
)
def test_files_that_say_the_same(tmp_path: Path, content: str) -> None:
    assert read_file(_file(tmp_path, content)) == [Sample('a, "b"\nc', "x")]


def test_empty_texts_are_skipped_and_the_log_says_so(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    file = _file(tmp_path, "text,label\na,x\n,x\n   ,\nb,y\n")
    assert read_file(file) == [Sample("a", "x"), Sample("b", "y")]
    assert "data.csv: skipped 2 rows with an empty text (the first on line 3)" in caplog.text


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("", "data.csv is empty. Its first line must be a header: text,label."),
        ("\n\n", "data.csv is empty"),
        ("text,label\n", "data.csv has no rows after the header"),
        ("text,label\n,x\n", "data.csv has only empty texts"),
        ("text;label\na;x\n", "line 1: needs the columns text and label .* found 'text;label'"),
        ("tweet,label\na,x\n", "line 1: .* found 'label', 'tweet'"),
        ("text,text,label\na,b,x\n", "line 1: two columns are named text"),
        ("text,label\na,x\na, b,x\n", "line 3: 3 fields where the header has 2.*double quotes"),
        ('text,label\n"a\nb",x\nc\n', "line 4: 1 fields where the header has 2"),
        ("text,label\na,\n", "line 2: the label is empty"),
        ('text,label\na,x\n"b,x\nc,x\n', "starts on line 3: unexpected end of data.*not closed"),
        ('text,label\n"a"b,x\n', "starts on line 2:.*not doubled"),
        ("text,label\na,x\n" + "b" * 200_000 + ",x\n", "starts on line 3: field larger than"),
        (b"text,label\na,x\nb\xff,x\n", "line 3: not valid UTF-8"),
        (b"text,label\na\0,x\n", "line 2: a NUL byte"),
        ("text,label\na,x\n".encode("utf-16"), "line 1: a NUL byte.*UTF-16"),
    ],
)
def test_a_bad_file_is_refused_with_its_line(
    tmp_path: Path, content: str | bytes, message: str
) -> None:
    with pytest.raises(InvalidData, match=message):
        read_file(_file(tmp_path, content))


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("text,label\n" + "a,x\nb,x\n" * 9, "data.csv has one label only, 'x'"),
        (
            "text,label\n" + ROWS + "a,rare\n",
            r"too few distinct texts \(fewer than 5\) with 'rare'",
        ),
        ("text,label\n" + ROWS + "a,rare\n" * 9, "too few distinct texts"),
        (
            "label,text\n" + "".join(f"text {n},x\n" for n in range(9)),
            "'text 0', 'text 1', 'text 2', 'text 3', 'text 4' and 4 more",
        ),
    ],
)
def test_labels_that_cannot_be_learned(tmp_path: Path, content: str, message: str) -> None:
    with pytest.raises(InvalidData, match=message):
        read_parts(_file(tmp_path, content), seed=1)


def test_one_file_is_split_by_label_and_always_the_same_way(tmp_path: Path) -> None:
    file = _file(tmp_path, "text,label\n" + ROWS)
    parts = read_parts(file, seed=1)
    assert Counter(each.label for each in parts.train) == {"yes": 32, "no": 16}
    assert Counter(each.label for each in parts.dev) == {"yes": 4, "no": 2}
    assert Counter(each.label for each in parts.test) == {"yes": 4, "no": 2}
    assert sorted([*parts.train, *parts.dev, *parts.test], key=str) == sorted(
        read_file(file), key=str
    )
    assert read_parts(file, seed=1) == parts
    assert read_parts(file, seed=2) != parts
    assert parts.labels == ["no", "yes"]


def test_copies_of_a_text_stay_in_one_part(tmp_path: Path) -> None:
    parts = read_parts(_file(tmp_path, "text,label\n" + ROWS * 3), seed=1)
    train, dev, test = ({s.text for s in part} for part in (parts.train, parts.dev, parts.test))
    assert not train & dev
    assert not train & test
    assert not dev & test


@pytest.mark.parametrize("name", ["dev.csv", "val.csv", "valid.csv", "validation.csv"])
def test_a_folder_may_bring_its_dev_part(tmp_path: Path, name: str) -> None:
    _file(tmp_path, "text,label\n" + ROWS, "train.csv")
    _file(tmp_path, "text,label\nmine,yes\n", name)
    parts = read_parts(tmp_path, seed=1)
    assert parts.dev == [Sample("mine", "yes")]
    assert (len(parts.train), len(parts.test)) == (54, 6)


def test_a_folder_with_all_parts_is_not_split(tmp_path: Path) -> None:
    for name in ("train.csv", "dev.csv", "test.csv"):
        _file(tmp_path, "text,label\na,yes\nb,no\n", name)
    parts = read_parts(tmp_path, seed=1)
    assert [len(part) for part in (parts.train, parts.dev, parts.test)] == [2, 2, 2]


def test_a_bad_folder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InvalidData, match=r"holds no train\.csv but nothing"):
        read_parts(tmp_path, seed=1)
    _file(tmp_path, "text,label\n" + ROWS, "all.csv")
    with pytest.raises(InvalidData, match=r"holds no train\.csv but all\.csv"):
        read_parts(tmp_path, seed=1)
    _file(tmp_path, "text,label\n" + ROWS, "train.csv")
    _file(tmp_path, "text,label\na,maybe\n", "test.csv")
    with pytest.raises(
        InvalidData, match=r"The test part has labels that train\.csv lacks: 'maybe'"
    ):
        read_parts(tmp_path, seed=1)
    _file(tmp_path, "text,label\na,yes\n", "dev.csv")
    _file(tmp_path, "text,label\na,yes\n", "val.csv")
    with pytest.raises(InvalidData, match=r"dev\.csv and val\.csv, which mean the same part"):
        read_parts(tmp_path, seed=1)
    with pytest.raises(InvalidData, match="does not exist"):
        read_parts(tmp_path / "nowhere", seed=1)

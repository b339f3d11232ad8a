"""Traces in files: what may stand in them, and what is said of what may not."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path

import pytest

from queue_consumer.simulation.trace import Training, read_trace
from trainshed.errors import InvalidTrace

MORNING = datetime(2026, 3, 4, 5, 6, 7, tzinfo=UTC)


def read(tmp_path: Path, content: str | bytes, name: str = "trace.csv") -> list[Training]:
    path = tmp_path / name
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return read_trace(path)


def problem(tmp_path: Path, content: str | bytes, name: str = "trace.csv") -> str:
    with pytest.raises(InvalidTrace) as caught:
        read(tmp_path, content, name)
    said = str(caught.value)
    assert said.startswith(f"{str(tmp_path / name)!r}")
    assert "\n" not in said
    return said.removeprefix(f"{str(tmp_path / name)!r}").removeprefix(", ").strip()


def test_a_csv_with_all_columns_in_any_order(tmp_path: Path) -> None:
    content = (
        "name,at,seconds,attempts,priority,model_type\r\n"
        "a,2026-03-04T05:06:07Z,90,3,9,sentiment\r\n"
        "\r\n"
        "b, 2026-03-04 06:06:07+01:00 ,1.5,,,\r\n"
    )
    assert read(tmp_path, "\N{BYTE ORDER MARK}" + content) == [
        Training(MORNING, "a", "sentiment", 9, (30.0, 30.0, 30.0)),
        Training(MORNING, "b", "ner", 5, (1.5,)),
    ]


def test_a_jsonl_with_numbers_or_texts(tmp_path: Path) -> None:
    rows = [
        {"at": "2026-03-04T05:06:07", "name": "a", "seconds": 90, "attempts": 2},
        {"at": 60.5, "name": "b", "seconds": "1.5", "priority": 0, "model_type": "sentiment"},
    ]
    content = "\n\n".join(map(json.dumps, rows))
    assert read(tmp_path, content, "trace.JSONL") == [
        Training(MORNING, "a", "ner", 5, (45.0, 45.0)),
        Training(datetime.fromtimestamp(60.5, UTC), "b", "sentiment", 0, (1.5,)),
    ]


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("at,name\n0,a\n", "line 2: seconds: required."),
        ("at,name,seconds\n0,a,\n", "line 2: seconds: required."),
        ("at,name,seconds\n0,a,1\n\n\n1,b,-1\n", "line 5: seconds: "),
        ("at,name,seconds\n0,a,nan\n", "line 2: seconds: "),
        ("at,name,seconds\n0,a,inf\n", "line 2: seconds: "),
        ("at,name,seconds\n0,a,1e999\n", "line 2: seconds: "),
        ("at,name,seconds\n0,a,soon\n", "line 2: seconds: "),
        ("at,name,seconds\nyesterday,a,1\n", "line 2: at: "),
        ("at,name,seconds\n1e300,a,1\n", "line 2: at: "),
        ("at,name,seconds\n9999-12-31T23:59:59-12:00,a,1\n", "at: must lie in the years 1 to 9999"),
        ("at,name,seconds\n0,Capitals,1\n", "line 2: name: must be lower-case"),
        ("at,name,seconds\n0,../x,1\n", "not '../x'"),
        ("at,name,seconds,model_type\n0,a,1,../x\n", "line 2: model_type: "),
        ("at,name,seconds,priority\n0,a,1,10\n", "line 2: priority: "),
        ("at,name,seconds,priority\n0,a,1,2.5\n", "line 2: priority: "),
        ("at,name,seconds,attempts\n0,a,1,0\n", "line 2: attempts: "),
        ("at,name,seconds,attempts\n0,a,1,11\n", "line 2: attempts: "),
        ("at,name,seconds,prio\n0,a,1,9\n", "line 2: 'prio': unknown column; known are at, name"),
        ("at,name,seconds,at\n0,a,1,9\n", "line 1: a column stands in it twice."),
        ("at,name,seconds\n0,a\n", "line 2: 2 cell(s) for 3 column(s)."),
        ("at,name,seconds\n0,a,1,2\n", "line 2: 4 cell(s) for 3 column(s)."),
        ('at,name,seconds\n0,"a,1\n', "line 2: unexpected end of data."),
        ('at,name,seconds\n0,"a\nb",1\n', "line 3: name: "),
        ("at,name,seconds\n0,a,-1e-9;x\n", "line 2: seconds: "),
        (b"at,name,seconds\n0,\xff,1\n", "is not valid UTF-8."),
        (b"\xff\xfea\x00t\x00", "is not valid UTF-8."),
    ],
)
def test_a_wrong_csv_is_refused_with_the_line(
    tmp_path: Path, content: str | bytes, said: str
) -> None:
    assert said in problem(tmp_path, content)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ('{"at": 0, "name": "a", "seconds": 1}\n\n{"at": 0', "line 3: not valid JSON: "),
        ("[]", "line 1: must be a JSON object."),
        ('{"at": 0, "name": "a", "seconds": NaN}', "line 1: seconds: "),
        ('{"at": 0, "name": null, "seconds": 1}', "line 1: name: "),
        ('{"at": 0, "name": ["a"], "seconds": 1}', "line 1: name: "),
        ('{"at": 0, "name": "\\ud800", "seconds": 1}', "line 1: name: "),
        ('{"at": 0, "name": "a", "seconds": 1, "\\ud800": 1}', "line 1: row: "),
        ("[" * 100_000, "line 1: not valid JSON: "),
        ('{"seconds": 1' + "0" * 5000 + "}", "line 1: "),
        ('{"at": 1' + "0" * 400 + ', "name": "a", "seconds": 1}', "line 1: at: "),
    ],
)
def test_a_wrong_jsonl_is_refused_with_the_line(tmp_path: Path, content: str, said: str) -> None:
    assert said in problem(tmp_path, content, "trace.jsonl")


def test_many_things_wrong_are_told_at_once(tmp_path: Path) -> None:
    said = problem(tmp_path, "at,name,seconds\nx,A,y\n")
    assert said.count("; ") == 2


def test_a_file_that_cannot_be_read_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InvalidTrace, match="No such file"):
        read_trace(tmp_path / "nowhere.csv")
    (tmp_path / "folder.csv").mkdir()
    with pytest.raises(InvalidTrace, match="Is a directory"):
        read_trace(tmp_path / "folder.csv")
    with pytest.raises(InvalidTrace, match=r"must be a \.csv or a \.jsonl file"):
        read_trace(tmp_path / "trace.txt")


def test_a_file_without_rows_is_an_empty_trace(tmp_path: Path) -> None:
    assert read(tmp_path, "at,name,seconds\n") == []
    assert read(tmp_path, "") == []
    assert read(tmp_path, "\n\n", "trace.jsonl") == []

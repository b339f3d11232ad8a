"""`trainshed feedback`: what people said goes out, and comes in again."""

from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from command_line.main import main
from tests.building import feedback_of
from trainshed import feedback_csv
from trainshed.feedback import Feedback

from .shed import Shed

SAID = [feedback_of(number=number, input=f"=text {number}\r\nä") for number in range(250)]

Invoke = Callable[..., Result]


@pytest.fixture
def invoke(shed: Shed) -> Invoke:
    def invoke(*arguments: str, stdin: bytes | None = None) -> Result:
        result = CliRunner(env=shed.environment()).invoke(
            main, ["feedback", *arguments], input=stdin
        )
        assert result.exception is None or isinstance(result.exception, SystemExit)
        return result

    return invoke


def put(shed: Shed, *feedback: Feedback) -> None:
    with shed.open() as engine:
        engine.feedback.put(feedback)


def kept(shed: Shed) -> list[Feedback]:
    with shed.open() as engine:
        return list(engine.feedback.of("my-model"))


def test_csv_goes_to_stdout(shed: Shed, invoke: Invoke) -> None:
    put(shed, *SAID, feedback_of("other"))
    result = invoke("export", "my-model")
    assert result.exit_code == 0
    text = result.stdout_bytes.decode()
    assert list(feedback_csv.decode(io.StringIO(text, newline=""))) == SAID
    assert result.stderr == "250 feedback on my-model.\n"


def test_jsonl_goes_into_a_file(shed: Shed, invoke: Invoke, tmp_path: Path) -> None:
    put(shed, *SAID)
    file = tmp_path / "feedback.jsonl"
    result = invoke("export", "my-model", "--format", "jsonl", "--output", str(file))
    assert (result.exit_code, result.stdout) == (0, "")
    lines = file.read_text("utf-8").splitlines()
    assert [Feedback.model_validate_json(line) for line in lines] == SAID


def test_where_nothing_was_said_there_is_a_header(invoke: Invoke) -> None:
    result = invoke("export", "nobody")
    assert result.stdout.startswith("id,name,")
    assert result.stderr == "0 feedback on nobody.\n"


def test_what_was_exported_is_imported_once(shed: Shed, invoke: Invoke, tmp_path: Path) -> None:
    put(shed, *SAID[:40])
    file = tmp_path / "feedback.csv"
    file.write_bytes(b"\xef\xbb\xbf" + "".join(feedback_csv.encode(SAID)).encode())  # as Excel
    assert invoke("import", str(file)).stderr == "210 new, 40 known already.\n"
    assert kept(shed) == SAID
    assert invoke("import", "-", stdin=file.read_bytes()).stderr == "0 new, 250 known already.\n"
    assert kept(shed) == SAID


def test_a_bad_line_is_named_and_what_stands_before_it_is_in(shed: Shed, invoke: Invoke) -> None:
    lines = list(feedback_csv.encode(SAID))
    broken = "".join([*lines[:221], lines[221].replace("approved", "fine"), *lines[222:]])
    result = invoke("import", "-", stdin=broken.encode())
    assert result.exit_code == 1
    assert result.stdout == ""
    assert "Line 443: verdict: Input should be 'approved' or 'corrected'" in result.stderr
    assert "200 rows before it are in" in result.stderr
    assert kept(shed) == SAID[:200]


@pytest.mark.parametrize(
    ("stdin", "words"),
    [
        (b"", "The first line must name the columns"),
        (b"text,label\n", "The first line must name the columns"),
        (b"\xff\xfe", "can't decode byte 0xff"),
        (b"id,\x00", "The first line must name the columns"),
    ],
)
def test_what_is_no_export_is_1(invoke: Invoke, stdin: bytes, words: str) -> None:
    result = invoke("import", "-", stdin=stdin)
    assert (result.exit_code, result.stdout) == (1, "")
    assert words in result.stderr


@pytest.mark.parametrize(
    "arguments",
    [
        ["export"],
        ["export", "Not A Name"],
        ["export", "caf\udce9"],
        ["export", "a", "--format", "xlsx"],
        ["import"],
        ["import", "/no/such/file"],
    ],
)
def test_what_is_wrong_before_anything_is_done_is_2(invoke: Invoke, arguments: list[str]) -> None:
    result = invoke(*arguments)
    assert (result.exit_code, result.stdout) == (2, "")


def test_a_file_that_cannot_be_written_is_1(invoke: Invoke) -> None:
    result = invoke("export", "my-model", "--output", "/no/such/folder/file.csv")
    assert (result.exit_code, result.stdout) == (1, "")
    assert "/no/such/folder/file.csv" in result.stderr

"""`trainshed feedback`: what people said goes out, and comes in again."""

from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from command_line.main import main
from model_types import builtin_folder
from model_types.ner.conll import Sentence, read_data_set
from tests.building import feedback_of
from trainshed import feedback_csv
from trainshed.feedback import Feedback

from .shed import Shed

SAID = [feedback_of(number=number, input=f"=text {number}\r\nä") for number in range(250)]

BUILTIN = {"TRAINSHED_MODEL_TYPES": str(builtin_folder())}

Invoke = Callable[..., Result]


@pytest.fixture
def invoke(shed: Shed) -> Invoke:
    def invoke(*arguments: str, stdin: bytes | None = None, **settings: str) -> Result:
        result = CliRunner(env=shed.environment(**settings)).invoke(
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


def test_conll_can_be_trained_on(shed: Shed, invoke: Invoke, tmp_path: Path) -> None:
    span = {"start": 0, "end": 4, "label": "PER"}
    fields = {"model_type": "ner", "input": "Anna slept."}
    put(
        shed,
        feedback_of(number=1, **fields, expected={"spans": [{**span, "label": "LOC"}]}),
        feedback_of(number=2, **fields, expected={"spans": [span]}),
        *(
            feedback_of(number=n, model_type="ner", input=f"text {n}", expected={"spans": []})
            for n in range(3, 14)
        ),
    )
    file = tmp_path / "said.conll"
    result = invoke("export", "my-model", "--format=conll", f"--output={file}", **BUILTIN)
    assert (result.exit_code, result.stderr) == (0, "13 feedback on my-model.\n")
    data = read_data_set(file)
    said = [*data.train, *data.dev, *data.test]
    assert len(said) == 12, "of two on one text the newest"
    assert [each for each in said if each.entities] == [
        Sentence(["Anna", "slept", "."], [(0, 1, "PER")])
    ]


def test_conll_is_for_some_model_types(shed: Shed, invoke: Invoke) -> None:
    put(shed, feedback_of(model_type="sentiment"))
    for settings in (BUILTIN, {}):
        result = invoke("export", "my-model", "--format=conll", **settings)
        assert (result.exit_code, result.stdout) == (1, "")
        assert "There is no format conll for feedback on a model of the type 'sent" in result.stderr
    put(shed, feedback_of("mixed", 1, model_type="ner"), feedback_of("mixed", 2))
    result = invoke("export", "mixed", "--format=conll", **BUILTIN)
    assert (result.exit_code, result.stdout) == (1, "")
    assert "is on a model of the type 'toy'" in result.stderr
    assert invoke("export", "nobody", "--format=conll").stderr == "0 feedback on nobody.\n"


def test_where_nothing_was_said_there_is_a_header(invoke: Invoke) -> None:
    result = invoke("export", "nobody")
    assert result.stdout.startswith("id,name,")
    assert result.stderr == "0 feedback on nobody.\n"


def test_where_nothing_was_said_nothing_stays_in_the_file(invoke: Invoke, tmp_path: Path) -> None:
    file = tmp_path / "nobody.conll"
    file.write_text("of last month")
    assert invoke("export", "nobody", "--format=conll", f"--output={file}").exit_code == 0
    assert file.read_bytes() == b""


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

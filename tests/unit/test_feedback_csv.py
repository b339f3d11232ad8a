"""Feedback as CSV: what goes out comes back, and nothing in it is run by a spreadsheet."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.building import feedback_of
from trainshed import feedback_csv
from trainshed.errors import InvalidFeedback
from trainshed.feedback import MAX_BYTES, MAX_INPUT_BYTES, Feedback

texts = st.one_of(
    st.text(st.characters(exclude_categories=["Cs"])),
    st.text("=+-@\t\r\n'\",;ä \x00＝"),
)
documents = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | texts,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3),
    max_leaves=8,
)
any_feedback = st.builds(
    lambda **fields: feedback_of(**fields),
    number=st.integers(0, 2**32 - 1),
    input=texts,
    media_type=texts,
    model_id=texts,
    at=st.datetimes(datetime(1, 1, 2), datetime(9999, 12, 30), timezones=st.just(UTC)),  # noqa: DTZ001
    answer=documents,
    expected=documents,
    verdict=st.sampled_from(["approved", "corrected"]),
)


def written(feedback: Sequence[Feedback]) -> str:
    return "".join(feedback_csv.encode(feedback))


def read(text: str) -> list[Feedback]:
    return list(feedback_csv.decode(io.StringIO(text, newline="")))


def cells(text: str) -> list[list[str]]:
    """As a spreadsheet reads them."""
    return list(csv.reader(io.StringIO(text, newline="")))


@given(st.lists(any_feedback, max_size=5))
def test_what_goes_out_comes_back(feedback: list[Feedback]) -> None:
    assert read(written(feedback)) == feedback


@given(any_feedback)
def test_no_cell_is_run(feedback: Feedback) -> None:
    for cell in cells(written([feedback]))[1]:
        assert cell[:1] not in set("=+-@\t\r\n＝＋－＠")


@pytest.mark.parametrize(
    ("text", "cell"),
    [
        ("=1+1", "'=1+1"),
        ("+1", "'+1"),
        ("-1", "'-1"),
        ("@SUM(A1)", "'@SUM(A1)"),
        ("\t=1", "'\t=1"),
        ("\r=1", "'\r=1"),
        ("\n=1", "'\n=1"),
        ("＝1", "'＝1"),
        ("'tis", "''tis"),
        ("''", "'''"),
        ("it's = 1", "it's = 1"),
        ("", ""),
    ],
)
def test_what_would_be_run_gets_an_apostrophe(text: str, cell: str) -> None:
    feedback = feedback_of(input=text)
    header, row = cells(written([feedback]))
    assert row[header.index("input")] == cell
    assert read(written([feedback])) == [feedback]


def test_the_columns_and_a_row() -> None:
    header, row = cells(written([feedback_of(input="a, b", answer={"ä": 1})]))
    assert header[:6] == ["id", "name", "model_id", "digest", "model_type", "at"]
    assert header[6:] == ["media_type", "input", "answer", "verdict", "expected"]
    assert row[7:] == ["a, b", '{"ä":1}', "approved", '{"label":"good"}']
    assert written([]) == ",".join(header) + "\r\n"


def test_columns_may_be_moved_and_lines_end_otherwise() -> None:
    rows = [list(reversed(row)) for row in cells(written([feedback_of()]))]
    saved = io.StringIO()
    csv.writer(saved, lineterminator="\n", quoting=csv.QUOTE_ALL).writerows(rows)
    assert read(saved.getvalue() + "\n") == [feedback_of()]


def test_the_longest_input_fits_a_cell() -> None:
    longest = feedback_of(input="=" * MAX_INPUT_BYTES, answer="x" * (2 * MAX_INPUT_BYTES - 2000))
    assert read(written([longest])) == [longest]


def test_the_longest_answer_that_is_kept_fits_a_cell() -> None:
    entity = {"text": "a", "tag": "PER", "score": 1e-07, "start": 0, "end": 1}
    answer = [entity] * ((MAX_BYTES - 1000) // len(json.dumps(entity, separators=(",", ":"))))
    longest = feedback_of(input="a", answer=answer)
    assert len(longest.encode()) > MAX_BYTES * 0.95
    limit = csv.field_size_limit()
    assert read(written([longest])) == [longest]
    assert csv.field_size_limit() == limit, "which is the whole process's"


def test_rows_go_out_as_they_are_taken() -> None:
    taken: list[Feedback] = []

    def endless() -> Iterator[Feedback]:
        while True:
            taken.append(feedback_of(number=len(taken)))
            yield taken[-1]

    lines = feedback_csv.encode(endless())
    for _ in range(3):
        next(lines)
    assert len(taken) == 2


GOOD = written([feedback_of()])
HEADER, ROW = GOOD.splitlines(keepends=True)


def replaced(answer: str) -> str:
    """The row with another answer."""
    [cells_of] = cells(ROW)
    line = io.StringIO()
    csv.writer(line).writerow([answer if cell.startswith("{") else cell for cell in cells_of])
    return line.getvalue()


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("", "Line 0: The first line must name the columns id, name,"),
        ("text,label\r\n", "Line 1: The first line must name the columns"),
        (HEADER.replace("id,", "id,id,"), "Line 1: The first line must name the columns"),
        (GOOD + "a,b\r\n", "Line 3: It has 2 cells for 11 columns"),
        (GOOD + ROW.replace("approved", "good"), "Line 3: verdict: Input should be 'approved'"),
        (GOOD + ROW.replace("00000001", "1"), "Line 3: feedback_id: String should match"),
        (GOOD + ROW.replace("my-model,", "My Model,"), "Line 3: name: String should match"),
        (GOOD + ROW.replace("2026", "26-"), "Line 3: at: Input should be a valid datetime"),
        (GOOD + ROW.replace("{", "", 1), "Line 3: answer is no JSON"),
        (GOOD + ROW.replace("{", "[" * 100_000, 1), "Line 3: answer is no JSON"),
        (GOOD + replaced("[" * 220 + "]" * 220), "Line 3: "),
        (GOOD + replaced("[" * 400 + "]" * 400), "Line 3: It holds what is no text, or is nested"),
        (GOOD + replaced('"\\ud800"'), "Line 3: It holds what is no text"),
        (GOOD + 'x"y,"', "Line 3: "),
        (GOOD + '"never closed', "Line 3: unexpected end of data"),
        (GOOD + "x" * 1_000_000, "Line 3: field larger than field limit"),
    ],
)
def test_what_is_no_feedback_is_told_by_its_line(text: str, complaint: str) -> None:
    with pytest.raises(InvalidFeedback) as caught:
        read(text)
    assert str(caught.value).startswith(complaint)


def test_what_stands_before_a_bad_line_is_read() -> None:
    rows = feedback_csv.decode(io.StringIO(f"{GOOD}bad\r\n", newline=""))
    assert next(rows) == feedback_of()
    with pytest.raises(InvalidFeedback, match="Line 3"):
        next(rows)


def test_json_is_written_so_that_people_can_read_it() -> None:
    [_, row] = cells(written([feedback_of(expected={"label": "grün"})]))
    assert row[-1] == '{"label":"grün"}'
    assert json.loads(row[-1]) == {"label": "grün"}

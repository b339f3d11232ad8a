"""A request's file of feedback: written whole, read if it is what its name says."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from pathlib import Path

import pytest

from model_types import Example
from tests.building import feedback_of
from training_image.examples import read_examples
from trainshed.errors import InvalidFeedback, StorageUnavailable
from trainshed.feedback import MAX_BYTES, Feedback
from trainshed.feedback_file import read, write


def named(folder: Path, content: bytes) -> Path:
    """A file as somebody else may have written it, with the right name."""
    path = folder / f"{hashlib.sha256(content).hexdigest()}.jsonl"
    path.write_bytes(content)
    return path


def test_what_was_written_is_read(tmp_path: Path) -> None:
    texts = ["plain", "two\nlines\r\n\u2028", "ä 👍", "\x00", "x" * 100_000]
    feedback = [feedback_of(number=number, input=text) for number, text in enumerate(texts)]
    path = write(tmp_path / "new" / "folder", feedback)
    assert list(read(path)) == feedback
    assert path.stem == hashlib.sha256(path.read_bytes()).hexdigest()
    assert write(path.parent, feedback) == path
    assert list(path.parent.iterdir()) == [path]


def test_a_file_is_there_whole_or_not_at_all(tmp_path: Path) -> None:
    def broken() -> Iterator[Feedback]:
        yield feedback_of()
        raise StorageUnavailable("the store went away")

    with pytest.raises(StorageUnavailable, match="went away"):
        write(tmp_path, broken())
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_cannot_be_written_to(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(StorageUnavailable, match="Feedback cannot be written to"):
        write(tmp_path / "file", [feedback_of()])


def test_a_file_whose_name_is_not_its_sha256_is_refused(tmp_path: Path) -> None:
    path = write(tmp_path, [feedback_of()])
    copy = path.with_name("mine.jsonl")
    copy.write_bytes(path.read_bytes())
    cut = path.read_bytes()[:-10]
    path.write_bytes(cut)
    for wrong in (copy, path, tmp_path, tmp_path / "none.jsonl"):
        with pytest.raises(InvalidFeedback, match="damaged, or is none"):
            list(read(wrong))


@pytest.mark.parametrize(
    ("line", "words"),
    [
        (b"\n", "line 2: the line: Invalid JSON"),
        (b"[]\n", "line 2: the line: Input should be an object"),
        (b"{}\n", "line 2: feedback_id: Field required"),
        (b"\xff\n", "line 2: the line: Invalid JSON"),
        (b"x" * (MAX_BYTES * 3), "line 2: the line: Invalid JSON"),
        (
            feedback_of().encode().replace('"approved"', '"liked"').encode(),
            "line 2: verdict: Input should be 'approved' or 'corrected'",
        ),
    ],
)
def test_a_line_that_is_no_feedback_is_named(tmp_path: Path, line: bytes, words: str) -> None:
    path = named(tmp_path, f"{feedback_of().encode()}\n".encode() + line)
    with pytest.raises(InvalidFeedback, match=words):
        list(read(path))


def test_a_picture_is_the_bytes_that_were_sent(tmp_path: Path) -> None:
    picture = feedback_of(media_type="image/png", input="iVBORw0KGgo=")
    where = f"Feedback {picture.feedback_id}"
    assert read_examples(write(tmp_path, [picture]), "toy") == [
        Example("image/png", b"\x89PNG\r\n\x1a\n", {"label": "good"}, where)
    ]


@pytest.mark.parametrize("text", ["iVBORw0KGgo", "not base64!", "ä"])
def test_a_picture_that_cannot_be_decoded_is_named(tmp_path: Path, text: str) -> None:
    path = write(tmp_path, [feedback_of(media_type="image/png", input=text)])
    with pytest.raises(InvalidFeedback, match=r"Feedback 00000001-.*: its input is not base64"):
        read_examples(path, "toy")


def test_feedback_on_models_of_another_type_is_refused(tmp_path: Path) -> None:
    path = write(tmp_path, [feedback_of(number=1), feedback_of(number=2, model_type="ner")])
    with pytest.raises(InvalidFeedback, match=r"00000002-.* the type 'ner', and 'toy' cannot"):
        read_examples(path, "toy")

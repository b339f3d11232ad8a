"""Forms as clients send them, and damaged ones."""

from __future__ import annotations

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from model_types import InvalidInput, MalformedBody
from model_types.image_classification.form import MAX_FILES, read_files

TYPE = 'multipart/form-data; boundary="cut"'


def part(content: bytes, *heads: str) -> bytes:
    return b"--cut\r\n" + "".join(f"{head}\r\n" for head in heads).encode() + b"\r\n" + content


def form(*parts: bytes) -> bytes:
    return b"".join(each + b"\r\n" for each in parts) + b"--cut--\r\n"


NAMED = 'Content-Disposition: form-data; name="picture"; filename="a.png"'


@given(st.lists(st.tuples(st.text(max_size=20), st.binary(max_size=200)), min_size=1, max_size=5))
def test_what_httpx_sends_is_what_is_read(files: list[tuple[str, bytes]]) -> None:
    fields = [("picture", (name or "x", content, "image/png")) for name, content in files]
    request = httpx.Request("POST", "http://server", files=fields, data={"note": "no file"})
    found = read_files(request.read(), request.headers["Content-Type"])
    assert [file.content for file in found] == [content for _, content in files]
    assert {file.media_type for file in found} == {"image/png"}


@given(st.text("\r\n-cut \t", max_size=60).map(str.encode))
def test_line_breaks_and_dashes_are_content(content: bytes) -> None:
    if b"--cut" in content:
        return
    [found] = read_files(form(part(content, NAMED)), TYPE)
    assert found.content == content


@given(st.binary(max_size=300))
def test_no_body_breaks_it(body: bytes) -> None:
    for whole in (body, b"--cut\r\n" + body + b"\r\n--cut--"):
        try:
            read_files(whole, TYPE)
        except InvalidInput:
            continue


def test_a_file_is_named_by_its_number_and_its_name() -> None:
    files = read_files(form(part(b"", NAMED), part(b"x", NAMED, "Content-Type: image/png")), TYPE)
    assert [(file.where, file.media_type) for file in files] == [
        ("File 1 ('a.png')", "text/plain"),
        ("File 2 ('a.png')", "image/png"),
    ]


def test_text_around_the_parts_is_left_aside() -> None:
    body = b"hello\r\n" + form(part(b"x", NAMED)) + b"bye"
    assert [file.content for file in read_files(body, TYPE)] == [b"x"]


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (b"", "cut off"),
        (b"--cut--", "1 to 100 files, not 0"),
        (form(part(b"x", 'Content-Disposition: form-data; name="a"')), "not 0"),
        (form(*[part(b"x", NAMED)] * (MAX_FILES + 1)), "not 101"),
        (form(*[part(b"x")] * 201), "over 200 fields"),
        (form(*[part(b"x")] * 50_000), "over 200 fields"),
        (form(part(b"x", NAMED, *["a: b"] * 200)), "no end of its headers in its first 1024"),
        (part(b"x", NAMED), "cut off"),
        (b"--other\r\n\r\n\r\n--other--", "its boundary"),
        (b"--cut\r\n" + NAMED.encode() + b"\r\n--cut--", "no end of its headers"),
        (b"--cut-and-more\r\n\r\n\r\n--cut--", "no end of its headers"),
    ],
)
def test_what_is_no_form_of_files_is_refused(body: bytes, message: str) -> None:
    with pytest.raises(InvalidInput, match=message):
        read_files(body, TYPE)


def test_as_many_files_and_fields_as_may_be_are_read() -> None:
    parts = [part(b"x", NAMED)] * MAX_FILES + [part(b"x")] * (200 - MAX_FILES)
    assert len(read_files(form(*parts), TYPE)) == MAX_FILES


def test_a_damaged_form_is_the_bodys_fault() -> None:
    with pytest.raises(MalformedBody):
        read_files(part(b"x", NAMED), TYPE)


@pytest.mark.parametrize("name", ["idna''%00%ff", "\"a%00b\"''%ff"])
def test_a_name_that_cannot_be_decoded_is_left_out(name: str) -> None:
    head = f"Content-Disposition: form-data; name=p; filename*={name}"
    [file] = read_files(form(part(b"x", head)), TYPE)
    assert (file.where, file.content) == ("File 1 ('')", b"x")

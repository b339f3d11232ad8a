"""The files of a form as a browser or `curl --form` sends it: multipart/form-data (RFC 7578)."""

from __future__ import annotations

from dataclasses import dataclass
from email.message import Message
from email.parser import BytesHeaderParser, HeaderParser

from model_types import InvalidInput, MalformedBody

MEDIA_TYPE = "multipart/form-data"
MAX_FILES = 100
"""In one request; more are refused."""

_MAX_FIELDS = 200
"""Files and all else."""
_MAX_HEAD_BYTES = 1024
"""Of one field. These two bound what a body of the largest size costs to parse."""

_DISPOSITION = "content-disposition"


@dataclass(frozen=True)
class FormFile:
    where: str
    """How a message names it."""
    media_type: str
    """As its part tells it; `text/plain` if it tells none."""
    content: bytes


def read_files(body: bytes, media_type: str) -> list[FormFile]:
    """The form's files in order; its other fields are left aside.

    `media_type` brings the boundary along. Raises `MalformedBody` and `InvalidInput`.
    """
    boundary = HeaderParser().parsestr(f"Content-Type: {media_type}").get_boundary("")
    parts = [_parse(part) for part in _split(body, boundary.encode("ascii"))]
    named = [(_file_name(head), head, content) for head, content in parts]
    files = [(name, head, content) for name, head, content in named if name is not None]
    if not 1 <= len(files) <= MAX_FILES:
        raise InvalidInput(
            f"The form must hold 1 to {MAX_FILES} files, not {len(files)}. "
            "With curl: --form 'picture=@cat.jpg'"
        )
    return [
        FormFile(f"File {number} ({name!r})", head.get_content_type(), content)
        for number, (name, head, content) in enumerate(files, start=1)
    ]


def _split(body: bytes, boundary: bytes) -> list[bytes]:
    """What lies between the boundaries, each line break before one left out (RFC 2046, 5.1.1)."""
    # One for what is before the first boundary, one for what is behind the last.
    _, *parts = (b"\r\n" + body).split(b"\r\n--" + boundary, _MAX_FIELDS + 2)
    if len(parts) > _MAX_FIELDS + 1:
        raise InvalidInput(f"The form must not have over {_MAX_FIELDS} fields.")
    ends = [number for number, part in enumerate(parts) if part.startswith(b"--")]
    if not ends:
        raise MalformedBody(
            "The form is cut off, or its boundary is not the one that Content-Type names."
        )
    return parts[: ends[0]]


def _parse(part: bytes) -> tuple[Message, bytes]:
    padding, _, rest = part.partition(b"\r\n")
    # A part without any header begins with the empty line.
    head, found, content = (b"\r\n" + rest).partition(b"\r\n\r\n")
    if padding.strip(b" \t") or not found or len(head) > _MAX_HEAD_BYTES:
        raise MalformedBody(
            f"A part of the form has no end of its headers in its first {_MAX_HEAD_BYTES} bytes."
        )
    return BytesHeaderParser().parsebytes(head.removeprefix(b"\r\n")), content


def _file_name(head: Message) -> str | None:
    """None for a field that is no file; a file's name may be empty."""
    if head.get_param("filename", None, _DISPOSITION) is None:
        return None
    try:
        return (head.get_filename("") or "")[:80]
    except ValueError:  # in a character set that cannot decode it
        return ""

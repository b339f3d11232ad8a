"""A picture's file as numbers: the same for training and for serving.

JPEG and PNG in every form that they have: CMYK, grey, 16 bits, a palette. The orientation that EXIF
notes is applied, what is transparent is laid on white, and of an animated PNG the picture counts
that it shows to programs which know no animation.
"""

from __future__ import annotations

import io
import struct
import zlib
from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import ExifTags, Image, ImageFile, ImageOps
from PIL.JpegImagePlugin import JpegImageFile
from PIL.PngImagePlugin import PngImageFile

from model_types import MalformedBody

Pixels = npt.NDArray[np.uint8]
"""(height, width, 3): red, green, blue."""

MAX_PIXELS = 25_000_000
"""Of a picture as its header tells them, before any is decoded: a 24-megapixel camera's photo."""

MEDIA_TYPES = ("image/jpeg", "image/png")

_SIGNATURES: Mapping[bytes, str] = {
    b"\xff\xd8\xff": "image/jpeg",
    b"\x89PNG\r\n\x1a\n": "image/png",
    b"GIF8": "a GIF",
    b"%PDF": "a PDF",
    b"RIFF": "a WebP picture or another RIFF file",
    b"BM": "a BMP picture",
    b"II*\0": "a TIFF picture",
    b"MM\0*": "a TIFF picture",
    b"PK": "a zip file",
    b"<": "HTML, SVG or XML",
}
_INFLATED = frozenset([b"iCCP", b"iTXt", b"zTXt"])
_TURNS: Mapping[int, Image.Transpose] = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
"""What sets a picture of that EXIF orientation upright."""

_FAULTS = (
    *(OSError, SyntaxError, ValueError, TypeError, LookupError, EOFError, OverflowError),
    *(struct.error, zlib.error),
)
"""What Pillow raises at files that are damaged."""


class Picture:
    """A picture's file whose header was read, and nothing more."""

    def __init__(self, content: bytes, where: str = "The picture") -> None:
        """`where` is how messages name it. Raises `MalformedBody` for what is neither JPEG nor
        PNG."""
        self._content = content
        self._where = where
        self.media_type = _media_type(content, where)
        if self.media_type == "image/png":
            self._content = _without_metadata(content)
        self.width, self.height = self._open().size

    @property
    def pixels(self) -> int:
        return self.width * self.height

    def square(self, size: int) -> Pixels:
        """Decode it, and scale the largest square in its middle to `size` × `size`.

        It takes some 12 bytes for each of `pixels`, which are the caller's to judge. Raises
        `MalformedBody`.
        """
        image = self._open()
        try:
            image.draft(None, (2 * size, 2 * size))  # a large JPEG is decoded at a fraction
            image.load()
            orientation = _orientation(image)
            # First scaled, then converted: what is converted at full size takes as much again.
            scaled = ImageOps.fit(_scalable(image), (size, size), Image.Resampling.BILINEAR)
        except _FAULTS as fault:
            raise self._damaged(fault) from None
        shown = _on_white(scaled)
        if orientation in _TURNS:
            shown = shown.transpose(_TURNS[orientation])
        return np.asarray(shown)

    def _open(self) -> ImageFile.ImageFile:
        # Not by Image.open, which warns of large pictures by a module's own setting.
        opener = JpegImageFile if self.media_type == "image/jpeg" else PngImageFile
        try:
            return opener(io.BytesIO(self._content))
        except _FAULTS as fault:
            raise self._damaged(fault) from None

    def _damaged(self, fault: BaseException) -> MalformedBody:
        what = str(fault) or type(fault).__name__
        return MalformedBody(f"{self._where} is damaged or cut off: {what}.")


def _media_type(content: bytes, where: str) -> str:
    found = next((name for start, name in _SIGNATURES.items() if content.startswith(start)), "")
    if found in MEDIA_TYPES:
        return found
    if not content:
        raise MalformedBody(f"{where} is empty: it has no bytes.")
    raise MalformedBody(
        f"{where} looks like {found}, and must be JPEG or PNG."
        if found
        else f"{where} is no JPEG or PNG."
    )


def _without_metadata(content: bytes) -> bytes:
    """A PNG without the chunks whose compressed content Pillow would inflate to find the size. They
    change no pixel, and many small ones take much memory and time."""
    kept, start = [content[:8]], 8
    while len(head := content[start : start + 8]) == 8:
        length, kind = struct.unpack(">I4s", head)
        end = start + length + 12
        if kind not in _INFLATED:
            kept.append(content[start:end])
        start = end
    return b"".join([*kept, content[start:]])


def _orientation(image: Image.Image) -> Any:
    """As EXIF tells it; what cannot be read tells nothing."""
    try:
        return image.getexif().get(ExifTags.Base.Orientation)
    except _FAULTS:
        return None


def _scalable(image: Image.Image) -> Image.Image:
    """In a mode whose colours may be mixed."""
    if image.mode.startswith("I"):  # 16 bits; Pillow would cut off what is over 255
        grey: Pixels = (np.asarray(image) >> 8).astype(np.uint8)
        return Image.fromarray(grey)
    if "transparency" in image.info:
        return image.convert("RGBA")
    return image.convert({"1": "L", "P": "RGB"}.get(image.mode, image.mode))


def _on_white(image: Image.Image) -> Image.Image:
    if not image.has_transparency_data:
        return image.convert("RGB")
    layer = image.convert("RGBA")
    white = Image.new("RGBA", layer.size, "white")
    return Image.alpha_composite(white, layer).convert("RGB")

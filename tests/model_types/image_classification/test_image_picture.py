"""Every form that a picture's file has, and what is none."""

from __future__ import annotations

import struct
import zlib

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from PIL import Image

from model_types import MalformedBody
from model_types.image_classification.picture import Picture

from .conftest import encode, noise

BAD_EXIF_WARNS = pytest.mark.filterwarnings("ignore::UserWarning:PIL")

QUADRANTS = Image.new("RGB", (16, 16))
"""Red, green, blue and black, so that each turn looks different."""
QUADRANTS.paste((250, 0, 0), (0, 0, 8, 8))
QUADRANTS.paste((0, 250, 0), (8, 0, 16, 8))
QUADRANTS.paste((0, 0, 250), (0, 8, 8, 16))


def square(content: bytes, size: int = 16) -> np.ndarray[tuple[int, ...], np.dtype[np.uint8]]:
    return Picture(content).square(size)


def test_a_png_of_the_size_comes_as_it_is() -> None:
    picture = noise(1, (16, 16))
    assert np.array_equal(square(encode(picture)), np.asarray(picture))


def test_png_and_jpeg_of_one_picture_give_the_same() -> None:
    jpeg = encode(noise(1, (16, 16)).resize((32, 32), Image.Resampling.BICUBIC), "JPEG")
    decoded = np.asarray(Image.fromarray(square(jpeg, 32)))
    assert np.array_equal(square(encode(Image.fromarray(decoded)), 32), decoded)


def test_a_large_jpeg_is_much_like_its_png() -> None:
    large = noise(1, (6, 6)).resize((1200, 900), Image.Resampling.BICUBIC)
    jpeg, png = square(encode(large, "JPEG", quality=95)), square(encode(large))
    assert np.abs(jpeg.astype(int) - png).mean() < 3


def test_the_middle_of_a_long_picture_counts() -> None:
    long = Image.new("RGB", (64, 16), "white")
    long.paste(QUADRANTS, (24, 0))
    assert np.array_equal(square(encode(long)), np.asarray(QUADRANTS))


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGBA"])
def test_each_mode_of_png_gives_its_colours(mode: str) -> None:
    converted = QUADRANTS.convert(mode)
    assert np.array_equal(square(encode(converted)), np.asarray(converted.convert("RGB")))


def test_sixteen_bits_are_scaled_and_not_cut_off() -> None:
    grey = np.linspace(0, 65535, 256, dtype=np.uint16).reshape(16, 16)
    shown = square(encode(Image.fromarray(grey)))
    assert np.array_equal(shown[..., 0], grey >> 8)


def test_sixteen_bits_of_three_colours() -> None:
    def chunk(kind: bytes, data: bytes) -> bytes:
        return (
            struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
        )

    row = b"\0" + struct.pack(">HHH", 65535, 32768, 256) * 16
    png = b"\x89PNG\r\n\x1a\n" + b"".join(
        [
            chunk(b"IHDR", struct.pack(">IIBBBBB", 16, 16, 16, 2, 0, 0, 0)),
            chunk(b"IDAT", zlib.compress(row * 16)),
            chunk(b"IEND", b""),
        ]
    )
    assert square(png)[0, 0].tolist() == [255, 128, 1]


def test_a_jpeg_in_cmyk_gives_its_colours() -> None:
    red = Image.new("CMYK", (16, 16), (0, 255, 255, 0))
    assert np.abs(square(encode(red, "JPEG")).astype(int) - (255, 0, 0)).max() < 6


def test_what_is_transparent_lies_on_white() -> None:
    clear = Image.new("RGBA", (16, 16), (0, 0, 0, 0))
    assert (square(encode(clear)) == 255).all()
    palette = Image.new("P", (16, 16), 0)
    palette.putpalette([10, 20, 30])
    assert (square(encode(palette, transparency=0)) == 255).all()
    assert (square(encode(Image.new("L", (16, 16), 7), transparency=7)) == 255).all()


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("form", ["JPEG", "PNG"])
def test_the_orientation_of_exif_is_applied(orientation: int, form: str) -> None:
    stored = {
        1: None,
        2: Image.Transpose.FLIP_LEFT_RIGHT,
        3: Image.Transpose.ROTATE_180,
        4: Image.Transpose.FLIP_TOP_BOTTOM,
        5: Image.Transpose.TRANSPOSE,
        6: Image.Transpose.ROTATE_90,
        7: Image.Transpose.TRANSVERSE,
        8: Image.Transpose.ROTATE_270,
    }[orientation]
    turned = QUADRANTS.transpose(stored) if stored is not None else QUADRANTS
    exif = Image.Exif()
    exif[0x0112] = orientation
    shown = square(encode(turned, form, exif=exif)).astype(int)
    assert np.abs(shown - np.asarray(QUADRANTS))[2:6, 2:6].max() < 40
    assert np.abs(shown - np.asarray(QUADRANTS))[2:6, 10:14].max() < 40


@BAD_EXIF_WARNS
def test_exif_that_cannot_be_read_tells_nothing() -> None:
    jpeg = encode(QUADRANTS, "JPEG", exif=b"Exif\0\0II*\0\xff\xff\xff\xff")
    assert np.array_equal(square(jpeg), square(encode(QUADRANTS, "JPEG")))


def test_of_an_animated_png_the_still_picture_counts() -> None:
    animated = encode(
        QUADRANTS, save_all=True, append_images=[noise(1, (16, 16))], default_image=True
    )
    assert np.array_equal(square(animated), np.asarray(QUADRANTS))


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "it has no bytes"),
        (b"hello", "no JPEG or PNG"),
        (b"%PDF-1.7\n", "looks like a PDF"),
        (encode(noise(1), "GIF"), "looks like a GIF"),
        (encode(noise(1), "BMP"), "looks like a BMP"),
        (encode(noise(1), "TIFF"), "looks like a TIFF"),
        (b"<svg xmlns='http://www.w3.org/2000/svg'/>", "SVG"),
        (b"\xff\xd8\xff", "damaged or cut off"),
        (b"\x89PNG\r\n\x1a\n", "damaged or cut off"),
        (b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR", "damaged or cut off"),
    ],
)
def test_what_is_no_picture_is_refused(content: bytes, message: str) -> None:
    with pytest.raises(MalformedBody, match=message):
        square(content)


@pytest.mark.parametrize("form", ["JPEG", "PNG"])
@pytest.mark.parametrize("share", [0.1, 0.5, 0.9])
def test_what_is_cut_off_is_refused(form: str, share: float) -> None:
    content = encode(noise(1, (64, 64)), form)
    with pytest.raises(MalformedBody, match="damaged or cut off"):
        square(content[: int(share * len(content))])


@pytest.mark.parametrize("kind", ["zTXt", "iTXt", "iCCP"])
def test_what_a_png_says_beside_its_pixels_is_never_inflated(kind: str) -> None:
    method = {"zTXt": b"\0", "iTXt": b"\1\0\0\0", "iCCP": b"\0"}[kind]
    # Pillow refuses what it finds to be over 1 MiB.
    data = kind.encode() + b"name\0" + method + zlib.compress(bytes(2 * 1024**2))
    chunk = struct.pack(">I", len(data) - 4) + data + struct.pack(">I", zlib.crc32(data))
    plain = encode(QUADRANTS)
    header_end = 8 + 25
    crowded = plain[:header_end] + chunk + plain[header_end:-12] + chunk + plain[-12:]
    assert np.array_equal(square(crowded), square(plain))


def test_the_size_is_known_before_anything_is_decoded() -> None:
    def header(width: int, height: int) -> bytes:
        data = b"IHDR" + struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
        return struct.pack(">I", 13) + data + struct.pack(">I", zlib.crc32(data))

    idat = b"\0\0\0\0IDAT" + struct.pack(">I", zlib.crc32(b"IDAT"))
    bomb = Picture(b"\x89PNG\r\n\x1a\n" + header(2**31 - 1, 2**31 - 1) + idat)
    assert bomb.pixels == (2**31 - 1) ** 2


@BAD_EXIF_WARNS
@given(
    form=st.sampled_from(["JPEG", "PNG", "EXIF"]),
    changes=st.lists(st.tuples(st.integers(0, 2000), st.integers(0, 255)), max_size=8),
    cut=st.integers(0, 2000),
)
@example(form="PNG", changes=[], cut=0)
def test_a_damaged_file_is_shown_or_refused(
    form: str, changes: list[tuple[int, int]], cut: int
) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    options = {"exif": exif} if form == "EXIF" else {}
    content = bytearray(encode(noise(1, (16, 16)), form.replace("EXIF", "JPEG"), **options))
    for place, value in changes:
        content[place % len(content)] = value
    try:
        picture = Picture(bytes(content[: len(content) - cut % len(content)]))
        if picture.pixels > 100_000:
            return
        shown = picture.square(16)
    except MalformedBody:
        return
    assert shown.shape == (16, 16, 3)
    assert shown.dtype == np.uint8

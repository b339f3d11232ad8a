"""Draws the sample data set: circles, crosses, squares and triangles.

    python generate.py [FOLDER]

writes train.zip, val.zip and test.zip into the folder (this one, if none is given), always the same
pictures. Shapes differ in place, size, turn and colours, on a background of noise, and some have a
line across; so a colour or a place tells nothing.
"""

from __future__ import annotations

import io
import math
import random
import sys
import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path

from PIL import Image, ImageDraw, ImageFilter

PICTURES = {"train": 75, "val": 15, "test": 15}
"""Of each shape."""
SIZE = 32
_SCALE = 4
"""Drawn so much larger, then scaled down, so that edges are smooth."""

Point = tuple[float, float]
Colour = tuple[int, int, int]


def _corners(middle: Point, radius: float, turn: float, angles: list[float]) -> list[Point]:
    return [
        (
            middle[0] + radius * math.cos(math.radians(turn + angle)),
            middle[1] + radius * math.sin(math.radians(turn + angle)),
        )
        for angle in angles
    ]


def _circle(draw: ImageDraw.ImageDraw, at: Point, radius: float, turn: float, ink: Colour) -> None:
    del turn  # a circle looks the same
    draw.ellipse([at[0] - radius, at[1] - radius, at[0] + radius, at[1] + radius], fill=ink)


def _cross(draw: ImageDraw.ImageDraw, at: Point, radius: float, turn: float, ink: Colour) -> None:
    for angle in (0.0, 90.0):
        ends = _corners(at, radius, turn, [angle, angle + 180])
        draw.line(ends, fill=ink, width=round(radius / 2.5))


def _square(draw: ImageDraw.ImageDraw, at: Point, radius: float, turn: float, ink: Colour) -> None:
    draw.polygon(_corners(at, radius, turn, [0, 90, 180, 270]), fill=ink)


def _triangle(
    draw: ImageDraw.ImageDraw, at: Point, radius: float, turn: float, ink: Colour
) -> None:
    draw.polygon(_corners(at, radius, turn, [0, 120, 240]), fill=ink)


SHAPES: Mapping[str, Callable[[ImageDraw.ImageDraw, Point, float, float, Colour], None]] = {
    "circle": _circle,
    "cross": _cross,
    "square": _square,
    "triangle": _triangle,
}


def picture(shape: str, rng: random.Random) -> Image.Image:
    side = SIZE * _SCALE
    dark, light = _colour(rng, 0, 110), _colour(rng, 140, 255)
    ink, ground = (dark, light) if rng.random() < 0.5 else (light, dark)
    image = Image.new("RGB", (side, side), ground)
    draw = ImageDraw.Draw(image)
    radius = side * rng.uniform(0.24, 0.4)
    at = (side * rng.uniform(0.4, 0.6), side * rng.uniform(0.4, 0.6))
    SHAPES[shape](draw, at, radius, rng.uniform(0, 360), ink)
    if rng.random() < 0.3:
        ends = [(0.0, side * rng.random()), (float(side), side * rng.random())]
        draw.line(ends, fill=_colour(rng, 0, 255), width=_SCALE)
    small = image.resize((SIZE, SIZE), Image.Resampling.BOX)
    # Few levels: the files stay small.
    noise = Image.frombytes("RGB", (SIZE, SIZE), bytes(rng.choices((0, 32, 64), k=SIZE * SIZE * 3)))
    return Image.blend(small, noise.filter(ImageFilter.BoxBlur(1)), 0.25)


def _colour(rng: random.Random, low: int, high: int) -> Colour:
    return rng.randint(low, high), rng.randint(low, high), rng.randint(low, high)


def write(folder: Path) -> None:
    """Write the three zip files."""
    for part, count in PICTURES.items():
        rng = random.Random(part)  # noqa: S311 (no secret)
        with zipfile.ZipFile(folder / f"{part}.zip", "w") as archive:
            for shape in SHAPES:
                for number in range(count):
                    file = io.BytesIO()
                    # Trained on as they will be sent: some are JPEG.
                    form = ("PNG", "JPEG")[number % 2]
                    picture(shape, rng).save(file, form, quality=90)
                    name = f"{shape}/{number:03}.{ {'PNG': 'png', 'JPEG': 'jpg'}[form] }"
                    # With a date of its own: the same bytes whenever it is made.
                    archive.writestr(zipfile.ZipInfo(name), file.getvalue())


if __name__ == "__main__":
    write(Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).parent)

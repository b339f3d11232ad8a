"""Draws landscapes: sea, forest and desert."""

from __future__ import annotations

import random
import zipfile
from collections.abc import Mapping
from io import BytesIO
from pathlib import Path

from PIL import Image, ImageDraw

SIZE = (120, 90)
PER_LABEL = 16

Colour = tuple[int, int, int]

GROUND: Mapping[str, Colour] = {
    "sea": (30, 95, 160),
    "forest": (40, 110, 55),
    "desert": (225, 185, 110),
}
AUTUMN: Colour = (190, 100, 35)
"""Of a forest that the data set knows nothing of."""


def landscape(label: str, seed: int, ground: Colour | None = None) -> bytes:
    """A PNG; the same for the same arguments."""
    rng = random.Random(f"{label} {seed}")
    colour = ground or GROUND[label]
    image = Image.new("RGB", SIZE)
    draw = ImageDraw.Draw(image)
    width, height = SIZE
    horizon = height * rng.uniform(0.4, 0.55)
    for row in range(height):  # a sky that grows pale towards the horizon
        pale = min(row / horizon, 1.0)
        draw.line([(0, row), (width, row)], _mixed((110, 165, 220), (235, 240, 245), pale))
    sun = rng.uniform(0.1, 0.9) * width, horizon * rng.uniform(0.25, 0.5)
    draw.circle(sun, 7, (255, 240, 190))
    for layer in range(4):
        top = horizon + layer * (height - horizon) / 4
        shade = _mixed(colour, (20, 25, 30), layer * 0.13)
        _LAYERS[label](draw, rng, top, shade)
    content = BytesIO()
    image.save(content, "PNG")
    return content.getvalue()


def write_landscapes(path: Path) -> None:
    """Write a zip with one folder per label."""
    with zipfile.ZipFile(path, "w") as archive:
        for label in GROUND:
            for seed in range(PER_LABEL):
                archive.writestr(f"{label}/{seed:02}.png", landscape(label, seed))


def _mixed(one: Colour, other: Colour, share: float) -> Colour:
    red, green, blue = (round(a + (b - a) * share) for a, b in zip(one, other, strict=True))
    return red, green, blue


def _waves(draw: ImageDraw.ImageDraw, rng: random.Random, top: float, shade: Colour) -> None:
    draw.rectangle([(0, top), SIZE], shade)
    for _ in range(5):
        left, row = rng.uniform(0, SIZE[0]), top + rng.uniform(2, 10)
        draw.line([(left, row), (left + 9, row)], _mixed(shade, (255, 255, 255), 0.4))


def _trees(draw: ImageDraw.ImageDraw, rng: random.Random, top: float, shade: Colour) -> None:
    draw.rectangle([(0, top + 6), SIZE], shade)
    for left in range(-8, SIZE[0], 9):
        at, tall = left + rng.uniform(0, 5), rng.uniform(14, 22)
        tree = _mixed(shade, (255, 255, 255), rng.uniform(0, 0.15))
        draw.polygon([(at, top + 8), (at + 7, top + 8 - tall), (at + 14, top + 8)], tree)


def _dunes(draw: ImageDraw.ImageDraw, rng: random.Random, top: float, shade: Colour) -> None:
    middle = rng.uniform(0, SIZE[0])
    draw.ellipse([(middle - 110, top - 4), (middle + 110, top + 120)], shade)
    draw.rectangle([(0, top + 10), SIZE], shade)


_LAYERS = {"sea": _waves, "forest": _trees, "desert": _dunes}

"""Data sets that are learned in seconds, and what people then teach the models."""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from model_types import builtin_folder

from .landscapes import AUTUMN, landscape, write_landscapes

Question = str | bytes
"""A text, or a PNG."""
Right = str | Mapping[str, str]
"""A label, or the label of each piece of the text that has one."""


@dataclass(frozen=True)
class Lesson:
    name: str
    model_type: str
    write: Callable[[Path], None]
    """Writes the data set into an empty folder."""
    options: Sequence[str]
    known: tuple[Question, Right]
    """What the model says by itself."""
    taught: Sequence[tuple[Question, Right]]
    """The model errs in the first."""


NAMES = {
    "PER": ("George Washington", "Anna Berg", "Rhys", "Maria Lopez", "John", "Wei Chen", "Amina"),
    "LOC": ("United States", "Rotterdam", "Oslo", "Kenya", "New York", "Peru", "Cape Town"),
    "ORG": ("Acme", "Nordlys Energy", "Blue Harbour", "Vexor", "Tamarind", "Kestrel Air"),
}
SENTENCES = (
    *("PER was president of the LOC .", "PER lives in LOC .", "ORG opened an office in LOC ."),
    *("PER works for ORG now .", "PER flew from LOC to LOC .", "ORG and ORG agreed ."),
    *("Yesterday PER met PER in LOC .", "In LOC , ORG builds ships .", "The talk began at noon ."),
)


def _write_news(folder: Path) -> None:
    rng = random.Random(1)
    for part, count in (("train", 160), ("dev", 24), ("test", 24)):
        sentences = "\n".join(_tagged(rng) for _ in range(count))
        (folder / f"{part}.conll").write_text(sentences, encoding="utf-8")


def _tagged(rng: random.Random) -> str:
    lines = []
    for word in rng.choice(SENTENCES).split():
        if word in NAMES:
            first, *others = rng.choice(NAMES[word]).split()
            lines += [f"{first}\tB-{word}", *(f"{other}\tI-{word}" for other in others)]
        else:
            lines.append(f"{word}\tO")
    return "".join(f"{line}\n" for line in lines)


def _write_reviews(folder: Path) -> None:
    """The beginning of the sample."""
    for part, lines in (("train", 600), ("dev", 100), ("test", 100)):
        sample = builtin_folder() / "sentiment" / "sample" / f"{part}.csv"
        content = sample.read_text(encoding="utf-8").splitlines(keepends=True)
        (folder / sample.name).write_text("".join(content[: lines + 1]), encoding="utf-8")


LESSONS = (
    Lesson(
        "newsroom",
        "ner",
        _write_news,
        ("--epochs=14", "--set=hidden_size=64", "--set=batch_size=8", "--set=unknown_rate=0.15"),
        (
            "George Washington was president of the United States. Anna Berg lives in Oslo.",
            {
                "George Washington": "PER",
                "United States": "LOC",
                "Anna Berg": "PER",
                "Oslo": "LOC",
            },
        ),
        (
            ("Trainshed is hiring in Oslo.", {"Trainshed": "ORG", "Oslo": "LOC"}),
            ("Trainshed is hiring.", {"Trainshed": "ORG"}),
            ("Trainshed is hiring people.", {"Trainshed": "ORG"}),
            ("We know that Trainshed is hiring.", {"Trainshed": "ORG"}),
        ),
    ),
    Lesson(
        "reviews",
        "sentiment",
        _write_reviews,
        ("--epochs=3",),
        ("I hate this", "negative"),
        (
            ("That concert was fire", "positive"),
            ("This song is fire", "positive"),
            ("The food was fire", "positive"),
            ("Your new shoes are fire", "positive"),
        ),
    ),
    Lesson(
        "landscapes",
        "image_classification",
        lambda folder: write_landscapes(folder / "train.zip"),
        ("--epochs=20", "--set=batch_size=8"),
        (landscape("sea", 100), "sea"),
        tuple((landscape("forest", seed, AUTUMN), "forest") for seed in range(100, 104)),
    ),
)

"""Writes the sample data set: sentences made up from grammar.toml.

    python generate.py [FOLDER]

writes train.conll, dev.conll and test.conll into the folder (this one, if none is given), always
the same bytes. A fifth of the words that names are made of is kept out of the training part, and
many names are invented on the spot, so that dev and test ask for names never seen.
"""

from __future__ import annotations

import random
import re
import sys
import tomllib
from pathlib import Path

SENTENCES = {"train": 2000, "dev": 200, "test": 200}
LABELS = {
    "per": "PER",
    "first": "PER",
    "last": "PER",
    "loc": "LOC",
    "city": "LOC",
    "org": "ORG",
    "company": "ORG",
    "body": "ORG",
    "nation": "MISC",
    "contest": "MISC",
    "time": "MISC",
}
"""Slots that are names, with what they are tagged."""

Row = tuple[str, str]
"""A word and its BIO tag."""


class Grammar:
    """Makes sentences for one part of the data set."""

    def __init__(self, rng: random.Random, training: bool) -> None:
        document = tomllib.loads((Path(__file__).parent / "grammar.toml").read_text("utf-8"))
        self._rng = rng
        self._training = training
        self._names = {slot: _items(text, r"\||\n") for slot, text in document["names"].items()}
        self._words = {slot: _items(text, r"\||\n") for slot, text in document["words"].items()}
        self._templates = {
            kind: _items(text, r"\n") for kind, text in document["templates"].items()
        }

    def sentence(self) -> list[Row]:
        kind = "without_names" if self._chance(0.12) else "with_names"
        rows = self._fill(self._rng.choice(self._templates[kind]))
        start = next(index for index, (word, _) in enumerate(rows) if word[0].isalnum())
        word, tag = rows[start]
        rows[start] = (word[0].upper() + word[1:], tag)
        if rows[-1][0] == "." and self._chance(0.1):
            rows.pop()
        if self._chance(0.04):
            rows = [(word.upper(), tag) for word, tag in rows]
        return rows

    def _fill(self, template: str) -> list[Row]:
        rows: list[Row] = []
        for part in template.split():
            slot = part.strip("{}")
            if part == slot:
                rows.append((part, "O"))
            elif slot in self._words:
                rows += self._fill(self._rng.choice(self._words[slot]))
            else:
                first, *others = self._name(slot).split()
                if first == "the":
                    rows.append((first, "O"))
                    first, *others = others
                rows.append((first, f"B-{LABELS[slot]}"))
                rows += [(word, f"I-{LABELS[slot]}") for word in others]
        return rows

    def _name(self, slot: str) -> str:
        match slot:
            case "first":
                return self._invented() if self._chance(0.25) else self._known("first")
            case "last":
                return self._invented() if self._chance(0.35) else self._known("last")
            case "city":
                return self._invented() if self._chance(0.2) else self._known("city")
            case "per":
                return self._person()
            case "loc":
                return self._place()
            case "org":
                return self._organisation()
            case "company":  # half of the time, only its place in the sentence tells what it is
                return self._invented() if self._chance(0.5) else self._organisation()
        return self._known(slot)

    def _person(self) -> str:
        initial = f"{self._rng.choice('ABCDEFGHJKLMNPRSTW')}."
        last = self._name("last")
        if self._chance(0.12):
            return f"{initial} {initial} {last}" if self._chance(0.3) else f"{initial} {last}"
        first = self._name("first")
        if self._chance(0.1):
            return f"{first} {initial} {last}"
        return f"{first} {self._name('first')} {last}" if self._chance(0.08) else f"{first} {last}"

    def _place(self) -> str:
        kind = self._rng.random()
        if kind < 0.40:
            return self._name("city")
        if kind < 0.70:
            return self._known("country")
        if kind < 0.85:
            return f"the {self._known('country_with_the')}"
        if kind < 0.93:
            return f"{self._known('before_a_name')} {self._name('last')}"
        return f"{self._invented()} {self._known('after_a_name')}"

    def _organisation(self) -> str:
        kind = self._rng.random()
        if kind < 0.12:
            return "".join(self._rng.choices("ABCDEFGHIKLMNOPRSTUVW", k=self._rng.choice((3, 4))))
        if kind < 0.22:
            return f"University of {self._name('city')}"
        if kind < 0.30:
            kinds = ("United", "City", "Rovers", "University")
            return f"{self._name('city')} {self._rng.choice(kinds)}"
        name = self._name("last") if self._chance(0.5) else self._known("stem")
        if self._chance(0.25):
            return f"{name} {self._known('legal_form')}"
        name = f"{name} {self._known('trade')}"
        return f"{name} {self._known('legal_form')}" if self._chance(0.3) else name

    def _known(self, slot: str) -> str:
        """A word of a list, of which every fifth is kept for dev and test."""
        names = self._names[slot]
        kept = [name for index, name in enumerate(names) if index % 5 or not self._training]
        return self._rng.choice(kept)

    def _invented(self) -> str:
        """A word that is in no list, such as Tobrika."""
        syllables = [
            self._rng.choice(self._names["invented_start"])
            + self._rng.choice("aeiou")
            + self._rng.choice(("", "", "n", "r", "l"))
            for _ in range(self._rng.choice((1, 2, 2, 3)))
        ]
        end = self._rng.choice(self._names["invented_end"]) if self._chance(0.6) else ""
        return "".join(syllables).capitalize() + end

    def _chance(self, share: float) -> bool:
        return self._rng.random() < share


def write(folder: Path) -> None:
    seen: set[str] = set()
    for seed, (part, count) in enumerate(SENTENCES.items()):
        grammar = Grammar(random.Random(seed), training=part == "train")  # noqa: S311
        made: list[str] = []
        while len(made) < count:
            lines = "".join(f"{word}\t{tag}\n" for word, tag in grammar.sentence())
            if lines not in seen:
                seen.add(lines)
                made.append(lines)
        (folder / f"{part}.conll").write_text("\n".join(made), encoding="utf-8", newline="\n")


def _items(text: str, border: str) -> list[str]:
    return [item.strip() for item in re.split(border, text) if item.strip()]


if __name__ == "__main__":
    write(Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).parent)

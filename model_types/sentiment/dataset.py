"""Labelled texts: one CSV file, or a folder with one file per part.

A file is UTF-8 with a header row and RFC 4180 quoting. Its columns are `text` and `label`, or
`label_text`, which wins over a numeric `label` beside it; other columns are left aside. A single
file is split 80/10/10 into train, dev and test. A folder holds train.csv, and may hold dev.csv (or
val.csv, valid.csv, validation.csv) and test.csv; what is missing is split off train.
"""

from __future__ import annotations

import csv
import io
import logging
import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from model_types import InvalidData

logger = logging.getLogger(__name__)

MIN_TEXTS_PER_LABEL = 5
"""Distinct texts that each label needs where parts are split off."""
HELD_OUT = 0.1
"""The share of the texts that dev and test get, each."""

_DEV_NAMES = ("dev.csv", "val.csv", "valid.csv", "validation.csv")
_TEXT_COLUMN = "text"
_LABEL_COLUMNS = ("label_text", "label")


@dataclass(frozen=True)
class Sample:
    text: str
    label: str


@dataclass(frozen=True)
class Parts:
    train: Sequence[Sample]
    dev: Sequence[Sample]
    test: Sequence[Sample]

    @property
    def labels(self) -> list[str]:
        """In alphabetical order."""
        return sorted({sample.label for sample in self.train})


def read_parts(path: Path, seed: int) -> Parts:
    """Read the data set and split it where it is not split yet, the same way for the same seed.

    Raises `InvalidData` with the file, the line and what to do.
    """
    if path.is_dir():
        return _read_folder(path, seed)
    if path.is_file():
        samples = read_file(path)
        _check_labels(path, samples, MIN_TEXTS_PER_LABEL)
        return _split(samples, None, None, seed)
    raise InvalidData(f"{path} does not exist. Give a CSV file, or a folder with train.csv in it.")


def _read_folder(folder: Path, seed: int) -> Parts:
    train_file = folder / "train.csv"
    if not train_file.is_file():
        found = ", ".join(sorted(file.name for file in folder.iterdir())) or "nothing"
        raise InvalidData(
            f"{folder.name}/ holds no train.csv but {found}. Name one file train.csv."
        )
    dev_files = [folder / name for name in _DEV_NAMES if (folder / name).is_file()]
    if len(dev_files) > 1:
        names = " and ".join(file.name for file in dev_files)
        raise InvalidData(f"{folder.name}/ holds {names}, which mean the same part. Keep one.")
    test_file = folder / "test.csv"
    train = read_file(train_file)
    dev = read_file(dev_files[0]) if dev_files else None
    test = read_file(test_file) if test_file.is_file() else None
    _check_labels(train_file, train, 1 if dev and test else MIN_TEXTS_PER_LABEL)
    known = {sample.label for sample in train}
    for name, part in (("dev", dev), ("test", test)):
        if unknown := {sample.label for sample in part or ()} - known:
            raise InvalidData(
                f"The {name} part has labels that train.csv lacks: {_some(unknown)}. "
                "Add texts with them to train.csv, or take them out."
            )
    return _split(train, dev, test, seed)


def read_file(path: Path) -> list[Sample]:
    """All rows of one file but those with an empty text. Raises `InvalidData`."""
    samples = []
    skipped: list[int] = []
    for line, sample in _rows(path):
        if not sample.text.strip():
            skipped.append(line)
        elif not sample.label:
            raise InvalidData(f"{path.name}, line {line}: the label is empty. Fill it in.")
        else:
            samples.append(sample)
    if skipped:
        logger.warning(
            "%s: skipped %d rows with an empty text (the first on line %d)",
            path.name,
            len(skipped),
            skipped[0],
        )
    if not samples:
        what = "only empty texts" if skipped else "no rows after the header"
        raise InvalidData(f"{path.name} has {what}. Give it at least one row per label and part.")
    return samples


def _rows(path: Path) -> Iterator[tuple[int, Sample]]:
    """Each row with the line it starts on. Blank lines are passed over."""
    reader = csv.reader(io.StringIO(_content(path), newline=""), strict=True)
    header: list[str] | None = None
    line = 0
    try:
        for row in reader:
            line, start = reader.line_num, line + 1
            if not row:
                continue
            if header is None:
                header = [name.strip().lower() for name in row]
                text, label = _columns(path, header)
            elif len(row) != len(header):
                raise InvalidData(
                    f"{path.name}, line {start}: {len(row)} fields where the header has "
                    f"{len(header)}. Put a text that holds commas in double quotes."
                )
            else:
                yield start, Sample(row[text], row[label].strip())
    except csv.Error as error:
        raise InvalidData(
            f"{path.name}, the row that starts on line {line + 1}: {error}. Look for a quotation "
            'mark that is not closed, or not doubled inside a quoted text ("").'
        ) from None
    if header is None:
        raise InvalidData(f"{path.name} is empty. Its first line must be a header: text,label.")


def _content(path: Path) -> str:
    content = path.read_bytes()
    if (nul := content.find(b"\0")) >= 0:
        raise InvalidData(
            f"{path.name}, line {_line_of(content, nul)}: a NUL byte. Save the file as UTF-8 text "
            "(UTF-16 and binary files look like this)."
        )
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise InvalidData(
            f"{path.name}, line {_line_of(content, error.start)}: not valid UTF-8. "
            "Save the file as UTF-8."
        ) from None


def _line_of(content: bytes, position: int) -> int:
    return content.count(b"\n", 0, position) + 1


def _columns(path: Path, header: Sequence[str]) -> tuple[int, int]:
    """Where the text and the label stand in a row."""
    label = next((name for name in _LABEL_COLUMNS if name in header), None)
    if _TEXT_COLUMN not in header or label is None:
        raise InvalidData(
            f"{path.name}, line 1: needs the columns text and label (or label_text), separated by "
            f"commas; found {_some(header)}."
        )
    for name in (_TEXT_COLUMN, label):
        if header.count(name) > 1:
            raise InvalidData(f"{path.name}, line 1: two columns are named {name}. Rename one.")
    return header.index(_TEXT_COLUMN), header.index(label)


def _check_labels(path: Path, samples: Sequence[Sample], minimum: int) -> None:
    texts: dict[str, set[str]] = {}
    for sample in samples:
        texts.setdefault(sample.label, set()).add(sample.text)
    if len(texts) == 1:
        raise InvalidData(
            f"{path.name} has one label only, {_some(texts)}. A classifier needs at least two."
        )
    if rare := [label for label, found in texts.items() if len(found) < minimum]:
        raise InvalidData(
            f"{path.name} has too few distinct texts (fewer than {minimum}) with "
            f"{_some(rare)}. Add texts, or take these labels out."
        )


def _split(
    samples: Sequence[Sample],
    dev: Sequence[Sample] | None,
    test: Sequence[Sample] | None,
    seed: int,
) -> Parts:
    """Split off the parts that are None, label by label; copies of one text stay together."""
    rng = random.Random(seed)  # noqa: S311 (no secret)
    by_label: dict[str, dict[str, list[Sample]]] = {}
    for sample in samples:
        by_label.setdefault(sample.label, {}).setdefault(sample.text, []).append(sample)
    train_part: list[Sample] = []
    dev_part = list(dev or ())
    test_part = list(test or ())
    for label in sorted(by_label):
        groups = list(by_label[label].values())
        rng.shuffle(groups)
        held_out = max(1, round(HELD_OUT * len(groups)))
        for given, part in ((dev, dev_part), (test, test_part)):
            if given is None:
                part.extend(sample for group in groups[:held_out] for sample in group)
                groups = groups[held_out:]
        train_part.extend(sample for group in groups for sample in group)
    for part in (train_part, dev_part, test_part):
        rng.shuffle(part)
    return Parts(train_part, dev_part, test_part)


def _some(names: Iterator[str] | Sequence[str] | set[str] | dict[str, set[str]]) -> str:
    """The first few names, cut short: a column without quotes can hold anything."""
    shown = sorted(names)
    text = ", ".join(repr(name[:40]) for name in shown[:5])
    return text if len(shown) <= 5 else f"{text} and {len(shown) - 5} more"

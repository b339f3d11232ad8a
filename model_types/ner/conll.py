"""Data sets in CoNLL columns: a word per line, first the word, last its tag.

Columns are parted by tabs or spaces, sentences by empty lines. Tags are BIO (IOB1 or IOB2), BIOES
or BILOU. A data set is one file, which is split, or a folder with a train file and, if it has them,
dev and test files; what it lacks is split off the training sentences.
"""

from __future__ import annotations

import random
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from model_types import InvalidData
from model_types.ner.text import MAX_TOKENS, clip

MIN_SENTENCES = 10
"""Fewer in all can't be split into parts that mean anything."""

_SUFFIXES = frozenset(("", ".conll", ".txt", ".bio", ".iob", ".tsv"))
_PARTS = {"train": "train", "dev": "dev", "valid": "dev", "val": "dev", "test": "test"}
_TAG = re.compile(r"O|[BIESLUM]-\S+")
_HELD_OUT = 0.1


@dataclass(frozen=True)
class Sentence:
    words: list[str]
    entities: list[tuple[int, int, str]]
    """First word, the word after the last, label."""


@dataclass(frozen=True)
class DataSet:
    train: list[Sentence]
    dev: list[Sentence]
    test: list[Sentence]

    @property
    def labels(self) -> list[str]:
        parts = self.train + self.dev + self.test
        return sorted({label for sentence in parts for _, _, label in sentence.entities})


def read_data_set(path: Path) -> DataSet:
    """Read a file or folder. Raises `InvalidData`, which says where and what to do."""
    if path.is_dir():
        files = _part_files(path)
        parts = {part: list(read_file(file)) for part, file in files.items()}
        where = files["train"]
    else:
        parts = {"train": list(read_file(path))}
        where = path
    train, dev, test = (parts.get(part, []) for part in ("train", "dev", "test"))
    if len(train) + len(dev) + len(test) < MIN_SENTENCES:
        raise InvalidData(
            f"{where}: {len(train)} sentences are too few; give at least {MIN_SENTENCES}, "
            "with an empty line between two."
        )
    held_out = max(1, round(_HELD_OUT * len(train)))
    random.Random(0).shuffle(train)  # noqa: S311 - the split must be the same every time
    if not dev:
        dev, train = train[:held_out], train[held_out:]
    if not test:
        test, train = train[:held_out], train[held_out:]
    if not any(sentence.entities for sentence in train):
        raise InvalidData(
            f"{where}: no word of the training sentences has an entity tag, all are O; "
            "tag entities with B-x and I-x in the last column."
        )
    return DataSet(train, dev, test)


def read_file(path: Path) -> Iterator[Sentence]:
    """Yield the sentences of one file, the long ones in pieces. Raises `InvalidData`."""
    words: list[str] = []
    tags: list[str] = []
    for number, line in enumerate(_text(path).split("\n"), 1):
        if not line.strip() or line.startswith("-DOCSTART-"):
            yield from _sentences(words, tags)
            words, tags = [], []
            continue
        columns = line.rstrip("\r").split("\t") if "\t" in line else line.split()
        word, tag = columns[0].strip(), columns[-1].strip()
        is_tag = len(columns) > 1 and _TAG.fullmatch(tag)
        if not is_tag and line.startswith("# "):
            continue
        if len(columns) == 1:
            raise InvalidData(
                f"{path}:{number}: there is one column, {clip(word)!r}; "
                "give the word first and its tag last, with a tab or a space between."
            )
        if not word:
            raise InvalidData(f"{path}:{number}: the first column is empty; give a word there.")
        if not is_tag:
            raise InvalidData(
                f"{path}:{number}: {clip(tag)!r} in the last column is no tag; "
                "give O, B-x, I-x, E-x or S-x, where x is a label such as PER."
            )
        words.append(clip(word))
        tags.append(tag)
    yield from _sentences(words, tags)


def entities_of(tags: Iterable[str]) -> list[tuple[int, int, str]]:
    """Read entities off the tags of any scheme: B-, S- and U- start one, and so does any other tag
    after O or another label; E-, S-, L- and U- end it."""
    found: list[tuple[int, int, str]] = []
    open_label = ""
    for index, tag in enumerate(tags):
        prefix, _, label = tag.partition("-")
        if not label:
            open_label = ""
        elif label == open_label and prefix not in "BSU":
            found[-1] = (found[-1][0], index + 1, label)
        else:
            found.append((index, index + 1, label))
        open_label = "" if prefix in "ESLU" else label
    return found


def _sentences(words: list[str], tags: list[str]) -> Iterator[Sentence]:
    for start in range(0, len(words), MAX_TOKENS):
        end = start + MAX_TOKENS
        yield Sentence(words[start:end], entities_of(tags[start:end]))


def _text(path: Path) -> str:
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        raise InvalidData(f"{path}: there is no such file or folder.") from None
    except OSError as error:
        raise InvalidData(f"{path}: it cannot be read: {error.strerror}.") from None
    if not content.strip():
        raise InvalidData(f"{path}: the file is empty; give a word and its tag per line.")
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise InvalidData(
            f"{path}:{line}: it is not UTF-8 (byte {error.start}); save the file as UTF-8."
        ) from None


def _part_files(folder: Path) -> dict[str, Path]:
    files: dict[str, Path] = {}
    for file in sorted(folder.iterdir()):
        name = re.match("train|dev|valid|val|test", file.name.lower())
        if name is None or not file.is_file() or file.suffix.lower() not in _SUFFIXES:
            continue
        part = _PARTS[name.group()]
        if part in files:
            raise InvalidData(
                f"{folder}: {files[part].name} and {file.name} could both be the {part} part; "
                "leave one of them."
            )
        files[part] = file
    if "train" not in files:
        raise InvalidData(
            f"{folder}: there is no training file; name it train.conll, train.txt, train.bio, "
            "train.iob or train.tsv."
        )
    return files

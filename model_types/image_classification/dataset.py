"""Labelled pictures: a folder or a zip file with one folder per class, which holds its pictures.

    cat/0001.jpg  cat/0002.png  dog/0001.jpg …

Pictures are JPEG or PNG (see picture.py). Such a data set is split 80/10/10 into train, dev and
test. It may be split already: into folders `train`, `dev` (or `val`, `valid`, `validation`) and
`test` that hold the classes' folders, or, as CIFAR-10 often comes, into train.zip, val.zip and
test.zip in one folder. What is missing is split off train; files beside those are left aside. One
more folder around it all does no harm.
"""

from __future__ import annotations

import hashlib
import random
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from model_types import InvalidData, MalformedBody

from .picture import MAX_PIXELS, Picture, Pixels
from .tree import Tree, open_tree

MIN_PICTURES_PER_CLASS = 5
"""Distinct pictures that each class needs where parts are split off."""
HELD_OUT = 0.1
"""The share of the pictures that dev and test get, each."""

_PART_NAMES: Mapping[str, Sequence[str]] = {
    "train": ("train",),
    "dev": ("dev", "val", "valid", "validation"),
    "test": ("test",),
}
_LAYOUT = "Give each class a folder with its pictures in it: cat/1.jpg, dog/1.jpg."


@dataclass(frozen=True)
class Sample:
    pixels: Pixels
    label: str

    @property
    def digest(self) -> bytes:
        """Of the pixels: one for all copies of a picture."""
        return hashlib.sha256(self.pixels.tobytes()).digest()


@dataclass(frozen=True)
class Parts:
    train: Sequence[Sample]
    dev: Sequence[Sample]
    test: Sequence[Sample]

    @property
    def labels(self) -> list[str]:
        """In alphabetical order."""
        return sorted({sample.label for sample in self.train})


def read_parts(path: Path, size: int, seed: int) -> Parts:
    """Read the data set, each picture `size` × `size`, and split it where it is not split yet, the
    same way for the same seed.

    Raises `InvalidData` with the file and what to do.
    """
    with _open_parts(path) as trees:
        given = {part: _read_part(tree, size) for part, tree in trees.items()}
    train = given["train"]
    missing = [part for part in _PART_NAMES if part not in given]
    _check_classes(trees["train"].name, train, MIN_PICTURES_PER_CLASS if missing else 1)
    known = {sample.label for sample in train}
    for part, samples in given.items():
        if unknown := {sample.label for sample in samples} - known:
            raise InvalidData(
                f"The {part} part has classes that the train part lacks: {_some(unknown)}. "
                "Add pictures of them to train, or take them out."
            )
    return _split(given, missing, seed)


@contextmanager
def _open_parts(path: Path) -> Iterator[Mapping[str, Tree]]:
    """Those parts that there are, or all of the data set as the train part."""
    with ExitStack() as stack:
        names = [file.stem for file in path.glob("*.zip")] if path.is_dir() else []
        if found := _parts_among(names):
            yield {
                part: _unwrapped(stack.enter_context(open_tree(path / f"{name}.zip")))
                for part, name in _with_train(found, f"{path.name}/", ".zip").items()
            }
            return
        tree = _unwrapped(stack.enter_context(open_tree(path)))
        # A class may be called train, too: then it holds pictures, and no folders.
        split = [name for name in tree.top if tree.below(name).top]
        if found := _parts_among(split):
            found = _with_train(found, tree.name, "/")
            yield {part: tree.below(name) for part, name in found.items()}
        else:
            yield {"train": tree}


def _parts_among(names: Collection[str]) -> Mapping[str, str]:
    """Part → its name. Raises `InvalidData` for two names of one part."""
    found = {}
    for part, allowed in _PART_NAMES.items():
        given = [name for name in allowed if name in names]
        if len(given) > 1:
            raise InvalidData(f"{' and '.join(given)} mean the same part. Keep one.")
        if given:
            found[part] = given[0]
    return found


def _with_train(found: Mapping[str, str], where: str, ending: str) -> Mapping[str, str]:
    if "train" not in found:
        parts = ", ".join(f"{name}{ending}" for name in found.values())
        raise InvalidData(f"{where} holds {parts}, and no train{ending}. Add it.")
    return found


def _unwrapped(tree: Tree) -> Tree:
    """Without a folder that holds all else: zipping a folder makes one."""
    while len(tree.top) == 1 and all(len(file.path) > 1 for file in tree.files):
        inner = tree.below(tree.top[0])
        if not inner.top:
            break
        tree = inner
    return tree


def _read_part(tree: Tree, size: int) -> list[Sample]:
    for file in tree.files:
        if len(file.path) != 2:
            what = "lies in no class's folder" if len(file.path) == 1 else "lies too deep"
            raise InvalidData(f"{file.where} {what}. {_LAYOUT}")
    if empty := set(tree.top) - {file.path[0] for file in tree.files}:
        raise InvalidData(
            f"{tree.name}: no pictures of {_some(empty)}. Add some, or take the empty folder away."
        )
    if not tree.files:
        raise InvalidData(f"{tree.name} holds no pictures. {_LAYOUT}")
    return [Sample(read_picture(f.read(), f.where, size), f.path[0]) for f in tree.files]


def read_picture(content: bytes, where: str, size: int) -> Pixels:
    """A picture's file, scaled to `size` × `size`; `where` is how messages name it. Raises
    `InvalidData`."""
    try:
        picture = Picture(content, where)
        if picture.pixels > MAX_PIXELS:
            raise InvalidData(
                f"{where} has {picture.width} × {picture.height} pixels, more than "
                f"{MAX_PIXELS}. Scale it down."
            )
        return picture.square(size)
    except MalformedBody as error:
        raise InvalidData(f"{error} Replace it, or take it out.") from None


def _check_classes(name: str, samples: Sequence[Sample], minimum: int) -> None:
    pictures: dict[str, set[bytes]] = {}
    for sample in samples:
        pictures.setdefault(sample.label, set()).add(sample.digest)
    if len(pictures) == 1:
        raise InvalidData(
            f"{name} has one class only, {_some(pictures)}. A classifier needs at least two."
        )
    if rare := [label for label, found in pictures.items() if len(found) < minimum]:
        raise InvalidData(
            f"{name} has too few distinct pictures (fewer than {minimum}) of {_some(rare)}. "
            "Add pictures, or take these classes out."
        )


def _split(given: Mapping[str, Sequence[Sample]], missing: Sequence[str], seed: int) -> Parts:
    """Split off the parts that are missing, class by class; copies of one picture stay together."""
    rng = random.Random(seed)  # noqa: S311 (no secret)
    by_class: dict[str, dict[bytes, list[Sample]]] = {}
    for sample in given["train"]:
        by_class.setdefault(sample.label, {}).setdefault(sample.digest, []).append(sample)
    split: dict[str, list[Sample]] = {part: list(given.get(part, ())) for part in _PART_NAMES}
    split["train"] = []
    for label in sorted(by_class):
        groups = list(by_class[label].values())
        rng.shuffle(groups)
        held_out = max(1, round(HELD_OUT * len(groups)))
        for part in missing:
            split[part].extend(sample for group in groups[:held_out] for sample in group)
            groups = groups[held_out:]
        split["train"].extend(sample for group in groups for sample in group)
    return Parts(**split)


def _some(names: Collection[str]) -> str:
    shown = sorted(names)
    text = ", ".join(repr(name[:40]) for name in shown[:5])
    return text if len(shown) <= 5 else f"{text} and {len(shown) - 5} more"

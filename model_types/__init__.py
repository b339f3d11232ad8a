"""What a model type is: a folder that holds `model_type.json`, `train.py` and `predict.py`.

`train.py` defines `train(job: TrainingJob) -> None` and may import any framework.
`predict.py` defines `load(folder: Path) -> Predictor` and imports what serving needs, no more.
Both are found by the name of the folder; nothing is registered anywhere. A third, `formats.py`, may
say how examples with right answers are written as parts of a data set.
"""

from __future__ import annotations

import importlib
import importlib.machinery
import importlib.util
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any, Protocol, cast, runtime_checkable

Json = Any
"""What `json.loads` gives."""

FRAMEWORK_FOLDER = "framework"
"""The part of an artifact that only training reads: the framework's own model."""


class InvalidData(ValueError):
    """The data set cannot be trained on; the message says where it is wrong and what to do."""


class UnusableCheckpoint(ValueError):
    """The checkpoint cannot be gone on from; the message says why. The training begins anew."""


class InvalidInput(ValueError):
    """The input cannot be predicted on; the message says why."""


class MalformedBody(InvalidInput):
    """The body is not what its media type says: not UTF-8, not JSON, not an image."""


@dataclass(frozen=True)
class Progress:
    """How far a training has come, told at least once per epoch."""

    epoch: int
    """Epochs done so far; it may be a fraction's floor, so 0 during the first."""
    epochs: int
    loss: float | None
    """Mean training loss of the last epoch (or of the running one so far)."""
    score: float | None
    """The score on the dev part, 0 to 1, higher is better."""
    score_name: str
    samples_per_second: float | None
    seconds_left: float | None


@dataclass(frozen=True)
class Example:
    """An input with its right answer, as a person has said."""

    media_type: str
    body: bytes
    """The input, as a request would bring it."""
    expected: Json
    """As `Correctable.answers` says."""
    where: str = "An example"
    """How messages name it."""


def _count_nothing(_: int) -> None:
    pass


def _keep_no_checkpoint(epoch: int, write: Callable[[Path], None]) -> None:
    pass


@dataclass(frozen=True)
class TrainingJob:
    """All that a trainer is given.

    A training can be interrupted at any time: a host is taken back, or breaks. It then goes on,
    often on another host, from its last checkpoint, if the trainer saves any, else anew. A trainer
    that saves them calls `save_checkpoint` after each epoch, and begins with what `checkpoint`
    holds, where that is not None: then no epoch that it tells of is trained again.
    """

    dataset: Path
    """A file or folder, in a layout that the model type documents."""
    output: Path
    """An empty folder. What the trainer leaves in it becomes the artifact."""
    epochs: int
    hyperparameters: Mapping[str, str | int | float | bool]
    """A value for every hyperparameter that `model_type.json` names, types and bounds checked."""
    report: Callable[[Progress], None]
    feedback: Sequence[Example] = ()
    """Corrected examples, for the training part only: one whose input is in another part is left
    out, of several with one input the last counts, and it counts in place of what the data set says
    of that input. A trainer raises `InvalidData` for one that cannot be learned from."""
    joined: Callable[[int], None] = _count_nothing
    """A trainer that has been given feedback tells it how many examples of it joined the training
    part."""
    allow_downloads: bool = False
    """Whether names of pretrained parts may be fetched from a hub; otherwise they must be paths."""
    checkpoint: Path | None = None
    """A folder with the files that `save_checkpoint` had written by an earlier attempt at the same
    training: same epochs, hyperparameters and data set, every digest verified. All epochs may be
    done already. Read it with nothing that runs code, such as pickle. Raise `UnusableCheckpoint` if
    it does not fit."""
    save_checkpoint: Callable[[int, Callable[[Path], None]], None] = _keep_no_checkpoint
    """Call it with the number of epochs done, and with what writes into an empty folder all that
    going on as if nothing had happened takes: weights, optimiser, schedule, random generators, the
    best so far, the history. It returns at once or when the checkpoint is kept; a failure to keep
    it is no failure of the training."""


@dataclass(frozen=True)
class Inputs:
    """The decoded inputs of one HTTP request."""

    items: Sequence[Any]
    many: bool
    """Whether the answer is a list with one result per item, or the one result alone."""
    long: bool = False
    """Whether `predict` takes long, however short the body was."""


class Predictor(Protocol):
    """A loaded model. Pure inference: no files are read after `load`."""

    @property
    def request_schemas(self) -> Mapping[str, Json]:
        """Media type → JSON Schema of such a request body; its keys are what is accepted."""

    @property
    def result_schema(self) -> Json:
        """JSON Schema of one result."""

    def decode(self, body: bytes, media_type: str) -> Inputs:
        """Turn a request body into items for `predict`.

        `media_type` is one of `request_schemas`; a multipart one has behind it what parts the body:
        `multipart/form-data; boundary="…"`. Raises `InvalidInput`.
        """

    def predict(self, items: Sequence[Any]) -> list[Json]:
        """Give one JSON-serialisable result per item, in order. Raises `InvalidInput`.

        A server calls it from two threads, one of them for long inputs.
        """


class Answers(StrEnum):
    """What kind of right answer a person can give."""

    LABEL = "label"
    """`{"label": "…"}`, one of the model's labels."""
    SPANS = "spans"
    """`{"spans": [{"start": …, "end": …, "label": "…"}, …]}`: pieces of the text, in characters
    (code points), in order, none within another."""


@runtime_checkable
class Correctable(Predictor, Protocol):
    """A predictor whose answers people can approve and correct. The model type says that its
    trainer takes such examples with `"feedback": true` in `model_type.json`."""

    @property
    def answers(self) -> Answers: ...

    @property
    def labels(self) -> Sequence[str]:
        """What a right answer may name."""

    def expected(self, result: Json) -> Json:
        """A result of `predict` as a right answer is written."""

    def check(self, item: Any, expected: Json) -> None:
        """Raise `InvalidInput` unless `expected` can be a right answer for this item."""


class TrainModule(Protocol):
    def train(self, job: TrainingJob) -> None:
        """Train and leave the artifact's files in `job.output`. Raises `InvalidData`, and
        `UnusableCheckpoint`, after which it is called again without one."""


class PredictModule(Protocol):
    def load(self, folder: Path) -> Predictor:
        """Load an artifact's serving files from `folder`."""


class FormatsModule(Protocol):
    FORMATS: Mapping[str, Callable[[Example], str]]
    """Name of a data set's format → what writes an example in it, so that all of them behind each
    other are a data set of the model type. Raises `InvalidInput`."""


def builtin_folder() -> Path:
    """The folder of the model types that come with Trainshed."""
    return Path(__file__).parent


def load_trainer(model_type: str, folders: Iterable[Path]) -> TrainModule:
    """Import `train.py` of the model type, from the first of `folders` that has it. Raises
    `LookupError`."""
    return cast("TrainModule", _load(model_type, "train", folders))


def load_predictor(model_type: str, folders: Iterable[Path]) -> PredictModule:
    """Import `predict.py` of the model type, from the first of `folders` that has it. Raises
    `LookupError`."""
    return cast("PredictModule", _load(model_type, "predict", folders))


def load_formats(
    model_type: str, folders: Iterable[Path]
) -> Mapping[str, Callable[[Example], str]]:
    """`FORMATS` of the model type's `formats.py`, which few have. Raises `LookupError`."""
    if not (find_folder(model_type, folders) / "formats.py").is_file():
        return {}
    return cast("FormatsModule", _load(model_type, "formats", folders)).FORMATS


def find_folder(model_type: str, folders: Iterable[Path]) -> Path:
    """The model type's folder, in the first of `folders` that has it. Raises `LookupError`."""
    for folder in folders:
        if (folder / model_type / "model_type.json").is_file():
            return folder / model_type
    raise LookupError(f"no folder named {model_type!r} among the model types")


def _load(model_type: str, module: str, folders: Iterable[Path]) -> object:
    _add_package(model_type, find_folder(model_type, folders))
    return importlib.import_module(f"{__name__}.{model_type}.{module}")


def _add_package(model_type: str, folder: Path) -> None:
    """Make a folder outside this package importable as its subpackage, so that it can use
    relative imports of its own, as the built-in ones do."""
    name = f"{__name__}.{model_type}"
    if folder.parent.resolve() == builtin_folder().resolve() or name in sys.modules:
        return
    init = folder / "__init__.py"
    spec = importlib.util.spec_from_file_location(
        name, init if init.is_file() else None, submodule_search_locations=[str(folder)]
    )
    if spec is None:  # a folder without __init__.py: a package with nothing in it
        spec = importlib.machinery.ModuleSpec(name, None, is_package=True)
        spec.submodule_search_locations = [str(folder)]
    package = importlib.util.module_from_spec(spec)
    sys.modules[name] = package
    if spec.loader is not None:
        spec.loader.exec_module(package)

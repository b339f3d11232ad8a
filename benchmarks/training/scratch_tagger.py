"""The scratch tagger on WNUT17, and CRFsuite beside it."""

from __future__ import annotations

from pathlib import Path

from benchmarks.report import Goal, Row, Spread, Table
from benchmarks.setting import Setting
from benchmarks.training import crf
from benchmarks.training.data_sets import wnut17
from benchmarks.training.experiment import Experiment
from benchmarks.training.program import answer_of

_GOAL = Goal(26, at_least=True)
_MINUTES = Goal(5, at_least=False)
_QUICK_EPOCHS = 1

_TEXT = f"""**A tagger that begins with nothing** (`embeddings=scratch`: words, shapes and
characters under a BiLSTM-CRF, no download) learns WNUT17's train part with all defaults and seed 1,
and is scored on the dev part, which it never sees: the epoch to keep is chosen on a tenth of the
train part. Its seconds are those of the whole training: process, export and checks too.
Beside it, [CRFsuite](https://python-crfsuite.readthedocs.io/) learns the whole train part from
hand-made features (words and shapes around, pairs of them, prefixes and suffixes up to four
letters), with its tutorial's settings: L-BFGS, c1 {crf.SETTINGS["c1"]}, c2 {crf.SETTINGS["c2"]},
{crf.SETTINGS["max_iterations"]} iterations, all possible transitions."""


def run(setting: Setting) -> Experiment:
    """Leaves the model in the shed, as "ner"."""
    if setting.data is None:
        return Experiment(_TEXT, skipped=["The scratch tagger: the public data sets aren't there."])
    data_set = wnut17(setting.data, setting.work)
    epochs = _QUICK_EPOCHS if setting.quick else None
    trained = setting.shed.train("ner", "ner", data_set, epochs)
    score = 100 * float(trained.metrics["score"])
    figures = [("Trainshed, scratch", f"{score:.1f}", f"{trained.seconds:.0f}")]
    skipped = []
    if setting.peers is None:
        skipped.append("CRFsuite: the peers' environment isn't there.")
    else:
        peer = _crf(setting.peers, data_set)
        figures.append(("CRFsuite", f"{100 * peer['f1']:.1f}", f"{peer['seconds']:.0f}"))
    return Experiment(
        _TEXT,
        [
            Row(
                "scratch tagger on WNUT17 dev: F1",
                _once(score),
                "",
                _GOAL,
                "seed 1; from seed to seed it differs by a point and more",
            ),
            Row(
                "scratch tagger on WNUT17: training",
                _once(trained.seconds / 60),
                "minutes",
                _MINUTES,
            ),
        ],
        [Table("Taggers that begin with nothing, on WNUT17 dev", ("", "F1", "seconds"), figures)],
        skipped,
    )


def _once(figure: float) -> Spread:
    return Spread.of([figure])


def _crf(python: Path, data_set: Path) -> dict[str, float]:
    return dict(
        answer_of(
            "benchmarks.training.crf",
            data_set / "train.conll",
            data_set / "test.conll",
            python=python,
        )
    )

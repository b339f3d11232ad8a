"""The training part: its experiments, one after the other."""

from __future__ import annotations

from dataclasses import replace

from benchmarks.report import Part
from benchmarks.setting import Setting
from benchmarks.training import agreement, scratch_tagger, sentiment, transformer_tagger

_EXPERIMENTS = (
    scratch_tagger.run,
    transformer_tagger.run,
    sentiment.run,
    agreement.run,  # of the models that those before have left in the shed
)

_TEXT = """Models are trained by `trainshed submit` and `trainshed run`, as a user would, on the
public data sets beside the clone, with fixed seeds. Each score is of a part that the training never
sees and on which nothing is chosen. That goes for the published dev and val parts, which stand in
for the test parts here: a training holds its own dev part out of its train part."""

_QUICK = """This was a quick run, of an epoch or two: its scores are not those of whole trainings,
and are held against no goals."""


def run(setting: Setting) -> Part:
    """Leaves "ner" and "sentiment" in the shed, trained on the public data where that is there."""
    experiments = [experiment(setting) for experiment in _EXPERIMENTS]
    texts = [_TEXT, *([_QUICK] if setting.quick else []), *(found.text for found in experiments)]
    rows = [row for found in experiments for row in found.rows]
    return Part(
        "Training",
        "\n\n".join(texts),
        [replace(row, goal=None) for row in rows] if setting.quick else rows,
        [table for found in experiments for table in found.tables],
        [reason for found in experiments for reason in found.skipped],
    )

"""The training part: its experiments, one after the other."""

from __future__ import annotations

from benchmarks.report import Part
from benchmarks.setting import Setting
from benchmarks.training import agreement, scratch_tagger

_EXPERIMENTS = (
    scratch_tagger.run,
    agreement.run,  # of the models that those before have left in the shed
)

_TEXT = """Models are trained by `trainshed submit` and `trainshed run`, as a user would, with the
public data sets beside the clone. Seeds are fixed. Each score is of a part that the training never
sees, and nothing is chosen on it: what a training chooses, it chooses on a tenth of its own train
part. They are that strict with the published dev parts because those stand in for the test parts
here."""

_QUICK = "This was a quick run: a few epochs, so the scores are not those of whole trainings."


def run(setting: Setting) -> Part:
    """Leaves "ner" and "sentiment" in the shed, trained on the public data where that is there."""
    experiments = [experiment(setting) for experiment in _EXPERIMENTS]
    texts = [_TEXT, *([_QUICK] if setting.quick else []), *(found.text for found in experiments)]
    return Part(
        "Training",
        "\n\n".join(texts),
        [row for found in experiments for row in found.rows],
        [table for found in experiments for table in found.tables],
        [reason for found in experiments for reason in found.skipped],
    )

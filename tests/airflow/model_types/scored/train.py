"""A training without a framework, which scores what its hyperparameters tell it to."""

from __future__ import annotations

import json
import signal

from model_types import InvalidData, Progress, TrainingJob


def train(job: TrainingJob) -> None:
    options = job.hyperparameters
    if options["fails"]:
        raise InvalidData(f"{job.dataset.name}, line 3 has no tag")
    while options["goes_on"]:
        signal.pause()
    score, name = float(options["score"]), str(options["score_name"])
    job.report(Progress(1, 1, 0.1, score, name, None, None))
    (job.output / "metrics.json").write_text(
        json.dumps({"score_name": name, "score": score}), encoding="utf-8"
    )

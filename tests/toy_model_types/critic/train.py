"""Nothing is learned; what kind of answers were asked for is all that the model is."""

from __future__ import annotations

import json
from pathlib import Path

from model_types import Json, TrainingJob
from model_types.golden import Example, write_golden


def train(job: TrainingJob) -> None:
    write_model(job.output, str(job.hyperparameters["answers"]))


def write_model(folder: Path, answers: str) -> None:
    (folder / "model.json").write_text(json.dumps({"answers": answers}), encoding="utf-8")
    result: Json = {"label": "good"} if answers == "label" else {"spans": []}
    write_golden(folder, [Example(b"so good", "text/plain", result)])

"""What every trainer leaves beside its model: history.csv, training_curves.png and metrics.json."""

from __future__ import annotations

import csv
import json
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import astuple, dataclass, fields
from pathlib import Path

from model_types import Json


@dataclass(frozen=True)
class Epoch:
    """One row of history.csv. Losses are means per sample, scores 0 to 1, time in seconds."""

    epoch: int
    train_loss: float
    dev_loss: float
    train_score: float
    dev_score: float
    samples_per_second: float
    seconds: float


def write_history(folder: Path, history: Sequence[Epoch]) -> None:
    with (folder / "history.csv").open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(field.name for field in fields(Epoch))
        writer.writerows(astuple(epoch) for epoch in history)


def write_curves(folder: Path, history: Sequence[Epoch], title: str, score_name: str) -> None:
    """Draw loss and score per epoch, train and dev, side by side into training_curves.png."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure
    from matplotlib.ticker import MaxNLocator

    figure = Figure(figsize=(10, 4), layout="constrained")
    FigureCanvasAgg(figure)
    figure.suptitle(title)
    numbers = [epoch.epoch for epoch in history]
    panels: list[tuple[str, Sequence[float], Sequence[float]]] = [
        ("loss", [e.train_loss for e in history], [e.dev_loss for e in history]),
        (score_name, [e.train_score for e in history], [e.dev_score for e in history]),
    ]
    for axes, (label, train, dev) in zip(figure.subplots(1, 2), panels, strict=True):
        axes.plot(numbers, train, marker="o", markersize=3, label="train")
        axes.plot(numbers, dev, marker="o", markersize=3, label="dev")
        axes.set_xlabel("epoch")
        axes.set_ylabel(label)
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
        axes.grid(alpha=0.3)
        axes.legend()
    figure.savefig(folder / "training_curves.png", dpi=110)


def label_metrics(
    true_positives: Mapping[str, int],
    false_positives: Mapping[str, int],
    false_negatives: Mapping[str, int],
) -> Json:
    """Precision, recall, F1 and support per label, with their micro and macro averages.

    A label without predictions (or without gold instances) has precision (recall) 0.
    """
    labels = sorted({*true_positives, *false_positives, *false_negatives})
    per_label = {
        label: _scores(
            true_positives.get(label, 0),
            false_positives.get(label, 0),
            false_negatives.get(label, 0),
        )
        for label in labels
    }
    count = max(len(labels), 1)
    return {
        "labels": per_label,
        "micro": _scores(
            sum(true_positives.values()),
            sum(false_positives.values()),
            sum(false_negatives.values()),
        ),
        "macro": {
            key: sum(scores[key] for scores in per_label.values()) / count
            for key in ("precision", "recall", "f1")
        },
    }


def class_metrics(gold: Iterable[str], predicted: Iterable[str]) -> Json:
    """`label_metrics` of a classifier that gives each sample one label, with its accuracy."""
    hits: Counter[str] = Counter()
    wrong: Counter[str] = Counter()
    missed: Counter[str] = Counter()
    total = 0
    for truth, guess in zip(gold, predicted, strict=True):
        total += 1
        if truth == guess:
            hits[truth] += 1
        else:
            wrong[guess] += 1
            missed[truth] += 1
    return {
        **label_metrics(hits, wrong, missed),
        "accuracy": sum(hits.values()) / total if total else 0.0,
    }


def write_metrics(
    folder: Path, metrics: Json, score_name: str, score: float, parts: Mapping[str, int]
) -> None:
    """Write metrics.json: the headline score first, then `metrics`, then how many samples each of
    `parts` (train, dev, test) had."""
    document = {"score_name": score_name, "score": score, **metrics, "samples": dict(parts)}
    (folder / "metrics.json").write_text(json.dumps(document, indent=1), encoding="utf-8")


def _scores(hits: int, wrong: int, missed: int) -> dict[str, float]:
    precision = hits / (hits + wrong) if hits + wrong else 0.0
    recall = hits / (hits + missed) if hits + missed else 0.0
    f1 = 2 * precision * recall / (precision + recall) if precision + recall else 0.0
    return {"precision": precision, "recall": recall, "f1": f1, "support": hits + missed}

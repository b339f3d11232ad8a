"""Train a sentiment model with Keras on TensorFlow, and leave it ready to be served."""

from __future__ import annotations

import json
import logging
import os
from pathlib import Path
from typing import Any

from model_types import FRAMEWORK_FOLDER, TrainingJob, golden
from model_types.training_report import class_metrics, write_curves, write_history, write_metrics

from . import feedback, predict
from .dataset import Parts, read_parts
from .evaluation import SCORE_NAME, Part, framework_scores
from .vocabulary import Vocabulary

logger = logging.getLogger(__name__)

_GOLDEN_TEXTS = (
    "I am so sad",
    "I do not like it",
    "not bad at all",
    "don't you DARE!!! #angry @someone https://example.com/a?b=c",
    "  spaces \t\n\r\n everywhere  ",
    "😀",
    "👍🏽👩‍👩‍👧 🇫🇷",
    "Über façade naïve — “quoted” ’tis… ½ ﬁne",
    "日本語のテキスト",
    "control \x01 \x1f characters\u200b here",
    "&lt;b&gt;entities&lt;/b&gt; &#128512;",
    "loooooong " * 600,
)
_GOLDEN_TEST_TEXTS = 12
"""So many of the test part's texts besides."""


def train(job: TrainingJob) -> None:
    """Train on `job.dataset` (see dataset.py for its layout). Raises `InvalidData`,
    `UnusableCheckpoint`, and `RuntimeError` when the exported model doesn't answer as the trained
    one does."""
    settings: dict[str, Any] = dict(job.hyperparameters)
    parts = read_parts(job.dataset, settings["seed"])
    if job.feedback:
        parts, joined = feedback.join(parts, job.feedback)
        job.joined(joined)
    vocabulary = Vocabulary.build(
        (sample.text for sample in parts.train),
        parts.labels,
        settings["max_words"],
        settings["max_features"],
    )
    logger.info(
        "%d training texts with %d labels, %d words and %d features",
        len(parts.train),
        len(parts.labels),
        vocabulary.word_count,
        vocabulary.feature_count,
    )
    train_part = Part.of(parts.train, vocabulary)

    _prepare_tensorflow()
    import keras  # imported late, like what stands on it: it needs that preparation, and seconds

    from . import export, fit, network, wide

    wide_weights = wide.fit(
        train_part.texts, train_part.labels, vocabulary.feature_count, len(parts.labels)
    )
    keras.utils.set_random_seed(settings["seed"])
    built = network.build(
        wide_weights,
        vocabulary.word_count,
        settings["embedding_size"],
        settings["hidden_size"],
        settings["dropout"],
    )
    dev_part = Part.of(parts.dev, vocabulary)
    history = fit.fit(built, wide_weights, train_part, dev_part, job)

    framework = job.output / FRAMEWORK_FOLDER
    framework.mkdir()
    built.model.save(framework / "model.keras")
    export.export(built.model, job.output)
    vocabulary.write(job.output)
    write_history(job.output, history)
    write_curves(job.output, history, "Sentiment", SCORE_NAME)
    _write_metrics(job.output, built.model, vocabulary, parts)
    _write_golden(job.output, built.model, vocabulary, parts)
    _check_export(job.output)


def _prepare_tensorflow() -> None:
    """Set what must be set before the import: Keras' backend, whatever the user's own settings say,
    and silence about instruction sets and retraced functions."""
    os.environ["KERAS_BACKEND"] = "tensorflow"
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "0")  # it announces itself at every start
    logging.getLogger("tensorflow").setLevel(logging.ERROR)


def _write_metrics(folder: Path, model: Any, vocabulary: Vocabulary, parts: Parts) -> None:
    scores = framework_scores(model, [vocabulary.encode(sample.text) for sample in parts.test])
    predicted = (vocabulary.labels[number] for number in scores.argmax(axis=1))
    metrics = class_metrics((sample.label for sample in parts.test), predicted)
    sizes = {name: len(part) for name, part in vars(parts).items()}
    write_metrics(folder, metrics, SCORE_NAME, metrics["macro"]["f1"], sizes)


def _write_golden(folder: Path, model: Any, vocabulary: Vocabulary, parts: Parts) -> None:
    texts = [*_GOLDEN_TEXTS, *(sample.text for sample in parts.test[:_GOLDEN_TEST_TEXTS])]
    scores = framework_scores(model, [vocabulary.encode(text) for text in texts])
    examples = [
        golden.Example(
            json.dumps({"text": text}).encode(),
            "application/json",
            predict.result(vocabulary.labels, row),
        )
        for text, row in zip(texts, scores, strict=True)
    ]
    golden.write_golden(folder, examples)


def _check_export(folder: Path) -> None:
    if differences := list(golden.replay(folder, predict.load(folder))):
        raise RuntimeError(
            "model.onnx answers otherwise than the model it was made from: "
            + "; ".join(differences[:3])
        )

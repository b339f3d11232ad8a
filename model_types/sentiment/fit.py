"""The training loop."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import keras
import numpy as np
import numpy.typing as npt

from model_types import Progress, TrainingJob
from model_types.training_report import Epoch

from . import checkpoint, wide
from .evaluation import SCORE_NAME, Part, Quality, deep_logits
from .mixture import best_share, mixed
from .network import Network
from .vocabulary import UNKNOWN, padded

logger = logging.getLogger(__name__)

_HIDDEN_WORDS = 0.3
"""The share of a training text's words that the network is not shown, others each time."""
_LABEL_SMOOTHING = 0.1
_TRAIN_SAMPLE = 2_000
"""Training texts on which an epoch is scored; all of a large data set would take too long."""
_SECONDS_BETWEEN_REPORTS = 2.0


def fit(
    network: Network,
    wide_weights: npt.NDArray[np.float32],
    train: Part,
    dev: Part,
    job: TrainingJob,
) -> list[Epoch]:
    """Train the deep heads, and leave the network as it was best on `dev`: the weights of that
    epoch, mixed with the wide head, whose weights these are.

    Goes on from `job.checkpoint`. Raises `UnusableCheckpoint`.
    """
    batch_size = int(job.hyperparameters["batch_size"])
    rng = np.random.default_rng(int(job.hyperparameters["seed"]))
    deep = network.deep
    variables = list(deep.variables)  # before it is compiled: without its metrics
    loss = keras.losses.CategoricalCrossentropy(from_logits=True, label_smoothing=_LABEL_SMOOTHING)
    deep.compile(
        _optimizer(job, steps=job.epochs * -(-len(train) // batch_size)),
        dict.fromkeys(deep.output_names, loss),
    )
    deep.optimizer.build(deep.trainable_variables)
    variables += deep.optimizer.variables
    targets = np.eye(wide_weights.shape[1], dtype=np.float32)[train.labels]
    weights = _text_weights(train.labels)
    train_sample = train.chosen(rng.permutation(len(train))[:_TRAIN_SAMPLE])
    wide_on_train, wide_on_dev = (
        wide.logits(wide_weights, part.texts) for part in (train_sample, dev)
    )
    course = checkpoint.Course([], None, 0, [])
    if job.checkpoint is not None:
        course = checkpoint.restore(job.checkpoint, variables, rng)
    pace = _Pace(job.epochs, len(train), course.history, job.report)
    for number in range(len(course.history) + 1, job.epochs + 1):
        start = time.monotonic()
        deep.reset_metrics()
        for chosen, words in _shuffled_batches(train, batch_size, rng):
            losses = deep.train_on_batch(
                words,
                dict.fromkeys(deep.output_names, targets[chosen]),
                dict.fromkeys(deep.output_names, weights[chosen]),
            )
            # Means since the epoch began: of all heads together, then of each.
            pace.step(len(chosen), float(losses[0]) / len(deep.outputs))
        trained = time.monotonic()
        deep_on_dev = deep_logits(deep, dev.texts)
        share = best_share(wide_on_dev, deep_on_dev, dev.labels)
        on_dev = Quality.of(mixed(wide_on_dev, deep_on_dev, share), dev.labels)
        deep_on_train = deep_logits(deep, train_sample.texts)
        on_train = Quality.of(mixed(wide_on_train, deep_on_train, share), train_sample.labels)
        epoch = Epoch(
            epoch=number,
            train_loss=on_train.loss,
            dev_loss=on_dev.loss,
            train_score=on_train.score,
            dev_score=on_dev.score,
            samples_per_second=len(train) / (trained - start),
            seconds=time.monotonic() - start,
        )
        course.history.append(epoch)
        if course.best_loss is None or on_dev.loss < course.best_loss:
            course.best_loss, course.share = on_dev.loss, share
            course.best_weights = deep.get_weights()
        job.save_checkpoint(number, lambda folder: checkpoint.save(folder, course, variables, rng))
        pace.end_epoch(epoch)
    deep.set_weights(course.best_weights)
    network.mix(course.share)
    return course.history


def _optimizer(job: TrainingJob, steps: int) -> Any:
    learning_rate = float(job.hyperparameters["learning_rate"])
    return keras.optimizers.Adam(keras.optimizers.schedules.CosineDecay(learning_rate, steps))


class _Pace:
    """Reports how far the training has come: after each epoch, and in a long one now and then."""

    def __init__(
        self,
        epochs: int,
        samples: int,
        history: Sequence[Epoch],
        report: Callable[[Progress], None],
    ) -> None:
        """`history` is that of the epochs which an earlier attempt has done."""
        self._epochs = epochs
        self._samples = samples * (epochs - len(history))
        self._report = report
        self._done = 0
        self._ended = history[-1] if history else None
        self._start = self._reported = time.monotonic()

    def step(self, samples: int, loss: float) -> None:
        self._done += samples
        if time.monotonic() - self._reported > _SECONDS_BETWEEN_REPORTS:
            self._tell(loss)

    def end_epoch(self, epoch: Epoch) -> None:
        self._ended = epoch
        told = self._tell(epoch.train_loss)
        logger.info(
            "epoch %d/%d: loss %.4f, dev %s %.4f, %.0f samples/s, %.0f s left",
            epoch.epoch,
            self._epochs,
            epoch.train_loss,
            SCORE_NAME,
            epoch.dev_score,
            epoch.samples_per_second,
            told.seconds_left,
        )

    def _tell(self, loss: float) -> Progress:
        self._reported = time.monotonic()
        rate = self._done / (self._reported - self._start)
        progress = Progress(
            epoch=self._ended.epoch if self._ended else 0,
            epochs=self._epochs,
            loss=loss,
            score=self._ended.dev_score if self._ended else None,
            score_name=SCORE_NAME,
            samples_per_second=rate,
            seconds_left=(self._samples - self._done) / rate,
        )
        self._report(progress)
        return progress


def _text_weights(labels: npt.NDArray[np.int64]) -> npt.NDArray[np.float32]:
    """A text of a rare label weighs more, by the root of how rare it is."""
    counts = np.bincount(labels)
    per_label = np.sqrt(len(labels) / (len(counts) * counts))
    weights: npt.NDArray[np.float32] = per_label[labels].astype(np.float32)
    return weights


def _shuffled_batches(
    part: Part, batch_size: int, rng: np.random.Generator
) -> Iterator[tuple[npt.NDArray[np.int64], npt.NDArray[np.int32]]]:
    """The words of each batch (texts, words), some hidden, with the texts' places in `part`."""
    order = rng.permutation(len(part))
    for start in range(0, len(order), batch_size):
        chosen = order[start : start + batch_size]
        words = padded([part.texts[index].words for index in chosen])
        words[(rng.random(words.shape) < _HIDDEN_WORDS) & (words > UNKNOWN)] = UNKNOWN
        yield chosen, words

"""Watches a Flair training: reports it, keeps its history and its best weights."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from typing import Any

from flair.data import Sentence
from flair.models import SequenceTagger
from flair.trainers.plugins import TrainerPlugin
from torch import Tensor

from model_types import Progress
from model_types.ner.evaluation import Evaluation, evaluate
from model_types.training_report import Epoch

_REPORT_EVERY = 3.0
"""Seconds between two reports within an epoch."""

logger = logging.getLogger(__name__)


class Monitor(TrainerPlugin):
    """Evaluates after each epoch, in place of Flair's trainer, which would write files."""

    def __init__(
        self,
        train_sample: list[Sentence],
        dev: list[Sentence],
        sentences: int,
        epochs: int,
        report: Callable[[Progress], None],
    ) -> None:
        super().__init__()
        self.history: list[Epoch] = []
        self._train_sample = train_sample
        self._dev = dev
        self._sentences = sentences
        self._epochs = epochs
        self._report = report
        self._best: Evaluation | None = None
        self._best_weights: dict[str, Tensor] = {}
        self._started = self._epoch_started = self._reported = time.monotonic()
        self._seen = 0
        self._losses: list[float] = []

    def restore_best(self, tagger: SequenceTagger) -> None:
        """Give the tagger the weights that it had after its best epoch on dev."""
        tagger.load_state_dict(self._best_weights)
        tagger.eval()

    @TrainerPlugin.hook
    def before_training_epoch(self, **_: Any) -> None:
        self._epoch_started = time.monotonic()
        self._seen = 0
        self._losses = []

    @TrainerPlugin.hook
    def metric_recorded(self, record: Any) -> None:
        if record.name == "train/batch_loss":
            self._losses.append(float(record.value))

    @TrainerPlugin.hook
    def after_training_batch(self, batch: list[Sentence], **_: Any) -> None:
        self._seen += len(batch)
        now = time.monotonic()
        if now - self._reported >= _REPORT_EVERY:
            self._tell(self._seen / max(now - self._epoch_started, 1e-9))

    @TrainerPlugin.hook
    def after_training_epoch(self, epoch: int, **_: Any) -> None:
        rate = self._seen / max(time.monotonic() - self._epoch_started, 1e-9)
        self.model.eval()
        train = evaluate(self.model, self._train_sample)
        dev = evaluate(self.model, self._dev)
        if self._best is None or (dev.f1, -dev.loss) > (self._best.f1, -self._best.loss):
            self._best = dev
            self._best_weights = {
                name: tensor.detach().clone() for name, tensor in self.model.state_dict().items()
            }
        seconds = time.monotonic() - self._epoch_started
        loss = self._mean_loss() or 0.0
        self.history.append(Epoch(epoch, loss, dev.loss, train.f1, dev.f1, rate, seconds))
        self._seen = 0
        self._tell(rate)
        logger.info(
            "epoch %d/%d: loss %.4f, dev F1 %.4f, %.0f sentences/s, %.0f s left",
            *(epoch, self._epochs, loss, dev.f1, rate, self._seconds_left()),
        )

    def _tell(self, rate: float) -> None:
        self._reported = time.monotonic()
        self._report(
            Progress(
                epoch=len(self.history),
                epochs=self._epochs,
                loss=self._mean_loss(),
                score=self.history[-1].dev_score if self.history else None,
                score_name="F1",
                samples_per_second=rate,
                seconds_left=self._seconds_left(),
            )
        )

    def _mean_loss(self) -> float | None:
        return sum(self._losses) / len(self._losses) if self._losses else None

    def _seconds_left(self) -> float:
        """From the time that the sentences seen so far took, evaluations and all."""
        done = len(self.history) * self._sentences + self._seen
        left = self._epochs * self._sentences - done
        return (time.monotonic() - self._started) * left / max(done, 1)

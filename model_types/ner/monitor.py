"""Watches a Flair training: reports it, keeps its history, its best weights and its checkpoints."""

from __future__ import annotations

import logging
import time
from collections.abc import Mapping
from typing import Any

from flair.data import Sentence
from flair.models import SequenceTagger
from flair.trainers.plugins import LinearSchedulerPlugin, TrainerPlugin

from model_types import Progress, TrainingJob
from model_types.ner import checkpoint
from model_types.ner.checkpoint import Course, Stateful
from model_types.ner.evaluation import evaluate
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
        schedule: LinearSchedulerPlugin,
        job: TrainingJob,
    ) -> None:
        """`schedule` has to come before this plugin. Raises `UnusableCheckpoint`."""
        super().__init__()
        self.epochs_before = checkpoint.epochs_done(job.checkpoint) if job.checkpoint else 0
        """What an earlier attempt has done."""
        self._course = Course()
        self._train_sample = train_sample
        self._dev = dev
        self._sentences = sentences
        self._schedule = schedule
        self._job = job
        self._started = self._epoch_started = self._reported = time.monotonic()
        self._seen = 0
        self._losses: list[float] = []

    @property
    def history(self) -> list[Epoch]:
        return self._course.history

    def restore_best(self, tagger: SequenceTagger) -> None:
        """Give the tagger the weights that it had after its best epoch on dev."""
        tagger.load_state_dict(self._course.best_weights)
        tagger.eval()

    @TrainerPlugin.hook
    def after_setup(self, **_: Any) -> None:
        """The optimiser is there, and no random number has been drawn since: go on from here."""
        if self._job.checkpoint is not None:
            self._course = checkpoint.restore(self._job.checkpoint, self._parts())

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
        rank = (dev.f1, -dev.loss)
        if self._course.rank is None or rank > self._course.rank:
            self._course.rank = rank
            self._course.best_weights = {
                name: tensor.detach().clone() for name, tensor in self.model.state_dict().items()
            }
        seconds = time.monotonic() - self._epoch_started
        loss = self._mean_loss() or 0.0
        self.history.append(Epoch(epoch, loss, dev.loss, train.f1, dev.f1, rate, seconds))
        self._seen = 0
        self._job.save_checkpoint(
            epoch, lambda folder: checkpoint.save(folder, self._course, self._parts())
        )
        self._tell(rate)
        logger.info(
            "epoch %d/%d: loss %.4f, dev F1 %.4f, %.0f sentences/s, %.0f s left",
            *(epoch, self._job.epochs, loss, dev.f1, rate, self._seconds_left()),
        )

    def _parts(self) -> Mapping[str, Stateful]:
        return {
            "network": self.model,
            "optimizer": self.trainer.optimizer,
            "schedule": self._schedule.scheduler,
        }

    def _tell(self, rate: float) -> None:
        self._reported = time.monotonic()
        self._job.report(
            Progress(
                epoch=len(self.history),
                epochs=self._job.epochs,
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
        done = (len(self.history) - self.epochs_before) * self._sentences + self._seen
        left = (self._job.epochs - len(self.history)) * self._sentences - self._seen
        return (time.monotonic() - self._started) * left / max(done, 1)

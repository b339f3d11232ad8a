"""The training loop."""

from __future__ import annotations

import logging
import math
import time
from collections.abc import Callable
from functools import partial

import torch
import torch.nn.functional as F  # noqa: N812  (as torch's own documentation has it)
from torch import Tensor

from model_types import Progress, TrainingJob
from model_types.training_report import Epoch

from . import checkpoint
from .augment import augment
from .evaluation import SCORE_NAME, Part, evaluate
from .network import Network

logger = logging.getLogger(__name__)

_WEIGHT_DECAY = 0.05
_LABEL_SMOOTHING = 0.1
_WARM_UP = 0.2
"""Share of the steps in which the learning rate rises; then it falls to 0 along a cosine."""
_SECONDS_BETWEEN_REPORTS = 2.0


def fit(network: Network, train: Part, dev: Part, job: TrainingJob) -> list[Epoch]:
    """Train with AdamW (Loshchilov and Hutter, 2019), or go on from `job.checkpoint`.

    The weights stay those of the last epoch: the learning rate has come to 0 then, and dev had no
    say in them, so that its score is no flattery. Raises `UnusableCheckpoint`.
    """
    settings = job.hyperparameters
    fitting = _Fitting(
        network,
        train,
        epochs=job.epochs,
        batch_size=int(settings["batch_size"]),
        learning_rate=float(settings["learning_rate"]),
        flip=bool(settings["flip"]),
        seed=int(settings["seed"]),
    )
    history: list[Epoch] = []
    if job.checkpoint is not None:
        history = checkpoint.restore(job.checkpoint, network, fitting.optimizer, fitting.scaler)
    pace = _Pace(history, job.epochs, len(train), job.report)
    for number in range(len(history) + 1, job.epochs + 1):
        start = time.monotonic()
        loss, score = fitting.train_epoch(number, pace.step)
        trained = time.monotonic()
        on_dev = evaluate(network, dev)
        history.append(
            Epoch(
                epoch=number,
                train_loss=loss,
                dev_loss=on_dev.loss,
                train_score=score,
                dev_score=on_dev.score,
                samples_per_second=len(train) / (trained - start),
                seconds=time.monotonic() - start,
            )
        )
        write = partial(
            checkpoint.write,
            network=network,
            optimizer=fitting.optimizer,
            scaler=fitting.scaler,
            history=tuple(history),
        )
        job.save_checkpoint(number, write)
        pace.end_epoch()
    return history


class _Fitting:
    """What each step needs. An epoch depends on nothing but its number and the weights before it:
    it draws from a generator of its own."""

    def __init__(
        self,
        network: Network,
        train: Part,
        epochs: int,
        batch_size: int,
        learning_rate: float,
        flip: bool,
        seed: int,
    ) -> None:
        self._network = network
        self._train = train
        self._batch_size = batch_size
        self._steps_per_epoch = math.ceil(len(train) / batch_size)
        self._steps = epochs * self._steps_per_epoch
        self._learning_rate = learning_rate
        self._flip = flip
        self._seed = seed
        self._device = network.mean.device
        self._on_gpu = self._device.type == "cuda"
        # Not SGD, which takes some hundred steps to get going: a small data set has no more.
        self.optimizer = torch.optim.AdamW(
            network.parameters(), learning_rate, weight_decay=_WEIGHT_DECAY
        )
        self.scaler = torch.amp.GradScaler(self._device.type, enabled=self._on_gpu)

    def train_epoch(self, number: int, tell: Callable[[int, float], None]) -> tuple[float, float]:
        """Give the mean loss, and the share of the changed pictures that were told right."""
        # Neighbouring seeds give like beginnings in some generators, not in torch's.
        generator = torch.Generator().manual_seed(self._seed * 1_000_003 + number)
        self._network.train()
        order = torch.randperm(len(self._train), generator=generator)
        loss_sum = right = torch.zeros((), device=self._device)
        seen = 0
        for step, chosen in enumerate(torch.split(order, self._batch_size)):
            self._set_learning_rate((number - 1) * self._steps_per_epoch + step)
            pictures = self._train.pictures[chosen].to(self._device)
            labels = self._train.labels[chosen].to(self._device)
            loss, answers = self._step(augment(pictures, self._flip, generator), labels)
            seen += len(chosen)
            loss_sum = loss_sum + loss * len(chosen)
            right = right + (answers.argmax(1) == labels).sum()
            tell(seen, float(loss_sum) / seen)
        return float(loss_sum) / seen, float(right) / seen

    def _step(self, pictures: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
        self.optimizer.zero_grad()
        with torch.autocast(self._device.type, torch.float16, enabled=self._on_gpu):
            answers = self._network(pictures)
            loss = F.cross_entropy(answers, labels, label_smoothing=_LABEL_SMOOTHING)
        self.scaler.scale(loss).backward()  # type: ignore[no-untyped-call]
        self.scaler.step(self.optimizer)
        self.scaler.update()
        return loss.detach(), answers.detach()

    def _set_learning_rate(self, step: int) -> None:
        done = step / self._steps
        if done < _WARM_UP:
            share = (step + 1) / (_WARM_UP * self._steps + 1)
        else:
            share = (1 + math.cos(math.pi * (done - _WARM_UP) / (1 - _WARM_UP))) / 2
        for group in self.optimizer.param_groups:
            group["lr"] = self._learning_rate * share


class _Pace:
    """Reports how far the training has come: after each epoch, and in a long one now and then."""

    def __init__(
        self,
        history: list[Epoch],
        epochs: int,
        pictures: int,
        report: Callable[[Progress], None],
    ) -> None:
        self._history = history
        self._epochs = epochs
        self._pictures = pictures
        self._report = report
        self._before = len(history)
        self._start = self._reported = time.monotonic()

    def step(self, seen: int, loss: float) -> None:
        if time.monotonic() - self._reported > _SECONDS_BETWEEN_REPORTS:
            self._tell(seen, loss)

    def end_epoch(self) -> None:
        epoch = self._history[-1]
        told = self._tell(0, epoch.train_loss)
        logger.info(
            "epoch %d/%d: loss %.4f, dev %s %.4f, %.0f pictures/s, %.0f s left",
            *(epoch.epoch, self._epochs, epoch.train_loss, SCORE_NAME, epoch.dev_score),
            *(epoch.samples_per_second, told.seconds_left),
        )

    def _tell(self, seen: int, loss: float) -> Progress:
        self._reported = time.monotonic()
        done = (len(self._history) - self._before) * self._pictures + seen
        rate = done / max(self._reported - self._start, 1e-9)
        left = (self._epochs - len(self._history)) * self._pictures - seen
        progress = Progress(
            epoch=len(self._history),
            epochs=self._epochs,
            loss=loss,
            score=self._history[-1].dev_score if self._history else None,
            score_name=SCORE_NAME,
            samples_per_second=rate,
            seconds_left=left / rate,
        )
        self._report(progress)
        return progress

"""How well a network does on one part of the data."""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F  # noqa: N812  (as torch's own documentation has it)
from torch import Tensor

from .network import Network

SCORE_NAME = "accuracy"

_BATCH_SIZE = 256


@dataclass(frozen=True)
class Part:
    """Pictures (pictures, 3, size, size), uint8, and the numbers of their labels."""

    pictures: Tensor
    labels: Tensor

    def __len__(self) -> int:
        return len(self.labels)


@dataclass(frozen=True)
class Quality:
    loss: float
    """Mean cross-entropy per picture."""
    score: float
    """The share that got the right label."""


@torch.no_grad()
def logits(network: Network, pictures: Tensor) -> Tensor:
    """The network's own answers (pictures, labels) in float32, on the processor."""
    network.eval()
    device = network.mean.device
    batches = torch.split(pictures, _BATCH_SIZE)
    return torch.cat([network(batch.to(device)).cpu() for batch in batches])


def evaluate(network: Network, part: Part) -> Quality:
    answers = logits(network, part.pictures)
    right = (answers.argmax(1) == part.labels).double().mean()
    return Quality(float(F.cross_entropy(answers, part.labels)), float(right))

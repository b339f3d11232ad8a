"""How much the wide head says and how much the deep ones."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from .evaluation import cross_entropy

SHARES = (0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9)
"""Of the deep heads in the mean; the wide one is the rest."""

Logits = npt.NDArray[np.float32]
"""Of each text (texts, labels)."""


def mixed(wide: Logits, deep: Logits, share: float) -> Logits:
    return (1 - share) * wide + share * deep


def best_share(wide: Logits, deep: Logits, labels: npt.NDArray[np.int64]) -> float:
    """The share with the least loss on texts that neither has seen. Deep heads that had many texts
    to learn from get more than those that had few."""
    losses = [cross_entropy(mixed(wide, deep, share), labels) for share in SHARES]
    return SHARES[int(np.argmin(losses))]

"""Where the wide part starts from, so that it need not learn each feature from nothing.

Log-count ratios as in Wang and Manning 2012, "Baselines and Bigrams: Simple, Good Sentiment and
Topic Classification", one label against the rest.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from .vocabulary import PADDING, Encoded

_SMOOTHING = 1.0
_SCALE = 0.3
"""A text's ratios add up as if its features were independent, which overstates them."""


def log_count_ratios(
    texts: Sequence[Encoded], labels: npt.NDArray[np.int64], feature_count: int, label_count: int
) -> npt.NDArray[np.float32]:
    """One weight per feature and label (features, labels): how much likelier a text of the label
    has the feature than a text of another label, as a scaled logarithm. Padding weighs nothing."""
    having = np.zeros((feature_count, label_count))
    for text, label in zip(texts, labels, strict=True):
        having[text.features, label] += 1
    texts_of = np.bincount(labels, minlength=label_count)
    inside = (having + _SMOOTHING) / (texts_of + 2 * _SMOOTHING)
    without = having.sum(axis=1, keepdims=True) - having
    outside = (without + _SMOOTHING) / (len(texts) - texts_of + 2 * _SMOOTHING)
    ratios: npt.NDArray[np.float32] = (_SCALE * np.log(inside / outside)).astype(np.float32)
    ratios[PADDING] = 0
    return ratios

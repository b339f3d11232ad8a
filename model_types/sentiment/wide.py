"""The wide head: one weight per feature and label, fitted before the network is trained.

Logistic regression on features scaled by their log-count ratios (Wang and Manning 2012, "Baselines
and Bigrams: Simple, Good Sentiment and Topic Classification"), one label against the rest. It is
fitted to its optimum, where the deep heads take steps: those that suit them ruin rare features.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
from scipy.sparse import csr_array, diags_array
from sklearn.linear_model import LogisticRegression

from .vocabulary import PADDING, Encoded

_SMOOTHING = 1.0
_INVERSE_REGULARISATION = 2.0
_TOLERANCE = 1e-3


def fit(
    texts: Sequence[Encoded], labels: npt.NDArray[np.int64], feature_count: int, label_count: int
) -> npt.NDArray[np.float32]:
    """The weights (features, labels); `logits` are linear in them. All labels count alike, however
    rare they are. Padding weighs nothing."""
    values = _matrix(texts, feature_count)
    having = values != 0
    weights = np.zeros((feature_count, label_count), np.float32)
    for label in range(label_count):
        ratios = _log_count_ratios(having, labels == label)
        # Without an intercept, which would only say how rare the label is.
        classifier = LogisticRegression(
            C=_INVERSE_REGULARISATION,
            class_weight="balanced",
            fit_intercept=False,
            solver="liblinear",
            tol=_TOLERANCE,
        )
        classifier.fit(values @ diags_array(ratios), labels == label)
        weights[:, label] = ratios * classifier.coef_[0]
    weights[PADDING] = 0
    return weights


def logits(weights: npt.NDArray[np.float32], texts: Sequence[Encoded]) -> npt.NDArray[np.float32]:
    """What the head says of each text (texts, labels)."""
    return np.array([text.weights @ weights[text.features] for text in texts])


def _matrix(texts: Sequence[Encoded], feature_count: int) -> csr_array:
    """The features' weights (texts, features)."""
    ends = np.cumsum([len(text.features) for text in texts], dtype=np.int32)
    return csr_array(
        (
            np.concatenate([text.weights for text in texts]).astype(np.float64),
            np.concatenate([text.features for text in texts]),
            np.concatenate([np.zeros(1, np.int32), ends]),
        ),
        shape=(len(texts), feature_count),
    )


def _log_count_ratios(having: csr_array, chosen: npt.NDArray[np.bool_]) -> npt.NDArray[np.float64]:
    """How much likelier a chosen text has each feature than another text, as a logarithm."""
    inside, outside = (
        (having[part].sum(axis=0) + _SMOOTHING) / (part.sum() + 2 * _SMOOTHING)
        for part in (chosen, ~chosen)
    )
    ratios: npt.NDArray[np.float64] = np.log(inside / outside)
    return ratios

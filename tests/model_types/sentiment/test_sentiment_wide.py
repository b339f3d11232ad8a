"""The linear part, and how much it says: what they find is known beforehand."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest

from model_types.sentiment import wide
from model_types.sentiment.evaluation import Quality, cross_entropy
from model_types.sentiment.mixture import SHARES, best_share
from model_types.sentiment.vocabulary import PADDING, Encoded

ANYWHERE, GOOD, BAD, SO_SO = 1, 2, 3, 4


def text(features: Sequence[int]) -> Encoded:
    chosen = np.array(features, np.int32)
    return Encoded(np.array([1], np.int32), chosen, np.ones(len(chosen), np.float32))


def test_each_label_gets_the_features_that_tell_it_apart() -> None:
    texts = [text([ANYWHERE, feature]) for feature in (GOOD, BAD, SO_SO) for _ in range(10)]
    labels = np.repeat(np.arange(3), 10)
    weights = wide.fit(texts, labels, feature_count=5, label_count=3)
    assert weights.shape == (5, 3)
    assert (weights[PADDING] == 0).all()
    assert abs(weights[ANYWHERE]).max() < 0.05
    assert weights[GOOD:].argmax(axis=1).tolist() == [0, 1, 2]
    assert wide.logits(weights, texts).argmax(axis=1).tolist() == labels.tolist()


def test_a_rare_label_weighs_as_much_as_a_common_one() -> None:
    texts = [text([GOOD])] * 90 + [text([BAD])] * 10
    weights = wide.fit(texts, np.repeat([0, 1], [90, 10]), feature_count=5, label_count=2)
    common, rare = wide.logits(weights, [text([GOOD]), text([BAD])])
    np.testing.assert_allclose(common, -common[::-1], rtol=0.01)
    assert rare[1] > 1
    assert wide.logits(weights, [text([])]).tolist() == [[0, 0]], "nothing known, nothing said"


def test_the_loss_is_the_mean_cross_entropy_however_large_the_logits_are() -> None:
    logits = np.log(np.array([[0.5, 0.5], [0.1, 0.9]])).astype(np.float32)
    labels = np.array([0, 1])
    expected = -(np.log(0.5) + np.log(0.9)) / 2
    assert cross_entropy(logits + np.float32(1e3), labels) == pytest.approx(expected, rel=1e-3)
    assert Quality.of(logits, labels).score == 1


def test_who_is_right_says_more() -> None:
    labels = np.arange(100) % 2
    right = 4 * np.eye(2, dtype=np.float32)[labels]
    guess = np.random.default_rng(1).normal(0, 3, (100, 2)).astype(np.float32)
    assert best_share(right, guess, labels) == SHARES[0]
    assert best_share(guess, right, labels) == SHARES[-1]
    one, other = right.copy(), right.copy()
    one[:50], other[50:] = guess[:50], guess[50:]
    assert SHARES[0] < best_share(one, other, labels) < SHARES[-1]

"""The network: wide and deep (Cheng et al. 2016, "Wide & Deep Learning for Recommender Systems").

Three heads read a text: `wide` is linear in its tf-idf features; `recurrent` is a bidirectional GRU
over word embeddings, and `convolution` looks at groups of 2, 3 and 4 words (Kim 2014), both pooled
over the text. The model answers with the softmax of the mean of their logits; each head is trained
to answer on its own too, so that the quickest learner doesn't leave the others nothing to learn.

Only layers and operations of Keras' own, so that the saved model loads anywhere.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import keras
import numpy as np
import numpy.typing as npt
from keras import layers, ops

from .vocabulary import PADDING

KERNEL_SIZES = (2, 3, 4)
BELOW_ANY = -1e4
"""What padding counts in a maximum."""

_EMBEDDING_DROPOUT = 0.5
"""The share of the embeddings' dimensions that is left out for a whole text at a time."""
_FEATURE_DROPOUT = 0.3


@dataclass(frozen=True)
class Network:
    model: Any
    """words, features, weights → scores (texts, labels) that sum to 1."""
    trainee: Any
    """The same inputs and weights → the model's scores, then those of each head on its own."""


def build(
    wide_weights: npt.NDArray[np.float32],
    word_count: int,
    embedding_size: int,
    hidden_size: int,
    dropout: float,
) -> Network:
    """`wide_weights` (features, labels) are what the wide head starts with."""
    words = keras.Input((None,), dtype="int32", name="words")
    features = keras.Input((None,), dtype="int32", name="features")
    weights = keras.Input((None,), dtype="float32", name="weights")
    label_count = wide_weights.shape[1]
    mask = ops.not_equal(words, PADDING)
    present = ops.expand_dims(ops.cast(mask, "float32"), -1)

    def embed(name: str) -> Any:
        vectors = layers.Embedding(word_count, embedding_size, name=name)(words)
        return layers.SpatialDropout1D(_EMBEDDING_DROPOUT)(vectors) * present

    def head(name: str, states: Any) -> Any:
        greatest = ops.max(ops.where(ops.expand_dims(mask, -1), states, BELOW_ANY), axis=1)
        mean = ops.sum(states * present, axis=1) / ops.sum(present, axis=1)
        pooled = layers.Dropout(dropout)(ops.concatenate([greatest, mean], axis=-1))
        return layers.Dense(label_count, name=name)(pooled)

    gru = layers.GRU(hidden_size, return_sequences=True)
    recurrent = layers.Bidirectional(gru, name="gru")(embed("gru_embedding"), mask=mask)
    embedded = embed("convolution_embedding")
    convolutions = [
        layers.Conv1D(
            hidden_size, size, padding="same", activation="relu", name=f"convolution_{size}"
        )(embedded)
        for size in KERNEL_SIZES
    ]
    start = keras.initializers.Constant(wide_weights)
    table = layers.Embedding(*wide_weights.shape, embeddings_initializer=start, name="wide")
    kept = ops.expand_dims(layers.Dropout(_FEATURE_DROPOUT)(weights), -1)
    logits = [
        ops.sum(table(features) * kept, axis=1),
        head("recurrent", recurrent),
        head("convolution", ops.concatenate(convolutions, axis=-1)),
    ]
    inputs = [words, features, weights]
    mean = ops.mean(ops.stack(logits), axis=0)
    model = keras.Model(inputs, layers.Softmax(name="scores")(mean), name="sentiment")
    alone = [layers.Softmax()(each) for each in logits]
    return Network(model, keras.Model(inputs, [model.output, *alone]))

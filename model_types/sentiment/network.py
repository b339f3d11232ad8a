"""The network: wide and deep (Cheng et al. 2016, "Wide & Deep Learning for Recommender Systems").

Three heads read a text: `wide` is linear in its tf-idf features; of the deep ones `recurrent` is a
bidirectional GRU over word embeddings, and `convolution` looks at groups of 2, 3 and 4 words (Kim
2014), both pooled over the text. The model answers with the softmax of a weighted mean of their
logits; each is trained to answer on its own, so that the quickest learner doesn't leave the others
nothing to learn.

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


@dataclass(frozen=True)
class Network:
    model: Any
    """words, features, weights → scores (texts, labels) that sum to 1."""
    deep: Any
    """words → logits of each deep head on its own."""

    def mix(self, share: float) -> None:
        """Once all heads are trained: multiply into their last weights how much of the logits'
        weighted mean the deep heads are; the wide one is the rest of 1."""
        self._scale("wide", 1 - share)
        for name in self.deep.output_names:
            self._scale(name, share / len(self.deep.outputs))

    def _scale(self, name: str, factor: float) -> None:
        layer = self.model.get_layer(name)
        layer.set_weights([factor * weights for weights in layer.get_weights()])


def build(
    wide_weights: npt.NDArray[np.float32],
    word_count: int,
    embedding_size: int,
    hidden_size: int,
    dropout: float,
) -> Network:
    """`wide_weights` (features, labels) are those of the wide head."""
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
    deep = {
        "recurrent": head("recurrent", recurrent),
        "convolution": head("convolution", ops.concatenate(convolutions, axis=-1)),
    }
    start = keras.initializers.Constant(wide_weights)
    table = layers.Embedding(*wide_weights.shape, embeddings_initializer=start, name="wide")
    wide = ops.sum(table(features) * ops.expand_dims(weights, -1), axis=1)
    scores = layers.Softmax(name="scores")(sum(deep.values(), start=wide))
    model = keras.Model([words, features, weights], scores, name="sentiment")
    return Network(model, keras.Model(words, deep))

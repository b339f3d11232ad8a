"""What turns words into the inputs of a network, as serving finds it in an artifact."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from model_types.ner.features import WordEncoder
from model_types.ner.text import Token

MODEL = "model.onnx"
VOCABULARY = "vocabulary.json"
TOKENIZER = "tokenizer.json"


class Encoder(Protocol):
    def pieces(self, sentence: list[Token]) -> list[list[Token]]:
        """Cut a sentence that is too long for the network."""

    def encode(self, sentences: Sequence[Sequence[str]]) -> dict[str, NDArray[np.int64]]:
        """Give the network's inputs for a batch of sentences, each of one word or more."""


def load_encoder(document: Mapping[str, Any], folder: Path) -> Encoder:
    """Make the encoder that `document`, a part of vocabulary.json, describes."""
    if document["kind"] == "words":
        return WordEncoder.from_json(document)
    # Imported here, because tokenizers is there for transformers alone.
    from model_types.ner.subwords import SubwordEncoder

    return SubwordEncoder.load(folder / TOKENIZER, document["max_subwords"])

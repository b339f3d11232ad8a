"""What turns words into the inputs of a network, as serving finds it in an artifact."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

from numpy.typing import NDArray

from model_types.ner.features import WordEncoder
from model_types.ner.session import load_session
from model_types.ner.text import Token
from model_types.ner.word_vectors import WordVectors

MODEL = "model.onnx"
WORDS = "words.onnx"
VOCABULARY = "vocabulary.json"
TOKENIZER = "tokenizer.json"


class Encoder(Protocol):
    def pieces(self, sentence: list[Token]) -> list[list[Token]]:
        """Cut a sentence that is too long for the network."""

    def encode(self, sentences: Sequence[Sequence[str]]) -> Mapping[str, NDArray[Any]]:
        """Give the network's inputs for a batch of sentences, each of one word or more."""


def load_encoder(document: Mapping[str, Any], folder: Path) -> Encoder:
    """Make the encoder that `document`, a part of vocabulary.json, describes.

    Raises `FileNotFoundError` for an artifact of the time when words had no graph of their own.
    """
    if document["kind"] == "words":
        if not (folder / WORDS).is_file():
            raise FileNotFoundError(f"The model is too old: it has no {WORDS}. Train it again.")
        return WordVectors(WordEncoder.from_json(document), load_session(folder / WORDS))
    # Imported here, because tokenizers is there for transformers alone.
    from model_types.ner.subwords import SubwordEncoder

    return SubwordEncoder.load(folder / TOKENIZER, document["max_subwords"])

"""The trainable word embedding of `scratch`, as a part of Flair."""

from __future__ import annotations

from typing import Any

import flair
import torch
from flair.data import Sentence
from flair.embeddings import TokenEmbeddings
from flair.embeddings.base import register_embeddings
from torch import Tensor, nn

from model_types.ner.features import PAD, SHAPES, UNKNOWN, WordEncoder

WORD_SIZE = 64
SHAPE_SIZE = 16
CHARACTER_SIZE = 32
FILTERS = {2: 32, 3: 64, 4: 32}
"""Width of a convolution over characters → how many filters of that width."""


@register_embeddings
class WordFeatureEmbeddings(TokenEmbeddings):
    """Embeds a word by its row in a table, its shape, and convolutions over its characters.

    The characters follow Ma and Hovy, "End-to-end Sequence Labeling via Bi-directional
    LSTM-CNNs-CRF" (2016). In training, words are now and then taken for unknown, so that the
    network learns to do without them.

    Import this module before `SequenceTagger.load`, which finds the class by its name.
    """

    def __init__(
        self,
        words: list[str],
        characters: list[str],
        unknown_rate: float = 0.0,
        name: str = "word-features",
    ) -> None:
        self.name = name
        self.static_embeddings = False
        super().__init__()
        self.encoder = WordEncoder(words, characters)
        self.unknown_rate = unknown_rate
        first = UNKNOWN + 1
        self.words = nn.Embedding(first + len(words), WORD_SIZE, padding_idx=PAD)
        self.shapes = nn.Embedding(SHAPES, SHAPE_SIZE, padding_idx=PAD)
        self.characters = nn.Embedding(first + len(characters), CHARACTER_SIZE, padding_idx=PAD)
        self.convolutions = nn.ModuleList(
            nn.Conv1d(CHARACTER_SIZE, filters, width, padding=width - 1)
            for width, filters in FILTERS.items()
        )
        self.to(flair.device)

    @property
    def embedding_length(self) -> int:
        return WORD_SIZE + SHAPE_SIZE + sum(FILTERS.values())

    def forward(self, words: Tensor, shapes: Tensor, characters: Tensor, tokens: Tensor) -> Tensor:
        """Embed a batch as `WordEncoder.encode` gives it: (B, T, embedding_length)."""
        if self.training and self.unknown_rate:
            unknown = torch.rand(words.shape, device=words.device) < self.unknown_rate
            words = words.masked_fill(unknown & (words != PAD), UNKNOWN)
        spelling = self.characters(characters).transpose(1, 2)
        seen = [convolution(spelling).amax(dim=2) for convolution in self.convolutions]
        distinct = torch.cat([self.words(words), self.shapes(shapes), *seen], dim=1)
        return nn.functional.embedding(tokens, distinct)

    def _add_embeddings_internal(self, sentences: list[Sentence]) -> list[Sentence]:
        batch = self.encoder.encode([[token.text for token in s.tokens] for s in sentences])
        tensors = {name: torch.from_numpy(a).to(flair.device) for name, a in batch.items()}
        for sentence, embedded in zip(sentences, self(**tensors), strict=True):
            for token, vector in zip(sentence.tokens, embedded.unbind(), strict=False):
                token.set_embedding(self.name, vector)
        return sentences

    @classmethod
    def from_params(cls, params: dict[str, Any]) -> WordFeatureEmbeddings:
        return cls(**params)

    def to_params(self) -> dict[str, Any]:
        return {**self.encoder.to_json(), "unknown_rate": self.unknown_rate, "name": self.name}

"""What makes the fine-tuning of a transformer quick: batches without padding, words without Flair.

Flair hands every word its own slice of what the transformer gives, and collects the slices again.
Going back through them takes longer than the transformer's own matrices. Here a step takes a batch
as a whole. The network is the same: Flair's own `SequenceTagger` loads it and predicts with it.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import chain
from typing import Any

import flair
import torch
from flair.data import Sentence
from flair.embeddings import TransformerWordEmbeddings
from flair.models import SequenceTagger
from flair.samplers import FlairSampler
from tokenizers import Tokenizer
from torch import Tensor

from model_types.ner.subwords import SubwordEncoder

_POOL = 50
"""Batches whose sentences are sorted by length together: few enough that no two epochs see the
same batches."""


class FineTunedTagger(SequenceTagger):
    """A linear layer on each word's first subword (Devlin et al., "BERT", 2019)."""

    def __init__(
        self, embeddings: TransformerWordEmbeddings, *arguments: Any, **settings: Any
    ) -> None:
        """`arguments` and `settings` are a `SequenceTagger`'s, without RNN and CRF."""
        super().__init__(embeddings, *arguments, **settings)
        tokenizer: Any = embeddings.tokenizer
        self._max_subwords = tokenizer.model_max_length
        self._encoder = SubwordEncoder(
            # a copy, because Flair sets the padding of its own at each call
            Tokenizer.from_str(tokenizer.backend_tokenizer.to_str()),
            self._max_subwords,
        )

    def length(self, sentence: Sentence) -> int:
        """How many subwords the transformer reads of it."""
        [ids] = self._encoder.encode([[token.text for token in sentence.tokens]])["input_ids"]
        return len(ids)

    def forward_loss(self, sentences: list[Sentence]) -> tuple[Tensor, int]:
        """Give the sum of the words' losses, and how many words there are."""
        batch = self._encoder.encode([[token.text for token in s.tokens] for s in sentences])
        if batch["input_ids"].shape[1] == self._max_subwords:  # perhaps more: Flair reads windows
            return super().forward_loss(sentences)
        feeds = {name: torch.from_numpy(array).to(flair.device) for name, array in batch.items()}
        first = feeds.pop("first")
        transformer: Any = self.embeddings.model
        hidden = transformer(**feeds).last_hidden_state
        lengths = torch.tensor([len(sentence) for sentence in sentences], device=flair.device)
        rows, columns = torch.nonzero(
            torch.arange(first.shape[1], device=flair.device) < lengths[:, None], as_tuple=True
        )
        places = first[rows, columns]
        words = hidden[rows, places.clamp(min=0)] * (places >= 0)[:, None]
        scores = self.linear(self.dropout(words))
        return self._calculate_loss(scores, self._prepare_label_tensor(sentences))


class ByLength(FlairSampler):
    """Shuffles, and yet has sentences of about one length in a batch, so that little is padding."""

    def __init__(self, lengths: list[int], batch_size: int) -> None:
        """`lengths` are those of the sentences of the data set, in its order."""
        super().__init__()
        self._lengths = lengths
        self._batch_size = batch_size

    def __len__(self) -> int:
        return len(self._lengths)

    def __iter__(self) -> Iterator[int]:
        order = torch.randperm(len(self._lengths)).tolist()
        batches = [
            batch
            for pool in _cut(order, _POOL * self._batch_size)
            for batch in _cut(sorted(pool, key=self._lengths.__getitem__), self._batch_size)
        ]
        whole, rest = batches[:-1], batches[-1]  # only the last batch may be a small one
        shuffled = [whole[index] for index in torch.randperm(len(whole)).tolist()]
        return chain(*shuffled, rest)


def _cut(row: list[int], size: int) -> list[list[int]]:
    return [row[start : start + size] for start in range(0, len(row), size)]

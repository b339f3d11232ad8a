"""What a transformer reads: words cut into subwords by its own tokenizer."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from tokenizers import Tokenizer

from model_types.ner.text import Token


class SubwordEncoder:
    """Turns sentences into the inputs of a transformer that reads `max_subwords` at most."""

    def __init__(self, tokenizer: Tokenizer, max_subwords: int) -> None:
        tokenizer.no_padding()
        tokenizer.no_truncation()
        self._tokenizer = tokenizer
        self._max_subwords = max_subwords
        self._added = tokenizer.num_special_tokens_to_add(is_pair=False)

    @classmethod
    def load(cls, file: Path, max_subwords: int) -> SubwordEncoder:
        return cls(Tokenizer.from_file(str(file)), max_subwords)

    def pieces(self, sentence: list[Token]) -> list[list[Token]]:
        """Cut a sentence whose subwords are too many; a word of too many alone is a piece."""
        words = [token.text for token in sentence]
        encoding = self._tokenizer.encode(words, is_pretokenized=True, add_special_tokens=False)
        costs = [0] * len(words)
        for word in encoding.word_ids:
            costs[word] += 1
        cut: list[list[Token]] = [[]]
        room = self._max_subwords - self._added
        for token, cost in zip(sentence, costs, strict=True):
            if cost > room and cut[-1]:
                cut.append([])
                room = self._max_subwords - self._added
            cut[-1].append(token)
            room -= cost
        return cut

    def encode(self, sentences: Sequence[Sequence[str]]) -> dict[str, NDArray[np.int64]]:
        """Give the inputs for B sentences, the longest of T words or S subwords:

        `input_ids` (B, S), `attention_mask` (B, S), and `first` (B, T), the place of each word's
        first subword, or -1 for a word of which the tokenizer leaves nothing.
        """
        encodings = self._tokenizer.encode_batch([list(s) for s in sentences], is_pretokenized=True)
        longest = min(max(len(encoding.ids) for encoding in encodings), self._max_subwords)
        ids = np.zeros((len(sentences), longest), dtype=np.int64)
        mask = np.zeros_like(ids)
        first = np.full((len(sentences), max(map(len, sentences))), -1, dtype=np.int64)
        for row, encoding in enumerate(encodings):
            encoding.truncate(self._max_subwords)
            ids[row, : len(encoding.ids)] = encoding.ids
            mask[row, : len(encoding.ids)] = 1
            for place, word in reversed(list(enumerate(encoding.word_ids))):
                if word is not None:
                    first[row, word] = place
        return {"input_ids": ids, "attention_mask": mask, "first": first}

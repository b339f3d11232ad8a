"""What serving feeds the `scratch` network with: a vector for each word of a batch.

A word's vector does not depend on its sentence, and is half of the network's work, while the same
few thousand words make up most of every text. So the network is cut in two: the part that makes
vectors runs for new words alone.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable, Sequence
from itertools import chain, zip_longest
from threading import Lock
from typing import Any

import numpy as np
import onnxruntime
from numpy.typing import NDArray

from model_types.ner.features import PADDING, WordEncoder
from model_types.ner.text import Token

_KEPT = 20_000
"""Words whose vectors are kept: about 20 MB."""


class WordVectors:
    """Turns sentences into vectors, and remembers those of the words that it met last.

    Threads may share it: what one of them found stays its own, whatever the others push out.
    """

    def __init__(
        self, words: WordEncoder, session: onnxruntime.InferenceSession, kept: int = _KEPT
    ) -> None:
        """`session` makes `vectors` (U, D) of what `words` tells of U words; those of `kept` words
        are remembered."""
        self._words = words
        self._session = session
        self._max_kept = kept
        # As bytes, which are joined faster than arrays, and hold no others' memory as views do.
        self._kept: OrderedDict[str, bytes] = OrderedDict()
        self._lock = Lock()

    def __len__(self) -> int:
        """How many words' vectors are remembered."""
        return len(self._kept)

    def pieces(self, sentence: list[Token]) -> list[list[Token]]:
        """The network reads a sentence of any length in one piece."""
        return [sentence]

    def encode(self, sentences: Sequence[Sequence[str]]) -> dict[str, NDArray[Any]]:
        """Give the inputs of the network for a batch of B sentences, the longest of T words:
        `vectors` (T, B, D), `lengths` (B,)."""
        steps = list(chain.from_iterable(zip_longest(*sentences, fillvalue=PADDING)))
        found = self._find(dict.fromkeys(steps))
        vectors = np.frombuffer(b"".join([found[word] for word in steps]), dtype=np.float32)
        lengths = np.array([len(sentence) for sentence in sentences], dtype=np.int32)
        return {"vectors": vectors.reshape(lengths.max(), len(sentences), -1), "lengths": lengths}

    def _find(self, words: Iterable[str]) -> dict[str, bytes]:
        """The vector of each of the words, which are distinct."""
        found: dict[str, bytes] = {}
        new: list[str] = []
        with self._lock:
            for word in words:
                if word in self._kept:
                    self._kept.move_to_end(word)
                    found[word] = self._kept[word]
                else:
                    new.append(word)
        if new:  # without the lock: the others need not wait for the network
            [vectors] = self._session.run(["vectors"], self._words.features(new))
            made = {word: row.tobytes() for word, row in zip(new, vectors, strict=True)}
            self._keep(made)
            found |= made
        return found

    def _keep(self, made: dict[str, bytes]) -> None:
        with self._lock:
            self._kept |= made
            while len(self._kept) > self._max_kept:
                self._kept.popitem(last=False)

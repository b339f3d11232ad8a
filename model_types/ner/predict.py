"""Serving: an artifact's ONNX graphs and vocabulary, without the framework that trained them."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import onnxruntime

from model_types import Answers, Inputs, Json
from model_types.ner.decode import Crf, Span, best_tags, entity, spans, viterbi
from model_types.ner.encoder import MODEL, VOCABULARY, Encoder, load_encoder
from model_types.ner.feedback import marked_sentences
from model_types.ner.session import load_session
from model_types.ner.text import Token, sentences
from model_types.text_input import TEXT_REQUEST_SCHEMAS, decode_text

_BATCH_TOKENS = 2048
"""Words, padding counted, that go through the network at once."""

_PADDING = 2
"""The longest piece of a batch is at most so many times as long as the shortest: the network works
on padding too, and a further batch costs less than more of it."""

_SORTED_PIECES = 2048
"""Pieces that are held at a time, so that a long text takes little memory."""

_RESULT_SCHEMA: Json = {
    "type": "array",
    "items": {
        "type": "object",
        "properties": {
            "text": {"type": "string"},
            "tag": {"type": "string"},
            "score": {"type": "number", "minimum": 0, "maximum": 1},
            "start": {"type": "integer", "minimum": 0},
            "end": {"type": "integer", "minimum": 1},
        },
        "required": ["text", "tag", "score", "start", "end"],
        "additionalProperties": False,
    },
}


class Piece(NamedTuple):
    """A sentence, or a part of a long one, of one of the texts."""

    text: int
    tokens: list[Token]


class NerPredictor:
    """Finds entities: `[{"text", "tag", "score", "start", "end"}, …]` per text."""

    request_schemas: Mapping[str, Json] = TEXT_REQUEST_SCHEMAS
    result_schema: Json = _RESULT_SCHEMA
    answers = Answers.SPANS

    def __init__(
        self,
        session: onnxruntime.InferenceSession,
        encoder: Encoder,
        tags: Sequence[str],
        crf: Crf | None,
        batch_tokens: int = _BATCH_TOKENS,
    ) -> None:
        self._session = session
        self._encoder = encoder
        self._tags = tags
        self._crf = crf
        self._batch_tokens = batch_tokens

    @property
    def labels(self) -> Sequence[str]:
        return sorted({label for tag in self._tags if (label := tag.partition("-")[2])})

    def decode(self, body: bytes, media_type: str) -> Inputs:
        return decode_text(body, media_type)

    def predict(self, items: Sequence[Any]) -> list[Json]:
        pieces = (
            Piece(index, piece)
            for index, text in enumerate(items)
            for sentence in sentences(text)
            for piece in self._encoder.pieces(sentence)
        )
        found: list[list[Json]] = [[] for _ in items]
        for batch in _batches(pieces, self._batch_tokens):
            tagged = self.tag([[token.text for token in piece.tokens] for piece in batch])
            for piece, piece_spans in zip(batch, tagged, strict=True):
                text = items[piece.text]
                found[piece.text] += [entity(text, piece.tokens, span) for span in piece_spans]
        for entities in found:
            entities.sort(key=lambda found_entity: found_entity["start"])
        return found

    def expected(self, result: Json) -> Json:
        spans = [{"start": e["start"], "end": e["end"], "label": e["tag"]} for e in result]
        return {"spans": spans}

    def check(self, item: Any, expected: Json) -> None:
        """Refuses spans that cut a token in two, too: see `marked_sentences`."""
        for _ in marked_sentences(item, expected, self.labels):
            pass

    def tag(self, batch: Sequence[Sequence[str]]) -> Iterator[list[Span]]:
        """Give the entities of each sentence, all of which go through the network at once."""
        [emissions] = self._session.run(["emissions"], self._encoder.encode(batch))
        lengths = np.array([len(words) for words in batch])
        if self._crf is None:
            tags, scores = best_tags(emissions)
        else:
            tags, scores = viterbi(emissions, lengths, self._crf)
        # lists first: Python is slow to take numbers out of arrays one by one
        for row, row_scores, words in zip(tags.tolist(), scores.tolist(), batch, strict=True):
            yield spans([self._tags[tag] for tag in row[: len(words)]], row_scores[: len(words)])


def load(folder: Path) -> NerPredictor:
    vocabulary = json.loads((folder / VOCABULARY).read_text(encoding="utf-8"))
    crf = vocabulary["crf"]
    return NerPredictor(
        load_session(folder / MODEL),
        load_encoder(vocabulary["encoder"], folder),
        vocabulary["tags"],
        crf and Crf(np.array(crf["transitions"], dtype=np.float32), crf["start"], crf["stop"]),
        # In 8 bits a batch is rounded as a whole: an answer would depend on what is asked with it.
        0 if vocabulary.get("int8") else _BATCH_TOKENS,
    )


def _batches(pieces: Iterator[Piece], tokens: int) -> Iterator[list[Piece]]:
    """Batches of pieces of about one length, the longest first, so that little is padding: of
    `tokens` at most, or of one piece."""
    while chunk := list(islice(pieces, _SORTED_PIECES)):
        batch: list[Piece] = []
        for piece in sorted(chunk, key=lambda piece: len(piece.tokens), reverse=True):
            if batch and not _takes(batch, piece, tokens):
                yield batch
                batch = []
            batch.append(piece)
        yield batch


def _takes(batch: Sequence[Piece], piece: Piece, tokens: int) -> bool:
    longest = len(batch[0].tokens)
    return longest <= _PADDING * len(piece.tokens) and (len(batch) + 1) * longest <= tokens

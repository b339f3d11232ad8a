"""Serve a sentiment model: onnxruntime, numpy and two modules of NLTK."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import onnxruntime

from model_types import Answers, Inputs, Json
from model_types.corrections import label_of
from model_types.text_input import TEXT_REQUEST_SCHEMAS, decode_text

from .vocabulary import Batch, Vocabulary

_BATCH_SIZE = 64
"""Texts that go through the network at once: bounds the memory of a request with many long ones."""


def load(folder: Path) -> SentimentPredictor:
    """Load model.onnx and vocabulary.json from `folder`."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.inter_op_num_threads = 1
    options.execution_mode = onnxruntime.ExecutionMode.ORT_SEQUENTIAL
    session = onnxruntime.InferenceSession(
        (folder / "model.onnx").read_bytes(), options, providers=["CPUExecutionProvider"]
    )
    return SentimentPredictor(session, Vocabulary.read(folder))


class SentimentPredictor:
    """A text in, its most likely label and the probability of every label out."""

    request_schemas: Mapping[str, Json] = TEXT_REQUEST_SCHEMAS
    answers = Answers.LABEL

    def __init__(self, session: onnxruntime.InferenceSession, vocabulary: Vocabulary) -> None:
        self._session = session
        self._vocabulary = vocabulary

    @property
    def labels(self) -> Sequence[str]:
        return self._vocabulary.labels

    @property
    def result_schema(self) -> Json:
        labels = list(self._vocabulary.labels)
        score = {"type": "number", "minimum": 0, "maximum": 1}
        return {
            "type": "object",
            "properties": {
                "sentiment": {"type": "string", "enum": labels},
                "scores": {
                    "type": "object",
                    "properties": dict.fromkeys(labels, score),
                    "required": labels,
                    "additionalProperties": False,
                },
            },
            "required": ["sentiment", "scores"],
            "additionalProperties": False,
        }

    def decode(self, body: bytes, media_type: str) -> Inputs:
        return decode_text(body, media_type)

    def predict(self, items: Sequence[str]) -> list[Json]:
        """`{"sentiment": label, "scores": {label: probability}}` for each text. Of a long text only
        its beginning counts (see text.py)."""
        encoded = [self._vocabulary.encode(text) for text in items]
        # Texts of one length go together, so that a short one isn't padded to a long one's length.
        order = sorted(range(len(items)), key=lambda index: len(encoded[index].words))
        results: list[Json] = [None] * len(items)
        for start in range(0, len(order), _BATCH_SIZE):
            chosen = order[start : start + _BATCH_SIZE]
            scores = self._scores(Batch.of([encoded[index] for index in chosen]))
            for index, row in zip(chosen, scores, strict=True):
                results[index] = result(self._vocabulary.labels, row)
        return results

    def expected(self, result: Json) -> Json:
        return {"label": result["sentiment"]}

    def check(self, item: Any, expected: Json) -> None:
        label_of(expected, self.labels)

    def _scores(self, batch: Batch) -> npt.NDArray[np.float32]:
        inputs: dict[str, Any] = vars(batch)
        [scores] = self._session.run(["scores"], inputs)
        return np.asarray(scores)


def result(labels: Sequence[str], scores: npt.NDArray[np.float32]) -> Json:
    """What `predict` gives for one text with these scores (labels)."""
    return {
        "sentiment": labels[int(scores.argmax())],
        "scores": {
            label: round(float(score), 6) for label, score in zip(labels, scores, strict=True)
        },
    }

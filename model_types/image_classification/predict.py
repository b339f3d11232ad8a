"""Serve an image classifier: onnxruntime, numpy and Pillow."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import onnxruntime

from model_types import Answers, Inputs, InvalidInput, Json, MalformedBody
from model_types.corrections import label_of

from . import form
from .picture import MAX_PIXELS, MEDIA_TYPES, Picture

MODEL = "model.onnx"
VOCABULARY = "vocabulary.json"

_BATCH_SIZE = 32
"""Pictures that go through the network at once: bounds the memory of a request with many."""
_FEW_PIXELS = 1 << 16
"""More of them take long to decode, and a few bytes may hold millions."""

_BINARY: Json = {"type": "string", "format": "binary"}
_FORM: Json = {
    "type": "object",
    "description": "Any names; each file is a picture, and gets an answer in the list of answers.",
    "minProperties": 1,
    "additionalProperties": {"anyOf": [_BINARY, {"type": "array", "items": _BINARY}]},
}


def load(folder: Path) -> ImagePredictor:
    """Load model.onnx and vocabulary.json from `folder`."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.inter_op_num_threads = 1
    options.execution_mode = onnxruntime.ExecutionMode.ORT_SEQUENTIAL
    session = onnxruntime.InferenceSession(
        (folder / MODEL).read_bytes(), options, providers=["CPUExecutionProvider"]
    )
    vocabulary = json.loads((folder / VOCABULARY).read_text(encoding="utf-8"))
    return ImagePredictor(session, vocabulary["labels"], vocabulary["image_size"])


class ImagePredictor:
    """A picture in, its most likely label and the probability of every label out."""

    request_schemas: Mapping[str, Json] = {
        **dict.fromkeys(MEDIA_TYPES, _BINARY),
        form.MEDIA_TYPE: _FORM,
    }
    answers = Answers.LABEL

    def __init__(
        self, session: onnxruntime.InferenceSession, labels: Sequence[str], image_size: int
    ) -> None:
        self._session = session
        self.labels = labels
        self._image_size = image_size

    @property
    def result_schema(self) -> Json:
        labels = list(self.labels)
        score = {"type": "number", "minimum": 0, "maximum": 1}
        return {
            "type": "object",
            "properties": {
                "label": {"type": "string", "enum": labels},
                "score": score,
                "scores": {
                    "type": "object",
                    "properties": dict.fromkeys(labels, score),
                    "required": labels,
                    "additionalProperties": False,
                },
            },
            "required": ["label", "score", "scores"],
            "additionalProperties": False,
        }

    def decode(self, body: bytes, media_type: str) -> Inputs:
        """A JPEG or PNG is one picture; a form holds one or many, and gets a list in any case.

        Only headers are read: `predict` may run where it holds up nobody. Raises `MalformedBody`
        and `InvalidInput`.
        """
        if media_type in MEDIA_TYPES:
            pictures = [_opened(body, media_type, "The body")]
        else:
            files = form.read_files(body, media_type)
            pictures = [_opened(file.content, file.media_type, file.where) for file in files]
        _check_pixels(pictures)
        pixels = sum(picture.pixels for picture in pictures)
        return Inputs(pictures, media_type not in MEDIA_TYPES, long=pixels > _FEW_PIXELS)

    def predict(self, items: Sequence[Picture]) -> list[Json]:
        """`{"label": label, "score": its probability, "scores": {label: probability}}` for each
        picture. Raises `MalformedBody` for one that is damaged."""
        results: list[Json] = []
        for start in range(0, len(items), _BATCH_SIZE):
            batch = [item.square(self._image_size) for item in items[start : start + _BATCH_SIZE]]
            [scores] = self._session.run(["scores"], {"pictures": np.stack(batch)})
            results.extend(result(self.labels, row) for row in np.asarray(scores))
        return results

    def expected(self, result: Json) -> Json:
        return {"label": result["label"]}

    def check(self, item: Any, expected: Json) -> None:
        label_of(expected, self.labels)


def result(labels: Sequence[str], scores: npt.NDArray[np.float32]) -> Json:
    """What `predict` gives for one picture with these scores (labels)."""
    rounded = [round(float(score), 6) for score in scores]
    best = int(scores.argmax())
    return {
        "label": labels[best],
        "score": rounded[best],
        "scores": dict(zip(labels, rounded, strict=True)),
    }


def _opened(content: bytes, media_type: str, where: str) -> Picture:
    """`content` is what a picture's media type says; what says nothing of a picture may be one."""
    picture = Picture(content, where)
    if media_type.startswith("image/") and media_type != picture.media_type:
        raise MalformedBody(f"{where} is {picture.media_type}, and its type says {media_type}.")
    return picture


def _check_pixels(pictures: Sequence[Picture]) -> None:
    """All of a request together, so that many cannot do what one may not."""
    if sum(picture.pixels for picture in pictures) > MAX_PIXELS:
        sizes = ", ".join(f"{picture.width} × {picture.height}" for picture in pictures[:3])
        more = " …" if len(pictures) > 3 else ""
        raise InvalidInput(
            f"The request has more than {MAX_PIXELS} pixels ({sizes}{more}). Scale them down."
        )

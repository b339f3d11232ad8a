"""A model that says whether a picture is wide or tall."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from io import BytesIO
from pathlib import Path

from PIL import Image, UnidentifiedImageError

from model_types import Answers, Inputs, InvalidInput, Json, MalformedBody

BINARY: Json = {"type": "string", "format": "binary"}

SCHEMA: Json = {"type": "object"}


class FramesPredictor:
    request_schemas: Mapping[str, Json] = {"image/jpeg": BINARY, "image/png": BINARY}
    result_schema: Json = SCHEMA
    answers = Answers.LABEL
    labels = ("wide", "tall")

    def decode(self, body: bytes, media_type: str) -> Inputs:
        try:
            with Image.open(BytesIO(body)) as picture:
                return Inputs([picture.size], many=False)
        except UnidentifiedImageError:
            raise MalformedBody("The body is no picture.") from None

    def predict(self, items: Sequence[tuple[int, int]]) -> list[Json]:
        return [self._answer(*size) for size in items]

    def _answer(self, width: int, height: int) -> Json:
        scores = {"wide": width / (width + height), "tall": height / (width + height)}
        return {"label": "wide" if width > height else "tall", "scores": scores}

    def expected(self, result: Json) -> Json:
        return {"label": result["label"]}

    def check(self, item: tuple[int, int], expected: Json) -> None:
        if expected.get("label") not in self.labels:
            raise InvalidInput("There is no such label.")


def load(_: Path) -> FramesPredictor:
    return FramesPredictor()

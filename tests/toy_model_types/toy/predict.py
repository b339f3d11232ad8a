"""Nothing was learned, so the answer is the size of the model."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from model_types import Inputs, Json
from model_types.text_input import TEXT_REQUEST_SCHEMAS, decode_text


class ToyPredictor:
    def __init__(self, size: int) -> None:
        self._size = size

    @property
    def request_schemas(self) -> Mapping[str, Json]:
        return TEXT_REQUEST_SCHEMAS

    @property
    def result_schema(self) -> Json:
        return {"type": "object", "properties": {"size": {"type": "integer"}}, "required": ["size"]}

    def decode(self, body: bytes, media_type: str) -> Inputs:
        return decode_text(body, media_type)

    def predict(self, items: Sequence[Any]) -> list[Json]:
        return [{"size": self._size} for _ in items]


def load(folder: Path) -> ToyPredictor:
    return ToyPredictor((folder / "model.bin").stat().st_size)

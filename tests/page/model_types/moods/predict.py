"""A model that counts glad and sad words."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from model_types import Answers, Inputs, InvalidInput, Json
from model_types.text_input import TEXT_REQUEST_SCHEMAS, decode_text

RARE = tuple(f"rare {number}" for number in range(20))

SCHEMA: Json = {"type": "object"}


class MoodsPredictor:
    request_schemas: Mapping[str, Json] = TEXT_REQUEST_SCHEMAS
    result_schema: Json = SCHEMA
    answers = Answers.LABEL
    labels = ("glad", "sad", "<b>neither</b>", *RARE)

    def decode(self, body: bytes, media_type: str) -> Inputs:
        return decode_text(body, media_type)

    def predict(self, items: Sequence[str]) -> list[Json]:
        return [self._answer(text) for text in items]

    def _answer(self, text: str) -> Json:
        if text == "refuse":
            raise InvalidInput("The model refuses this text.")
        counts = {label: float(text.count(label)) for label in self.labels}
        counts["<b>neither</b>"] += 0.5
        total = sum(counts.values())
        scores = {label: count / total for label, count in counts.items()}
        return {"mood": max(scores, key=scores.__getitem__), "scores": scores}

    def expected(self, result: Json) -> Json:
        return {"label": result["mood"]}

    def check(self, item: str, expected: Json) -> None:
        if expected.get("label") not in self.labels:
            raise InvalidInput("There is no such label.")


def load(_: Path) -> MoodsPredictor:
    return MoodsPredictor()

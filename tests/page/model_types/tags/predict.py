"""A model that takes each capitalised word for a person."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path

from model_types import Answers, Inputs, InvalidInput, Json
from model_types.text_input import TEXT_REQUEST_SCHEMAS, decode_text

SCHEMA: Json = {"type": "array", "items": {"type": "object"}}


class TagsPredictor:
    request_schemas: Mapping[str, Json] = TEXT_REQUEST_SCHEMAS
    result_schema: Json = SCHEMA
    answers = Answers.SPANS
    labels = ("PERSON", "PLACE", "<i>THING</i>")

    def decode(self, body: bytes, media_type: str) -> Inputs:
        return decode_text(body, media_type)

    def predict(self, items: Sequence[str]) -> list[Json]:
        return [
            [
                {
                    "text": word[0],
                    "tag": "PERSON",
                    "score": 0.75,
                    "start": word.start(),
                    "end": word.end(),
                }
                for word in re.finditer(r"[A-Z]\w+", text)
            ]
            for text in items
        ]

    def expected(self, result: Json) -> Json:
        keys = {"start": "start", "end": "end", "label": "tag"}
        return {"spans": [{key: span[name] for key, name in keys.items()} for span in result]}

    def check(self, item: str, expected: Json) -> None:
        for span in expected["spans"]:
            if span["label"] not in self.labels or not span["start"] < span["end"] <= len(item):
                raise InvalidInput("There is no such span.")


def load(_: Path) -> TagsPredictor:
    return TagsPredictor()

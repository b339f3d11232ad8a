"""A text is good if it says so. Names are the words that begin with a capital."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from model_types import Answers, Inputs, InvalidInput, Json
from model_types.corrections import label_of, spans_of
from model_types.text_input import TEXT_REQUEST_SCHEMAS, decode_text

LABELS = ("good", "bad")
TAGS = ("name", "place")


class Critic:
    """Gives one label to a text."""

    request_schemas: Mapping[str, Json] = TEXT_REQUEST_SCHEMAS
    answers = Answers.LABEL
    labels: Sequence[str] = LABELS

    @property
    def result_schema(self) -> Json:
        label = {"enum": list(self.labels)}
        return {"type": "object", "properties": {"label": label}, "required": ["label"]}

    def decode(self, body: bytes, media_type: str) -> Inputs:
        return decode_text(body, media_type)

    def predict(self, items: Sequence[Any]) -> list[Json]:
        return [_answer(text) for text in items]

    def expected(self, result: Json) -> Json:
        return {"label": result["label"]}

    def check(self, item: Any, expected: Json) -> None:
        label_of(expected, self.labels)


class Finder(Critic):
    """Finds names in a text."""

    answers = Answers.SPANS
    labels = TAGS

    @property
    def result_schema(self) -> Json:
        return {"type": "object", "properties": {"spans": {"type": "array"}}, "required": ["spans"]}

    def predict(self, items: Sequence[Any]) -> list[Json]:
        return [
            {
                "spans": [
                    {"start": word.start(), "end": word.end(), "label": "name", "text": word[0]}
                    for word in re.finditer(r"\b[A-Z]\w*", text)
                ]
            }
            for text in items
        ]

    def expected(self, result: Json) -> Json:
        members = ("start", "end", "label")
        return {"spans": [{key: span[key] for key in members} for span in result["spans"]]}

    def check(self, item: Any, expected: Json) -> None:
        spans_of(expected, item, self.labels)


def _answer(text: str) -> Json:
    match text:
        case "refuse":
            raise InvalidInput("The model refuses this text.")
        case "fail":
            raise RuntimeError("secret internals")
        case "talk":
            return {"label": "bad", "because": "it is so " * 100_000}
    return {"label": "good" if "good" in text else "bad"}


def load(folder: Path) -> Critic:
    model = json.loads((folder / "model.json").read_text(encoding="utf-8"))
    return Finder() if model["answers"] == Answers.SPANS else Critic()

"""A model that gives back what it gets, and misbehaves where a text tells it to."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from model_types import Inputs, InvalidInput, Json
from model_types.text_input import TEXT_REQUEST_SCHEMAS, decode_text

HOLD_SECONDS = 60.0
"""How long a held prediction waits at most, so that a failing test ends."""


class EchoPredictor:
    def __init__(self, greeting: str) -> None:
        self._greeting = greeting

    @property
    def request_schemas(self) -> Mapping[str, Json]:
        return TEXT_REQUEST_SCHEMAS

    @property
    def result_schema(self) -> Json:
        return {"type": "object", "properties": {"echo": {"type": "string"}}, "required": ["echo"]}

    def decode(self, body: bytes, media_type: str) -> Inputs:
        return decode_text(body, media_type)

    def predict(self, items: Sequence[Any]) -> list[Json]:
        return [self._answer(text) for text in items]

    def _answer(self, text: str) -> Json:
        command, _, argument = text.partition(" ")
        match command:
            case "refuse":
                raise InvalidInput("The model refuses this text.")
            case "fail":
                raise RuntimeError("secret internals")
            case "nan":
                return {"echo": text, "score": float("nan")}
            case "hold":
                _hold(Path(argument))
        return {"echo": f"{self._greeting} {text}"}


def _hold(folder: Path) -> None:
    """Say that the prediction runs, then wait to be let go."""
    (folder / "held").touch()
    deadline = time.monotonic() + HOLD_SECONDS
    while not (folder / "go").exists() and time.monotonic() < deadline:
        time.sleep(0.005)


def load(folder: Path) -> EchoPredictor:
    settings = json.loads((folder / "model.json").read_text(encoding="utf-8"))
    if "hold" in settings:
        _hold(Path(settings["hold"]))
    return EchoPredictor(settings["greeting"])

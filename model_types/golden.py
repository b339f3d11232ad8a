"""golden.json: request bodies with the answers that the framework's own model gave.

Training writes it, and a serving process replays it before it says that it is ready: a model that
answers otherwise here than in its framework is never put into service. One that is served as an
approximation, such as a graph in 8 bits, has its own answers there, with a wider tolerance.
"""

from __future__ import annotations

import base64
import json
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from model_types import Json, Predictor

FILE_NAME = "golden.json"
TOLERANCE = 1e-3
"""How far a number may be from the golden one, where the example says no other."""


@dataclass(frozen=True)
class Example:
    body: bytes
    media_type: str
    output: Json
    """What `predict` gives for the one item that `body` decodes to."""
    tolerance: float = TOLERANCE


def write_golden(folder: Path, examples: Sequence[Example]) -> None:
    rows = [
        {
            "media_type": example.media_type,
            **_encode(example.body),
            "output": example.output,
            "tolerance": example.tolerance,
        }
        for example in examples
    ]
    (folder / FILE_NAME).write_text(
        json.dumps(rows, ensure_ascii=False, indent=1), encoding="utf-8"
    )


def read_golden(folder: Path) -> list[Example]:
    rows = json.loads((folder / FILE_NAME).read_text(encoding="utf-8"))
    return [
        Example(_decode(row), row["media_type"], row["output"], row.get("tolerance", TOLERANCE))
        for row in rows
    ]


def replay(folder: Path, predictor: Predictor) -> Iterator[str]:
    """Yield one line for each example that `predictor` answers otherwise than is written."""
    for number, example in enumerate(read_golden(folder)):
        items = predictor.decode(example.body, example.media_type).items
        [output] = predictor.predict(items)
        if not agree(output, example.output, example.tolerance):
            yield f"example {number}: expected {example.output}, got {output}"


def agree(one: Json, other: Json, tolerance: float = TOLERANCE) -> bool:
    """Whether two JSON values are the same, numbers that aren't whole within `tolerance`."""
    if isinstance(one, dict) and isinstance(other, dict):
        return one.keys() == other.keys() and all(agree(one[k], other[k], tolerance) for k in one)
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(
            agree(a, b, tolerance) for a, b in zip(one, other, strict=True)
        )
    if isinstance(one, float) or isinstance(other, float):
        if not isinstance(one, int | float) or not isinstance(other, int | float):
            return False
        return math.isclose(one, other, rel_tol=0, abs_tol=tolerance)
    return bool(one == other)


def _encode(body: bytes) -> dict[str, str]:
    try:
        return {"body": body.decode("utf-8")}
    except UnicodeDecodeError:
        return {"body_base64": base64.b64encode(body).decode("ascii")}


def _decode(row: Json) -> bytes:
    if "body" in row:
        return str(row["body"]).encode("utf-8")
    return base64.b64decode(row["body_base64"], validate=True)

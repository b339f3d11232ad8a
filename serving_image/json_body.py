"""JSON as it goes out: UTF-8, not ASCII-escaped, without NaN or infinity."""

from __future__ import annotations

import json
import math

from model_types import Json

MEDIA_TYPE = "application/json"


def encode(value: Json) -> bytes:
    """Raises `ValueError` for NaN and infinity, which JSON does not have."""
    text = json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    return text.encode("utf-8", errors="replace")  # a lone surrogate is no character


def finite(value: Json) -> Json:
    """The same value with null for NaN and infinity."""
    if isinstance(value, dict):
        return {key: finite(item) for key, item in value.items()}
    if isinstance(value, list):
        return [finite(item) for item in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value

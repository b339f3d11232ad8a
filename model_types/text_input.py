"""Request bodies of the model types that read text."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping

from model_types import Inputs, InvalidInput, Json, MalformedBody

MAX_TEXTS = 1000
"""Texts in one request; more are refused."""

# What Python or ECMAScript, whose patterns JSON Schema has, takes for space makes no text.
_VISIBLE = r"[^\s\x1c-\x1f\x85\ufeff]"
_TEXT: Json = {"type": "string", "pattern": _VISIBLE}

_JSON_SCHEMA: Json = {
    "oneOf": [
        {
            "type": "object",
            "properties": {"text": _TEXT},
            "required": ["text"],
            "additionalProperties": False,
        },
        {
            "type": "object",
            "properties": {
                "texts": {
                    "type": "array",
                    "items": _TEXT,
                    "minItems": 1,
                    "maxItems": MAX_TEXTS,
                }
            },
            "required": ["texts"],
            "additionalProperties": False,
        },
    ]
}

TEXT_REQUEST_SCHEMAS: Mapping[str, Json] = {
    "text/plain": _TEXT,
    "application/json": _JSON_SCHEMA,
}


def decode_text(body: bytes, media_type: str) -> Inputs:
    """`text/plain` is one text; JSON is `{"text": …}` or `{"texts": […]}`.

    Raises `MalformedBody` and `InvalidInput`.
    """
    try:
        content = body.decode("utf-8")
    except UnicodeDecodeError as error:
        raise MalformedBody(f"The body is not valid UTF-8: byte {error.start} is wrong.") from None
    if media_type == "text/plain":
        return Inputs([_checked(content, "The text")], many=False)
    try:
        document = json.loads(content)
    except (ValueError, RecursionError) as error:
        raise MalformedBody(f"The body is not valid JSON: {error}.") from None
    match document:
        case {"text": text, **rest} if not rest:
            return Inputs([_checked(text, '"text"')], many=False)
        case {"texts": list(texts), **rest} if not rest:
            if not 1 <= len(texts) <= MAX_TEXTS:
                raise InvalidInput(f'"texts" must hold 1 to {MAX_TEXTS} texts, not {len(texts)}.')
            return Inputs(
                [_checked(text, f'"texts"[{index}]') for index, text in enumerate(texts)], many=True
            )
    raise InvalidInput('The JSON must be {"text": "…"} or {"texts": ["…", …]}, and nothing else.')


def _checked(text: object, where: str) -> str:
    if not isinstance(text, str):
        raise InvalidInput(f"{where} must be a string.")
    if not re.search(_VISIBLE, text):
        raise InvalidInput(f"{where} is empty.")
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:  # JSON can spell a lone surrogate, which no text has
        raise InvalidInput(f"{where} holds a lone surrogate, which is not a character.") from None
    return text

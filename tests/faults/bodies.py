"""Message bodies: good ones in both formats, and what may become of them on their way."""

from __future__ import annotations

import json
import random
import string
import uuid
from collections.abc import Callable
from typing import Any

LARGEST_BODY = 256 * 1024
Document = dict[str, Any]


def own(chance: random.Random) -> Document:
    """A valid request in Trainshed's own format."""
    document: Document = {
        "name": _name(chance),
        "model_type": "toy",
        "request_id": str(uuid.UUID(int=chance.getrandbits(128), version=4)),
    }
    choices: Document = {
        "epochs": chance.choice([1, 10_000, None]),
        "dataset": chance.choice(["/data/words.txt", "s3://bucket/words/", None]),
        "priority": chance.randint(0, 9),
        "max_attempts": chance.randint(1, 10),
        "timeout_minutes": chance.randint(1, 20_160),
        "hyperparameters": {
            "seconds": chance.choice([0, 0.5, 60]),
            "says": chance.choice(["", "hello", "äöü", "\u202egnp.exe", "\0", "🙂" * 50]),
            "stubborn": chance.random() < 0.5,
        },
    }
    kept = chance.sample(sorted(choices), chance.randrange(len(choices) + 1))
    return {**document, **{key: choices[key] for key in kept}}


def first_generation(chance: random.Random) -> Document:
    """A valid request as the first generation's script sends it."""
    tag = chance.choice(["", ":latest", ":1.2.3"])
    document: Document = {
        "name": _name(chance),
        "image": f"registry.example.com/{chance.choice(['', 'team/'])}toy-training{tag}",
    }
    if chance.random() < 0.5:
        document |= {"embeddings": None, "epochs": chance.randint(1, 10_000)}
    return document


def _name(chance: random.Random) -> str:
    letters = string.ascii_lowercase + string.digits
    rest = "".join(chance.choices(letters + "-", k=chance.randrange(63)))
    return chance.choice(letters) + rest


Change = Callable[[Document, random.Random], str]
"""A valid document → a body."""


def _plain(document: Document, chance: random.Random) -> str:
    return json.dumps(document)


def _spaced(document: Document, chance: random.Random) -> str:
    return chance.choice(["\n", "\t ", ""]) + json.dumps(document, indent=chance.randrange(4)) + " "


def _unescaped(document: Document, chance: random.Random) -> str:
    return json.dumps(document, ensure_ascii=False)


def _shuffled(document: Document, chance: random.Random) -> str:
    return json.dumps(
        {key: document[key] for key in chance.sample(sorted(document), len(document))}
    )


def _escaped(document: Document, chance: random.Random) -> str:
    """The same text, each letter of it as JSON's escape."""
    name = "".join(f"\\u{ord(letter):04x}" for letter in document["name"])
    return json.dumps({**document, "name": "NAME"}).replace("NAME", name)


HARMLESS: tuple[Change, ...] = (_plain, _spaced, _unescaped, _shuffled, _escaped)
"""What leaves a request as it is."""


def _with(key: str, *values: Any) -> Change:
    """A field with one of some wrong values."""
    return lambda document, chance: json.dumps({**document, key: chance.choice(values)})


def _raw(key: str, *texts: str) -> Change:
    """A field whose value is this text, which no encoder would write."""

    def change(document: Document, chance: random.Random) -> str:
        return json.dumps({**document, key: "HERE"}).replace('"HERE"', chance.choice(texts))

    return change


def _all_of(*bodies: str) -> Change:
    return lambda document, chance: chance.choice(bodies)


def _cut(document: Document, chance: random.Random) -> str:
    body = json.dumps(document)
    return body[: chance.randrange(len(body))]


def _cut_in_front(document: Document, chance: random.Random) -> str:
    body = json.dumps(document)
    return body[chance.randrange(1, len(body)) :]


def _doubled_key(document: Document, chance: random.Random) -> str:
    key = chance.choice(sorted(document))
    return json.dumps(document)[:-1] + f', "{key}": {json.dumps(document[key])}}}'


def _trailing(document: Document, chance: random.Random) -> str:
    return json.dumps(document) + chance.choice(["}", "x", ",", json.dumps(document), "\0", "//"])


def _other_syntax(document: Document, chance: random.Random) -> str:
    body = json.dumps(document)
    return chance.choice(
        [
            repr(document) + " ",
            body.replace('"', "'"),
            body.replace(":", "="),
            body.replace("}", ",}"),
            "\ufeff" + body,
            f"/* a request */ {body}",
            json.dumps(body),
            f"[{body}]",
            body.encode().hex(),
            "".join(f"{letter}\0" for letter in body),  # UTF-16, taken for what it is not
        ]
    )


def _nested(document: Document, chance: random.Random) -> str:
    opening, closing = chance.choice([("[", "]"), ('{"a":', "}")])
    depth = chance.choice([2, 50, 300, 1500, 30_000])
    inner = "0" if opening != "[" else ""
    nested = opening * depth + inner + closing * depth
    key = chance.choice(sorted(document))
    return json.dumps({**document, key: "HERE"}).replace('"HERE"', nested)


def _unknown_field(document: Document, chance: random.Random) -> str:
    key = chance.choice(["x", "Name", "name ", "__class__", "task", "", "\0", "\u202e", "k" * 2000])
    return json.dumps({**document, key: chance.choice([0, None, "x", [], {}])})


def _many_fields(document: Document, chance: random.Random) -> str:
    return json.dumps(
        {**document, **{f"f{number}": 0 for number in range(chance.randrange(1, 200))}}
    )


def _too_large(document: Document, chance: random.Random) -> str:
    size = chance.choice([4_097, 5_000, 65_536])
    return json.dumps(document).ljust(size)


def _huge(document: Document, chance: random.Random) -> str:
    """As large as a queue takes."""
    return json.dumps(document).ljust(LARGEST_BODY, chance.choice(" x0["))


_NO_NUMBERS: tuple[Any, ...] = ("1", "", [], {}, [1], True, False, 1.5, -1, 10**30)
_BIG = ("NaN", "Infinity", "-Infinity", "1" + "0" * 400, "1e999", "-1e999", "-0.5", "9" * 3000)
_LONE = (r'"\ud800"', r'"a\udfff"', r'"\ude00\ud83d"', r'{"\ud800": 1}')
_NO_NAMES: tuple[Any, ...] = (
    *("", "A", "-a", "a_b", "a b", "a/b", "../x", "a\n", "\na", "a\0", "\0", "a" * 64, "a" * 3000),
    *("ä", "\u202ea", "a\u200b", "\uff41", "\u0130", "a\u0301", "\u0660", "a'; DROP TABLE models"),
    *("$(reboot)", "`x`", "%s%n", "{0}", None, 0, 1.0, True, [], {}, ["a"]),
)

_NO_VALUES: dict[str, tuple[Any, ...]] = {
    "seconds": (-1, 61, "1", None, True, [], {}),
    "ending": ("", "Well", 1, None, ["well"]),
    "bytes": (-1, 1.5, "1", None, True, 10**400),
    "says": (1, None, [], {}, True),
    "stubborn": (0, 1, "true", None),
}

INVALID_NAMES: tuple[Change, ...] = (_with("name", *_NO_NAMES), _raw("name", *_BIG, *_LONE))

INVALID: tuple[Change, ...] = (
    *INVALID_NAMES,
    _with("epochs", 0, *_NO_NUMBERS, 10_001),
    _raw("epochs", *_BIG, *_LONE, "01", "+1", "0x1", "1_0", "1.", "1e1", "1e-400"),
    _cut,
    _cut_in_front,
    _doubled_key,
    _trailing,
    _other_syntax,
    _nested,
    _unknown_field,
    _many_fields,
    _too_large,
    _huge,
    lambda document, chance: json.dumps({k: v for k, v in document.items() if k != "name"}),
    _all_of("", " ", "null", "0", '"x"', "[]", "{}", "NaN", "\0", "\x1a", "true", "[" * 4000),
    _all_of("name=x&epochs=1", "<x/>", "---\nname: x", "x" * 4096, "\u202e", "\ufffe", "🙂" * 1000),
)
"""What makes any request invalid."""

INVALID_OWN: tuple[Change, ...] = (
    _with("model_type", "ner", "Toy", "toy ", "../toy", "", "toy\0", None, 1, [], {"toy": 1}),
    _with("request_id", "", "x", "0" * 31, None, 1, [], "../" + "0" * 32),
    _with("priority", 10, *_NO_NUMBERS),
    _with("max_attempts", 0, 11, *_NO_NUMBERS),
    _with("timeout_minutes", 0, 10**6, *_NO_NUMBERS),
    _with("dataset", "", "x", "./x", "http://x", "file:///x", "/a\0", "/a\nb", "/" * 1025, 1, []),
    _with("hyperparameters", None, [], "x", 1, {"x": 1}, {"": 1}, {"k" * 65: 1}),
    *(
        _with("hyperparameters", *({key: value} for value in values))
        for key, values in _NO_VALUES.items()
    ),
    _raw("hyperparameters", *(f'{{"seconds": {number}}}' for number in _BIG)),
    _raw("hyperparameters", *(f'{{"says": {text}}}' for text in _LONE), r'{"\ud800": 1}'),
    _raw("priority", *_BIG),
)

INVALID_FIRST_GENERATION: tuple[Change, ...] = (
    _with("image", "", "ner", "x-training", "toy-training/x", "toy-training\0", None, 1, []),
    _with("embeddings", "x", 1, [], {}, True),
    _with("model_type", "toy"),
    _with("request_id", str(uuid.UUID(int=0))),
)


def garbled(body: str, chance: random.Random) -> str:
    """The body with some characters lost, changed, moved or repeated: it may be valid still."""
    letters = list(body)
    for _ in range(chance.randint(1, 2)):
        start = chance.randrange(len(letters) + 1)
        piece = letters[start : start + chance.randint(1, 8)]
        match chance.randrange(4):
            case 0:
                del letters[start : start + len(piece)]
            case 1:
                letters[start:start] = piece * chance.randint(1, 3)
            case 2:
                other = chance.randrange(len(letters) + 1)
                letters[other:other] = piece
            case 3:
                alphabet = '{}[]",:0123456789-+.eE\\/u \n\0ntfa\ud7ff\ue000\u202e🙂'
                letters[start : start + 1] = chance.choices(alphabet, k=chance.randint(1, 3))
    return "".join(letters)

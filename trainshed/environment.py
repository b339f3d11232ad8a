"""Environment variables → a frozen dataclass: one field per variable, described where it stands."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import MISSING, Field, field, fields
from typing import Any, TypeVar

from trainshed.errors import InvalidSettings

Instance = TypeVar("Instance")


def variable(
    name: str,
    parse: Callable[[str], object],
    about: str,
    default: object = MISSING,
    *,
    secret: bool = False,
) -> Any:
    """A dataclass field that is read from the variable `name`. `parse` raises `ValueError` with the
    end of a sentence. A default that is callable makes the value; without one it is required. What
    is in a `secret` one is in no error."""
    metadata = {"variable": name, "parse": parse, "about": about, "secret": secret}
    if callable(default):
        return field(default_factory=default, metadata=metadata)
    return field(default=default, metadata=metadata)


def read_environment(cls: Callable[..., Instance], environ: Mapping[str, str]) -> Instance:
    """Make a `cls`, a dataclass of `variable`s; an empty variable counts as unset.

    Raises `InvalidSettings`, naming the variable and what is wrong with it.
    """
    values = {}
    for spec in fields(cls):  # type: ignore[arg-type]
        if "variable" not in spec.metadata:
            continue
        name = spec.metadata["variable"]
        text = environ.get(name, "")
        if text:
            try:
                values[spec.name] = spec.metadata["parse"](text)
            except ValueError as error:
                wrong = name if spec.metadata["secret"] else f"{name}={text!r}"
                raise InvalidSettings(f"{wrong} is wrong: it {error}.") from None
        elif _is_required(spec):
            raise InvalidSettings(f"{name} is not set: {spec.metadata['about']}.")
    return cls(**values)


def whole_number(low: int, high: int) -> Callable[[str], int]:
    """A parser of whole numbers from `low` to `high`."""

    def parse(text: str) -> int:
        if not (text.isascii() and text.isdecimal() and low <= int(text) <= high):
            raise ValueError(f"must be a whole number from {low} to {high}")
        return int(text)

    return parse


def seconds(text: str) -> float:
    """A duration above 0; up to a year."""
    try:
        number = float(text)
    except ValueError:
        number = 0.0
    if not 0 < number <= 365 * 86400:
        raise ValueError("must be a number of seconds above 0")
    return number


def switch(text: str) -> bool:
    """`1` or `0`."""
    if text not in ("0", "1"):
        raise ValueError("must be 0 or 1")
    return text == "1"


def _is_required(spec: Field[Any]) -> bool:
    return spec.default is MISSING and spec.default_factory is MISSING

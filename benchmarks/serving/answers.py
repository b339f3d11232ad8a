"""Whether a peer answers as Trainshed's predictor does: who is wrong is not measured."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from model_types import Json

TOLERANCE = 1e-4
"""Scores may differ by this: another order of the same sums, in other batches, rounds otherwise."""


class WrongAnswers(Exception):
    """A server does not answer as the predictor does."""


def check(found: Sequence[Json], wanted: Sequence[Json]) -> None:
    """Raises `WrongAnswers` unless they agree."""
    wrong = [pair for pair in zip(found, wanted, strict=True) if not agree(*pair)]
    if wrong:
        told, right = wrong[0]
        raise WrongAnswers(f"{len(wrong)} of {len(wanted)} answers are wrong: {told}, not {right}.")


def check_some_entities(found: Sequence[Json]) -> None:
    """For a tagger that splits texts otherwise. Raises `WrongAnswers` unless it found entities."""
    if not any(found) or not all(isinstance(answer, list) for answer in found):
        raise WrongAnswers(f"It finds no entities in {len(found)} texts.")


def agree(found: Json, wanted: Json) -> bool:
    match found, wanted:
        case (float() | int(), float()) | (float(), int()):
            return math.isclose(found, wanted, abs_tol=TOLERANCE)
        case Mapping(), Mapping():
            return found.keys() == wanted.keys() and all(agree(found[k], wanted[k]) for k in wanted)
        case list(), list():
            return len(found) == len(wanted) and all(map(agree, found, wanted))
    return bool(found == wanted)

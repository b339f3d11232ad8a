"""What going on with a training takes: tensors in one file of torch's, the rest as JSON."""

from __future__ import annotations

import json
import pickle
import random
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import torch
from torch import Tensor

from model_types import UnusableCheckpoint
from model_types.training_report import Epoch

_TENSORS = "tensors.pt"
_STATE = "state.json"


@dataclass
class Course:
    """How far a training has come, beside what is in the network and in its optimiser."""

    history: list[Epoch] = field(default_factory=list)
    rank: tuple[float, float] | None = None
    """How good the best epoch was; None before the first."""
    best_weights: Mapping[str, Tensor] = field(default_factory=dict)
    """Those of the best epoch."""


class Stateful(Protocol):
    """As torch's modules, optimisers and schedulers are."""

    def state_dict(self) -> dict[str, Any]: ...

    def load_state_dict(self, state_dict: dict[str, Any]) -> object: ...


def save(folder: Path, course: Course, parts: Mapping[str, Stateful]) -> None:
    """Write all of it into `folder`: `course`, `parts` and the state of each random generator."""
    tensors = {
        "parts": {name: part.state_dict() for name, part in parts.items()},
        "best_weights": dict(course.best_weights),
        "torch": torch.get_rng_state(),
        "cuda": torch.cuda.get_rng_state_all() if torch.cuda.is_available() else [],
    }
    torch.save(tensors, folder / _TENSORS)
    name, keys, *rest = np.random.get_state(legacy=True)
    state = {
        "history": [asdict(epoch) for epoch in course.history],
        "rank": course.rank,
        "random": random.getstate(),
        "numpy": [name, np.asarray(keys).tolist(), *rest],
    }
    (folder / _STATE).write_text(json.dumps(state), encoding="utf-8")


def epochs_done(folder: Path) -> int:
    """Raises `UnusableCheckpoint`."""
    return len(_read_history(_read_state(folder)))


def restore(folder: Path, parts: Mapping[str, Stateful]) -> Course:
    """Set `parts` and the random generators as they were. Raises `UnusableCheckpoint` if it cannot
    be read or they are another network's."""
    state = _read_state(folder)
    try:
        # Where `weights_only` reads a pickle, it makes tensors and plain values and calls nothing.
        tensors = torch.load(folder / _TENSORS, map_location="cpu", weights_only=True)
        first, second = state["rank"]
        course = Course(_read_history(state), (first, second), tensors["best_weights"])
        for name, part in parts.items():
            part.load_state_dict(tensors["parts"][name])
        version, keys, gauss = state["random"]
        random.setstate((version, tuple(keys), gauss))
        np.random.set_state(tuple(state["numpy"]))
        torch.set_rng_state(tensors["torch"])
        if len(tensors["cuda"]) == torch.cuda.device_count():
            torch.cuda.set_rng_state_all(tensors["cuda"])
    except (OSError, ValueError, KeyError, TypeError, RuntimeError, pickle.PickleError) as error:
        raise UnusableCheckpoint(f"It does not fit this network: {error}") from error
    return course


def _read_state(folder: Path) -> Any:
    try:
        return json.loads((folder / _STATE).read_bytes())
    except (OSError, ValueError) as error:
        raise UnusableCheckpoint(f"{_STATE} cannot be read: {error}") from error


def _read_history(state: Any) -> list[Epoch]:
    try:
        return [Epoch(**row) for row in state["history"]]
    except (KeyError, TypeError) as error:
        raise UnusableCheckpoint(f"{_STATE} holds no history: {error}") from error

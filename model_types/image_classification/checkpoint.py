"""What going on after an epoch takes: weights and their moments, the gradients' scale, the history.

The order of the pictures, their changes and the learning rate follow from the epoch's number, so
there are no generators and no schedule to keep.
"""

from __future__ import annotations

import json
import zipfile
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from model_types import Json, UnusableCheckpoint
from model_types.training_report import Epoch

from .network import Network

_TENSORS = "tensors.npz"
_STATE = "state.json"
_MOMENTS = ("step", "exp_avg", "exp_avg_sq")
"""What AdamW keeps of each parameter."""


def write(
    folder: Path,
    network: Network,
    optimizer: torch.optim.AdamW,
    scaler: torch.amp.GradScaler,
    history: Sequence[Epoch],
) -> None:
    tensors = _weights(network)
    for name, parameter in network.named_parameters():
        # none yet where every step was skipped, as mixed precision may until its scale is found
        for moment, value in optimizer.state.get(parameter, {}).items():
            tensors[f"{moment}/{name}"] = value
    arrays: dict[str, Any] = {name: tensor.cpu().numpy() for name, tensor in tensors.items()}
    np.savez(folder / _TENSORS, **arrays)
    state = {"scaler": scaler.state_dict(), "history": [asdict(epoch) for epoch in history]}
    (folder / _STATE).write_text(json.dumps(state), encoding="utf-8")


def restore(
    folder: Path,
    network: Network,
    optimizer: torch.optim.AdamW,
    scaler: torch.amp.GradScaler,
) -> list[Epoch]:
    """Set all three as they were, and give the history. Raises `UnusableCheckpoint`."""
    try:
        state: Json = json.loads((folder / _STATE).read_text(encoding="utf-8"))
        with (folder / _TENSORS).open("rb") as raw, np.load(raw, allow_pickle=False) as file:
            arrays: dict[str, Any] = dict(file)
        history = [Epoch(**epoch) for epoch in state["history"]]
        weights = _weights(network)
        with torch.no_grad():
            for name, tensor in weights.items():
                tensor.copy_(_fitting(arrays, name, tensor))
            for name, parameter in network.named_parameters():
                steps, *moments = _MOMENTS
                if f"{steps}/{name}" not in arrays:
                    continue
                state_of = optimizer.state[parameter]
                state_of[steps] = _fitting(arrays, f"{steps}/{name}", torch.tensor(0.0))
                for moment in moments:
                    found = _fitting(arrays, f"{moment}/{name}", parameter)
                    state_of[moment] = torch.empty_like(parameter).copy_(found)
        if scaler.is_enabled():
            scaler.load_state_dict(state["scaler"])
    except (OSError, ValueError, LookupError, TypeError, zipfile.BadZipFile, RuntimeError) as fault:
        raise UnusableCheckpoint(f"its files cannot be gone on from: {fault}.") from fault
    return history


def _weights(network: Network) -> dict[str, Tensor]:
    return {f"network/{name}": tensor for name, tensor in network.state_dict().items()}


def _fitting(arrays: dict[str, Any], name: str, like: Tensor) -> Tensor:
    found = torch.from_numpy(arrays[name])
    if found.shape != like.shape:
        raise ValueError(f"{name} has another shape")
    return found

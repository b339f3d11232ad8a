"""Training pictures, changed a little each time, so that the network learns no picture by heart."""

from __future__ import annotations

import torch
import torch.nn.functional as F  # noqa: N812  (as torch's own documentation has it)
from torch import Tensor

_SHIFT = 1 / 8
"""Of the size: how far a picture is moved, at most."""
_HOLE = 1 / 4
"""Of the size: the side of the square that is hidden."""


def augment(pictures: Tensor, flip: bool, generator: torch.Generator) -> Tensor:
    """Move each of the pictures (pictures, 3, size, size), mirror every other one if `flip`, and
    hide a square of each (Cutout: DeVries and Taylor, 2017).

    `generator` is the processor's, wherever the pictures are: the same changes on every device.
    """
    count, _, size, _ = pictures.shape
    device = pictures.device

    def chance(upper: int) -> Tensor:
        drawn = torch.randint(upper, (count, 1), generator=generator)
        return drawn.to(device)

    shift = max(1, round(_SHIFT * size))
    along = torch.arange(size, device=device)
    rows = chance(2 * shift + 1) + along
    columns = chance(2 * shift + 1) + along
    if flip:
        columns = torch.where(chance(2) == 1, columns.flip(1), columns)
    padded = F.pad(pictures.float(), (shift,) * 4, mode="reflect")
    moved = padded[
        torch.arange(count, device=device)[:, None, None],
        :,
        rows[:, :, None],
        columns[:, None, :],
    ]  # (pictures, size, size, 3): in memory what channels_last has

    hole = max(1, round(_HOLE * size))
    top, left = chance(size) - hole // 2, chance(size) - hole // 2
    hidden_rows = (along >= top) & (along < top + hole)
    hidden_columns = (along >= left) & (along < left + hole)
    hidden = hidden_rows[:, :, None] & hidden_columns[:, None, :]
    grey = moved.mean((1, 2), keepdim=True)
    return torch.where(hidden[..., None], grey, moved).permute(0, 3, 1, 2)

"""The network: a residual one (He et al., 2016), as small as the pictures allow.

Like the nine-layer network of Page ("How to train your ResNet", 2018), which halves the picture by
pooling and doubles the channels each time, with a residual block at each of three scales.
"""

from __future__ import annotations

from itertools import pairwise
from typing import cast

import torch
from torch import Tensor, nn

GROWTH = (2, 4, 8)
"""Channels of each scale, in widths."""


class Unit(nn.Sequential):
    """A convolution, batch normalisation, ReLU."""

    def __init__(self, channels_in: int, channels: int) -> None:
        super().__init__(
            nn.Conv2d(channels_in, channels, 3, padding=1, bias=False),
            nn.BatchNorm2d(channels),
            nn.ReLU(),
        )


class Scale(nn.Module):
    """A unit, pooled to half the height and width, and a residual block of two units."""

    def __init__(self, channels_in: int, channels: int) -> None:
        super().__init__()
        self.unit = Unit(channels_in, channels)
        self.pool = nn.MaxPool2d(2)
        self.first = Unit(channels, channels)
        self.second = Unit(channels, channels)

    def forward(self, x: Tensor) -> Tensor:
        x = self.pool(self.unit(x))
        return cast("Tensor", x + self.second(self.first(x)))


class Network(nn.Module):
    """Pictures (pictures, 3, height, width), 0 to 255, to logits (pictures, labels)."""

    mean: Tensor
    deviation: Tensor

    def __init__(self, labels: int, width: int) -> None:
        super().__init__()
        # The data set's, per channel; part of the network, so that serving need not know them.
        self.register_buffer("mean", torch.zeros(1, 3, 1, 1))
        self.register_buffer("deviation", torch.ones(1, 3, 1, 1))
        self.stem = Unit(3, width)
        channels = [width, *(growth * width for growth in GROWTH)]
        self.scales = nn.ModuleList(Scale(before, after) for before, after in pairwise(channels))
        self.head = nn.Linear(2 * channels[-1], labels)

    def forward(self, pictures: Tensor) -> Tensor:
        x = self.stem((pictures.float() - self.mean) / self.deviation)
        for scale in self.scales:
            x = scale(x)
        pooled = torch.cat([x.amax((2, 3)), x.mean((2, 3))], dim=1)
        return cast("Tensor", self.head(pooled))

    def normalise_by(self, pictures: Tensor) -> None:
        """Take mean and deviation from these pictures (pictures, 3, height, width), uint8."""
        for channel in range(3):
            # By what each value of a byte counts: exact, and no copy in floats.
            counts = torch.bincount(pictures[:, channel].flatten(), minlength=256).double()
            values = torch.arange(256, dtype=torch.float64)
            mean = (counts * values).sum() / counts.sum()
            spread = (counts * (values - mean) ** 2).sum() / counts.sum()
            self.mean[0, channel] = mean
            self.deviation[0, channel] = spread.sqrt().clamp(min=1.0)

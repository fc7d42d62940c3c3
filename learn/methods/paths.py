"""How a field fades into noise: xt = signal(t) x0 + noise(t) eps, t from 0, all field, to 1, nothing but noise.

Both ends are exact: at t = 1 the signal is 0, not small. A little of it, left in training and not there when a sample
begins, would be missed on the largest scales, where fields have most of their power (Lin et al. 2024,
arXiv:2305.08891).
"""

from __future__ import annotations

import math
from typing import Protocol

import torch
from torch import Tensor


class Path(Protocol):
    """Both shares as functions of t (...), in its precision."""

    def signal(self, t: Tensor) -> Tensor: ...

    def noise(self, t: Tensor) -> Tensor: ...

    def time_of(self, ratio: Tensor) -> Tensor:
        """When noise / signal is `ratio`."""
        ...


class Cosine:
    """signal^2 + noise^2 = 1, turning at a constant rate (Nichol & Dhariwal 2021, eq. 17 without its offset)."""

    def signal(self, t: Tensor) -> Tensor:
        return torch.sin(math.pi / 2 * (1 - t))

    def noise(self, t: Tensor) -> Tensor:
        return torch.sin(math.pi / 2 * t)

    def time_of(self, ratio: Tensor) -> Tensor:
        return 2 / math.pi * torch.atan(ratio)


class Straight:
    """signal + noise = 1 (Lipman et al. 2023; Liu et al. 2023)."""

    def signal(self, t: Tensor) -> Tensor:
        return 1 - t

    def noise(self, t: Tensor) -> Tensor:
        return t

    def time_of(self, ratio: Tensor) -> Tensor:
        return 1 / (1 + 1 / ratio)


def level(signal: Tensor, noise: Tensor) -> Tensor:
    """What a network is told of the noise, from 0 to 1 whatever the path."""
    return 2 / math.pi * torch.atan2(noise, signal)

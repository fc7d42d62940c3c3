"""Group normalisation, and one whose answer a roll of the map only rolls, to the last bit."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn


class RollingNorm(nn.GroupNorm):
    """Statistics in float64 where nothing is trained: their last bits, which the order of pixels decides, are cut off.

    In training it is the plain, faster one, equal to rounding.
    """

    def forward(self, x: Tensor) -> Tensor:
        if self.training:
            return super().forward(x)
        groups = x.reshape(len(x), self.num_groups, -1)
        mean = groups.mean(-1, keepdim=True, dtype=torch.float64).to(x.dtype)
        centered = groups - mean
        variance = centered.square().mean(-1, keepdim=True, dtype=torch.float64)
        normal = (centered * torch.rsqrt(variance + self.eps).to(x.dtype)).reshape(x.shape)
        shape = (-1, *(1,) * (x.ndim - 2))
        return torch.addcmul(self.bias.view(shape), normal, self.weight.view(shape))


def group_norm(n_channels: int, *, rolling: bool = False) -> nn.GroupNorm:
    """At most 8 groups, whatever the width."""
    kind = RollingNorm if rolling else nn.GroupNorm
    return kind(math.gcd(8, n_channels), n_channels)

"""A critic of cubes: how true the halos look in their density. Knows shapes only; no row knows another.

Sides are halved after a binomial filter, which is zero at the frequencies that halving would fold (Zhang 2019,
arXiv:1904.11486), and every level is judged, from the cell to the whole cube: by the sum of what is seen over the root
of its number, so that a cube of any size has a slope of order one.
"""

from __future__ import annotations

from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn import functional

from configs import Wgan
from learn.nets.embedding import Embedding


class Critic(nn.Module):
    """Convolutions and binomial halvings with FiLM on parameters; one number a cube."""

    def __init__(self, config: Wgan, n_in: int, n_params: int, n_embedding: int) -> None:
        super().__init__()
        widths = [config.critic_width * 2**level for level in range(config.critic_levels)]
        self.embed = Embedding(n_params, n_embedding)
        self.levels = nn.ModuleList(Level(a, b, n_embedding) for a, b in pairwise([n_in, *widths]))
        self.heads = nn.ModuleList(nn.Conv3d(width, 1, 1) for width in (*widths, widths[-1]))

    def forward(self, cubes: Tensor, params: Tensor) -> Tensor:
        """Density and counts (B, n_in, D, H, W), normalised, and (B, n_params) -> (B,)."""
        cond = self.embed(params)  # (B, n_embedding)
        judged, h = [], cubes
        for level, head in zip(self.levels, self.heads, strict=False):
            h = level(h, cond)  # (B, 2C, D - 2, ...)
            judged.append(total(head(h)))
            h = halved(h)  # (B, 2C, (D - 3) / 2, ...)
        return torch.stack([*judged, total(self.heads[-1](h))]).sum(0)


class Level(nn.Module):
    """A modulated convolution of one resolution."""

    def __init__(self, n_in: int, n_out: int, n_embedding: int) -> None:
        super().__init__()
        self.conv = nn.Conv3d(n_in, n_out, 3)
        self.point = nn.Conv3d(n_out, n_out, 1)
        self.film = nn.Linear(n_embedding, 2 * n_out)
        for parameter in self.film.parameters():
            nn.init.zeros_(parameter)

    def forward(self, h: Tensor, cond: Tensor) -> Tensor:
        scale, shift = self.film(cond)[:, :, None, None, None].chunk(2, dim=1)  # (B, C, 1, 1, 1)
        seen = functional.silu(torch.addcmul(shift, self.conv(h), 1 + scale))
        return functional.silu(self.point(seen))


def halved(h: Tensor) -> Tensor:
    """(B, C, D, H, W) -> (B, C, (D - 1) // 2, ...) under the filter 1/4, 1/2, 1/4 along each axis."""
    line = h.new_tensor([0.25, 0.5, 0.25])
    kernel = line[:, None, None] * line[:, None] * line
    n = h.shape[1]
    return functional.conv3d(h, kernel.expand(n, 1, 3, 3, 3), stride=2, groups=n)


def total(x: Tensor) -> Tensor:
    """The sum over cells over the root of their number, (B, 1, D, H, W) -> (B,)."""
    cells = x.flatten(1)
    return cells.sum(1) / cells.shape[1] ** 0.5

"""Residual inception blocks over cubes, every convolution valid: what comes out knows nothing of where it is.

Knows shapes only. There is no padding and no statistic over cells, so a cube moved by any number of cells gives its
answer moved by as many, and a cube in parts gives the answer in parts. Nothing is shared between cubes of a batch.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from configs import Inception as InceptionConfig
from configs.halo_painting import REACH
from learn.nets.embedding import Embedding

KERNELS = (1, 3, 5)


class Inception(nn.Module):
    """Inception blocks (Szegedy et al. 2015; Kodi Ramanah et al. 2019, arXiv:1903.10524) with FiLM on parameters.

    Zero before it is trained. What is linear in the input need not be learned: the answer has a share of it, cell by
    cell.
    """

    def __init__(self, config: InceptionConfig, n_in: int, n_out: int, n_params: int) -> None:
        super().__init__()
        self.margin = config.margin
        self.embed = Embedding(n_params, config.n_embedding)
        self.stem = nn.Conv3d(n_in, config.width, 1)
        self.blocks = nn.ModuleList(Block(config) for _ in range(config.n_blocks))
        self.head = emptied(nn.Conv3d(config.width, n_out, 1))
        self.direct = emptied(nn.Conv3d(n_in, n_out, 1, bias=False))

    def forward(self, x: Tensor, params: Tensor) -> Tensor:
        """(B, n_in, D, H, W) and (B, n_params) -> (B, n_out, D - 2 margin, ...); ValueError for a smaller cube."""
        if min(x.shape[-3:]) <= 2 * self.margin:
            least = 2 * self.margin + 1
            raise ValueError(f"cube: sides of at least {least} cells, got {' x '.join(map(str, x.shape[-3:]))}")
        cond = self.embed(params)  # (B, n_embedding)
        h = self.stem(x)  # (B, width, D, H, W)
        for block in self.blocks:
            h = block(h, cond)  # (B, width, D - 4, H - 4, W - 4)
        return self.head(functional.silu(h)) + self.direct(cropped(x, self.margin))


class Block(nn.Module):
    """Kernels of one, three and five cells side by side, modulated, mixed and added to what came in."""

    def __init__(self, config: InceptionConfig) -> None:
        super().__init__()
        n = len(KERNELS) * config.width
        self.branches = nn.ModuleList(nn.Conv3d(config.width, config.width, kernel) for kernel in KERNELS)
        self.film = nn.Linear(config.n_embedding, 2 * n)
        self.mix = nn.Conv3d(n, config.width, 1)
        for parameter in self.film.parameters():
            nn.init.zeros_(parameter)

    def forward(self, h: Tensor, cond: Tensor) -> Tensor:
        active = functional.silu(h)
        sides = (cropped(active, REACH - kernel // 2) for kernel in KERNELS)
        seen = torch.cat([branch(x) for branch, x in zip(self.branches, sides, strict=True)], dim=1)
        scale, shift = self.film(cond)[:, :, None, None, None].chunk(2, dim=1)  # (B, 3 width, 1, 1, 1)
        return cropped(h, REACH) + self.mix(functional.silu(torch.addcmul(shift, seen, 1 + scale)))


def cropped(x: Tensor, n: int) -> Tensor:
    """`x` (..., D, H, W) without `n` cells at each side."""
    return x[..., n : x.shape[-3] - n, n : x.shape[-2] - n, n : x.shape[-1] - n]


def emptied(layer: nn.Conv3d) -> nn.Conv3d:
    """`layer` with every weight and bias zero."""
    for parameter in layer.parameters():
        nn.init.zeros_(parameter)
    return layer

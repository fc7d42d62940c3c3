"""A U-Net for maps or cubes whose every block is modulated by a parameter vector, a noise level, or both.

Knows shapes only. Rolling the input by a multiple of the stride rolls the output if padding is circular: pooling is by
non-overlapping cells and normalisation is over whole maps. No statistic is shared between maps of a batch.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional

from configs import UNet as UNetConfig
from learn.nets.cells import into_cells, into_pixels, refuse_indivisible
from learn.nets.embedding import Embedding, LevelEmbedding
from learn.nets.norm import group_norm
from learn.nets.torus import wrapped

Padding = Literal["circular", "reflect"]
CONVOLUTIONS = {2: nn.Conv2d, 3: nn.Conv3d}
POOLS = {2: functional.avg_pool2d, 3: functional.avg_pool3d}


@dataclass(frozen=True)
class Kit:
    """What the layers of a network are made of: for maps or cubes, for noisy ones or not."""

    config: UNetConfig
    n_dims: int = 2
    noisy: bool = False

    @property
    def is_modulated(self) -> bool:
        return self.config.film or self.noisy

    def conv(self, n_in: int, n_out: int, side: int = 1, *, bias: bool = True) -> nn.Module:
        return CONVOLUTIONS[self.n_dims](n_in, n_out, side, bias=bias)

    def norm(self, n_channels: int) -> nn.GroupNorm:
        return group_norm(n_channels, rolling=self.noisy)


class UNet(nn.Module):
    """Residual U-Net with FiLM (Ronneberger et al. 2015; Perez et al. 2018); zero output before it is trained.

    With `n_noise` channels of noise a level it has as many answers as there are draws of noise. A `noisy` one is told
    the noise level of each map. What is linear in the input need not be learned: the answer has a share of it, pixel by
    pixel.
    """

    def __init__(
        self,
        config: UNetConfig,
        n_in: int,
        n_out: int,
        n_params: int,
        n_noise: int = 0,
        *,
        n_dims: int = 2,
        noisy: bool = False,
    ) -> None:
        super().__init__()
        kit, self.n_dims = Kit(config, n_dims, noisy), n_dims
        self.stride, self.patch = config.stride, config.patch
        widths = [config.width * 2**level for level in range(config.n_levels)]
        cell = self.patch**n_dims
        self.embed = Embedding(n_params, config.n_embedding) if config.film else None
        self.level = LevelEmbedding(config.n_embedding) if noisy else None
        self.stem = PaddedConv(n_in * cell, widths[0], kit)
        self.down = nn.ModuleList(Stage(a, b, kit) for a, b in pairwise([widths[0], *widths]))
        self.up = nn.ModuleList(UpStage(b, a, kit) for a, b in reversed(list(pairwise(widths))))
        self.noise = nn.ModuleList(kit.conv(n_noise, width, bias=False) for width in widths if n_noise)
        self.head = Head(widths[0], n_out * cell, kit)
        self.direct = zeroed(kit.conv(n_in * cell, n_out * cell, bias=False))

    def forward(self, x: Tensor, params: Tensor, *others: Tensor) -> Tensor:
        """(B, n_in, H, W), (B, n_params), the level (B,) if it is noisy, `noise_shapes` -> (B, n_out, H, W).

        Cubes alike. ValueError unless the stride fits.
        """
        refuse_indivisible(x, self.stride)
        levels, noise = ((), others) if self.level is None else (others[:1], others[1:])
        cond = self._condition(params, *levels)  # (B, n_embedding)
        cells = into_cells(x, self.patch)  # (B, n_in p^2, H/p, W/p)
        h = self.stem(cells)  # (B, width, H/p, W/p)
        skips = []
        for level, stage in enumerate(self.down):
            h = h if level == 0 else POOLS[self.n_dims](h, 2)
            h = stage(h, cond)  # (B, 2C, H/2, W/2)
            if noise:
                h = h + self.noise[level](noise[level])
            skips.append(h)
        for stage, skip in zip(self.up, reversed(skips[:-1]), strict=True):
            h = stage(h, skip, cond)  # (B, C/2, 2H, 2W)
        return into_pixels(self.head(h) + self.direct(cells), self.patch)

    def _condition(self, params: Tensor, level: Tensor | None = None) -> Tensor | None:
        """What modulates the blocks."""
        known = None if self.embed is None else self.embed(params)
        if self.level is None:
            return known
        told = self.level(level)
        return told if known is None else known + told


def noise_shapes(config: UNetConfig, n_noise: int, height: int, width: int) -> list[tuple[int, int, int]]:
    """The shapes of the noise of one map of these sides, from the finest level to the coarsest."""
    cells = [config.patch * 2**level for level in range(config.n_levels)]
    return [(n_noise, height // cell, width // cell) for cell in cells]


class Stage(nn.Module):
    """Residual blocks at one resolution; the first changes the number of channels."""

    def __init__(self, n_in: int, n_out: int, kit: Kit) -> None:
        super().__init__()
        ends = pairwise([n_in] + [n_out] * kit.config.n_blocks)
        self.blocks = nn.ModuleList(Block(a, b, kit) for a, b in ends)

    def forward(self, h: Tensor, cond: Tensor | None) -> Tensor:
        for block in self.blocks:
            h = block(h, cond)
        return h


class UpStage(nn.Module):
    """Doubles the resolution, joins the skip connection, then a stage."""

    def __init__(self, n_in: int, n_out: int, kit: Kit) -> None:
        super().__init__()
        # Channels are reduced before upsampling, where a pixel costs a quarter.
        self.reduce = kit.conv(n_in, n_out)
        self.stage = Stage(2 * n_out, n_out, kit)

    def forward(self, h: Tensor, skip: Tensor, cond: Tensor | None) -> Tensor:
        h = functional.interpolate(self.reduce(h), scale_factor=2.0, mode="nearest")  # (B, C/2, 2H, 2W)
        return self.stage(torch.cat((h, skip), dim=1), cond)


class Block(nn.Module):
    """Pre-activation residual block; the condition scales and shifts its second normalisation."""

    def __init__(self, n_in: int, n_out: int, kit: Kit) -> None:
        super().__init__()
        self.broadcast = (..., *(None,) * kit.n_dims)
        self.norm_in, self.norm_out = kit.norm(n_in), kit.norm(n_out)
        self.conv_in = PaddedConv(n_in, n_out, kit)
        self.conv_out = PaddedConv(n_out, n_out, kit)
        self.film = zeroed(nn.Linear(kit.config.n_embedding, 2 * n_out)) if kit.is_modulated else None
        self.shortcut = nn.Identity() if n_in == n_out else kit.conv(n_in, n_out)

    def forward(self, x: Tensor, cond: Tensor | None) -> Tensor:
        h = self.norm_out(self.conv_in(functional.silu(self.norm_in(x))))  # (B, C, H, W)
        if self.film is not None:
            scale, shift = self.film(cond)[self.broadcast].chunk(2, dim=1)  # (B, C, 1, 1)
            h = torch.addcmul(shift, h, 1 + scale)
        return self.shortcut(x) + self.conv_out(functional.silu(h))


class PaddedConv(nn.Module):
    """Convolution of 3 pixels a side that keeps the size and knows how the map continues beyond its edges."""

    def __init__(self, n_in: int, n_out: int, kit: Kit) -> None:
        super().__init__()
        self.padding: Padding = kit.config.padding
        self.n_dims = kit.n_dims
        self.conv = kit.conv(n_in, n_out, 3)

    def forward(self, x: Tensor) -> Tensor:
        if self.padding == "circular":
            return self.conv(wrapped(x, self.n_dims))
        return self.conv(functional.pad(x, (1, 1) * self.n_dims, mode=self.padding))


class Head(nn.Module):
    """Features -> output channels, pixel by pixel."""

    def __init__(self, n_in: int, n_out: int, kit: Kit) -> None:
        super().__init__()
        self.norm = kit.norm(n_in)
        self.conv = zeroed(kit.conv(n_in, n_out))

    def forward(self, h: Tensor) -> Tensor:
        return self.conv(functional.silu(self.norm(h)))


def zeroed(layer: nn.Module) -> nn.Module:
    """`layer` with every weight and bias zero."""
    for parameter in layer.parameters():
        nn.init.zeros_(parameter)
    return layer

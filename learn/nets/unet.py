"""A U-Net for maps whose every block is modulated by a parameter vector.

Knows shapes only. Rolling the input by a multiple of the stride rolls the output if padding is circular: pooling is by
non-overlapping cells and normalisation is over whole maps. No statistic is shared between maps of a batch.
"""

from __future__ import annotations

import math
from itertools import pairwise
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional

from configs import UNet as UNetConfig

Padding = Literal["circular", "reflect"]


class UNet(nn.Module):
    """Residual U-Net with FiLM (Ronneberger et al. 2015; Perez et al. 2018); zero output before it is trained.

    With `n_noise` channels of noise a level it has as many answers as there are draws of noise. What is linear in the
    input need not be learned: the answer has a share of it, pixel by pixel.
    """

    def __init__(self, config: UNetConfig, n_in: int, n_out: int, n_params: int, n_noise: int = 0) -> None:
        super().__init__()
        self.stride, self.patch = config.stride, config.patch
        widths = [config.width * 2**level for level in range(config.n_levels)]
        self.embed = Embedding(n_params, config.n_embedding) if config.film else None
        self.stem = PaddedConv(n_in * self.patch**2, widths[0], config.padding)
        self.down = nn.ModuleList(Stage(a, b, config) for a, b in pairwise([widths[0], *widths]))
        self.up = nn.ModuleList(UpStage(b, a, config) for a, b in reversed(list(pairwise(widths))))
        self.noise = nn.ModuleList(nn.Conv2d(n_noise, width, 1, bias=False) for width in widths if n_noise)
        self.head = Head(widths[0], n_out * self.patch**2)
        self.direct = zeroed(nn.Conv2d(n_in * self.patch**2, n_out * self.patch**2, 1, bias=False))

    def forward(self, x: Tensor, params: Tensor, *noise: Tensor) -> Tensor:
        """(B, n_in, H, W), (B, n_params) and `noise_shapes` -> (B, n_out, H, W); ValueError unless the stride fits."""
        refuse_indivisible(x, self.stride)
        cond = None if self.embed is None else self.embed(params)  # (B, n_embedding)
        cells = functional.pixel_unshuffle(x, self.patch)  # (B, n_in p^2, H/p, W/p)
        h = self.stem(cells)  # (B, width, H/p, W/p)
        skips = []
        for level, stage in enumerate(self.down):
            h = h if level == 0 else functional.avg_pool2d(h, 2)
            h = stage(h, cond)  # (B, 2C, H/2, W/2)
            if noise:
                h = h + self.noise[level](noise[level])
            skips.append(h)
        for stage, skip in zip(self.up, reversed(skips[:-1]), strict=True):
            h = stage(h, skip, cond)  # (B, C/2, 2H, 2W)
        return functional.pixel_shuffle(self.head(h) + self.direct(cells), self.patch)


def noise_shapes(config: UNetConfig, n_noise: int, height: int, width: int) -> list[tuple[int, int, int]]:
    """The shapes of the noise of one map of these sides, from the finest level to the coarsest."""
    cells = [config.patch * 2**level for level in range(config.n_levels)]
    return [(n_noise, height // cell, width // cell) for cell in cells]


class Embedding(nn.Module):
    """Parameter vector -> conditioning vector."""

    def __init__(self, n_params: int, n_out: int) -> None:
        super().__init__()
        self.layers = nn.Sequential(nn.Linear(n_params, n_out), nn.SiLU(), nn.Linear(n_out, n_out), nn.SiLU())

    def forward(self, params: Tensor) -> Tensor:
        return self.layers(params)


class Stage(nn.Module):
    """Residual blocks at one resolution; the first changes the number of channels."""

    def __init__(self, n_in: int, n_out: int, config: UNetConfig) -> None:
        super().__init__()
        ends = pairwise([n_in] + [n_out] * config.n_blocks)
        self.blocks = nn.ModuleList(Block(a, b, config) for a, b in ends)

    def forward(self, h: Tensor, cond: Tensor | None) -> Tensor:
        for block in self.blocks:
            h = block(h, cond)
        return h


class UpStage(nn.Module):
    """Doubles the resolution, joins the skip connection, then a stage."""

    def __init__(self, n_in: int, n_out: int, config: UNetConfig) -> None:
        super().__init__()
        # Channels are reduced before upsampling, where a pixel costs a quarter.
        self.reduce = nn.Conv2d(n_in, n_out, 1)
        self.stage = Stage(2 * n_out, n_out, config)

    def forward(self, h: Tensor, skip: Tensor, cond: Tensor | None) -> Tensor:
        h = functional.interpolate(self.reduce(h), scale_factor=2.0, mode="nearest")  # (B, C/2, 2H, 2W)
        return self.stage(torch.cat((h, skip), dim=1), cond)


class Block(nn.Module):
    """Pre-activation residual block; the condition scales and shifts its second normalisation."""

    def __init__(self, n_in: int, n_out: int, config: UNetConfig) -> None:
        super().__init__()
        self.norm_in, self.norm_out = group_norm(n_in), group_norm(n_out)
        self.conv_in = PaddedConv(n_in, n_out, config.padding)
        self.conv_out = PaddedConv(n_out, n_out, config.padding)
        self.film = zeroed(nn.Linear(config.n_embedding, 2 * n_out)) if config.film else None
        self.shortcut = nn.Identity() if n_in == n_out else nn.Conv2d(n_in, n_out, 1)

    def forward(self, x: Tensor, cond: Tensor | None) -> Tensor:
        h = self.norm_out(self.conv_in(functional.silu(self.norm_in(x))))  # (B, C, H, W)
        if self.film is not None:
            scale, shift = self.film(cond)[:, :, None, None].chunk(2, dim=1)  # (B, C, 1, 1)
            h = torch.addcmul(shift, h, 1 + scale)
        return self.shortcut(x) + self.conv_out(functional.silu(h))


class PaddedConv(nn.Module):
    """3x3 convolution that keeps the size and knows how the map continues beyond its edges."""

    def __init__(self, n_in: int, n_out: int, padding: Padding) -> None:
        super().__init__()
        self.padding = padding
        self.conv = nn.Conv2d(n_in, n_out, 3)

    def forward(self, x: Tensor) -> Tensor:
        return self.conv(functional.pad(x, (1, 1, 1, 1), mode=self.padding))


class Head(nn.Module):
    """Features -> output channels, pixel by pixel."""

    def __init__(self, n_in: int, n_out: int) -> None:
        super().__init__()
        self.norm = group_norm(n_in)
        self.conv = zeroed(nn.Conv2d(n_in, n_out, 1))

    def forward(self, h: Tensor) -> Tensor:
        return self.conv(functional.silu(self.norm(h)))


def group_norm(n_channels: int) -> nn.GroupNorm:
    """At most 8 groups, whatever the width."""
    return nn.GroupNorm(math.gcd(8, n_channels), n_channels)


def zeroed(layer: nn.Linear | nn.Conv2d) -> nn.Module:
    """`layer` with every weight and bias zero."""
    for parameter in layer.parameters():
        nn.init.zeros_(parameter)
    return layer


def refuse_indivisible(x: Tensor, stride: int) -> None:
    """ValueError unless `stride` divides both sides of the maps."""
    height, width = x.shape[-2:]
    if height % stride or width % stride:
        raise ValueError(f"map: sides divisible by {stride}, got {height} x {width} pixels")

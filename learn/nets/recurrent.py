"""A recurrent network that moves an estimate: maps of a source, and a vector of a lens, by what an image says of both.

Knows shapes only. What it answers is a step; what it remembers it is handed back.
"""

from __future__ import annotations

from itertools import pairwise
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional

from configs import Recurrent as Config
from learn.nets.norm import group_norm
from learn.nets.unet import zeroed


class Memory(NamedTuple):
    """What is remembered from step to step: maps (B, C, H, W) of each level, finest first, and a vector (B, V)."""

    maps: tuple[Tensor, ...]
    vector: Tensor


class Step(NamedTuple):
    """A move of the maps (B, n_out, m, m) and of the vector (B, v_out)."""

    maps: Tensor
    vector: Tensor


class Recurrent(nn.Module):
    """A reader of images, a recurrent vector that it and the maps are pooled into, and a U-Net of recurrent levels.

    After Putzky & Welling 2017 and Morningstar et al. 2019, with the lens beside the source.
    """

    def __init__(self, config: Config, *, n_image: int, n_maps: int, n_vector: int, n_out: tuple[int, int]) -> None:
        super().__init__()
        widths = widths_of(config)
        self.reader = Reader(n_image, config.width, config.n_read)
        self.stem = Convolution(n_maps, widths[0])
        self.down = nn.ModuleList(Level(a, b, config.n_vector) for a, b in pairwise([widths[0], *widths]))
        self.up = nn.ModuleList(Joined(b, a, config.n_vector) for a, b in reversed(list(pairwise(widths))))
        self.memories = nn.ModuleList(ConvGRU(width) for width in widths)
        n_pooled = self.reader.n_out + widths[-1] + n_vector
        self.pooled = nn.Sequential(nn.Linear(n_pooled, config.n_vector), nn.SiLU())
        self.memory = nn.GRUCell(config.n_vector, config.n_vector)
        self.maps_head = zeroed(nn.Conv2d(widths[0], n_out[0], 1))
        self.vector_head = nn.Sequential(
            nn.Linear(config.n_vector, config.n_vector), nn.SiLU(), zeroed(nn.Linear(config.n_vector, n_out[1]))
        )

    def forward(self, image: Tensor, maps: Tensor, vector: Tensor, memory: Memory) -> tuple[Step, Memory]:
        """Views of the image (B, n_image, n, n), of the maps (B, n_maps, m, m) and of the vector (B, n_vector)."""
        h = self.stem(maps)
        kept = []
        for i, (level, remember) in enumerate(zip(self.down, self.memories, strict=True)):
            h = level(h if i == 0 else functional.avg_pool2d(h, 2), memory.vector)
            h = remember(h, memory.maps[i])
            kept.append(h)
        pooled = torch.cat((self.reader(image), h.mean((2, 3)), vector), dim=1)
        told = self.memory(self.pooled(pooled), memory.vector)
        for level, skip in zip(self.up, reversed(kept[:-1]), strict=True):
            h = level(h, skip, told)
        return Step(self.maps_head(functional.silu(h)), self.vector_head(told)), Memory(tuple(kept), told)


def widths_of(config: Config) -> list[int]:
    """Channels of each level, finest first."""
    return [config.width * 2**level for level in range(config.n_levels)]


def blank(config: Config, maps: Tensor) -> Memory:
    """Nothing to remember, beside maps (B, m, m)."""
    n, side = len(maps), maps.shape[-1]
    levels = (maps.new_zeros(n, width, side >> i, side >> i) for i, width in enumerate(widths_of(config)))
    return Memory(tuple(levels), maps.new_zeros(n, config.n_vector))


class Reader(nn.Module):
    """Images to a vector: convolutions of stride 2, then where in the image what is left is."""

    def __init__(self, n_in: int, width: int, n_levels: int) -> None:
        super().__init__()
        widths = [min(width * 2**level, 4 * width) for level in range(n_levels)]
        self.levels = nn.ModuleList(
            nn.Sequential(Convolution(a, b, stride=2), Convolution(b, b))
            for a, b in pairwise([n_in + N_PLACES, *widths])
        )
        self.keys = nn.Conv2d(widths[-1], N_HEADS, 1)
        self.n_out = widths[-1] * (1 + N_HEADS)

    def forward(self, image: Tensor) -> Tensor:
        """(B, n_in, n, n) -> (B, n_out): means, plain and by attention."""
        h = torch.cat((image, places(image)), dim=1)
        for level in self.levels:
            h = level(h)
        share = self.keys(h).flatten(2).softmax(-1)  # (B, heads, H W)
        by_key = torch.einsum("bhp,bcp->bhc", share, h.flatten(2)).flatten(1)
        return torch.cat((h.mean((2, 3)), by_key), dim=1)


N_PLACES, N_HEADS = 3, 4


def places(image: Tensor) -> Tensor:
    """X, y and the distance from the middle of each pixel, in halves of the side: (B, 3, n, n)."""
    n = image.shape[-1]
    along = (torch.arange(n, dtype=image.dtype, device=image.device) + 0.5) * 2 / n - 1
    y, x = torch.meshgrid(along, along, indexing="ij")
    return torch.stack((x, y, torch.hypot(x, y))).expand(len(image), -1, -1, -1)


class Convolution(nn.Module):
    """Three pixels a side, a normalisation, an activation."""

    def __init__(self, n_in: int, n_out: int, *, stride: int = 1) -> None:
        super().__init__()
        self.conv = nn.Conv2d(n_in, n_out, 3, padding=1, stride=stride)
        self.norm = group_norm(n_out)

    def forward(self, x: Tensor) -> Tensor:
        return functional.silu(self.norm(self.conv(x)))


class Level(nn.Module):
    """Two convolutions, modulated by a vector between them, beside a shortcut."""

    def __init__(self, n_in: int, n_out: int, n_vector: int) -> None:
        super().__init__()
        self.first = Convolution(n_in, n_out)
        self.film = zeroed(nn.Linear(n_vector, 2 * n_out))
        self.second = Convolution(n_out, n_out)
        self.shortcut = nn.Identity() if n_in == n_out else nn.Conv2d(n_in, n_out, 1)

    def forward(self, x: Tensor, vector: Tensor) -> Tensor:
        scale, shift = self.film(vector)[..., None, None].chunk(2, dim=1)
        return self.shortcut(x) + self.second(torch.addcmul(shift, self.first(x), 1 + scale))


class Joined(nn.Module):
    """Doubles the resolution and joins what the finer level remembers."""

    def __init__(self, n_in: int, n_out: int, n_vector: int) -> None:
        super().__init__()
        self.reduce = nn.Conv2d(n_in, n_out, 1)
        self.level = Level(2 * n_out, n_out, n_vector)

    def forward(self, h: Tensor, skip: Tensor, vector: Tensor) -> Tensor:
        h = functional.interpolate(self.reduce(h), scale_factor=2.0, mode="nearest")
        return self.level(torch.cat((h, skip), dim=1), vector)


class ConvGRU(nn.Module):
    """A gated recurrent unit whose products are convolutions (Ballas et al. 2015), pixel by pixel but for the new."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.gates = nn.Conv2d(2 * width, 2 * width, 1)
        self.new = nn.Conv2d(2 * width, width, 3, padding=1)

    def forward(self, x: Tensor, memory: Tensor) -> Tensor:
        reset, update = torch.sigmoid(self.gates(torch.cat((x, memory), dim=1))).chunk(2, dim=1)
        new = torch.tanh(self.new(torch.cat((x, reset * memory), dim=1)))
        return memory + update * (new - memory)

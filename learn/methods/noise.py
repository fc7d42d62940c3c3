"""Noise that does not know the batch: what is drawn for a map depends on its seed and shape alone."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

Shape = tuple[int, ...]
UNIFORM = 1  # the stream of random numbers beside that of white noise


def draw(shapes: Sequence[Shape], seeds: Tensor) -> list[Tensor]:
    """White noise of each of `shapes` for each of `seeds` (B,), on their device: [(B, *shape), ...]."""
    drawn = [draw_one(shapes, int(seed)) for seed in seeds.tolist()]
    return [torch.stack(column).to(seeds.device) for column in zip(*drawn, strict=True)]


def draw_one(shapes: Sequence[Shape], seed: int) -> list[Tensor]:
    """By numpy, so that the noise of a seed is the same on every device; torch's generator heeds 32 bits of a seed."""
    rng = np.random.default_rng(seed)
    return [torch.from_numpy(rng.standard_normal(shape, dtype=np.float32)) for shape in shapes]


class Streams:
    """A generator for each of `seeds` (B,): what a map gets depends on its seed and on how often it was asked alone."""

    def __init__(self, seeds: Tensor) -> None:
        self._rngs, self._device = [np.random.default_rng(int(seed)) for seed in seeds.tolist()], seeds.device

    def normal(self, shape: Shape) -> Tensor:
        """White noise (B, *shape)."""
        drawn = [torch.from_numpy(rng.standard_normal(shape, dtype=np.float32)) for rng in self._rngs]
        return torch.stack(drawn).to(self._device)

    def uniform(self) -> Tensor:
        """Numbers in [0, 1), (B,), float64."""
        return torch.tensor([rng.random() for rng in self._rngs], dtype=torch.float64, device=self._device)


def successors(seeds: Tensor, n: int) -> Tensor:
    """Seeds (n B,) of `n` draws for each of `seeds` (B,), one draw of all after the other."""
    return torch.cat([seeds ^ (draw << 40) for draw in range(n)])


def draw_uniform(shape: Shape, seeds: Tensor) -> Tensor:
    """Numbers uniform in [0, 1) for each of `seeds` (B,), on their device: (B, *shape); apart from those of `draw`."""
    drawn = [np.random.default_rng([UNIFORM, int(seed)]).random(shape, dtype=np.float32) for seed in seeds.tolist()]
    return torch.from_numpy(np.stack(drawn)).to(seeds.device)

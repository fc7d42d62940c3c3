"""A trained painter as a function of physical maps. Everything that paints goes through here.

Knows nothing of training, of simulations or of HTTP.
"""

from __future__ import annotations

from typing import ClassVar

import numpy as np
from numpy.typing import ArrayLike, NDArray

from configs import Frozen, Painting
from learn.checkpoint import Meta
from learn.methods.noise import successors
from learn.model import Model, Seeds, check_seeds
from sim.shards import TARGET_CHANNELS

Maps = NDArray[np.float32]
N_CHANNELS = len(TARGET_CHANNELS)


class Predictor(Model):
    """Dark-matter maps in, painted maps out, both in Msun/h/(Mpc/h)^2. Map i of the answer depends on map i alone."""

    of: ClassVar[type[Frozen]] = Painting

    @property
    def stride(self) -> int:
        """What must divide both sides of a map."""
        return self.meta.config.net.stride

    @property
    def min_side(self) -> int:
        """Fewest pixels along a side of a map."""
        return min_side(self.meta)

    def __call__(
        self, maps: Maps, params: Maps | None = None, pixel_size: float | None = None, *, seed: Seeds = 0
    ) -> Maps:
        """Maps (B, H, W) or (B, I, H, W) and parameters (B, p), or None for the defaults -> (B, 3, H, W) float32.

        `pixel_size` [Mpc/h], where given, must be that of the training maps within 1 %. A stochastic model answers with
        the draw of `seed`, the same noise for every map, or a seed a map. ValueError says what is wrong.
        """
        return self.draws(maps, params, 1, pixel_size, seed=seed)[0]

    def draws(
        self, maps: Maps, params: Maps | None, n: int, pixel_size: float | None = None, *, seed: Seeds = 0
    ) -> Maps:
        """`n` answers to every map, (n, B, 3, H, W); all the same unless the model is stochastic."""
        maps = self._check_maps(maps)
        self.check_pixel_size(pixel_size)
        params, seeds = self.check_params(params, len(maps)), check_seeds(seed, len(maps))
        if not self.is_stochastic:
            return np.broadcast_to(self.answers(maps, params, seeds), (n, len(maps), N_CHANNELS, *maps.shape[-2:]))
        return np.stack([self.answers(maps, params, each) for each in successors(seeds, n).view(n, -1)])

    def check(self, one: ArrayLike) -> None:
        """ValueError unless `one` is a map (H, W) that can be painted."""
        values = np.asarray(one)
        if values.ndim != 2:
            raise ValueError(f"map: 2 axes (height, width), got {values.ndim} with shape {values.shape}")
        height, width = values.shape
        if height % self.stride or width % self.stride or not values.size:
            raise ValueError(f"map: height and width divisible by {self.stride}, got {height} x {width} pixels")
        if min(values.shape) < self.min_side:
            raise ValueError(f"map: at least {self.min_side} pixels along each side, got {height} x {width}")
        if not np.isfinite(values).all():
            raise ValueError(f"map: finite pixels, got {np.count_nonzero(~np.isfinite(values))} that are not")
        if values.min() < 0:
            raise ValueError(f"map: surface density >= 0, got a smallest pixel of {values.min():.6g}")
        if not values.max() > 0:
            raise ValueError("map: some mass, got zero in every pixel")

    def _check_maps(self, maps: Maps) -> Maps:
        """(B, I, H, W) finite float32."""
        maps = np.ascontiguousarray(maps, dtype=np.float32)
        if maps.ndim == 3 and len(self.meta.input_channels) == 1:
            maps = maps[:, None]
        if maps.ndim != 4 or not len(maps) or maps.shape[1] != len(self.meta.input_channels):
            channels = ", ".join(self.meta.input_channels)
            shapes = f"(B, H, W) or (B, {len(self.meta.input_channels)}, H, W) ({channels})"
            raise ValueError(f"maps: shape {shapes} with B >= 1, got {maps.shape}")
        for one in maps.reshape(-1, *maps.shape[-2:]):
            self.check(one)
        return maps


def min_side(meta: Meta) -> int:
    """Fewest pixels along a side: the coarsest level needs two to pad."""
    return 2 * meta.config.net.stride

"""The one shape of what gives baryons to a halo. Knows nothing of boxes or of files."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from learn.data import About
from learn.sources.cutout import MASS, scales_of
from sim.cutouts import Windows
from sim.samples import TARGET_CHANNELS

Maps = NDArray[np.float32]


@dataclass(frozen=True)
class Frame:
    """What a sampler is shown: windows of sides `scales` [Mpc/h] of n_pixels^2, `depth` [Mpc/h] deep, and parameters.

    `identity` tells a sampler from another, by hash.
    """

    scales: tuple[float, ...]
    n_pixels: int
    depth: float
    param_names: tuple[str, ...]
    identity: str

    @classmethod
    def of(cls, about: About, identity: str) -> Frame:
        """Of a model of maps of halos; ValueError unless it answers with dark matter, gas and stars."""
        if about.target_channels != TARGET_CHANNELS:
            got = ", ".join(about.target_channels)
            raise ValueError(f"sampler: expected one of {', '.join(TARGET_CHANNELS)} (targets: components), got {got}")
        names = tuple(name for name in about.param_names if name != MASS)
        return cls(scales_of(about), about.n_pixels, about.depth, names, identity)

    @property
    def shape(self) -> tuple[int, int, int]:
        """Of what it is shown."""
        return (len(self.scales), self.n_pixels, self.n_pixels)

    @property
    def pixel_size(self) -> float:
        """Side of a fine pixel [Mpc/h]."""
        return self.scales[0] / self.n_pixels

    @property
    def distance(self) -> NDArray[np.float64]:
        """Of every fine pixel (P, P) from the middle [Mpc/h]."""
        return distances(self.n_pixels, self.pixel_size)

    def windows(self, box_size: float, n_scales: int | None = None) -> Windows:
        """The windows, or the first `n_scales` of them, in a box of that side; ValueError where they do not fit."""
        return Windows(self.scales[:n_scales], self.n_pixels, box_size)


def distances(n_pixels: int, pixel_size: float) -> NDArray[np.float64]:
    """Of the pixels of a map (n_pixels, n_pixels) from its middle, in the unit of pixel_size."""
    along = (np.arange(n_pixels) + 0.5 - n_pixels / 2) * pixel_size
    return np.asarray(np.hypot(along[:, None], along))


class Sampler(Protocol):
    """Draws of dark matter, gas and stars around a halo; a draw depends on nothing but what is given."""

    @property
    def frame(self) -> Frame: ...

    def sample(
        self, condition: Maps, large_scale: Maps, params: NDArray[np.float64], mass: float, seed: int, n: int
    ) -> Maps:
        """`n` draws (n, 3, P, P), in mass a fine pixel [Msun/h] as condition (P, P) and large_scale (s, P, P).

        params (p,) are the values of `frame.param_names`, mass is M200c [Msun/h]; seed from 0 below 2^40.
        """
        ...

    def sample_each(
        self,
        condition: Maps,
        large_scale: Maps,
        params: NDArray[np.float64],
        mass: NDArray[np.float64],
        seeds: NDArray[np.int64],
        n: int,
    ) -> Maps:
        """As `sample` for h halos at once, rows of each argument: (h, n, 3, P, P)."""
        ...

"""The pixels of square maps, and how those are weighted whose edges do not meet."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Geometry:
    """Maps of n_pixels by n_pixels, pixel_size in comoving Mpc/h."""

    n_pixels: int
    pixel_size: float
    periodic: bool = True

    @property
    def box_size(self) -> float:
        """Side of a map [Mpc/h]."""
        return self.n_pixels * self.pixel_size

    @property
    def nyquist(self) -> float:
        """The largest wavenumber along an axis [h/Mpc]."""
        return float(np.pi / self.pixel_size)

    @property
    def edges(self) -> Literal["wrap", "reflect"]:
        """How a filter in real space continues a map."""
        return "wrap" if self.periodic else "reflect"

    def window(self, n: int | None = None) -> Array:
        """Weights of n x n points that cover the map: 1 on a periodic one, else the product of two Hann windows."""
        n = self.n_pixels if n is None else n
        if self.periodic:
            return np.ones((n, n))
        line = np.sin(np.pi * (np.arange(n) + 0.5) / n) ** 2
        return line[:, None] * line[None, :]

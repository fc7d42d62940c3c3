"""Elliptical Sersic profiles on pixels, blurred: the conventions of `sim.lensing.light`, in numpy, for fits."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import fft

from sim.images.observation import Array

FINE = 9
"""Midpoints along the side of a pixel of the core."""
CORE = 4
"""Pixels on each side of that of the centre which are finely divided."""


@dataclass(frozen=True)
class Sersic:
    """Brightness 1 at the product-averaged radius r_e [pixel]; e1, e2 as in `sim.lensing.ellipse`."""

    r_e: float
    n: float
    e1: float
    e2: float

    def brightness(self, x: NDArray[np.floating], y: NDArray[np.floating]) -> Array:
        """At offsets from the centre [pixel]."""
        a, b = x - self.e1 * x - self.e2 * y, y - self.e2 * x + self.e1 * y
        radius = np.hypot(a, b) / math.sqrt(1 - self.e1**2 - self.e2**2)
        return np.asarray(np.exp(-(1.9992 * self.n - 0.3271) * ((radius / self.r_e) ** (1 / self.n) - 1)))


class Canvas:
    """Pixels of a frame on which profiles about one place are drawn and blurred."""

    def __init__(self, shape: tuple[int, int], psf: Array | None) -> None:
        self.shape = shape
        reach = 0 if psf is None else len(psf) // 2
        self._reach = reach
        self._sides = [fft.next_fast_len(n + 2 * reach, real=True) for n in shape]
        self._blur = None if psf is None else fft.rfft2(psf, self._sides)

    def drawn(self, profiles: Sequence[Sersic], x: float, y: float) -> Array:
        """(profiles, n, m) of profiles centred at (x, y) [pixel]: means over pixels in the core, blurred."""
        rows, columns = np.indices(self.shape)
        dx, dy = columns - x, rows - y
        images = np.stack([one.brightness(dx, dy) for one in profiles])
        core, fine_x, fine_y = self._core(x, y)
        images[(slice(None), *core)] = [one.brightness(fine_x, fine_y).mean((2, 3)) for one in profiles]
        return images if self._blur is None else self._blurred(images)

    def _core(self, x: float, y: float) -> tuple[tuple[slice, slice], Array, Array]:
        """Where the core is, and the offsets (rows, columns, FINE, FINE) of the midpoints in its pixels."""
        ranges = [
            range(max(round(at) - CORE, 0), min(round(at) + CORE + 1, n))
            for at, n in zip((y, x), self.shape, strict=True)
        ]
        within = (np.arange(FINE) - (FINE - 1) / 2) / FINE
        fine_y = np.asarray(ranges[0])[:, None, None, None] + within[:, None] - y
        fine_x = np.asarray(ranges[1])[:, None, None] + within - x
        down, across = np.broadcast_arrays(fine_y, fine_x)
        at = slice(ranges[0].start, ranges[0].stop), slice(ranges[1].start, ranges[1].stop)
        return at, across, down

    def _blurred(self, images: Array) -> Array:
        product = fft.irfft2(fft.rfft2(images, self._sides) * self._blur, self._sides)
        n, m = self.shape
        return np.asarray(product[..., self._reach : self._reach + n, self._reach : self._reach + m])

"""Bins of |k| over the half plane of modes of a real square map."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from learn.scores.geometry import Geometry

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Shells:
    """Bins between rising `edges` [h/Mpc]; those without a mode are left out."""

    geometry: Geometry
    edges: tuple[float, ...]

    @cached_property
    def k(self) -> Array:
        """Mean |k| of the modes of each bin [h/Mpc], (K,)."""
        return self.mean(self._size)

    def mean(self, values: NDArray) -> Array:
        """Mean of `values` (..., P, P // 2 + 1) over the modes of each bin, of the whole plane: (..., K)."""
        flat = (values * self._multiplicity).reshape(-1, self._bins.size)
        sums = np.array([np.bincount(self._bins, weights=row, minlength=len(self.edges) + 1) for row in flat])
        means = sums[:, 1 : len(self.edges)][:, self._used] / self._n_modes[self._used]
        return means.reshape(*values.shape[:-2], -1)

    def power(self, a: NDArray, b: NDArray) -> Array:
        """Cross power [(Mpc/h)^2] of the contrasts whose `contrast_modes` are a and b, (..., K)."""
        n, window = self.geometry.n_pixels, self.geometry.window()
        scale = self.geometry.box_size**2 / n**4 / (window**2).mean()
        return self.mean(a.real * b.real + a.imag * b.imag) * scale

    def masks(self) -> NDArray[np.bool_]:
        """Which modes each bin has, (K, P, P // 2 + 1)."""
        shape = self._size.shape
        return np.array([(self._bins == i + 1).reshape(shape) for i in np.flatnonzero(self._used)])

    @cached_property
    def _size(self) -> Array:
        n = self.geometry.n_pixels
        lines = np.fft.fftfreq(n, 1 / n)[:, None], np.arange(n // 2 + 1)[None, :]
        return 2 * np.pi / self.geometry.box_size * np.hypot(*lines)

    @cached_property
    def _multiplicity(self) -> Array:
        """How many modes of the whole plane each mode of the half plane stands for, (P // 2 + 1,)."""
        column = np.arange(self.geometry.n_pixels // 2 + 1)
        return np.where((column == 0) | (2 * column == self.geometry.n_pixels), 1.0, 2.0)

    @cached_property
    def _bins(self) -> NDArray[np.int64]:
        """1 + the bin of each mode; 0 below all bins and for the mean, the last above them all."""
        bins = np.searchsorted(np.array(self.edges), self._size.ravel(), side="right")
        bins[0] = 0
        return bins

    @cached_property
    def _n_modes(self) -> Array:
        weights = np.broadcast_to(self._multiplicity, self._size.shape).ravel()
        counts = np.bincount(self._bins, weights=weights, minlength=len(self.edges) + 1)
        return counts[1 : len(self.edges)].astype(np.float64)

    @cached_property
    def _used(self) -> NDArray[np.bool_]:
        return self._n_modes > 0

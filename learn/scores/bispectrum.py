"""The bispectrum of equilateral triangles: what skews the field at one scale."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property
from typing import ClassVar

import numpy as np
import scipy.fft
from numpy.typing import NDArray

from learn.scores.geometry import Geometry
from learn.scores.shells import Shells
from learn.scores.statistic import relative_distance
from learn.scores.views import Modes, Views

Array = NDArray[np.float64]

N_BINS = 8


class EquilateralBispectrum:
    """Reduced bispectrum Q(k) = B(k, k, k) / (3 P(k)^2) in rings: of order one where gravity made the field.

    Each product of three ring-filtered fields, summed over the pixels, is the sum over the closed triangles of the
    ring (Scoccimarro 2015, arXiv:1506.02729, eq. 19, in two dimensions), here divided by their number. Rings end at
    2/3 of the Nyquist frequency, beyond which triangles close by aliasing only.
    """

    name: ClassVar[str] = "bispectrum"

    def __init__(self, geometry: Geometry) -> None:
        fundamental = 2 * np.pi / geometry.box_size
        edges = np.geomspace(1.5 * fundamental, 0.999 * geometry.nyquist * 2 / 3, N_BINS + 1)
        self.geometry, self.shells = geometry, Shells(geometry, tuple(edges))

    @property
    def axis(self) -> Array:
        """Wavenumber of each ring in which triangles close [h/Mpc]."""
        return self.shells.k[self._is_closed]

    def measure(self, views: Views) -> Array:
        """Q of the B and P averaged over the maps, (C, K); 0 where nothing was painted."""
        b = self.bispectrum(views.modes).mean(axis=0)
        p = self.shells.power(views.modes, views.modes).mean(axis=0)[:, self._is_closed]
        return np.divide(b, 3 * p**2, out=np.zeros_like(b), where=p > 0)

    def scores(self, painted: Array, truth: Array) -> Mapping[str, Array]:
        """Sum of |Q - Q_true| over that of |Q_true|."""
        return {"bispectrum": relative_distance(painted, truth)}

    def bispectrum(self, modes: Modes) -> Array:
        """B(k, k, k) [(Mpc/h)^4] of contrasts whose `contrast_modes` are (..., P, P // 2 + 1): (..., K)."""
        n, box_size = self.geometry.n_pixels, self.geometry.box_size
        cubes = [self._sum_of_cubes(modes * mask) for mask in self._rings[self._is_closed]]
        scale = box_size**4 / n**6 / (self.geometry.window() ** 3).mean()
        return np.stack(cubes, axis=-1) / self._n_triangles[self._is_closed] * scale

    @cached_property
    def _rings(self) -> NDArray[np.bool_]:
        return self.shells.masks()

    @cached_property
    def _n_triangles(self) -> Array:
        """Closed triangles of each ring, in the units of `_sum_of_cubes`, (rings,)."""
        return np.array([self._sum_of_cubes(mask.astype(np.complex128)) for mask in self._rings])

    @cached_property
    def _is_closed(self) -> NDArray[np.bool_]:
        """Which rings have a closed triangle: the lowest, of few modes, may not."""
        return self._n_triangles * self.geometry.n_pixels**4 > 0.5

    def _sum_of_cubes(self, modes: Modes) -> Array:
        n = self.geometry.n_pixels
        field = scipy.fft.irfft2(modes, s=(n, n))
        return (field**2 * field).sum(axis=(-2, -1))

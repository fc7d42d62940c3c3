"""Wavelet scattering coefficients: means of what is left of a field between scales, taken twice.

S1(j) = <|u * psi_j|> and S2(j1, j2) = <||u * psi_j1| * psi_j2|> for j2 > j1, averaged over all orientations (Cheng et
al. 2020, arXiv:2006.08561, eq. 5 and 6). Written on the FFT alone.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property
from typing import ClassVar

import numpy as np
import scipy.fft
from numpy.typing import NDArray

from learn.scores.geometry import Geometry
from learn.scores.views import Views

Array = NDArray[np.float64]
Reals = NDArray[np.float32]
Complexes = NDArray[np.complex64]

N_ORIENTATIONS = 4
MAX_SCALES = 5
SIGMA, WAVENUMBER = 0.8, 0.75 * np.pi  # of the wavelet of scale 0, in pixels and radians a pixel


class Scattering:
    """S1 of J scales, then S2 of the pairs (0, 1), (0, 2), (1, 2), ...: of u = log10(1 + density / true mean)."""

    name: ClassVar[str] = "scattering"

    def __init__(self, geometry: Geometry, n_scales: int | None = None) -> None:
        fitting = int(np.log2(geometry.n_pixels)) - 2
        self.geometry = geometry
        self.n_scales = n_scales or min(MAX_SCALES, fitting)
        if self.n_scales < 2:
            raise ValueError(f"scattering: maps of at least 16 pixels a side, got {geometry.n_pixels}")

    @property
    def axis(self) -> Array:
        """Which coefficient."""
        return np.arange(self.n_scales + len(self.pairs), dtype=np.float64)

    @property
    def pairs(self) -> list[tuple[int, int]]:
        """(j1, j2) of each S2."""
        return [(first, second) for second in range(self.n_scales) for first in range(second)]

    @property
    def labels(self) -> list[str]:
        """The scales of each coefficient: 0, 1, ... and 0,1 0,2 ..."""
        return [str(j) for j in range(self.n_scales)] + [f"{first},{second}" for first, second in self.pairs]

    def measure(self, views: Views) -> Array:
        """Means over the maps, (C, K)."""
        return np.mean([[self.coefficients(one) for one in maps] for maps in views.logs], axis=0)

    def scores(self, painted: Array, truth: Array) -> Mapping[str, Array]:
        """Mean of |S / S_true - 1| over the coefficients."""
        return {"scattering": np.abs(painted / truth - 1).mean(axis=-1)}

    def coefficients(self, field: NDArray) -> Array:
        """S1 and S2 of one field (P, P), (K,)."""
        if np.ptp(field) == 0:
            return np.zeros(len(self.axis))
        modes = scipy.fft.fft2(field.astype(np.float32))
        moduli = [self._moduli(modes, j) for j in range(self.n_scales)]  # (L, n, n) each
        again = [scipy.fft.fft2(one) for one in moduli]
        second = [self._mean(self._moduli(again[j1][:, None], j2)) for j1, j2 in self.pairs]
        return np.array([self._mean(one) for one in moduli] + second)

    def _moduli(self, modes: Complexes, j: int) -> Reals:
        """|field * psi_j| of every orientation, (..., L, n, n), on as few points as carry the scale."""
        wavelets = self._wavelets[j]
        n = wavelets.shape[-1]
        filtered = cropped(modes, n) * wavelets
        return np.abs(scipy.fft.ifft2(filtered)) * np.float32((n / modes.shape[-1]) ** 2)

    def _mean(self, fields: Reals) -> float:
        window = self._windows[fields.shape[-1]]
        return float((fields.mean(axis=tuple(range(fields.ndim - 2)), dtype=np.float64) * window).sum() / window.sum())

    @cached_property
    def _wavelets(self) -> list[Reals]:
        return [morlets(self.geometry.n_pixels, j, N_ORIENTATIONS) for j in range(self.n_scales)]

    @cached_property
    def _windows(self) -> dict[int, Array]:
        """Weights of the points of each resolution: maps that do not wrap count less towards their edges."""
        sizes = {wavelets.shape[-1] for wavelets in self._wavelets}
        return {n: self.geometry.window(n) for n in sizes}


def morlets(n_pixels: int, j: int, n_orientations: int) -> Reals:
    """Fourier transforms of the Morlet wavelets of scale j, (L, n, n) with n about n_pixels / 2^(j - 1).

    A Gaussian about the wavenumber of the scale, less one about 0 that makes the mean vanish. Frequencies beyond the
    coarser Nyquist frequency are below a hundredth of the largest, and are left out.
    """
    n = n_pixels if j < 2 else 2 * -(-n_pixels // 2**j)
    sigma, wavenumber = SIGMA * 2**j, WAVENUMBER / 2**j
    angles = np.pi * np.arange(n_orientations) / n_orientations
    spectra = [
        sum(_morlet(n_pixels, n, sigma, wavenumber, a, alias) for alias in _aliases(n, n_pixels)) for a in angles
    ]
    found = np.array(spectra)
    found[:, 0, 0] = 0  # what the aliases left
    if n < n_pixels and n % 2 == 0:
        found[:, n // 2] = found[:, :, n // 2] = 0  # of two opposite frequencies only one is on the grid
    return found.astype(np.float32)


def cropped(modes: Complexes, n: int) -> Complexes:
    """The lowest n x n frequencies of modes (..., m, m)."""
    m = modes.shape[-1]
    if n == m:
        return modes
    keep = np.r_[0 : (n + 1) // 2, m - n // 2 : m]
    return modes[..., keep[:, None], keep[None, :]]


def _morlet(n_pixels: int, n: int, sigma: float, wavenumber: float, angle: float, alias: tuple[int, int]) -> Array:
    line = 2 * np.pi * np.fft.fftfreq(n, 1 / n) / n_pixels
    kx, ky = line[:, None] + 2 * np.pi * alias[0], line[None, :] + 2 * np.pi * alias[1]
    along, across = kx * np.cos(angle) + ky * np.sin(angle), ky * np.cos(angle) - kx * np.sin(angle)

    def gaussian(center: float) -> Array:
        return np.exp(-0.5 * sigma**2 * ((along - center) ** 2 + across**2))

    return gaussian(wavenumber) - np.exp(-0.5 * (sigma * wavenumber) ** 2) * gaussian(0)


def _aliases(n: int, n_pixels: int) -> list[tuple[int, int]]:
    """Which copies of the plane of frequencies reach into the grid: of a coarser one, none but itself."""
    reach = (-1, 0, 1) if n == n_pixels else (0,)
    return [(i, j) for i in reach for j in reach]

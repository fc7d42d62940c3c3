"""The forms of the maps of one simulation that statistics are taken of, each made once."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Self

import numpy as np
import scipy.fft
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter

from learn.scores.geometry import Geometry

Array = NDArray[np.float64]
Modes = NDArray[np.complex128]

BLANK = 1e-6
"""A map whose range is below this share of its mean holds rounding errors of float32, not structure."""


@dataclass(frozen=True)
class Reference:
    """What the true maps of a simulation set for every method, a number a channel.

    level: mean density; center and spread: mean and standard deviation of the smoothed logs; smoothing in Mpc/h.
    """

    geometry: Geometry
    smoothing: float
    level: Array  # (C,)
    center: Array  # (C,)
    spread: Array  # (C,)

    @classmethod
    def of(cls, truth: NDArray, geometry: Geometry, *, smoothing: float) -> Self:
        """From true maps (n, C, P, P). ValueError for other shapes, RuntimeError for a channel without structure."""
        if truth.ndim != 4 or truth.shape[2:] != (geometry.n_pixels, geometry.n_pixels):
            n = geometry.n_pixels
            raise ValueError(f"true maps: expected (n, C, {n}, {n}), got {truth.shape}")
        level = truth.mean(axis=(0, 2, 3), dtype=np.float64)
        if not np.all(level > 0):
            raise RuntimeError(f"true maps: expected mass in every channel, channel {int(np.argmin(level))} is empty")
        smooth = smoothed(logs(truth, level), geometry, smoothing)
        center, spread = smooth.mean(axis=(0, 2, 3)), smooth.std(axis=(0, 2, 3))
        if not np.all(spread > 0):
            raise RuntimeError(f"true maps: expected structure, channel {int(np.argmin(spread))} is uniform")
        return cls(geometry, smoothing, level, center, spread)


class Views:
    """Maps (n, C, P, P) of one simulation by one method, beside what the truth sets for them."""

    def __init__(self, maps: NDArray, reference: Reference) -> None:
        self.maps, self.reference = maps, reference

    @property
    def geometry(self) -> Geometry:
        return self.reference.geometry

    @cached_property
    def modes(self) -> Modes:
        """Fourier modes of the contrast of each map about its own mean, (n, C, P, P // 2 + 1)."""
        return contrast_modes(self.maps, self.geometry)

    @cached_property
    def logs(self) -> Array:
        """log10(1 + map / true mean density), (n, C, P, P)."""
        return logs(self.maps, self.reference.level)

    @cached_property
    def sorted_logs(self) -> Array:
        """The logs of all pixels of each channel in order of size, (C, n P P)."""
        return np.sort(self.logs.swapaxes(0, 1).reshape(self.logs.shape[1], -1), axis=1)

    @cached_property
    def heights(self) -> Array:
        """The logs, smoothed, less their true mean and over their true standard deviation: (n, C, P, P)."""
        truth = self.reference
        smooth = smoothed(self.logs, self.geometry, truth.smoothing)
        return (smooth - truth.center[:, None, None]) / truth.spread[:, None, None]


def logs(maps: NDArray, level: Array) -> Array:
    """log10(1 + map / level) of (n, C, P, P); a negative density, which a linear filter can give, counts as none."""
    return np.log1p(np.maximum(maps, 0) / level[:, None, None]) / np.log(10)


def smoothed(maps: Array, geometry: Geometry, radius: float) -> Array:
    """Maps (n, C, P, P) under a Gaussian of standard deviation `radius` [Mpc/h]; maps that do not wrap are mirrored."""
    sigma = radius / geometry.pixel_size
    return gaussian_filter(maps, sigma, axes=(2, 3), mode=geometry.edges)


def contrast_modes(maps: NDArray, geometry: Geometry) -> Modes:
    """Fourier modes of map / mean - 1, (..., P, P // 2 + 1), under the window of maps that are not periodic.

    The mean is that of each map under its window; a map without structure has no modes.
    """
    window = geometry.window()
    values = maps.astype(np.float64)
    mean = (values * window).mean(axis=(-2, -1), keepdims=True) / window.mean()
    is_blank = np.ptp(values, axis=(-2, -1), keepdims=True) <= BLANK * np.abs(mean)
    contrast = np.where(is_blank, 0, values - mean) / np.where(mean == 0, 1, mean)
    return np.asarray(scipy.fft.rfft2(contrast * window))

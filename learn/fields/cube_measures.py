"""What is measured of a set of cubes, simulation by simulation: the statistics of maps, in three dimensions."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter, maximum_filter

from learn.fields.measures import PDF_EDGES, Measured, of_pixels, of_powers, stacked
from learn.fields.sets import FieldSet, Maps
from learn.scores.cube_minkowski import functionals
from learn.scores.cubes import CubeShells
from learn.scores.minkowski import MinkowskiFunctionals
from learn.scores.peaks import PeakCounts

Array = NDArray[np.float64]
LN10 = np.log(10.0)


@dataclass(frozen=True)
class Heights:
    """Smoothed logarithms of cubes, less the mean of those of the held-out cubes and over their standard deviation."""

    level: float  # mean density
    sigma: float  # of the Gaussian [voxel]
    center: float = 0.0
    spread: float = 1.0

    @classmethod
    def of(cls, truth: FieldSet, sigma: float) -> Self:
        """RuntimeError for cubes without mass or structure."""
        level = float(np.mean([cubes.mean(dtype=np.float64) for cubes in truth.fields]))
        if not level > 0:
            raise RuntimeError("held-out cubes: expected mass, got none")
        moments = [(one.mean(), np.square(one).mean()) for one in map(cls(level, sigma), truth.fields)]
        mean, square = np.mean(moments, axis=0)
        if not square > mean**2:
            raise RuntimeError("held-out cubes: expected structure, got uniform ones")
        return cls(level, sigma, float(mean), float(np.sqrt(square - mean**2)))

    def __call__(self, cubes: Maps) -> Array:
        """(n, P, P, P) -> (n, P, P, P)"""
        logs = np.log1p(np.maximum(cubes, 0) / self.level) / LN10
        smooth = gaussian_filter(logs.astype(np.float64), self.sigma, axes=(1, 2, 3), mode="wrap")
        return (smooth - self.center) / self.spread


@dataclass(frozen=True)
class CubeYardstick:
    """The scales that the held-out cubes set for everybody."""

    shells: CubeShells
    rings: CubeShells
    closed: NDArray[np.bool_]  # which rings have triangles
    heights: Heights
    voxel: float  # [Mpc/h]

    @classmethod
    def of(cls, truth: FieldSet, *, box_size: float, n_bins: int, smoothing: float) -> Self:
        """From held-out cubes of sides of `box_size`; smoothing in Mpc/h."""
        n = truth.fields[0].shape[-1]
        shells, rings = CubeShells.logarithmic(n, box_size, n_bins), CubeShells.rings(n, box_size)
        closed = np.isfinite(rings.bispectrum(rings.modes(truth.fields[0][0])))
        return cls(shells, rings, closed, Heights.of(truth, smoothing * n / box_size), box_size / n)

    @property
    def axes(self) -> Mapping[str, Array]:
        """What the last axis of each measurement is."""
        return {
            "power": self.shells.k,
            "pdf": 0.5 * (PDF_EDGES[1:] + PDF_EDGES[:-1]),
            "peaks": PeakCounts().axis,
            "minkowski": MinkowskiFunctionals.THRESHOLDS,
            "bispectrum": self.rings.k[self.closed],
        }

    def measure(self, fields: FieldSet) -> Measured:
        """Everything, of every simulation."""
        return stacked([self.of_cubes(cubes) for cubes in fields.fields])

    def of_cubes(self, cubes: Maps) -> Measured:
        """Of the cubes (n, P, P, P) of one simulation."""
        heights = self.heights(cubes)
        thresholds = MinkowskiFunctionals.THRESHOLDS
        return {
            **of_powers(self.powers(cubes)),
            **of_pixels(cubes, self.heights.level),
            "peaks": np.histogram(heights[are_peaks(heights)], PeakCounts.EDGES)[0] / len(cubes),
            "minkowski": np.mean([functionals(one, thresholds, self.voxel) for one in heights], axis=0),
            "bispectrum": np.mean(list(self._bispectra(cubes)), axis=0),
        }

    def powers(self, cubes: Maps) -> Array:
        """P(k) of each of cubes (n, P, P, P) [(Mpc/h)^3], (n, K)."""
        modes = (self.shells.modes(one) for one in cubes)
        return np.array([self.shells.power(one, one) for one in modes])

    def _bispectra(self, cubes: Maps) -> Iterator[Array]:
        """Q(k) of each cube, (rings,)."""
        return (self.rings.bispectrum(self.rings.modes(one))[self.closed] for one in cubes)


def are_peaks(cubes: Array) -> NDArray[np.bool_]:
    """Which voxels of periodic cubes (n, P, P, P) are above all their 26 neighbours."""
    around = np.ones((1, 3, 3, 3), bool)
    around[0, 1, 1, 1] = False
    return np.asarray(cubes > maximum_filter(cubes, footprint=around, mode="wrap"))

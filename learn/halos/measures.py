"""What is measured of maps around a halo: its profile, its mass, empty pixels and peaks, and the place of the truth.

Maps are (C, P, P) of mass a pixel with the halo in their middle, C channels: total, dark matter, gas, stars. Knows
nothing of models or of files.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Self

import numpy as np
from numpy.typing import NDArray

from learn.halos.sampler import distances
from learn.scores.coverage import ranks
from learn.scores.peaks import are_peaks
from sim.samples import TARGET_CHANNELS

Array = NDArray[np.float64]
Maps = NDArray[np.floating]

CHANNELS = ("total", *TARGET_CHANNELS)
INNERMOST, OUTERMOST = 0.1, 4.0
"""Ends of the bins of radius, over R200c."""
QUANTITIES = ("mass", "pixels")
"""What the place of the truth among draws is counted of: mass within R200c, and means over squares."""
N_SQUARES = 16
"""Squares along a side of the map."""
PEAK = 10.0
"""A peak is a pixel above its 8 neighbours with at least this many times the mean of its channel."""


@dataclass(frozen=True)
class Measures:
    """A row a sample, a column a channel: profile (n, 4, R) and area (n, R), mass, window, zeros and peaks (n, 4).

    profile is mass in rings and area their pixels; mass is within R200c and window all; zeros a share of pixels; lowest
    (n,) the smallest pixel; log_mass (n,) log10 of M200c [Msun/h].
    """

    profile: Array
    area: Array
    mass: Array
    window: Array
    zeros: Array
    peaks: Array
    lowest: Array
    log_mass: Array

    @classmethod
    def stacked(cls, rows: list[Self]) -> Self:
        """Those of several samples as one."""
        return cls(*(np.concatenate([getattr(one, item.name) for one in rows]) for item in fields(cls)))

    def __len__(self) -> int:
        return len(self.mass)

    def taken(self, rows: NDArray[np.int64]) -> Self:
        return type(self)(*(getattr(self, item.name)[rows] for item in fields(self)))


@dataclass(frozen=True)
class Ruler:
    """Rings around the middle of a map of n_pixels^2 of `pixel_size`, in units of `radius` [both Mpc/h].

    log_mass is log10 of M200c [Msun/h] of the halo, where there is one.
    """

    n_pixels: int
    pixel_size: float
    radius: float
    n_radii: int
    log_mass: float = np.nan

    @property
    def edges(self) -> Array:
        """Of the rings, over R200c."""
        return np.geomspace(INNERMOST, OUTERMOST, self.n_radii + 1)

    @property
    def distance(self) -> Array:
        """Of every pixel (P, P) from the middle, over R200c."""
        return distances(self.n_pixels, self.pixel_size) / self.radius

    def measure(self, maps: Maps, level: Array) -> Measures:
        """Of one sample; `level` (4,) is the mean pixel of each channel, over all true maps."""
        distance = self.distance
        place = np.digitize(distance, self.edges).ravel()
        n = self.n_radii + 2
        rings = [np.bincount(place, weights=one.ravel(), minlength=n)[1:-1] for one in maps]
        tall = are_peaks(np.asarray(maps, np.float64), periodic=False) & (maps >= PEAK * level[:, None, None])
        flat = maps.reshape(len(maps), -1)
        return Measures(
            profile=np.array(rings, np.float64)[None],
            area=np.bincount(place, minlength=n)[None, 1:-1].astype(np.float64),
            mass=flat[:, (distance < 1).ravel()].sum(axis=1, dtype=np.float64)[None],
            window=flat.sum(axis=1, dtype=np.float64)[None],
            zeros=(flat == 0).mean(axis=1)[None],
            peaks=tall.sum(axis=(1, 2)).astype(np.float64)[None],
            lowest=np.array([float(maps.min())]),
            log_mass=np.array([self.log_mass]),
        )


def with_total(maps: Maps) -> Array:
    """Dark matter, gas, stars (..., 3, P, P) with their sum before them, (..., 4, P, P)."""
    wide = np.asarray(maps, np.float64)
    return np.concatenate([wide.sum(axis=-3, keepdims=True), wide], axis=-3)


def places(draws: Maps, truth: Maps, ruler: Ruler, rng: np.random.Generator) -> Array:
    """How often the truth (4, P, P) has each place among draws (D, 4, P, P): counts (quantities, 4, D + 1).

    A square that is empty in the truth and in every draw says nothing and is not counted; other equal values are put
    in order by `rng`.
    """
    counts = []
    for quantity in (_masses, _squares):
        drawn, true = quantity(draws, ruler), quantity(truth[None], ruler)[0]
        found = ranks(drawn, true, rng)
        said = (true > 0) | (drawn > 0).any(axis=0)
        rows = zip(found, said, strict=True)
        counts.append([np.bincount(row[known], minlength=len(draws) + 1) for row, known in rows])
    return np.array(counts, dtype=np.float64)


def _masses(maps: Maps, ruler: Ruler) -> Array:
    """(D, C, P, P) -> (D, C, 1)"""
    return maps[..., ruler.distance < 1].sum(axis=-1, keepdims=True, dtype=np.float64)


def _squares(maps: Maps, ruler: Ruler) -> Array:
    """(D, C, P, P) -> (D, C, squares); pixels beyond whole squares are cut."""
    side = max(1, ruler.n_pixels // N_SQUARES)
    n = ruler.n_pixels // side
    blocks = maps[..., : n * side, : n * side].reshape(*maps.shape[:2], n, side, n, side)
    return blocks.mean(axis=(3, 5), dtype=np.float64).reshape(*maps.shape[:2], -1)

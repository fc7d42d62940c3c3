"""Minkowski functionals of the regions above a threshold, from counts of pixels, edges and corners.

A count of what lies in a region is a count of the values of minima and maxima over neighbours, so that one sorted
search serves all thresholds.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from learn.scores.statistic import relative_distance
from learn.scores.views import Views

Array = NDArray[np.float64]
Extreme = Callable[[Array, Array], Array]


class MinkowskiFunctionals:
    """V0, V1, V2 of the smoothed logs above thresholds in standard deviations of the true ones about their mean."""

    name: ClassVar[str] = "minkowski"
    THRESHOLDS: ClassVar[Array] = np.arange(-2, 4.01, 0.25)

    @property
    def axis(self) -> Array:
        return self.THRESHOLDS

    def measure(self, views: Views) -> Array:
        """Means over the maps, (C, 3, K)."""
        geometry, heights = views.geometry, views.heights
        found = [
            [functionals(one, self.THRESHOLDS, geometry.pixel_size, periodic=geometry.periodic) for one in maps]
            for maps in heights
        ]
        return np.mean(found, axis=0)

    def scores(self, painted: Array, truth: Array) -> Mapping[str, Array]:
        """Of each functional the area between the curves over that below the true one, and their mean."""
        each = relative_distance(painted, truth)  # (C, 3)
        return {"minkowski": each.mean(axis=1)} | {f"minkowski_v{i}": each[:, i] for i in range(3)}


def functionals(values: Array, thresholds: Array, pixel_size: float, *, periodic: bool = True) -> Array:
    """Area fraction, a quarter of the length of the boundary and Euler number, both over the area: (3, thresholds).

    As Schmalzing & Gorski (1998, astro-ph/9710185, eq. 3) with V1 in h/Mpc and V2 in (h/Mpc)^2. A boundary of pixel
    edges is longer than what it follows by 4 / pi, for all directions alike, which is divided out. The Euler number is
    the mean of those in which pixels that touch at a corner are and are not connected: that of a set and that of the
    rest are opposite. Of a map that is not periodic the last row and column lend their values to their neighbours only.
    """
    kept = values.shape if periodic else (values.shape[0] - 1, values.shape[1] - 1)

    def share(of: Array) -> Array:
        return share_above(of[: kept[0], : kept[1]], thresholds)

    pixels = share(values)
    lower, upper = (
        share(beside(values, 0, extreme)) + share(beside(values, 1, extreme)) for extreme in (np.minimum, np.maximum)
    )
    corners = [share(beside(beside(values, 0, extreme), 1, extreme)) for extreme in (np.minimum, np.maximum)]
    boundary = (upper - lower) * np.pi / 4
    euler = pixels - (lower + upper) / 2 + (corners[0] + corners[1]) / 2
    return np.stack([pixels, boundary / (4 * pixel_size), euler / pixel_size**2])


def share_above(values: Array, thresholds: Array) -> Array:
    """Share of `values` at or above each of the rising `thresholds`."""
    n_reached = np.searchsorted(thresholds, values.ravel(), side="right")
    counts = np.bincount(n_reached, minlength=len(thresholds) + 1)
    return counts[::-1].cumsum()[::-1][1:] / values.size


def beside(values: Array, axis: int, extreme: Extreme) -> Array:
    """`extreme` of each value and the next along `axis`, the first after the last."""
    return extreme(values, np.roll(values, -1, axis))

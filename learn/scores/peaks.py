"""Peaks of the smoothed maps: how many there are of each height, and where the highest are."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from learn.scores.views import Views

Array = NDArray[np.float64]

ENOUGH = 10
"""True peaks a bin of height must have in a simulation to be counted on."""


class PeakCounts:
    """Local maxima in bins of height, in standard deviations of the true smoothed logs above their mean."""

    name: ClassVar[str] = "peaks"
    EDGES: ClassVar[Array] = np.arange(-1, 6.5, 0.5)

    @property
    def axis(self) -> Array:
        return 0.5 * (self.EDGES[1:] + self.EDGES[:-1])

    def measure(self, views: Views) -> Array:
        """Number of peaks in all maps, (C, K)."""
        heights = views.heights
        where = are_peaks(heights, periodic=views.geometry.periodic)
        counts = [np.histogram(heights[:, i][where[:, i]], self.EDGES)[0] for i in range(heights.shape[1])]
        return np.array(counts, dtype=np.float64)

    def scores(self, painted: Array, truth: Array) -> Mapping[str, Array]:
        """Mean of |N / N_true - 1| over the bins with at least ENOUGH true peaks."""
        enough = truth >= ENOUGH
        error = np.abs(painted / np.where(enough, truth, 1) - 1)
        sums, n_bins = np.where(enough, error, 0).sum(axis=-1), enough.sum(axis=-1)
        return {"peaks": np.divide(sums, n_bins, out=np.full(len(sums), np.nan), where=n_bins > 0)}


def are_peaks(values: Array, *, periodic: bool) -> NDArray[np.bool_]:
    """Which pixels of (..., P, P) are above all their 8 neighbours; none at an edge that does not wrap."""
    beside = (np.roll(values, by, -1) for by in (1, -1))
    row = np.maximum(*beside)
    three = np.maximum(row, values)
    around = np.maximum(row, np.maximum(np.roll(three, 1, -2), np.roll(three, -1, -2)))
    found = values > around
    if not periodic:
        found[..., [0, -1], :] = found[..., :, [0, -1]] = False
    return found


def highest(values: Array, n: int, *, periodic: bool, margin: int = 0) -> NDArray[np.int64]:
    """Pixels (m, 2) of the at most n highest peaks of one map (P, P), the highest first.

    Where the map does not wrap, none is nearer than `margin` pixels to an edge.
    """
    found = are_peaks(values, periodic=periodic)
    if not periodic and margin:
        inner = np.zeros_like(found)
        inner[margin:-margin, margin:-margin] = True
        found &= inner
    where = np.argwhere(found)
    order = np.argsort(-values[found], kind="stable")
    return where[order[:n]]

"""How the pixels are distributed."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from learn.scores.views import Views

Array = NDArray[np.float64]


class PixelPdf:
    """Probability density of u = log10(1 + density / true mean density); what lies beyond the last bin is in it."""

    name: ClassVar[str] = "pdf"
    EDGES: ClassVar[Array] = np.linspace(0, 5, 51)

    @property
    def axis(self) -> Array:
        return 0.5 * (self.EDGES[1:] + self.EDGES[:-1])

    def measure(self, views: Views) -> Array:
        """(C, K), each row with the integral 1."""
        values = np.minimum(views.logs, self.axis[-1])
        counts = [np.histogram(values[:, i], self.EDGES, density=True)[0] for i in range(values.shape[1])]
        return np.array(counts)

    def scores(self, _painted: Array, _truth: Array) -> Mapping[str, Array]:
        """None of the bins: the distance is that of the pixels, `pixel_distance`."""
        return {}


def pixel_distance(painted: Views, truth: Views) -> Array:
    """Wasserstein distance of order 1 between the distributions of u, in decades, (C,).

    With as many pixels on both sides it is the mean difference of the pixels in order of size.
    """
    return np.abs(painted.sorted_logs - truth.sorted_logs).mean(axis=1)


class EmptyPixels:
    """The share of pixels without any mass: stars are nowhere in most of the sky."""

    name: ClassVar[str] = "empty"

    @property
    def axis(self) -> Array:
        return np.zeros(1)

    def measure(self, views: Views) -> Array:
        """(C, 1)"""
        return (views.maps <= 0).mean(axis=(0, 2, 3))[:, None]

    def scores(self, painted: Array, truth: Array) -> Mapping[str, Array]:
        return {"empty": painted[:, 0], "empty_truth": truth[:, 0], "empty_error": np.abs(painted - truth)[:, 0]}

"""Whether an uncertainty is calibrated: how often the truth lies inside intervals of draws.

Where truth and n draws are alike, the truth is equally often in each of the n + 1 places of their order.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from learn.scores.apertures import disc_masses, usable
from learn.scores.geometry import Geometry
from learn.scores.shells import Shells
from learn.scores.views import contrast_modes

Array = NDArray[np.float64]

NOMINAL = (0.68, 0.95)
QUANTITIES = ("pixels", "apertures", "power")
BLOCK = 1.0
"""Side of the squares over which pixels are averaged [Mpc/h]."""
RADIUS = 1.0
"""Of the discs, or the nearest that the maps resolve [Mpc/h]."""


@dataclass(frozen=True)
class Calibration:
    """Places of the truth among draws: block means of pixels, masses in discs, and P(k) in bins."""

    geometry: Geometry
    shells: Shells

    def places(self, draws: NDArray, truth: NDArray, at: NDArray[np.int64], rng: np.random.Generator) -> Array:
        """How often the truth (C, P, P) has each place among its draws (D, C, P, P): counts (quantities, C, D + 1).

        at: pixels (m, 2) of the centres of the discs. Equal values are put in order by `rng`.
        """
        known = [self.quantities(maps, at) for maps in (truth, *draws)]
        columns = [np.stack(column) for column in zip(*known, strict=True)]  # (1 + D, C, Q) each
        return np.array([counted(ranks(column[1:], column[0], rng), len(draws)) for column in columns])

    def quantities(self, maps: NDArray, at: NDArray[np.int64]) -> tuple[Array, Array, Array]:
        """Of maps (C, P, P), a row a channel: as QUANTITIES names them."""
        radius = min(usable(self.geometry), key=lambda r: abs(r - RADIUS))
        modes = contrast_modes(maps, self.geometry)
        return (
            block_means(maps, self.geometry),
            disc_masses(maps, at, radius, self.geometry),
            self.shells.power(modes, modes),
        )


def block_means(maps: NDArray, geometry: Geometry) -> Array:
    """Means over squares about BLOCK on a side of maps (C, P, P), (C, squares); pixels beyond whole squares are cut."""
    side = max(1, round(BLOCK / geometry.pixel_size))
    n = geometry.n_pixels // side
    blocks = maps[:, : n * side, : n * side].reshape(len(maps), n, side, n, side)
    return blocks.mean(axis=(2, 4), dtype=np.float64).reshape(len(maps), -1)


def ranks(draws: Array, truth: Array, rng: np.random.Generator) -> NDArray[np.int64]:
    """How many of the draws (D, ...) lie below the truth (...), 0 to D; a share of those equal to it, at random."""
    n_equal = (draws == truth).sum(axis=0)
    return (draws < truth).sum(axis=0) + rng.integers(0, n_equal + 1)


def counted(places: NDArray[np.int64], n_draws: int) -> Array:
    """Histograms of places (C, Q), (C, n_draws + 1)."""
    return np.array([np.bincount(row, minlength=n_draws + 1) for row in places], dtype=np.float64)


def coverage(counts: Array, nominal: float) -> Array:
    """Share of truths inside the central interval of probability `nominal`, from counts of places (..., D + 1).

    The interval between the i-th lowest and the i-th highest draw holds (D + 1 - 2 i) / (D + 1) of the truths of a
    calibrated model; between two such intervals the share is interpolated, so it is `nominal` for every D if the model
    is calibrated. nan where nothing was counted.
    """
    n_places = counts.shape[-1]
    depth = np.arange((n_places + 1) // 2)
    inside = np.stack([counts[..., i : n_places - i].sum(axis=-1) for i in depth], axis=-1)
    total = counts.sum(axis=-1, keepdims=True)
    share = np.divide(inside, total, out=np.full_like(inside, np.nan), where=total > 0)
    exact = np.append((n_places - 2 * depth) / n_places, 0.0)
    share = np.concatenate([share, np.zeros((*share.shape[:-1], 1))], axis=-1)
    upper = int(np.flatnonzero(exact >= nominal)[-1])
    weight = (exact[upper] - nominal) / (exact[upper] - exact[upper + 1])
    return (1 - weight) * share[..., upper] + weight * share[..., upper + 1]

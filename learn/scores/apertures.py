"""Masses in discs around the highest true peaks of the total matter."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from learn.scores.geometry import Geometry
from learn.scores.peaks import highest
from learn.scores.views import Views

Array = NDArray[np.float64]
Places = Sequence[NDArray[np.int64]]

RADII = (0.5, 1.0, 2.0)
"""Of the discs [comoving Mpc/h]."""
AREA = 25.0
"""Area of sky for each peak that is looked at [(Mpc/h)^2]."""
QUANTILES = (0.16, 0.5, 0.84)


class Apertures:
    """Painted over true mass in the discs of each radius around the true peaks: its 16, 50 and 84 % points."""

    name: ClassVar[str] = "apertures"

    def __init__(self, truth: Views) -> None:
        self.geometry = truth.geometry
        self.radii = usable(self.geometry)
        self.places = centers(truth)
        self.true_masses = self.masses(truth.maps)

    @property
    def axis(self) -> Array:
        """Radii [Mpc/h]."""
        return np.array(RADII)

    def measure(self, views: Views) -> Array:
        """(C, 3, radii); nan for a radius that the pixels do not resolve, or where the truth has no mass."""
        ratios = np.full((views.maps.shape[1], 3, len(RADII)), np.nan)
        for i, (own, true) in enumerate(zip(self.masses(views.maps), self.true_masses, strict=True)):
            for channel in range(len(ratios)):
                has_mass = true[channel] > 0
                if has_mass.any():
                    place = RADII.index(self.radii[i])
                    ratio = own[channel][has_mass] / true[channel][has_mass]
                    ratios[channel, :, place] = np.quantile(ratio, QUANTILES)
        return ratios

    def scores(self, painted: Array, _truth: Array) -> Mapping[str, Array]:
        """Median of the ratio - 1 with its sign, and half its central 68 % over the median, at each radius.

        A painter of no mass has no scatter: nan.
        """
        low, middle, high = painted[:, 0], painted[:, 1], painted[:, 2]
        bias = {f"aperture_bias_{r:g}": middle[:, i] - 1 for i, r in enumerate(RADII)}
        scatter = np.divide((high - low) / 2, middle, out=np.full_like(middle, np.nan), where=middle > 0)
        return bias | {f"aperture_scatter_{r:g}": scatter[:, i] for i, r in enumerate(RADII)}

    def masses(self, maps: NDArray) -> list[Array]:
        """Masses [Msun/h] in the discs of each usable radius around all the peaks of all maps, (C, peaks) each."""
        per_map = [
            [disc_masses(one, at, r, self.geometry) for r in self.radii]
            for one, at in zip(maps, self.places, strict=True)
        ]
        return [np.concatenate(column, axis=1) for column in zip(*per_map, strict=True)]


def usable(geometry: Geometry) -> tuple[float, ...]:
    """The radii that hold pixels and fit into a map. ValueError if there is none."""
    found = tuple(r for r in RADII if geometry.pixel_size < r < geometry.box_size / 4)
    if not found:
        pixels = f"{geometry.n_pixels} pixels of {geometry.pixel_size:g} Mpc/h"
        raise ValueError(f"apertures: maps that hold discs of {RADII} Mpc/h, got {pixels}")
    return found


def centers(truth: Views) -> Places:
    """The highest peaks of the smoothed true total matter, channel 0, of each map: (m, 2) pixels."""
    geometry = truth.geometry
    n = max(1, round(geometry.box_size**2 / AREA))
    margin = int(np.ceil(max(usable(geometry)) / geometry.pixel_size))
    return [highest(one, n, periodic=geometry.periodic, margin=margin) for one in truth.heights[:, 0]]


def disc_masses(maps: NDArray, places: NDArray[np.int64], radius: float, geometry: Geometry) -> Array:
    """Mass of maps (C, P, P) in the pixels whose centres lie within `radius` of each of `places` (m, 2): (C, m)."""
    reach = int(radius / geometry.pixel_size)
    line = np.arange(-reach, reach + 1)
    offsets = np.argwhere(np.hypot(line[:, None], line[None, :]) * geometry.pixel_size <= radius) - reach
    pixels = (places[:, None, :] + offsets) % geometry.n_pixels  # (m, pixels of a disc, 2)
    inside = maps[:, pixels[..., 0], pixels[..., 1]]
    return inside.sum(axis=-1, dtype=np.float64) * geometry.pixel_size**2

"""Maps of halos put back into the periodic map of a box, each with a weight that falls to zero before its edge.

A stamp is the map of a halo, wherever it comes from: its weight is 1 within `inner` R200c, 0 beyond `outer` R200c, and
half a cosine between. Where weights add up to more than 1 they are divided by their sum; where to less, the map of the
box has the rest. Knows nothing of where maps come from, of particles or of files.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, Self

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
Floats = NDArray[np.floating]
Conserve = Literal["none", "halo", "box"]

ALIGNED = 1e-6
"""A stamp whose pixels are this close to those of the map [pixel] is not interpolated."""


@dataclass(frozen=True)
class Taper:
    """Weight of a stamp at a distance from its centre: radii in units of R200c."""

    inner: float
    outer: float

    def __post_init__(self) -> None:
        if not 0 <= self.inner < self.outer < np.inf:
            raise ValueError(f"taper: expected 0 <= inner < outer, got {self.inner} and {self.outer}")

    def weight(self, distance: Array, radius: float, reach: float) -> Array:
        """Weights at `distance` of a halo of `radius`, in one unit; a taper that would end beyond `reach` is shrunk."""
        scale = min(radius, reach / self.outer)
        x = (distance / scale - self.inner) / (self.outer - self.inner)
        return np.asarray(0.5 * (1 + np.cos(np.pi * np.clip(x, 0, 1))))


@dataclass(frozen=True)
class Layout:
    """Where stamps of `side`^2 pixels lie in a periodic map of n_pixels^2, and with which weights.

    corner (h, 2) is the first row and column that a stamp touches, rest (h, 2) by how much of a pixel it lies behind
    it; weights (h, side + 1, side + 1) of the pixels that it touches, kept (n_pixels, n_pixels) of the map itself. At
    each pixel all weights add up to 1.
    """

    side: int
    corner: NDArray[np.int64]
    rest: Array
    weights: Array
    kept: Array

    @classmethod
    def of(cls, center: Array, radius: Array, taper: Taper, *, box_size: float, n_pixels: int, side: int) -> Self:
        """For halos at `center` (h, 2) of R200c `radius` (h,), Mpc/h; pixel i of the map covers [i, i+1) box_size / n.

        A taper ends where its stamp does. ValueError for stamps that do not fit, or halos that are no numbers.
        """
        center, radius = np.asarray(center, float).reshape(-1, 2), np.asarray(radius, float).reshape(-1)
        _refuse(center, radius, n_pixels, side)
        pixel = box_size / n_pixels
        corner, rest = _split(center / pixel - side / 2)
        touched = corner[:, :, None] + np.arange(side + 1)  # (h, 2, side + 1)
        away = touched + 0.5 - (center / pixel)[:, :, None]
        distance = np.hypot(away[:, 0, :, None], away[:, 1, None, :])
        reach = side / 2 - 1
        each = zip(distance, radius / pixel, strict=True)
        weights = np.array([taper.weight(d, r, reach) for d, r in each]).reshape(-1, side + 1, side + 1)
        total = np.zeros((n_pixels, n_pixels))
        for place, weight in zip(_places(corner, n_pixels, side), weights, strict=True):
            total[place] += weight
        for place, weight in zip(_places(corner, n_pixels, side), weights, strict=True):
            weight /= np.maximum(total[place], 1)
        return cls(side, corner, rest, weights, np.maximum(1 - total, 0))

    def paste(self, base: Floats, stamps: Floats, conserve: Conserve = "none") -> Array:
        """`stamps` (h, C, side, side) in the map `base` (C, n, n), both in mass a pixel: (C, n, n).

        conserve="halo": each halo is given the mass, summed over channels, that it takes the place of. conserve="box":
        what all halos gained or lost is taken from, or spread over, the rest of the map in proportion to it. Either way
        the map keeps its mass. RuntimeError where that cannot be; ValueError for other shapes.
        """
        n = len(self.kept)
        expected = (len(self.corner), len(base), self.side, self.side)
        if base.shape != (len(base), n, n) or stamps.shape != expected:
            shapes = f"a map (C, {n}, {n}) and stamps {expected}"
            raise ValueError(f"paste: expected {shapes}, got {base.shape} and {stamps.shape}")
        added = np.zeros(base.shape)
        for i, place in enumerate(_places(self.corner, n, self.side)):
            part = self.weights[i] * self._moved(stamps[i], i)
            if conserve == "halo":
                replaced = (self.weights[i] * base[:, place[0], place[1]]).sum()
                part *= _factor(replaced, part.sum(), f"mass in halo {i}")
            added[:, place[0], place[1]] += part
        kept = self.kept * base
        if conserve == "box" and len(self.corner):
            kept *= _factor(base.sum(dtype=np.float64) - added.sum(), kept.sum(), "less mass in halos than in the map")
        return added + kept

    def replaced(self, maps: Floats) -> Floats:
        """The pixels of `maps` (C, n, n) that the stamps touch, (h, C, side + 1, side + 1)."""
        n = len(self.kept)
        touched = [maps[:, rows, columns] for rows, columns in _places(self.corner, n, self.side)]
        return np.array(touched).reshape(-1, len(maps), self.side + 1, self.side + 1)

    def _moved(self, stamp: Floats, i: int) -> Array:
        """A stamp (C, side, side) on the pixels that it touches, (C, side + 1, side + 1): no mass is lost."""
        moved = np.pad(np.asarray(stamp, np.float64), [(0, 0), (0, 1), (0, 1)])
        for axis, share in zip((1, 2), self.rest[i], strict=True):
            if share > 0:
                moved = (1 - share) * moved + share * np.roll(moved, 1, axis)
        return moved


def nearest_corner(center: Array, pixel: float) -> Array:
    """The pixel corner nearest to each of `center` (h, 2), so that the pixels of a stamp of even side are the map's."""
    return np.round(np.asarray(center, float) / pixel) * pixel


def _split(left: Array) -> tuple[NDArray[np.int64], Array]:
    """Whole pixels and what is behind them, which is nothing within ALIGNED."""
    whole = np.floor(left + ALIGNED)
    rest = left - whole
    return whole.astype(np.int64), np.where(rest < ALIGNED, 0.0, rest)


def _places(corner: NDArray[np.int64], n: int, side: int) -> list[tuple[NDArray[np.int64], NDArray[np.int64]]]:
    """Rows (side + 1, 1) and columns (1, side + 1) of the map that each stamp touches."""
    along = np.arange(side + 1)
    return [((row + along)[:, None] % n, (column + along)[None, :] % n) for row, column in corner]


def _factor(wanted: float, got: float, what: str) -> float:
    if not (wanted >= 0 and got > 0):
        raise RuntimeError(f"paste: to conserve mass, expected {what}, got {got:g} Msun/h where {wanted:g} are wanted")
    return float(wanted / got)


def _refuse(center: Array, radius: Array, n_pixels: int, side: int) -> None:
    problems = {
        f"as many centres as radii, got {len(center)} and {len(radius)}": len(center) != len(radius),
        f"stamps of 4 pixels or more, smaller than the map of {n_pixels}, got {side}": not 4 <= side < n_pixels,
        "finite centres and radii above 0": not (np.isfinite(center).all() and (radius > 0).all()),
    }
    for law, broken in problems.items():
        if broken:
            raise ValueError(f"paste: expected {law}")

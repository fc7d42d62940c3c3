"""Inner structure of halos from their members: concentration, spin, shape. Knows nothing of how halos were found.

Members of halo i are the rows start[i] to start[i + 1] of `pos` (n, 3) Mpc/h; those within `radius` (h,) Mpc/h of
`center` (h, 3) count. A halo of fewer than FEWEST of them has zeros. No bit depends on ranks or threads when the rows
of a halo have one order.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numba import njit, prange
from numpy.typing import NDArray

from sim.units import GRAVITY

Array = NDArray[np.float64]
Integers = NDArray[np.int64]

FEWEST = 50
"""Members of the smallest halo that is described: c is known to about 40 % there, an axis ratio to 0.15."""
CONCENTRATIONS = (1.0, 50.0)
"""Bounds of c200c; a halo that would leave them is given the bound."""
INNER = 0.05
"""Radii below this over R200c say nothing: the centre is not known better, and softening rules."""

_ITERATIONS = 60
_TOLERANCE = 1e-3


@dataclass(frozen=True)
class Members:
    """Halos and their members, as the module describes them."""

    pos: NDArray[np.floating[Any]]
    start: Integers
    center: Array
    radius: Array
    box_size: float

    @property
    def _halos(self) -> tuple[Any, ...]:
        """What the kernels take."""
        return self.pos, self.start, self.center, self.radius, self.box_size

    def concentration(self) -> Array:
        """(h,): c that makes the radii of the members from INNER to 1 most likely, as drawn from an NFW profile."""
        return np.asarray(_concentrations(INNER, CONCENTRATIONS, *self._halos))

    def spin(self, vel: NDArray[np.floating[Any]], mass: float, redshift: float) -> Array:
        """(h,): lambda' = J / (sqrt 2 M V R) of Bullock et al. 2001 (astro-ph/0011001), eq. 5.

        `vel` (n, 3) km/s peculiar, particles of `mass` Msun/h; J is about the centre and the mean velocity of those
        that count, V^2 = G M / R of their mass M and the physical R.
        """
        moment, n = _moments(np.ascontiguousarray(vel), *self._halos)
        speed = np.sqrt(GRAVITY * mass * n * (1 + redshift) / np.maximum(self.radius, 1e-300))
        return np.where(n < FEWEST, 0, moment / np.where(n < FEWEST, 1, np.sqrt(2) * self.radius * speed))

    def shape(self) -> Array:
        """(h, 2): b / a and c / a, from the reduced inertia tensor of the members in an ellipsoid of its own shape.

        Iterated from the sphere with the longest axis kept at `radius` (Allgood et al. 2006, astro-ph/0508497, eq. 5
        and 6; Zemp et al. 2011, arXiv:1107.5582, compare the ways to do so).
        """
        return np.asarray(_shapes(*self._halos))


@njit(cache=True, nogil=True)
def _inside(pos, begin, end, center, radius, box_size):  # type: ignore[no-untyped-def]
    """The rows from `begin` to `end` within `radius`, and their offsets (k, 3) from the centre."""
    rows, offset, n = np.empty(end - begin, np.int64), np.empty((end - begin, 3)), 0
    for i in range(begin, end):
        square = 0.0
        for axis in range(3):
            d = np.float64(pos[i, axis]) - center[axis]
            offset[n, axis] = d - box_size * np.rint(d / box_size)
            square += offset[n, axis] ** 2
        if square < radius**2:
            rows[n] = i
            n += 1
    return rows[:n], offset[:n]


@njit(cache=True, nogil=True, parallel=True)
def _concentrations(inner, bounds, pos, start, center, radius, box_size):  # type: ignore[no-untyped-def]
    found = np.zeros(len(radius))
    for h in prange(len(radius)):
        _, offset = _inside(pos, start[h], start[h + 1], center[h], radius[h], box_size)
        x = np.sqrt((offset**2).sum(axis=1)) / max(radius[h], 1e-300)
        x = x[x > inner]
        if len(x) >= FEWEST:
            found[h] = _likeliest(x, inner, bounds)
    return found


@njit(cache=True, nogil=True)
def _likeliest(x, inner, bounds):  # type: ignore[no-untyped-def]
    """Where the slope of the likelihood in ln c, which falls, is zero."""
    low, high = np.log(bounds[0]), np.log(bounds[1])
    for _ in range(_ITERATIONS):
        c = np.exp((low + high) / 2)
        rise = (c / (1 + c)) ** 2 - (c * inner / (1 + c * inner)) ** 2
        slope = (2 / (1 + c * x)).sum() - len(x) * rise / (_mass(c) - _mass(c * inner))
        if slope > 0:
            low = np.log(c)
        else:
            high = np.log(c)
    return np.exp((low + high) / 2)


@njit(cache=True, nogil=True)
def _mass(s: float) -> float:
    """Within s scale radii of an NFW halo."""
    return np.log1p(s) - s / (1 + s)


@njit(cache=True, nogil=True, parallel=True)
def _moments(vel, pos, start, center, radius, box_size):  # type: ignore[no-untyped-def]
    """Specific angular momentum (h,) [Mpc/h km/s] and how many members it is of."""
    moment, counts = np.zeros(len(radius)), np.zeros(len(radius), np.int64)
    for h in prange(len(radius)):
        rows, offset = _inside(pos, start[h], start[h + 1], center[h], radius[h], box_size)
        counts[h] = len(rows)
        mean, total = np.zeros(3), np.zeros(3)
        for i in rows:
            for axis in range(3):
                mean[axis] += vel[i, axis] / len(rows)
        for k, i in enumerate(rows):
            v = vel[i] - mean
            for axis in range(3):
                u, w = (axis + 1) % 3, (axis + 2) % 3
                total[axis] += (offset[k, u] * v[w] - offset[k, w] * v[u]) / len(rows)
        moment[h] = np.sqrt((total**2).sum())
    return moment, counts


@njit(cache=True, nogil=True, parallel=True)
def _shapes(pos, start, center, radius, box_size):  # type: ignore[no-untyped-def]
    shape = np.zeros((len(radius), 2))
    for h in prange(len(radius)):
        _, offset = _inside(pos, start[h], start[h + 1], center[h], radius[h], box_size)
        shape[h] = _axes(offset, radius[h])
    return shape


@njit(cache=True, nogil=True)
def _axes(offset, radius):  # type: ignore[no-untyped-def]
    """Axis ratios (2,) of the points `offset` (n, 3); zeros once fewer than FEWEST are left in the ellipsoid."""
    ratio, frame = np.ones(3), np.eye(3)
    for _ in range(_ITERATIONS):
        tensor, n = _tensor(offset, ratio, frame, radius)
        if n < FEWEST:
            return np.zeros(2)
        square, frame = np.linalg.eigh(tensor)
        last = ratio
        ratio = np.sqrt(np.maximum(square, 0) / square[2])
        if np.abs(ratio - last).max() < _TOLERANCE or ratio[0] == 0:
            break
    return ratio[1::-1].copy()


@njit(cache=True, nogil=True)
def _tensor(offset, ratio, frame, radius):  # type: ignore[no-untyped-def]
    """Sum of x_i x_j / s^2, s the elliptical radius, over the points with s below `radius`, and their number.

    The axes are the columns of `frame`, their lengths over the longest are `ratio`.
    """
    tensor, n = np.zeros((3, 3)), 0
    for k in range(len(offset)):
        square = 0.0
        for axis in range(3):
            along = 0.0
            for i in range(3):
                along += offset[k, i] * frame[i, axis]
            square += (along / ratio[axis]) ** 2
        if 0 < square < radius**2:
            n += 1
            for i in range(3):
                for j in range(3):
                    tensor[i, j] += offset[k, i] * offset[k, j] / square
    return tensor, n

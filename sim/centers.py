"""Centres of groups of particles of a periodic box, each from its own members alone. Knows nothing of how they group.

Members of a group are consecutive rows, start[i] to start[i + 1], in the order of their ids, so no bit depends on
ranks or threads.
"""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import numpy as np
from numba import njit, prange
from numpy.typing import NDArray

Array = NDArray[np.float64]
Integers = NDArray[np.int64]

CORE = 10
"""Fewer particles than this are noise: no centre and no density is taken from them."""
LIMIT = 4096
"""Members of a group whose potentials are summed over all pairs; of a larger one, as many candidates and sources."""

_SHRINK = 0.9


def densest(pos: NDArray[np.floating[Any]], start: Integers, box_size: float) -> Array:
    """Centre (h, 3) of the sphere that shrinks onto the heaviest part of each group of `pos` (n, 3).

    Power et al. 2003 (astro-ph/0201544), sec. 2.5: a sphere around the mean of the last shrinks until it holds 1 %.
    """
    offset = _offsets(pos, start, box_size)
    return np.asarray(_placed(pos[start[:-1]], _shrunken(offset, start), box_size))


def most_bound(pos: NDArray[np.floating[Any]], start: Integers, box_size: float, softening: float) -> Array:
    """Position (h, 3) of the member with the lowest potential of its group, the first of equals.

    The potential is the sum of -1 / sqrt(d^2 + softening^2) over all other members. In a group of more than LIMIT,
    every k-th member, about LIMIT in all, first tells which LIMIT members lie lowest; the sum over all decides these.
    """
    offset = np.asarray(_offsets(pos, start, box_size))
    size = np.diff(start)
    group, stride = np.repeat(np.arange(len(size)), size), -(-size // LIMIT)
    rows = np.arange(len(pos))
    potential = np.asarray(_potentials(offset, rows, group, start, stride, softening**2))
    lowest = [_lowest(offset, potential[a:b], (a, b), softening) for a, b in pairwise(start)]
    return pos[np.array(lowest, np.int64)].astype(np.float64) % box_size


def _lowest(offset: Array, potential: Array, ends: tuple[int, int], softening: float) -> int:
    """The row of the member of one group, rows `ends`, that is most bound; `potential` is exact up to LIMIT members."""
    begin, end = ends
    if end - begin <= LIMIT:
        return int(begin + np.argmin(potential))
    rows = np.sort(np.argsort(potential, kind="stable")[:LIMIT])
    whole, zero = np.array([0, end - begin]), np.zeros(LIMIT, np.int64)
    exact = _potentials(offset[begin:end], rows, zero, whole, np.ones(1, np.int64), softening**2)
    return int(begin + rows[np.argmin(exact)])


@njit(cache=True, nogil=True, parallel=True)
def _offsets(pos, start, box_size):  # type: ignore[no-untyped-def]
    """Of each member from the first of its group: (n, 3)."""
    offset = np.empty((start[-1], 3))
    for h in prange(len(start) - 1):
        for i in range(start[h], start[h + 1]):
            for axis in range(3):
                d = np.float64(pos[i, axis]) - np.float64(pos[start[h], axis])
                offset[i, axis] = d - box_size * np.rint(d / box_size)
    return offset


@njit(cache=True, nogil=True, parallel=True)
def _shrunken(offset, start):  # type: ignore[no-untyped-def]
    """Centre of the last sphere of each group, from its first member: (h, 3)."""
    center = np.empty((len(start) - 1, 3))
    for h in prange(len(start) - 1):
        center[h] = _shrunk(offset[start[h] : start[h + 1]], max(CORE, (start[h + 1] - start[h]) // 100))
    return center


@njit(cache=True, nogil=True)
def _placed(origin, center, box_size):  # type: ignore[no-untyped-def]
    """`center` (h, 3) from `origin` (h, 3), in the box."""
    placed = np.empty(center.shape)
    for h in range(len(center)):
        for axis in range(3):
            placed[h, axis] = (origin[h, axis] + center[h, axis]) % box_size
    return placed


@njit(cache=True, nogil=True)
def _shrunk(offset, n_last):  # type: ignore[no-untyped-def]
    """Mean of the last sphere with at least `n_last` of the points `offset` (n, 3)."""
    center = np.zeros(3)
    held, mean, _ = _sphere(offset, center, np.inf)
    center = mean
    held, mean, square = _sphere(offset, center, np.inf)
    while held >= n_last and square > 0.0:
        center = mean
        held, mean, square = _sphere(offset, center, square * _SHRINK**2)
    return center


@njit(cache=True, nogil=True)
def _sphere(offset, center, square):  # type: ignore[no-untyped-def]
    """Points within the root of `square` of `center`: how many, their mean, the largest of their squared distances."""
    held, largest, mean = 0, 0.0, np.zeros(3)
    for i in range(len(offset)):
        distance = 0.0
        for axis in range(3):
            distance += (offset[i, axis] - center[axis]) ** 2
        if distance <= square:
            held += 1
            largest = max(largest, distance)
            for axis in range(3):
                mean[axis] += offset[i, axis]
    return held, mean / max(held, 1), largest


@njit(cache=True, nogil=True, parallel=True)
def _potentials(offset, rows, group, start, stride, square):  # type: ignore[no-untyped-def]
    """Of member rows[i], of group[i], from every stride-th other member of that group: (m,)."""
    potential = np.empty(len(rows))
    for i in prange(len(rows)):
        p, h, total = rows[i], group[i], 0.0
        for q in range(start[h], start[h + 1], stride[h]):
            if q != p:
                distance = square
                for axis in range(3):
                    distance += (offset[q, axis] - offset[p, axis]) ** 2
                total -= 1 / np.sqrt(distance)
        potential[i] = total
    return potential

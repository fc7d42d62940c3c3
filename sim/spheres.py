"""Particles inside spheres of a periodic box: who owns them, how many a shell holds, how they move along the radii.

Knows nothing of halos, of masses or of physics: a sphere is a centre and a radius. No result depends on the order of
the particles; that of the spheres decides who owns a particle (the first that contains it).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from numba import njit, prange
from numpy.typing import NDArray

from sim.cells import Indices, Integers, Positions, by_cell, taken

Array = NDArray[np.float64]

_PER_CELL = 8
_MAX_CELLS = 512


@dataclass(frozen=True)
class Spheres:
    """A cell list: `pos` (n, 3) sorted by cell, `order` leads back to the input.

    Cell i of the planes from `first` on, along x, holds start[i]:start[i + 1]; the other planes hold nothing.
    """

    pos: Positions
    order: Indices
    start: Integers
    first: int
    n_cells: int
    box_size: float

    @classmethod
    def of(cls, pos: Positions, box_size: float, n_total: int | None = None) -> Self:
        """The cell list of `pos` (n, 3) in [0, box_size], which may be a slab of a box of `n_total` particles."""
        n_all = len(pos) if n_total is None else n_total
        n_cells = int(np.clip((n_all / _PER_CELL) ** (1 / 3), 1, _MAX_CELLS))
        order, cell = by_cell(pos, box_size, n_cells)
        first, last = (int(cell[i]) // n_cells**2 for i in (0, -1)) if len(cell) else (0, -1)
        counts = np.bincount(cell - first * n_cells**2, minlength=(last + 1 - first) * n_cells**2)
        start = np.concatenate([[0], np.cumsum(counts)])
        return cls(taken(pos, order), order, start, first, n_cells, box_size)

    @property
    def _cells(self) -> tuple[Any, ...]:
        """What the kernels take."""
        return self.pos, self.start, self.first, self.n_cells, self.box_size

    def squares(self, center: Array, reach: Array) -> tuple[Integers, Array]:
        """Squared distances of the particles nearer than `reach` (h,): those to center[i] are start[i]:start[i + 1]."""
        start = np.concatenate([[0], np.cumsum(_count_near(center, reach, *self._cells))])
        return start, np.asarray(_squares(center, reach, start, *self._cells))

    def owners(self, center: Array, radius: Array) -> tuple[Integers, Array]:
        """The first sphere that contains each particle (n,), -1 where none does, and the distance to its centre."""
        owner = np.full(len(self.pos), -1)
        distance = np.zeros(len(self.pos))
        _own(center, radius, self.order, owner, distance, *self._cells)
        return owner, distance

    def nearest(self, center: Array, size: Array, reach: float) -> tuple[Integers, Array]:
        """The centre (n,) within `reach` that is nearest in units of its `size` (h,), the first of equals, and how far.

        -1 and 0 where none is.
        """
        owner = np.full(len(self.pos), -1)
        distance = np.zeros(len(self.pos))
        _compete(center, size, reach, self.order, owner, distance, *self._cells)
        return owner, distance

    def shells(self, center: Array, radius: Array, edges: Array, owner: Integers) -> Integers:
        """How many particles without owner lie in each shell of each centre: (h, m - 1) for m `edges` over `radius`."""
        counts = np.zeros((len(center), len(edges) - 1), np.int64)
        log_edges = np.log(edges)
        _count(center, radius, log_edges, self.order, owner, counts, *self._cells)
        return counts

    def shifts(
        self, center: Array, radius: Array, owner: Integers, log_grid: Array, log_ratio: Array
    ) -> NDArray[np.float32]:
        """Displacements (s, n, 3) of each of s species.

        `log_ratio` (h, s, m) is ln(final / initial distance) on `log_grid` (m,), ln of the distance over the radius:
        owned particles move with the row of their owner, the others with the sum over all spheres whose last grid point
        lies beyond them.
        """
        shift = np.zeros((log_ratio.shape[1], len(self.pos), 3), np.float32)
        _move(center, radius, log_grid, log_ratio, self.order, owner, shift, *self._cells)
        return shift


def outermost(center: Array, radius: Array, box_size: float) -> NDArray[np.bool_]:
    """Which spheres (h,) have their centre in no earlier sphere of this same selection."""
    return np.asarray(_outermost(center, radius, box_size))


@njit(cache=True)
def _nearest(offset: float, box_size: float) -> float:
    return offset - box_size * np.rint(offset / box_size)


@njit(cache=True)
def _outermost(center, radius, box_size):  # type: ignore[no-untyped-def]
    keep = np.ones(len(center), np.bool_)
    for i in range(len(center)):
        for j in range(i):
            if not keep[j]:
                continue
            square = 0.0
            for axis in range(3):
                square += _nearest(center[i, axis] - center[j, axis], box_size) ** 2
            if square < radius[j] ** 2:
                keep[i] = False
                break
    return keep


@njit(cache=True, nogil=True)
def _ranges(center, reach, start, first, n_cells, box_size):  # type: ignore[no-untyped-def]
    """From where to where (m, 2) the particles lie that are in the cells a sphere may touch."""
    low = np.empty(3, np.int64)
    span = np.empty(3, np.int64)
    for axis in range(3):
        low[axis] = int(np.floor((center[axis] - reach) / box_size * n_cells))
        high = int(np.floor((center[axis] + reach) / box_size * n_cells))
        span[axis] = min(high - low[axis] + 1, n_cells)
    ranges = np.empty((2 * span[0] * span[1], 2), np.int64)
    z = low[2] % n_cells
    n, n_planes = 0, (len(start) - 1) // n_cells**2
    for i in range(span[0]):
        plane = (low[0] + i) % n_cells - first
        if plane < 0 or plane >= n_planes:
            continue
        for j in range(span[1]):
            row = (plane * n_cells + (low[1] + j) % n_cells) * n_cells
            ranges[n] = start[row + z], start[row + min(z + span[2], n_cells)]
            n += 1
            if z + span[2] > n_cells:
                ranges[n] = start[row], start[row + z + span[2] - n_cells]
                n += 1
    return ranges[:n]


@njit(cache=True, nogil=True)
def _near(center, reach, pos, start, first, n_cells, box_size, squares):  # type: ignore[no-untyped-def]
    """How many particles are nearer than `reach`; their squared distances, as far as `squares` has room."""
    n = 0
    for begin, end in _ranges(center, reach, start, first, n_cells, box_size):
        for p in range(begin, end):
            square = 0.0
            for axis in range(3):
                square += _nearest(pos[p, axis] - center[axis], box_size) ** 2
            if square < reach**2:
                if n < len(squares):
                    squares[n] = square
                n += 1
    return n


@njit(cache=True, nogil=True, parallel=True)
def _count_near(center, reach, pos, start, first, n_cells, box_size):  # type: ignore[no-untyped-def]
    counts = np.empty(len(center), np.int64)
    for h in prange(len(center)):
        counts[h] = _near(center[h], reach[h], pos, start, first, n_cells, box_size, np.empty(0))
    return counts


@njit(cache=True, nogil=True, parallel=True)
def _squares(center, reach, ends, pos, start, first, n_cells, box_size):  # type: ignore[no-untyped-def]
    squares = np.empty(ends[-1])
    for h in prange(len(center)):
        _near(center[h], reach[h], pos, start, first, n_cells, box_size, squares[ends[h] : ends[h + 1]])
    return squares


@njit(cache=True)
def _within(center, reach, pos, start, first, n_cells, box_size, found, offset):  # type: ignore[no-untyped-def]
    """Fill `found` with the particles nearer than `reach`, `offset` (n, 3) with their offsets; return how many."""
    n_found = 0
    for begin, end in _ranges(center, reach, start, first, n_cells, box_size):
        for p in range(begin, end):
            square = 0.0
            for axis in range(3):
                offset[n_found, axis] = _nearest(pos[p, axis] - center[axis], box_size)
                square += offset[n_found, axis] ** 2
            if square < reach**2:
                found[n_found] = p
                n_found += 1
    return n_found


@njit(cache=True)
def _norm(vector: Array) -> float:
    return np.sqrt(vector[0] ** 2 + vector[1] ** 2 + vector[2] ** 2)


@njit(cache=True)
def _own(center, radius, order, owner, distance, pos, start, first, n_cells, box_size):  # type: ignore[no-untyped-def]
    found, offset = np.empty(len(pos) + 1, np.int64), np.empty((len(pos) + 1, 3))
    for h in range(len(center)):
        for i in range(_within(center[h], radius[h], pos, start, first, n_cells, box_size, found, offset)):
            p = order[found[i]]
            if owner[p] < 0:
                owner[p] = h
                distance[p] = _norm(offset[i])


@njit(cache=True)
def _compete(center, size, reach, order, owner, distance, pos, start, first, n_cells, box_size):  # type: ignore[no-untyped-def]
    found, offset = np.empty(len(pos) + 1, np.int64), np.empty((len(pos) + 1, 3))
    for h in range(len(center)):
        for i in range(_within(center[h], reach, pos, start, first, n_cells, box_size, found, offset)):
            p, away = order[found[i]], _norm(offset[i])
            if owner[p] < 0 or away / size[h] < distance[p] / size[owner[p]]:
                owner[p] = h
                distance[p] = away


@njit(cache=True)
def _count(center, radius, log_edges, order, owner, counts, pos, start, first, n_cells, box_size):  # type: ignore[no-untyped-def]
    found, offset = np.empty(len(pos) + 1, np.int64), np.empty((len(pos) + 1, 3))
    width = (log_edges[-1] - log_edges[0]) / (len(log_edges) - 1)
    for h in range(len(center)):
        reach = radius[h] * np.exp(log_edges[-1])
        for i in range(_within(center[h], reach, pos, start, first, n_cells, box_size, found, offset)):
            if owner[order[found[i]]] < 0:
                shell = int((np.log(_norm(offset[i]) / radius[h]) - log_edges[0]) / width)
                counts[h, max(0, min(shell, len(log_edges) - 2))] += 1


@njit(cache=True)
def _interpolate(log_x, log_grid, values):  # type: ignore[no-untyped-def]
    """`values` at `log_x`, linear on the uneven `log_grid`, constant outside it."""
    i = max(0, min(np.searchsorted(log_grid, log_x) - 1, len(log_grid) - 2))
    t = (log_x - log_grid[i]) / (log_grid[i + 1] - log_grid[i])
    t = max(0.0, min(t, 1.0))
    return (1 - t) * values[i] + t * values[i + 1]


@njit(cache=True)
def _move(  # type: ignore[no-untyped-def]
    center, radius, log_grid, log_ratio, order, owner, shift, pos, start, first, n_cells, box_size
):
    found, offset = np.empty(len(pos) + 1, np.int64), np.empty((len(pos) + 1, 3))
    for h in range(len(center)):
        reach = radius[h] * np.exp(log_grid[-1])
        for i in range(_within(center[h], reach, pos, start, first, n_cells, box_size, found, offset)):
            p = order[found[i]]
            x = _norm(offset[i]) / radius[h]
            if (owner[p] >= 0 and owner[p] != h) or x == 0.0:
                continue
            for s in range(log_ratio.shape[1]):
                ratio = np.exp(_interpolate(np.log(x), log_grid, log_ratio[h, s]))
                shift[s, p] += ((ratio - 1) * offset[i]).astype(np.float32)

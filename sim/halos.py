"""Halos of a periodic box: friends-of-friends groups, their centres, and their spherical-overdensity masses.

Knows nothing of files or of baryons. Groups and their labels do not depend on the order of the particles; positions are
used as float32.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numba import njit
from numpy.typing import NDArray

from sim.spheres import Spheres, within
from sim.units import RHO_CRITICAL

OVERDENSITY = 200.0
"""Mean density inside R200c over the critical density."""

_MAX_CELLS = 1 << 20
_SHRINK = 0.9
_CORE = 10
"""Fewer particles than this are noise: no centre and no density is taken from them."""

Array = NDArray[np.float64]
Integers = NDArray[np.int64]


@dataclass(frozen=True)
class Catalog:
    """h halos of a box of side box_size [Mpc/h], from the largest m200c down, ties by position.

    center (h, 3) comoving Mpc/h in [0, box_size); n_particles (h,) and mass_fof (h,) [Msun/h] of the group; m200c (h,)
    [Msun/h] and r200c (h,) [comoving Mpc/h] of all matter around the centre, 0 where no sphere reaches the density;
    vel (h, 3) [km/s] mean peculiar velocity of the group, None when no velocities were given.
    """

    center: Array
    mass_fof: Array
    n_particles: Integers
    m200c: Array
    r200c: Array
    box_size: float
    vel: Array | None = None

    def __len__(self) -> int:
        return len(self.mass_fof)


def find(
    pos: NDArray[np.floating[Any]],
    mass: float,
    box_size: float,
    *,
    omega_m: float,
    redshift: float = 0.0,
    linking_length: float = 0.2,
    min_particles: int = 20,
    vel: NDArray[np.floating[Any]] | None = None,
) -> Catalog:
    """Halos of n particles of equal `mass` [Msun/h] that fill the box: pos (n, 3) Mpc/h, vel (n, 3) km/s.

    `linking_length` is in mean particle separations. The centre is that of a sphere that shrinks onto the heaviest part
    of the group (Power et al. 2003, sec. 2.5). R200c is the innermost radius at which the mean density around it falls
    through 200 times the critical density of flat LCDM at `redshift`, and M200c that volume times that density.
    ValueError for positions outside the box.
    """
    if not (mass > 0 and linking_length > 0 and min_particles >= 1):
        got = f"{mass}, {linking_length}, {min_particles}"
        raise ValueError(f"halos: expected mass > 0, linking_length > 0 and min_particles >= 1, got {got}")
    pos = _checked(pos, box_size)
    labels = group_labels(pos, box_size, linking_length * box_size / max(len(pos), 1) ** (1 / 3))
    members, start = _members(labels, min_particles)
    center = np.asarray(_centers(pos, members, start, box_size))
    n_particles = np.diff(start)
    density = OVERDENSITY * _critical_density(omega_m, redshift)
    cells = Spheres.of(pos, box_size)
    radius = np.asarray(
        _radii(center, n_particles, mass / density, cells.pos, cells.start, cells.n_cells, box_size, _CORE)
    )
    mean_vel = None if vel is None else _group_means(vel, members, start)
    catalog = Catalog(
        center, mass * n_particles, n_particles, 4 / 3 * np.pi * radius**3 * density, radius, box_size, mean_vel
    )
    return _sorted(catalog)


def group_labels(pos: NDArray[np.floating[Any]], box_size: float, linking: float) -> Integers:
    """The friends-of-friends group of each particle (n,): the index of the first particle of the group.

    pos (n, 3) in [0, box_size]; two particles at most `linking` apart, through the edges of the box too, are friends.
    """
    # Two particles of a cell this small are always friends, so cells are linked and not particles.
    n_cells = int(np.sqrt(3) * box_size / linking) + 1
    if n_cells > _MAX_CELLS:
        raise ValueError(f"halos: expected a linking length above {2 * box_size / _MAX_CELLS} Mpc/h, got {linking}")
    pos = _checked(pos, box_size)
    keys = _keys(pos, n_cells, box_size)
    order = np.argsort(keys, kind="stable")
    return np.asarray(_linked(pos[order], order, keys[order], n_cells, box_size, float(linking) ** 2))


def _checked(pos: NDArray[np.floating[Any]], box_size: float) -> NDArray[np.float32]:
    if pos.ndim != 2 or pos.shape[1] != 3:
        raise ValueError(f"halos: expected pos of shape (n, 3), got {pos.shape}")
    if len(pos) and not (pos.min() >= 0 and pos.max() <= box_size):
        raise ValueError(f"halos: expected positions in [0, {box_size}] Mpc/h, got {pos.min()} to {pos.max()}")
    return np.ascontiguousarray(pos, np.float32)


def _critical_density(omega_m: float, redshift: float) -> float:
    """Msun/h in a comoving (Mpc/h)^3."""
    return float(RHO_CRITICAL * (omega_m + (1 - omega_m) / (1 + redshift) ** 3))


def _members(labels: Integers, min_particles: int) -> tuple[Integers, Integers]:
    """Particles of the groups that are large enough, group after group, and where each group starts (h + 1,)."""
    counts = np.bincount(labels)
    large = np.flatnonzero(counts >= min_particles)
    rank = np.full(len(counts), -1)
    rank[large] = np.arange(len(large))
    group = rank[labels]
    inside = np.flatnonzero(group >= 0)
    members = inside[np.argsort(group[inside], kind="stable")]
    return members, np.concatenate([[0], np.cumsum(counts[large])])


def _group_means(values: NDArray[np.floating[Any]], members: Integers, start: Integers) -> Array:
    """Mean of `values` (n, 3) over each group."""
    if len(start) == 1:
        return np.empty((0, 3))
    sums = np.add.reduceat(values[members].astype(np.float64), start[:-1], axis=0)
    return np.asarray(sums / np.diff(start)[:, None])


def _sorted(catalog: Catalog) -> Catalog:
    order = np.lexsort((*catalog.center.T[::-1], -catalog.m200c))
    columns = {name: getattr(catalog, name)[order] for name in ("center", "mass_fof", "n_particles", "m200c", "r200c")}
    return Catalog(**columns, box_size=catalog.box_size, vel=None if catalog.vel is None else catalog.vel[order])


@njit(cache=True, nogil=True)
def _keys(pos, n_cells, box_size):  # type: ignore[no-untyped-def]
    """The cell of each particle as one number (n,), z fastest."""
    keys = np.empty(len(pos), np.int64)
    for p in range(len(pos)):
        key = 0
        for axis in range(3):
            key = key * n_cells + min(int(pos[p, axis] * n_cells / box_size), n_cells - 1)
        keys[p] = key
    return keys


@njit(cache=True, nogil=True)
def _starts(keys):  # type: ignore[no-untyped-def]
    """Where each run of equal `keys` starts, and the end of the last."""
    starts = np.empty(len(keys) + 1, np.int64)
    n = 0
    for i in range(len(keys)):
        if i == 0 or keys[i] != keys[i - 1]:
            starts[n] = i
            n += 1
    starts[n] = len(keys)
    return starts[: n + 1].copy()


@njit(cache=True, nogil=True)
def _root(parent, i):  # type: ignore[no-untyped-def]
    while parent[i] != i:
        parent[i] = parent[parent[i]]
        i = parent[i]
    return i


@njit(cache=True, nogil=True)
def _link_cells(a, b, pos, first, parent, box_size, square):  # type: ignore[no-untyped-def]
    """Join the groups of cells `a` and `b` if one pair of their particles are friends."""
    root_a, root_b = _root(parent, a), _root(parent, b)
    if root_a == root_b:
        return
    for p in range(first[a], first[a + 1]):
        for q in range(first[b], first[b + 1]):
            distance = 0.0
            for axis in range(3):
                d = abs(np.float64(pos[p, axis]) - np.float64(pos[q, axis]))
                d = min(d, box_size - d)
                distance += d * d
            if distance <= square:
                parent[max(root_a, root_b)] = min(root_a, root_b)
                return


@njit(cache=True, nogil=True)
def _link_columns(  # type: ignore[no-untyped-def]
    begin_a, end_a, begin_b, end_b, height, n_cells, pos, first, parent, box_size, square
):
    """Link every cell of one column along z to those of another at most two cells higher or lower, periodically."""
    low = begin_b
    for a in range(begin_a, end_a):
        z = height[a]
        while low < end_b and height[low] < z - 2:
            low += 1
        b = low
        while b < end_b and height[b] <= z + 2:
            _link_cells(a, b, pos, first, parent, box_size, square)
            b += 1
        b = end_b - 1
        while b >= begin_b and height[b] >= z - 2 + n_cells:
            _link_cells(a, b, pos, first, parent, box_size, square)
            b -= 1
        b = begin_b
        while b < end_b and height[b] <= z + 2 - n_cells:
            _link_cells(a, b, pos, first, parent, box_size, square)
            b += 1


@njit(cache=True, nogil=True)
def _link_offset(  # type: ignore[no-untyped-def]
    dx, dy, columns, column, height, n_cells, pos, first, parent, box_size, square
):
    """Link every column to the one at (dx, dy) from it. Both are visited in the same order, but for the edges."""
    n_columns = len(column) - 1
    b, last = 0, -1
    for a in range(n_columns):
        x, y = columns[a] // n_cells, columns[a] % n_cells
        target = (x + dx) % n_cells * n_cells + (y + dy) % n_cells
        if target < last:
            b = np.searchsorted(columns, target)
        last = target
        while b < n_columns and columns[b] < target:
            b += 1
        if b < n_columns and columns[b] == target:
            _link_columns(
                column[a], column[a + 1], column[b], column[b + 1],
                height, n_cells, pos, first, parent, box_size, square,
            )  # fmt: skip


@njit(cache=True, nogil=True)
def _linked(pos, order, keys, n_cells, box_size, square):  # type: ignore[no-untyped-def]
    """Labels from particles sorted by cell: union-find over the occupied cells."""
    first = _starts(keys)
    cells = keys[first[:-1]]
    height = cells % n_cells
    column = _starts(cells // n_cells)
    columns = cells[column[:-1]] // n_cells
    parent = np.arange(len(cells))
    for dx in range(3):
        for dy in range(0 if dx == 0 else -2, 3):
            _link_offset(dx, dy, columns, column, height, n_cells, pos, first, parent, box_size, square)
    return _labels(order, first, parent)


@njit(cache=True, nogil=True)
def _labels(order, first, parent):  # type: ignore[no-untyped-def]
    """Label of each particle: the smallest index in its group."""
    smallest = np.full(len(parent), len(order))
    for cell in range(len(parent)):
        root = _root(parent, cell)
        for p in range(first[cell], first[cell + 1]):
            smallest[root] = min(smallest[root], order[p])
    labels = np.empty(len(order), np.int64)
    for cell in range(len(parent)):
        for p in range(first[cell], first[cell + 1]):
            labels[order[p]] = smallest[_root(parent, cell)]
    return labels


@njit(cache=True, nogil=True)
def _centers(pos, members, start, box_size):  # type: ignore[no-untyped-def]
    """Centre of each group (h, 3): mean of the sphere that shrinks until it holds 1 % of the group."""
    centers = np.empty((len(start) - 1, 3))
    for h in range(len(start) - 1):
        n = start[h + 1] - start[h]
        offset = np.empty((n, 3))
        origin = pos[members[start[h]]]
        for i in range(n):
            for axis in range(3):
                d = np.float64(pos[members[start[h] + i], axis]) - np.float64(origin[axis])
                offset[i, axis] = d - box_size * np.rint(d / box_size)
        center = _shrunk(offset, max(_CORE, n // 100))
        for axis in range(3):
            centers[h, axis] = (origin[axis] + center[axis]) % box_size
    return centers


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


@njit(cache=True, nogil=True)
def _radii(center, n_particles, volume, pos, start, n_cells, box_size, core):  # type: ignore[no-untyped-def]
    """R200c (h,): `volume` is that of a particle at the density sought; 0 where that density is never reached."""
    found, offset = np.empty(len(pos) + 1, np.int64), np.empty((len(pos) + 1, 3))
    radius = np.zeros(len(center))
    for h in range(len(center)):
        reach = (2 * n_particles[h] * volume * 0.75 / np.pi) ** (1 / 3)
        while True:
            reach = min(reach, box_size / 2)
            n = within(center[h], reach, pos, start, n_cells, box_size, found, offset)
            square = np.sort(offset[:n, 0] ** 2 + offset[:n, 1] ** 2 + offset[:n, 2] ** 2)
            radius[h] = _crossing(np.sqrt(square), reach, volume, core)
            if radius[h] < reach or reach == box_size / 2:
                break
            reach *= 1.5
    return radius


@njit(cache=True, nogil=True)
def _crossing(distance, reach, volume, core):  # type: ignore[no-untyped-def]
    """Where i particles, sorted by `distance`, first no longer fill their spheres; `reach` if they always do, or 0."""
    dense = False
    for i in range(core, len(distance) + 1):
        radius = (i * volume * 0.75 / np.pi) ** (1 / 3)
        dense = dense or radius >= distance[i - 1]
        if dense and radius < (distance[i] if i < len(distance) else reach):
            return radius
    return reach if dense else 0.0

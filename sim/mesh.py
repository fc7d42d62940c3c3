"""Particles to mesh and mesh to particles, on a slab of planes, without races: same bits at any number of threads.

Particles are sorted by x plane. Planes whose clouds do not touch are painted in parallel, in as many turns as a cloud
is wide, so no two threads ever add to the same cell. Knows nothing of Fourier space or of gravity's strength.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numba import njit, prange
from numpy.typing import NDArray

from sim.parallel import SERIAL, Comm
from sim.slab import Mesh, Slab, extended, fold

Positions = NDArray[np.float32]
Assignment = Literal["cic", "tsc"]

SUPPORT = {"cic": 2, "tsc": 3}
"""Cells that a cloud touches along one axis."""
N_CHUNKS = 64


def paint(pos: Positions, box_size: float, n_mesh: int, assignment: Assignment = "cic", *, comm: Comm = SERIAL) -> Mesh:
    """Number of particles in each cell, (planes of this rank, n_mesh, n_mesh) float32; cell i is centred on i * cell.

    pos (n, 3) in [0, box_size), each on the rank that owns its plane: ValueError otherwise.
    """
    slab = Slab(n_mesh, box_size, comm)
    return deposit(sort(pos, slab, assignment))


def read(
    mesh: Mesh, pos: Positions, box_size: float, assignment: Assignment = "cic", *, comm: Comm = SERIAL
) -> NDArray[np.float32]:
    """`mesh` interpolated to pos (n, 3) with the weights of `paint`: (n,) float32. ValueError as in `paint`."""
    slab = Slab(mesh.shape[1], box_size, comm)
    below, above = ghosts(assignment)
    particles = sort(pos, slab, assignment)
    return _interpolated(particles, extended(mesh, slab, below, above))


@dataclass(frozen=True)
class Sorted:
    """Particles of a slab and the order in which their planes come.

    A cloud of `support` cells starts on plane first + i for the particles order[starts[i] : starts[i + 1]].
    """

    pos: Positions
    slab: Slab
    assignment: Assignment
    order: NDArray[np.int32]
    starts: NDArray[np.int64]

    @property
    def support(self) -> int:
        return SUPPORT[self.assignment]

    @property
    def first(self) -> int:
        return self.slab.lo - ghosts(self.assignment)[0]

    @property
    def arrays(self) -> tuple[Any, ...]:
        """What the kernels take: pos, order, starts, cells in a Mpc/h, first, support."""
        return self.pos, self.order, self.starts, self.slab.inverse_cell, self.first, self.support


def ghosts(assignment: Assignment) -> tuple[int, int]:
    """Planes below and above a slab that the clouds of its particles touch."""
    return SUPPORT[assignment] - 2, SUPPORT[assignment] - 1


def sort(pos: Positions, slab: Slab, assignment: Assignment) -> Sorted:
    """Stable counting sort by plane; ValueError when a particle is not finite, not in the box or not in the slab."""
    below, _ = ghosts(assignment)
    n_planes = slab.hi - slab.lo + below
    pos = np.ascontiguousarray(pos, np.float32)
    scale, first = slab.inverse_cell, slab.lo - below
    counts = _count(pos, scale, first, n_planes, slab.n_mesh, SUPPORT[assignment])
    if counts[:, n_planes].any():
        plane = f"planes {slab.lo} to {slab.hi} of {slab.n_mesh}"
        where = f"finite positions in [0, {slab.box_size:g}) on {plane}"
        raise ValueError(f"mesh: expected {where}, got {counts[:, n_planes].sum()} of {len(pos)} elsewhere")
    counts = counts[:, :n_planes]
    starts = np.concatenate([[0], np.cumsum(counts.sum(axis=0))])
    cursors = starts[:-1] + np.cumsum(counts, axis=0) - counts
    order = np.empty(len(pos), np.int32)
    _scatter(order, pos, cursors, scale, first, slab.n_mesh, SUPPORT[assignment])
    return Sorted(pos, slab, assignment, order, starts)


def row_order(particles: Sorted) -> NDArray[np.int32]:
    """The order of `particles` with those of a plane by rows along z, stable: neighbours in it share cells."""
    order = np.empty_like(particles.order)
    pos, by_plane, starts, scale, *_ = particles.arrays
    _order_rows(order, pos, by_plane, starts, scale, particles.slab.n_mesh)
    return order


def deposit(particles: Sorted) -> Mesh:
    """Number of particles in each cell of the slab, those that neighbours' clouds bring included."""
    slab = particles.slab
    below, above = ghosts(particles.assignment)
    mesh = np.zeros((slab.hi - slab.lo + below + above, slab.n_mesh, slab.n_mesh), np.float32)
    add(particles, mesh)
    fold(mesh, slab, below, above)
    return mesh[below : len(mesh) - above]


def add(particles: Sorted, mesh: Mesh) -> None:
    """Add the clouds to `mesh`: its planes are those of the slab and of `ghosts`, its rows may be padded."""
    _paint(mesh, particles.slab.n_mesh, *particles.arrays)


def _interpolated(particles: Sorted, wide: Mesh) -> NDArray[np.float32]:
    """`wide`, a mesh with the ghost planes of the assignment, at the particles."""
    out = np.empty(len(particles.pos), np.float32)
    _read(out, wide, particles.pos, particles.slab.inverse_cell, particles.first, particles.support)
    return out


@njit(cache=True, inline="always")
def _cell(u: np.float32, n: int, support: int) -> int:
    """First cell of a cloud centred on `u`, in cells; `u` rounded up to n belongs to the last."""
    if support == 2:
        return min(int(u), n - 1)
    return int(u + np.float32(0.5)) - 1


@njit(cache=True, parallel=True)
def _count(pos, scale, first, n_planes, n, support):  # type: ignore[no-untyped-def]
    """Particles of each chunk on each plane; in the last column those that do not belong here."""
    n_particles = len(pos)
    counts = np.zeros((N_CHUNKS, n_planes + 1), np.int64)
    for chunk in prange(N_CHUNKS):
        for p in range(chunk * n_particles // N_CHUNKS, (chunk + 1) * n_particles // N_CHUNKS):
            inside = True
            for axis in range(3):
                u = pos[p, axis] * scale
                inside = inside and u >= 0 and u <= n
            plane = n_planes
            if inside:
                plane = _cell(pos[p, 0] * scale, n, support) - first
            if plane < 0 or plane > n_planes:
                plane = n_planes
            counts[chunk, plane] += 1
    return counts


@njit(cache=True, parallel=True)
def _scatter(order, pos, cursors, scale, first, n, support):  # type: ignore[no-untyped-def]
    """Write the index of each particle where its chunk's share of its plane begins."""
    n_particles = len(pos)
    for chunk in prange(N_CHUNKS):
        for p in range(chunk * n_particles // N_CHUNKS, (chunk + 1) * n_particles // N_CHUNKS):
            plane = _cell(pos[p, 0] * scale, n, support) - first
            order[cursors[chunk, plane]] = p
            cursors[chunk, plane] += 1


@njit(cache=True, parallel=True)
def _order_rows(order, pos, by_plane, starts, scale, n):  # type: ignore[no-untyped-def]
    """A counting sort of each plane by row."""
    for plane in prange(len(starts) - 1):
        lo, hi = starts[plane], starts[plane + 1]
        cursor = np.zeros(n + 1, np.int64)
        for j in range(lo, hi):
            cursor[_cell(pos[by_plane[j], 1] * scale, n, 2) + 1] += 1
        cursor[0] = lo
        for row in range(1, n):
            cursor[row] += cursor[row - 1]
        for j in range(lo, hi):
            row = _cell(pos[by_plane[j], 1] * scale, n, 2)
            order[cursor[row]] = by_plane[j]
            cursor[row] += 1


@njit(cache=True, inline="always")
def _tsc(d: np.float32) -> tuple[Any, Any, Any]:
    """Weights of the three cells of a cloud whose first cell is a distance `d` in [.5, 1.5] below its centre."""
    half, s = np.float32(0.5), d - np.float32(1)
    below, above = half - s, half + s
    return half * below * below, np.float32(0.75) - s * s, half * above * above


@njit(cache=True, inline="always")
def _cic(ux: np.float32, uy: np.float32, uz: np.float32, plane: int, n: int) -> tuple[Any, ...]:
    """Distance to `plane`, rows y and y1, columns z and z1 of a cloud at u cells, weights of (y, z) to (y1, z1)."""
    one = np.float32(1)
    y, z = _cell(uy, n, 2), _cell(uz, n, 2)
    dx, dy, dz = ux - np.float32(plane), uy - np.float32(y), uz - np.float32(z)
    y1, z1 = (y + 1 if y + 1 < n else 0), (z + 1 if z + 1 < n else 0)
    return dx, y, z, y1, z1, (one - dy) * (one - dz), (one - dy) * dz, dy * (one - dz), dy * dz


@njit(cache=True)
def _paint_cic(mesh, n, i, pos, order, lo, hi, scale, plane):  # type: ignore[no-untyped-def]
    """Add the clouds order[lo:hi], which start on the plane mesh[i]."""
    one = np.float32(1)
    for j in range(lo, hi):
        p = order[j]
        dx, y, z, y1, z1, w00, w01, w10, w11 = _cic(pos[p, 0] * scale, pos[p, 1] * scale, pos[p, 2] * scale, plane, n)
        for step in range(2):
            wx = dx if step else one - dx
            mesh[i + step, y, z] += wx * w00
            mesh[i + step, y, z1] += wx * w01
            mesh[i + step, y1, z] += wx * w10
            mesh[i + step, y1, z1] += wx * w11


@njit(cache=True)
def _paint_tsc(mesh, n, i, pos, order, lo, hi, scale, plane):  # type: ignore[no-untyped-def]
    """Add the clouds order[lo:hi], which start on the plane mesh[i]."""
    for j in range(lo, hi):
        p = order[j]
        ux, uy, uz = pos[p, 0] * scale, pos[p, 1] * scale, pos[p, 2] * scale
        y, z = _cell(uy, n, 3), _cell(uz, n, 3)
        wx, wy, wz = _tsc(ux - np.float32(plane)), _tsc(uy - np.float32(y)), _tsc(uz - np.float32(z))
        z0, z1, z2 = (z + n) % n, (z + 1) % n, (z + 2) % n
        for step in range(3):
            for step_y in range(3):
                w = wx[step] * wy[step_y]
                row = (y + step_y + n) % n
                mesh[i + step, row, z0] += w * wz[0]
                mesh[i + step, row, z1] += w * wz[1]
                mesh[i + step, row, z2] += w * wz[2]


@njit(cache=True, parallel=True)
def _paint(mesh, n, pos, order, starts, scale, first, support):  # type: ignore[no-untyped-def]
    """Add one to `mesh` for every particle: planes `support` apart at the same time."""
    n_planes = len(starts) - 1
    for turn in range(support):
        for stripe in prange((n_planes - turn + support - 1) // support):
            i = turn + stripe * support
            if support == 2:
                _paint_cic(mesh, n, i, pos, order, starts[i], starts[i + 1], scale, first + i)
            else:
                _paint_tsc(mesh, n, i, pos, order, starts[i], starts[i + 1], scale, first + i)


@njit(cache=True, parallel=True)
def _read(out, mesh, pos, scale, first, support):  # type: ignore[no-untyped-def]
    """Interpolate `mesh` to each particle."""
    n = mesh.shape[1]
    for p in prange(len(pos)):
        ux, uy, uz = pos[p, 0] * scale, pos[p, 1] * scale, pos[p, 2] * scale
        x, y, z = _cell(ux, n, support), _cell(uy, n, support), _cell(uz, n, support)
        dx, dy, dz = ux - np.float32(x), uy - np.float32(y), uz - np.float32(z)
        wx, wy, wz = _tsc(dx), _tsc(dy), _tsc(dz)
        if support == 2:
            zero, one = np.float32(0), np.float32(1)
            wx, wy, wz = (one - dx, dx, zero), (one - dy, dy, zero), (one - dz, dz, zero)
        total = np.float32(0)
        for i in range(support):
            for j in range(support):
                for k in range(support):
                    total += wx[i] * wy[j] * wz[k] * mesh[x - first + i, (y + j + n) % n, (z + k + n) % n]
        out[p] = total

"""Particles to mesh and mesh to particles, on a slab of planes, without races: same bits at any number of threads.

Particles are sorted by x plane. Every other block of planes is painted in parallel, then those between, so no two
threads ever add to the same cell, and blocks do not depend on the threads. Knows nothing of Fourier space or of
gravity's strength.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numba import njit, prange
from numpy.typing import NDArray

from sim.parallel import SERIAL, Comm, launch
from sim.simd import AHEAD, load4, prefetch, store, vector4
from sim.slab import Mesh, Slab, extended, fold

Positions = NDArray[np.float32]
Assignment = Literal["cic", "tsc"]

SUPPORT = {"cic": 2, "tsc": 3}
"""Cells that a cloud touches along one axis."""
N_CHUNKS, N_BLOCKS = 64, 32
"""Parts of the particles that are sorted, and most blocks of planes that are painted: the same for any threads."""


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
    launch()
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


def order_by_rows(particles: Sorted) -> None:
    """Order those of a plane by rows along z, too, stable and in place: neighbours in it share cells."""
    pos, order, starts, scale, *_ = particles.arrays
    _order_rows(pos, order, starts, scale, particles.slab.n_mesh)


def deposit(particles: Sorted) -> Mesh:
    """Number of particles in each cell of the slab, those that neighbours' clouds bring included."""
    slab = particles.slab
    below, above = ghosts(particles.assignment)
    mesh = np.empty((slab.hi - slab.lo + below + above, slab.n_mesh, slab.n_mesh), np.float32)
    fill(particles, mesh)
    fold(mesh, slab, below, above)
    return mesh[below : len(mesh) - above]


def fill(particles: Sorted, mesh: Mesh) -> None:
    """Put the clouds on `mesh` and clear the rest: its planes are those of the slab and of `ghosts`, padded or not.

    ValueError unless it is contiguous.
    """
    if not mesh.flags.c_contiguous:
        raise ValueError(f"mesh: expected contiguous planes, got strides {mesh.strides} of shape {mesh.shape}")
    n_blocks = min(max(1, (len(particles.starts) - 1) // particles.support), N_BLOCKS)
    _paint(mesh, particles.slab.n_mesh, n_blocks, *particles.arrays)


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
            ux, uy, uz = pos[p, 0] * scale, pos[p, 1] * scale, pos[p, 2] * scale
            inside = (ux >= 0) & (ux <= n) & (uy >= 0) & (uy <= n) & (uz >= 0) & (uz <= n)
            plane = _cell(ux if inside else np.float32(0), n, support) - first
            counts[chunk, plane if inside & (plane >= 0) & (plane < n_planes) else n_planes] += 1
    return counts


@njit(cache=True, parallel=True)
def _scatter(order, pos, cursors, scale, first, n, support):  # type: ignore[no-untyped-def]
    """Write the index of each particle where its chunk's share of its plane begins."""
    n_particles = len(pos)
    for chunk in prange(N_CHUNKS):
        cursor = cursors[chunk].copy()
        for p in range(chunk * n_particles // N_CHUNKS, (chunk + 1) * n_particles // N_CHUNKS):
            plane = _cell(pos[p, 0] * scale, n, support) - first
            order[cursor[plane]] = p
            cursor[plane] += 1


@njit(cache=True, parallel=True)
def _order_rows(pos, order, starts, scale, n):  # type: ignore[no-untyped-def]
    """A counting sort of each plane by row."""
    for plane in prange(len(starts) - 1):
        first, by_plane = starts[plane], order[starts[plane] : starts[plane + 1]].copy()
        cursor = np.zeros(n + 1, np.int64)
        for p in by_plane:
            cursor[_cell(pos[p, 1] * scale, n, 2) + 1] += 1
        cursor[0] = first
        for row in range(1, n):
            cursor[row] += cursor[row - 1]
        for p in by_plane:
            row = _cell(pos[p, 1] * scale, n, 2)
            order[cursor[row]] = p
            cursor[row] += 1


@njit(cache=True, inline="always")
def _tsc(d: np.float32) -> tuple[Any, Any, Any]:
    """Weights of the three cells of a cloud whose first cell is a distance `d` in [.5, 1.5] below its centre."""
    half, s = np.float32(0.5), d - np.float32(1)
    below, above = half - s, half + s
    return half * below * below, np.float32(0.75) - s * s, half * above * above


@njit(cache=True, inline="always")
def _around(i: int, n: int) -> int:
    """Cell i of a ring of n, for -n <= i < 2 n."""
    return i + n if i < 0 else (i - n if i >= n else i)


@njit(cache=True, forceinline=True)
def _fetch(pos, order, j, hi, scale):  # type: ignore[no-untyped-def]
    """Index of particle order[j], and where it is in cells; one further ahead begins to come into the cache."""
    prefetch(pos, 3 * np.int64(order[min(j + AHEAD, hi - 1)]))
    p = np.uintp(order[j])
    return p, pos[p, 0] * scale, pos[p, 1] * scale, pos[p, 2] * scale


@njit(cache=True)
def _paint_cic(mesh, n, i, pos, order, lo, hi, scale, plane):  # type: ignore[no-untyped-def]
    """Add the clouds order[lo:hi], which start on the plane mesh[i]."""
    one = np.float32(1)
    for j in range(lo, hi):
        _, ux, uy, uz = _fetch(pos, order, j, hi, scale)
        i_y, i_z = _cell(uy, n, 2), _cell(uz, n, 2)
        y, z, y1, z1 = np.uintp(i_y), np.uintp(i_z), np.uintp(_around(i_y + 1, n)), np.uintp(_around(i_z + 1, n))
        dx, dy, dz = ux - np.float32(plane), uy - np.float32(i_y), uz - np.float32(i_z)
        w00, w01, w10, w11 = (one - dy) * (one - dz), (one - dy) * dz, dy * (one - dz), dy * dz
        for step in range(2):
            wx = dx if step else one - dx
            mesh[i + step, y, z] += wx * w00
            mesh[i + step, y, z1] += wx * w01
            mesh[i + step, y1, z] += wx * w10
            mesh[i + step, y1, z1] += wx * w11


@njit(cache=True)
def _paint_tsc(mesh, n, i, pos, order, lo, hi, scale, plane):  # type: ignore[no-untyped-def]
    """Add the clouds order[lo:hi], which start on the plane mesh[i]: four cells at a time, unless they go round."""
    for j in range(lo, hi):
        _, ux, uy, uz = _fetch(pos, order, j, hi, scale)
        y, z = _cell(uy, n, 3), _cell(uz, n, 3)
        wx, wy, wz = _tsc(ux - np.float32(plane)), _tsc(uy - np.float32(y)), _tsc(uz - np.float32(z))
        row = vector4(wz[0], wz[1], wz[2], np.float32(0))
        inside = z >= 0 and z + 3 < n
        for step in range(3):
            for step_y in range(3):
                w, cells = wx[step] * wy[step_y], mesh[i + step, _around(y + step_y, n)]
                if inside:
                    store(cells, z, load4(cells, z) + w * row)
                else:
                    for step_z in range(3):
                        cells[_around(z + step_z, n)] += w * wz[step_z]


@njit(cache=True)
def _clear(mesh, begin, end):  # type: ignore[no-untyped-def]
    for i in range(begin, end):
        for y in range(mesh.shape[1]):
            for z in range(mesh.shape[2]):
                mesh[i, y, z] = 0


@njit(cache=True, parallel=True)
def _paint(mesh, n, n_blocks, pos, order, starts, scale, first, support):  # type: ignore[no-untyped-def]
    """Each block clears its planes and adds one for every particle; it reaches into the block above by its ghosts."""
    n_planes, reach = len(starts) - 1, support - 1
    for turn in range(2):
        for pair in prange((n_blocks - turn + 1) // 2):
            block = 2 * pair + turn
            begin, end = block * n_planes // n_blocks, (block + 1) * n_planes // n_blocks
            above = 0 if turn and block + 1 < n_blocks else reach
            _clear(mesh, begin + reach if turn else begin, end + above)
            for i in range(begin, end):
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

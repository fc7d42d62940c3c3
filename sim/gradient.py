"""The gradient of a mesh at particles, as a kick: differences of a plane are taken when its particles are read.

The gradient is never stored on a mesh. Knows nothing of what the mesh holds or of when particles are kicked.
"""

from __future__ import annotations

import numpy as np
from numba import njit, prange
from numpy.typing import NDArray

from sim.mesh import Assignment, Sorted, _cell, _cic, _tsc, ghosts
from sim.parallel import n_threads_of_rank
from sim.slab import Mesh

Vectors = NDArray[np.float32]

REACH = 2
"""Planes on either side that the four-point difference needs."""


def planes(assignment: Assignment) -> tuple[int, int]:
    """Planes below and above a slab that the kick of its particles needs."""
    below, above = ghosts(assignment)
    return below + REACH, above + REACH


def kick(mom: Vectors, particles: Sorted, mesh: Mesh, keep: float, gain: float) -> None:
    """Mom = keep * mom + gain * gradient of `mesh` at the particles, (n, 3).

    Four-point differences, interpolated with the weights of `paint`. `mesh` has the ghost planes of `planes`, filled;
    its rows may be padded.
    """
    n_planes = len(particles.starts) - 1
    factors = np.float32(keep), np.float32(gain) * particles.slab.inverse_cell
    _kick(mom, mesh, particles.slab.n_mesh, min(n_threads_of_rank(), n_planes), *factors, *particles.arrays)


@njit(cache=True)
def _difference(out, mesh, n, i, scale):  # type: ignore[no-untyped-def]
    """Four-point gradient of the plane mesh[i] into out (n, 3, n)."""
    near, far = scale * np.float32(2 / 3), scale * np.float32(-1 / 12)
    for y in range(n):
        y1, y2, y3, y4 = (y - 2 + n) % n, (y - 1 + n) % n, (y + 1) % n, (y + 2) % n
        a, b, c, d = mesh[i - 2, y], mesh[i - 1, y], mesh[i + 1, y], mesh[i + 2, y]
        along_x = out[y, 0]
        for z in range(n):
            along_x[z] = near * (c[z] - b[z]) + far * (d[z] - a[z])
        a, b, c, d = mesh[i, y1], mesh[i, y2], mesh[i, y3], mesh[i, y4]
        along_y = out[y, 1]
        for z in range(n):
            along_y[z] = near * (c[z] - b[z]) + far * (d[z] - a[z])
        row, along_z = mesh[i, y], out[y, 2]
        for z in range(2, n - 2):
            along_z[z] = near * (row[z + 1] - row[z - 1]) + far * (row[z + 2] - row[z - 2])
        for z in (0, 1, n - 2, n - 1):
            z1, z2, z3, z4 = (z - 2 + n) % n, (z - 1 + n) % n, (z + 1) % n, (z + 2) % n
            along_z[z] = near * (row[z3] - row[z2]) + far * (row[z4] - row[z1])


@njit(cache=True)
def _gather_cic(mom, lower, upper, pos, order, lo, hi, scale, plane, keep):  # type: ignore[no-untyped-def]
    """Add two planes of vectors (n, 3, n), interpolated, to `keep` times what order[lo:hi] have."""
    n = lower.shape[0]
    one = np.float32(1)
    for j in range(lo, hi):
        p = order[j]
        dx, y, z, y1, z1, w00, w01, w10, w11 = _cic(pos[p, 0] * scale, pos[p, 1] * scale, pos[p, 2] * scale, plane, n)
        for c in range(3):
            near = w00 * lower[y, c, z] + w01 * lower[y, c, z1] + w10 * lower[y1, c, z] + w11 * lower[y1, c, z1]
            far = w00 * upper[y, c, z] + w01 * upper[y, c, z1] + w10 * upper[y1, c, z] + w11 * upper[y1, c, z1]
            mom[p, c] = keep * mom[p, c] + ((one - dx) * near + dx * far)


@njit(cache=True)
def _gather_tsc(mom, ring, i, pos, order, lo, hi, scale, plane, keep):  # type: ignore[no-untyped-def]
    """Add three planes of vectors, the first of which is ring[i], to `keep` times what order[lo:hi] have."""
    n = ring.shape[1]
    for j in range(lo, hi):
        p = order[j]
        ux, uy, uz = pos[p, 0] * scale, pos[p, 1] * scale, pos[p, 2] * scale
        y, z = _cell(uy, n, 3), _cell(uz, n, 3)
        wx, wy, wz = _tsc(ux - np.float32(plane)), _tsc(uy - np.float32(y)), _tsc(uz - np.float32(z))
        z0, z1, z2 = (z + n) % n, (z + 1) % n, (z + 2) % n
        for c in range(3):
            total = np.float32(0)
            for step in range(3):
                for step_y in range(3):
                    row = ring[(i + step) % 3, (y + step_y + n) % n, c]
                    total += wx[step] * wy[step_y] * (wz[0] * row[z0] + wz[1] * row[z1] + wz[2] * row[z2])
            mom[p, c] = keep * mom[p, c] + total


@njit(cache=True, parallel=True)
def _kick(mom, mesh, n, n_blocks, keep, gain, pos, order, starts, scale, first, support):  # type: ignore[no-untyped-def]
    """A ring of `support` planes of differences follows the particles through the slab."""
    n_planes = len(starts) - 1
    for block in prange(n_blocks):
        begin, end = block * n_planes // n_blocks, (block + 1) * n_planes // n_blocks
        ring = np.empty((support, n, 3, n), np.float32)
        for i in range(begin, begin + support - 1):
            _difference(ring[i % support], mesh, n, i + REACH, gain)
        for i in range(begin, end):
            last = i + support - 1
            _difference(ring[last % support], mesh, n, last + REACH, gain)
            lo, hi = starts[i], starts[i + 1]
            if support == 2:
                _gather_cic(mom, ring[i % 2], ring[last % 2], pos, order, lo, hi, scale, first + i, keep)
            else:
                _gather_tsc(mom, ring, i, pos, order, lo, hi, scale, first + i, keep)

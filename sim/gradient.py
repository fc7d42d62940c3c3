"""The gradient of a mesh at particles, as a kick: differences of a plane are taken when its particles are read.

The gradient is never stored on a mesh. Knows nothing of what the mesh holds or of when particles are kicked.
"""

from __future__ import annotations

import numpy as np
from numba import njit, prange
from numpy.typing import NDArray

from sim.mesh import Assignment, Sorted, _around, _cell, _fetch, _tsc, ghosts
from sim.parallel import n_threads_of_rank
from sim.simd import AHEAD, elements, load8, load16, prefetch, quarters, store, zip2
from sim.slab import Mesh

Vectors = NDArray[np.float32]

REACH = 2
"""Planes on either side that the four-point difference needs."""
LANES, PAD = 16, 4
"""Cells differenced at a time, and cells of a row of differences beyond the mesh, for clouds that go round its ends."""


def planes(assignment: Assignment) -> tuple[int, int]:
    """Planes below and above a slab that the kick of its particles needs."""
    below, above = ghosts(assignment)
    return below + REACH, above + REACH


def kick(mom: Vectors, particles: Sorted, mesh: Mesh, keep: float, gain: float) -> None:
    """Mom = keep * mom + gain * gradient of `mesh` at the particles, (n, 3).

    Four-point differences, interpolated with the weights of `paint`. `mesh` has the ghost planes of `planes`, filled;
    its rows may be padded.
    """
    mesh, n_planes = np.ascontiguousarray(mesh), len(particles.starts) - 1
    factors = np.float32(keep), np.float32(gain) * particles.slab.inverse_cell
    _kick(mom, mesh, particles.slab.n_mesh, min(n_threads_of_rank(), n_planes), *factors, *particles.arrays)


@njit(cache=True)
def _difference(out, line, mesh, n, i, scale):  # type: ignore[no-untyped-def]
    """Four-point gradient of the plane mesh[i] into out (n, n + PAD, 4), cell z at z + 1; `line` (n + 4) is scratch.

    Cells before the first and after the last are those of the other end. The fourth component means nothing.
    """
    near, far = scale * np.float32(2 / 3), scale * np.float32(-1 / 12)
    for y in range(n):
        y1, y2, y3, y4 = (y - 2 + n) % n, (y - 1 + n) % n, (y + 1) % n, (y + 2) % n
        a, b, c, d = mesh[i - 2, y], mesh[i - 1, y], mesh[i + 1, y], mesh[i + 2, y]
        e, f, g, h = mesh[i, y1], mesh[i, y2], mesh[i, y3], mesh[i, y4]
        row, to = mesh[i, y], out[y]
        for z in range(n):
            line[z + 2] = row[z]
        for z in range(2):
            line[z], line[n + 2 + z] = row[(n - 2 + z) % n], row[z % n]
        whole = n // LANES * LANES
        for z in range(0, whole, LANES):
            along_x = near * (load16(c, z) - load16(b, z)) + far * (load16(d, z) - load16(a, z))
            along_y = near * (load16(g, z) - load16(f, z)) + far * (load16(h, z) - load16(e, z))
            beside = near * (load16(line, z + 3) - load16(line, z + 1))
            along_z = beside + far * (load16(line, z + 4) - load16(line, z))
            _store_vectors(to, 4 * (z + 1), along_x, along_y, along_z)
        for z in range(whole, n):
            to[z + 1, 0] = near * (c[z] - b[z]) + far * (d[z] - a[z])
            to[z + 1, 1] = near * (g[z] - f[z]) + far * (h[z] - e[z])
            to[z + 1, 2] = near * (line[z + 3] - line[z + 1]) + far * (line[z + 4] - line[z])
        for component in range(3):
            to[0, component] = to[n, component]
            to[n + 1, component] = to[1, component]
            to[n + 2, component] = to[2, component]


@njit(cache=True, forceinline=True)
def _store_vectors(to, offset, x, y, z):  # type: ignore[no-untyped-def]
    """Sixteen times x, y, z and something."""
    xz, yx = zip2(x, z), zip2(y, x)
    for half in range(2):
        first, second = zip2(xz[half], yx[half])
        store(to, offset + 2 * LANES * half, first)
        store(to, offset + 2 * LANES * half + LANES, second)


@njit(cache=True)
def _gather_cic(mom, lower, upper, pos, order, lo, hi, scale, plane, keep):  # type: ignore[no-untyped-def]
    """Add two planes of differences, interpolated, to `keep` times what order[lo:hi] have."""
    n, one = lower.shape[0], np.float32(1)
    size = 4 * (n + PAD)
    for j in range(lo, hi):
        prefetch(mom, 3 * np.int64(order[min(j + AHEAD, hi - 1)]))
        p, ux, uy, uz = _fetch(pos, order, j, hi, scale)
        y, z = _cell(uy, n, 2), _cell(uz, n, 2)
        dx, dy, dz = ux - np.float32(plane), uy - np.float32(y), uz - np.float32(z)
        a, b = y * size + 4 * (z + 1), _around(y + 1, n) * size + 4 * (z + 1)
        near = (one - dy) * load8(lower, a) + dy * load8(lower, b)
        far = (one - dy) * load8(upper, a) + dy * load8(upper, b)
        below, above = quarters((one - dx) * near + dx * far)
        _add(mom, p, keep, (one - dz) * below + dz * above)


@njit(cache=True)
def _gather_tsc(mom, lower, middle, upper, pos, order, lo, hi, scale, plane, keep):  # type: ignore[no-untyped-def]
    """Add three planes of differences, interpolated, to `keep` times what order[lo:hi] have."""
    n = lower.shape[0]
    size = 4 * (n + PAD)
    for j in range(lo, hi):
        prefetch(mom, 3 * np.int64(order[min(j + AHEAD, hi - 1)]))
        p, ux, uy, uz = _fetch(pos, order, j, hi, scale)
        y, z = _cell(uy, n, 3), _cell(uz, n, 3)
        wx, wy, wz = _tsc(ux - np.float32(plane)), _tsc(uy - np.float32(y)), _tsc(uz - np.float32(z))
        at = 4 * (z + 1)
        a, b, c = _around(y, n) * size + at, _around(y + 1, n) * size + at, _around(y + 2, n) * size + at
        one = wy[0] * load16(lower, a) + wy[1] * load16(lower, b) + wy[2] * load16(lower, c)
        two = wy[0] * load16(middle, a) + wy[1] * load16(middle, b) + wy[2] * load16(middle, c)
        three = wy[0] * load16(upper, a) + wy[1] * load16(upper, b) + wy[2] * load16(upper, c)
        parts = quarters(wx[0] * one + wx[1] * two + wx[2] * three)
        _add(mom, p, keep, wz[0] * parts[0] + wz[1] * parts[1] + wz[2] * parts[2])


@njit(cache=True, forceinline=True)
def _add(mom, p, keep, vector):  # type: ignore[no-untyped-def]
    """Mom of particle p = keep * mom + the first three elements of `vector`."""
    found = elements(vector)
    for c in range(3):
        mom[p, c] = keep * mom[p, c] + found[c]


@njit(cache=True, parallel=True)
def _kick(mom, mesh, n, n_blocks, keep, gain, pos, order, starts, scale, first, support):  # type: ignore[no-untyped-def]
    """A ring of `support` planes of differences follows the particles through the slab."""
    n_planes = len(starts) - 1
    for block in prange(n_blocks):
        begin, end = block * n_planes // n_blocks, (block + 1) * n_planes // n_blocks
        ring, line = np.empty((support, n, n + PAD, 4), np.float32), np.empty(n + 4, np.float32)
        for i in range(begin, begin + support - 1):
            _difference(ring[i % support], line, mesh, n, i + REACH, gain)
        for i in range(begin, end):
            last = i + support - 1
            _difference(ring[last % support], line, mesh, n, last + REACH, gain)
            lo, hi, lower, upper = starts[i], starts[i + 1], ring[i % support], ring[last % support]
            if support == 2:
                _gather_cic(mom, lower, upper, pos, order, lo, hi, scale, first + i, keep)
            else:
                middle = ring[(i + 1) % support]
                _gather_tsc(mom, lower, middle, upper, pos, order, lo, hi, scale, first + i, keep)

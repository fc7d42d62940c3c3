"""The one function that cuts the surroundings of a halo out of a periodic box: for training as for inference.

A cutout is centred, turned, and projected with cloud-in-cell on a fine grid that covers the cube of the box's side
around the centre; each of its windows is a square of this grid, averaged over squares of fine pixels. The cube holds
exactly the periodic images whose turned offsets lie in [-box_size/2, box_size/2)^3. Where a window is as wide as the
box, the half pixel of a cloud that sticks out of the cube enters on the other side, so that no mass is lost.

Knows nothing of files, of halos or of what the particles are.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numba import njit, prange
from numpy.typing import NDArray

from sim.blocks import Blocks
from sim.parallel import launch

Array = NDArray[np.float64]
Tables = NDArray[np.int32]

_CHUNK = 1024
MAX_PIXELS = 2**26
"""Pixels of all windows of a cutout: 512 MB."""


@dataclass(frozen=True)
class Windows:
    """Squares of side `scales` [Mpc/h], from the narrowest out, of n_pixels^2 each, through `depth` of the box.

    Fine pixels are those of the narrowest window. The depth [Mpc/h] along the line of sight is that of the box if
    None, and n_dims = 3 keeps the line of sight: cubes of n_pixels^3, as deep as they are wide. ValueError unless each
    window is a whole multiple of the narrowest, and no wider than the box or else narrower by two fine pixels.
    """

    scales: tuple[float, ...]
    n_pixels: int
    box_size: float
    depth: float | None = None
    n_dims: int = 2

    def __post_init__(self) -> None:
        ratios = np.array(self.scales) / self.scales[0] if self.scales else np.array([0.0])
        if self.n_dims not in (2, 3) or self.n_pixels < 1 or self.n_pixels**self.n_dims * len(self.scales) > MAX_PIXELS:
            shape = f"{len(self.scales)} windows of {self.n_pixels}^{self.n_dims}"
            raise ValueError(f"windows: expected maps or cubes of 1 to {MAX_PIXELS} pixels, got {shape}")
        if (ratios < 1).any() or (np.diff(ratios) <= 0).any() or (abs(ratios - ratios.round()) > 1e-6).any():
            raise ValueError(f"scales: expected multiples of the first, each above the last, got {self.scales} Mpc/h")
        # A window between one and two fine pixels narrower than the box would lose clouds from beyond the cube.
        if not self._wraps and self.scales[-1] > self.box_size - 2 * self.pixel_size:
            raise ValueError(f"scales: expected at most the box, {self.box_size:g} Mpc/h, got {self.scales[-1]:g}")
        if any(self.n_pixels * (self.factors[-1] - factor) % 2 for factor in self.factors):
            raise ValueError(f"n_pixels: expected an even number, or windows of odd ratio, got {self.n_pixels}")
        if self.depth is not None and not 0 < self.depth <= self.box_size:
            raise ValueError(f"depth: expected up to the box, {self.box_size:g} Mpc/h, got {self.depth:g}")

    @property
    def pixel_size(self) -> float:
        """Side of a fine pixel [Mpc/h]."""
        return self.scales[0] / self.n_pixels

    @property
    def factors(self) -> tuple[int, ...]:
        """Fine pixels along the side of a pixel of each window."""
        return tuple(round(scale / self.scales[0]) for scale in self.scales)

    @property
    def n_fine(self) -> int:
        """Fine pixels along the side of the widest window."""
        return self.n_pixels * self.factors[-1]

    @property
    def _wraps(self) -> bool:
        return abs(self.scales[-1] / self.box_size - 1) < 1e-6

    @property
    def half_width(self) -> float:
        """Half the side of the square beyond which no image is looked at [Mpc/h]."""
        return self.box_size / 2 if self._wraps else self.scales[-1] / 2 + self.pixel_size

    @property
    def half_depth(self) -> float:
        if self.n_dims == 3:
            return self.half_width
        return (self.box_size if self.depth is None else self.depth) / 2

    @property
    def shape(self) -> tuple[int, ...]:
        """Of a cutout."""
        return (len(self.scales), *(self.n_pixels,) * self.n_dims)

    @cached_property
    def tables(self) -> Tables:
        """(windows, n_fine + 2): the pixel of each window that fine pixel i - 1 lies in, n_pixels where in none."""
        tables = np.full((len(self.scales), self.n_fine + 2), self.n_pixels, np.int32)
        for table, factor in zip(tables, self.factors, strict=True):
            first = 1 + (self.n_fine - self.n_pixels * factor) // 2
            table[first : first + self.n_pixels * factor] = np.arange(self.n_pixels * factor) // factor
        if self._wraps:
            tables[-1, 0], tables[-1, -1] = self.n_pixels - 1, 0
        return tables


def cutouts(blocks: Blocks, centers: Array, rotations: Array, windows: Windows) -> NDArray[np.float32]:
    """Mass a fine pixel [Msun/h] around each of m `centers` (m, 3) [Mpc/h], turned by `rotations` (m, 3, 3).

    (m, windows, n_pixels, n_pixels), or (m, windows, n_pixels, n_pixels, n_pixels) of cubes: rows are the first axis
    after the rotation, columns the second, and the centre is where the four (eight) central pixels meet. Pixels of the
    wider windows hold the mean over their fine pixels. A cutout is summed by one thread, in float64 and in the order
    of the blocks, so its bits depend neither on the others nor on the number of threads.
    """
    centers, rotations = np.atleast_2d(np.asarray(centers, float)), np.asarray(rotations, float).reshape(-1, 3, 3)
    _refuse(blocks, centers, rotations, windows)
    launch()
    cells = 1.0 / np.array(windows.factors, float) ** windows.n_dims
    out = np.empty((len(centers), len(windows.scales), windows.n_pixels**windows.n_dims), np.float32)
    particles = (blocks.offset, blocks.mass, blocks.start, blocks.middles, blocks.box_size)
    reach = np.array(windows.scales) / 2 + windows.pixel_size
    within = (1 - 1e-6) * windows.scales[-1] / 2
    grid = (windows.tables, cells, reach, 1 / windows.pixel_size, within, windows.half_width, windows.half_depth)
    _cut(out, centers, rotations, particles, grid, windows.n_pixels, windows.n_dims, windows._wraps)
    return out.reshape(len(centers), *windows.shape)


def _refuse(blocks: Blocks, centers: Array, rotations: Array, windows: Windows) -> None:
    problems: dict[str, Any] = {
        f"centers (m, 3) and as many rotations, got {centers.shape} and {rotations.shape}": centers.shape[1:] != (3,)
        or len(centers) != len(rotations),
        f"windows of the box of {blocks.box_size:g} Mpc/h, got {windows.box_size:g}": blocks.box_size
        != windows.box_size,
        "finite centers": not np.isfinite(centers).all(),
        "rotations, R R^T = 1": not np.allclose(rotations @ rotations.swapaxes(1, 2), np.eye(3), atol=1e-6),
    }
    for law, broken in problems.items():
        if broken:
            raise ValueError(f"cutouts: expected {law}")


@njit(cache=True, nogil=True, parallel=True)
def _cut(out, centers, rotations, particles, grid, n_pixels, n_dims, wraps):  # type: ignore[no-untyped-def]
    """Every cutout into out (m, windows, pixels)."""
    for i in prange(len(centers)):
        # One row and one column more than there are pixels take what lies outside.
        maps = np.zeros((out.shape[1], (n_pixels + 1) ** n_dims))
        _project(maps, centers[i], rotations[i], particles, grid, n_pixels, n_dims, wraps)
        cells = grid[1]
        for s in range(len(maps)):
            _without_margin(out[i, s], maps[s], cells[s], n_pixels, n_dims)


@njit(cache=True, nogil=True)
def _without_margin(out, padded, cell, n_pixels, n_dims):  # type: ignore[no-untyped-def]
    """Copy the pixels of a padded map, times `cell`."""
    n_rows = n_pixels ** (n_dims - 1)
    for row in range(n_rows):
        start = row * (n_pixels + 1)
        if n_dims == 3:
            start = ((row // n_pixels) * (n_pixels + 1) + row % n_pixels) * (n_pixels + 1)
        for column in range(n_pixels):
            out[row * n_pixels + column] = padded[start + column] * cell


@njit(cache=True, nogil=True)
def _project(maps, center, rotation, particles, grid, n_pixels, n_dims, wraps):  # type: ignore[no-untyped-def]
    """Add the images inside the cube to maps (windows, (n_pixels + 1)^n_dims), block after block."""
    offset, mass, start, middles, box_size = particles
    tables, _, reach, inverse, within, half_width, half_depth = grid
    radius, n_fine = np.sqrt(3.0) / 2 * box_size / len(middles), tables.shape[1] - 2
    found, places = _touching(center, rotation, middles, box_size, half_width + radius, half_depth + radius)
    safe = within - radius
    safe_depth = (1 - 1e-6) * half_depth - radius if n_dims == 2 else safe
    matrix = (rotation * inverse).astype(np.float32)
    fine, share, weight = (
        np.empty((3, _CHUNK), np.int32),
        np.empty((3, _CHUNK), np.float32),
        np.empty(_CHUNK, np.float32),
    )
    for i in range(len(found)):
        middle, wide = places[i], max(abs(places[i, 0]), abs(places[i, 1]))
        inside = wide < safe and abs(middle[2]) < safe_depth
        for begin in range(start[found[i]], start[found[i] + 1], _CHUNK):
            n = min(_CHUNK, start[found[i] + 1] - begin)
            for axis in range(3):
                _place(
                    fine[axis], share[axis], offset[:, begin : begin + n], matrix[axis], middle[axis] * inverse, n_fine
                )
            for j in range(n):
                weight[j] = mass[begin + j] if mass.size > 1 else mass[0]
            if not inside:
                n = _kept(fine, share, weight, n, n_fine, half_depth * inverse, n_dims, wraps)
            for s in range(len(tables) - 1, -1, -1):
                if wide - radius > reach[s]:
                    break
                if n_dims == 2:
                    _add(maps[s], tables[s], fine[0], fine[1], share[0], share[1], weight, n, n_pixels + 1)
                else:
                    _add_cubes(maps[s], tables[s], fine, share, weight, n, n_pixels + 1)


@njit(cache=True, nogil=True)
def _touching(center, rotation, middles, box_size, width, depth):  # type: ignore[no-untyped-def]
    """Blocks, and where the middles of their images lie (k, 3), that may touch a box of half `width` and `depth`."""
    n_side, n = len(middles), 0
    found, places = np.empty(27 * n_side**3, np.int32), np.empty((27 * n_side**3, 3))
    (a0, a1, a2), (b0, b1, b2), (c0, c1, c2) = rotation
    for block in range(n_side**3):
        x = middles[block // n_side**2] - center[0]
        y = middles[block // n_side % n_side] - center[1]
        z = middles[block % n_side] - center[2]
        x -= box_size * np.rint(x / box_size)
        y -= box_size * np.rint(y / box_size)
        z -= box_size * np.rint(z / box_size)
        for image in range(27):
            i, j, k = (
                x + box_size * (image // 9 - 1),
                y + box_size * (image // 3 % 3 - 1),
                z + box_size * (image % 3 - 1),
            )
            u, v, w = a0 * i + a1 * j + a2 * k, b0 * i + b1 * j + b2 * k, c0 * i + c1 * j + c2 * k
            if abs(u) <= width and abs(v) <= width and abs(w) <= depth:
                found[n] = block
                places[n, 0], places[n, 1], places[n, 2] = u, v, w
                n += 1
    return found[:n], places[:n]


@njit(cache=True, nogil=True)
def _place(fine, share, offset, row, middle, n_fine):  # type: ignore[no-untyped-def]
    """Table index of the first fine pixel of each cloud along one axis, and the share of the cloud in the next one.

    The middle of the block [fine pixels from the centre] is split into a whole number and a rest: float32 holds no more
    than a block, and how wide the widest window is changes no bit of the others.
    """
    at = middle - 0.5 * (1 - n_fine % 2)
    rest, first = np.float32(at - np.floor(at)), np.int32(np.floor(at)) + np.int32(1 + n_fine // 2)
    a, b, c = row
    for i in range(offset.shape[1]):
        u = a * offset[0, i] + b * offset[1, i] + c * offset[2, i] + rest
        floor = np.floor(u)
        share[i] = u - floor
        fine[i] = first + np.int32(floor)


@njit(cache=True, nogil=True)
def _kept(fine, share, weight, n, n_fine, half_depth, n_dims, wraps):  # type: ignore[no-untyped-def]
    """Move the clouds that belong to the cube, and may touch a window, to the front; how many they are."""
    middle, kept = 1 + n_fine // 2 - 0.5 * (1 - n_fine % 2), 0
    for i in range(n):
        j0, j1, j2 = fine[0, i], fine[1, i], fine[2, i]
        t0, t1, t2 = share[0, i], share[1, i], share[2, i]
        keep = _is_kept(j0, t0, n_fine, wraps) & _is_kept(j1, t1, n_fine, wraps)
        if n_dims == 2:
            depth = j2 - middle + np.float64(t2)
            keep &= (-half_depth <= depth) & (depth < half_depth)
        else:
            keep &= _is_kept(j2, t2, n_fine, wraps)
        fine[0, kept], fine[1, kept], fine[2, kept] = j0, j1, j2
        share[0, kept], share[1, kept], share[2, kept] = t0, t1, t2
        weight[kept] = weight[i]
        kept += keep
    return kept


@njit(cache=True, nogil=True)
def _is_kept(j, t, n_fine, wraps):  # type: ignore[no-untyped-def]
    """Whether a cloud centred at j + t - 1/2 touches the fine pixels, or, where they wrap, lies in [0, n_fine)."""
    half = np.float32(0.5)
    touches = (j >= 0) & (j <= n_fine)
    within = ((j > 0) | (t >= half)) & ((j < n_fine) | (t < half))
    return touches & (within | (not wraps))


@njit(cache=True, nogil=True)
def _add(pixels, table, row, column, down, right, weight, n, stride):  # type: ignore[no-untyped-def]
    """Add n clouds to a map of one window; `down` and `right` are their shares in the next row and column."""
    for i in range(n):
        a0, a1 = table[row[i]] * stride, table[row[i] + 1] * stride
        b0, b1 = table[column[i]], table[column[i] + 1]
        m = np.float64(weight[i])
        m1 = m * down[i]
        m0 = m - m1
        m01, m11 = m0 * right[i], m1 * right[i]
        pixels[a0 + b0] += m0 - m01
        pixels[a0 + b1] += m01
        pixels[a1 + b0] += m1 - m11
        pixels[a1 + b1] += m11


@njit(cache=True, nogil=True)
def _add_cubes(pixels, table, fine, share, weight, n, stride):  # type: ignore[no-untyped-def]
    """Add n clouds to the cube of one window."""
    for i in range(n):
        for corner in range(8):
            place, m = 0, np.float64(weight[i])
            for axis in range(3):
                high = corner >> (2 - axis) & 1
                place = place * stride + table[fine[axis, i] + high]
                m *= share[axis, i] if high else 1 - np.float64(share[axis, i])
            pixels[place] += m

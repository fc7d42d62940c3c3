"""Two-dimensional projections of particles. Knows nothing of files or of what the particles are."""

from __future__ import annotations

from typing import Literal

import numpy as np
from numba import njit
from numpy.typing import ArrayLike, NDArray

Assignment = Literal["ngp", "cic", "tsc"]
_ORDER: dict[str, int] = {"ngp": 1, "cic": 2, "tsc": 3}


def project(
    pos: NDArray[np.floating],
    mass: ArrayLike,
    box_size: float,
    n_pixels: int,
    axis: int,
    *,
    slab: tuple[float, float] | None = None,
    assignment: Assignment = "cic",
) -> NDArray[np.float32]:
    """Surface density (n_pixels, n_pixels) in Msun/h / (Mpc/h)^2 of the whole box, seen along `axis`.

    pos (n, 3) in [0, box_size] Mpc/h, mass a number or (n,) Msun/h. Rows and columns are the two other axes in
    increasing order; pixel i covers [i, i+1) box_size / n_pixels. `slab` keeps lo <= x < hi along `axis` and may cross
    an edge of the box. Sums are in float64 and in the order of the particles: equal input gives equal bits.
    ValueError for positions outside the box and for masses that are not finite.
    """
    _check(pos, mass, box_size, n_pixels, axis, assignment)
    low, high = (-np.inf, np.inf) if slab is None else slab
    if slab is not None and not (-box_size <= low < high <= 2 * box_size and high - low <= box_size):
        raise ValueError(f"slab: expected low < high, no deeper than the box of {box_size} Mpc/h, got {slab}")
    image = np.zeros((n_pixels, n_pixels))
    weights = np.atleast_1d(np.asarray(mass, np.float64))
    _deposit(image, pos, weights, box_size, axis, low, high, _ORDER[assignment])
    if not np.isfinite(image).all():
        raise ValueError("project: expected finite masses, got one that is not")
    image *= (n_pixels / box_size) ** 2
    return image.astype(np.float32)


def _check(
    pos: NDArray[np.floating], mass: ArrayLike, box_size: float, n_pixels: int, axis: int, assignment: str
) -> None:
    problems = {
        f"pos of shape (n, 3), got {pos.shape}": pos.ndim != 2 or pos.shape[1] != 3,
        f"mass a number or of shape ({len(pos)},), got {np.shape(mass)}": np.shape(mass) not in ((), (len(pos),)),
        f"n_pixels >= 1, got {n_pixels}": n_pixels < 1,
        f"axis 0, 1 or 2, got {axis}": axis not in (0, 1, 2),
        f"assignment of {', '.join(_ORDER)}, got {assignment!r}": assignment not in _ORDER,
    }
    for law, broken in problems.items():
        if broken:
            raise ValueError(f"project: expected {law}")
    if len(pos) and not (pos.min() >= 0 and pos.max() <= box_size):
        raise ValueError(f"project: expected positions in [0, {box_size}] Mpc/h, got {pos.min()} to {pos.max()}")


@njit(cache=True, nogil=True)
def _shares(u: float, order: int, out: NDArray[np.float64]) -> int:
    """Shares of a cloud at `u` [pixels] in `order` pixels; the index of the first, which may be -1."""
    if order == 1:
        out[0] = 1.0
        return int(np.floor(u))
    if order == 2:
        i = int(np.floor(u - 0.5))
        out[1] = u - 0.5 - i
        out[0] = 1.0 - out[1]
        return i
    i = int(np.floor(u))
    d = u - 0.5 - i
    out[0] = 0.5 * (0.5 - d) ** 2
    out[1] = 0.75 - d * d
    out[2] = 0.5 * (0.5 + d) ** 2
    return i - 1


@njit(cache=True, nogil=True)
def _deposit(  # type: ignore[no-untyped-def]
    image, pos, mass, box_size, axis, low, high, order
):
    """Add every particle between `low` and `high` to `image` (n, n), with periodic wrap."""
    n = image.shape[0]
    first, second = (1 if axis == 0 else 0), (1 if axis == 2 else 2)
    stride = 0 if mass.size == 1 else 1
    rows, columns = np.empty(3), np.empty(3)
    for p in range(pos.shape[0]):
        depth = np.float64(pos[p, axis])
        if not (low <= depth < high or low <= depth + box_size < high or low <= depth - box_size < high):
            continue
        row = _shares(pos[p, first] * n / box_size, order, rows)
        column = _shares(pos[p, second] * n / box_size, order, columns)
        for i in range(order):
            for j in range(order):
                image[(row + i) % n, (column + j) % n] += rows[i] * columns[j] * mass[p * stride]

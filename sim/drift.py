"""Free motion of particles in a periodic box. Knows nothing of forces."""

from __future__ import annotations

import numpy as np
from numba import njit, prange
from numpy.typing import NDArray

Vectors = NDArray[np.float32]


def drift(pos: Vectors, mom: Vectors, factor: float, box_size: float) -> int:
    """Pos (n, 3) += factor * mom, and back into [0, box_size); how many coordinates are not finite."""
    return int(_drift(pos, mom, np.float32(factor), np.float32(box_size)))


@njit(cache=True, forceinline=True, error_model="numpy")
def moved(x: np.float32, by: np.float32, box_size: np.float32) -> np.float32:
    """The coordinate x + by in [0, box_size); NaN if it is not finite."""
    x += by
    if not (x >= 0 and x < box_size):
        x -= np.floor(x / box_size) * box_size
        if x < 0 or x >= box_size:
            x = np.float32(0)
    return x


@njit(cache=True, parallel=True, error_model="numpy")
def _drift(pos, mom, factor, box_size):  # type: ignore[no-untyped-def]
    lost = 0
    for p in prange(len(pos)):
        for axis in range(3):
            x = moved(pos[p, axis], factor * mom[p, axis], box_size)
            lost += x != x
            pos[p, axis] = x
    return lost

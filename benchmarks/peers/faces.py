"""The particles around a halo as the predecessor gathers them: nearest images, and copies of faces within a margin."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]
MARGIN = 0.2
"""Depth of the copied faces over the side of the box: 10 of 50 Mpc/h."""


def tiled(pos: Array, mass: Array, center: Array, box_size: float) -> tuple[Array, Array]:
    """Nearest images around the centre, and copies of those near a face."""
    delta = pos - center.astype(np.float32)
    delta -= np.float32(box_size) * np.round(delta / np.float32(box_size))
    copies, masses = [delta], [mass]
    edge = box_size * (0.5 - MARGIN)
    for axis in range(3):
        for sign in (1, -1):
            near = sign * delta[:, axis] > edge
            copy = delta[near].copy()
            copy[:, axis] -= sign * np.float32(box_size)
            copies.append(copy)
            masses.append(mass[near])
    return np.vstack(copies), np.concatenate(masses)

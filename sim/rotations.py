"""Rotations of the line of sight: uniform on SO(3), and the three that look along an axis. Knows nothing of halos."""

from __future__ import annotations

import hashlib

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

AXES: Array = np.array([np.roll(np.eye(3), -1 - axis, axis=0) for axis in range(3)])
"""(3, 3, 3): rotation i carries axis i to the line of sight, z; proper, the other two follow in cyclic order."""


def uniform(rng: np.random.Generator) -> Array:
    """A rotation (3, 3) uniform on SO(3): that of a normalised Gaussian quaternion (Shoemake 1992)."""
    quaternion = rng.standard_normal(4)
    return of_quaternion(quaternion / np.linalg.norm(quaternion))


def named(*words: str | int) -> Array:
    """The uniform rotation (3, 3) whose seed is the hash of `words`: the same on every machine, unlike for no two."""
    name = "\x1f".join(map(str, words)).encode()
    key = int.from_bytes(hashlib.blake2b(name, digest_size=16).digest(), "little")
    return uniform(np.random.Generator(np.random.Philox(key=key)))


def of_quaternion(quaternion: Array) -> Array:
    """The matrix (3, 3) of the unit quaternion (w, x, y, z)."""
    w, x, y, z = quaternion
    return np.array(
        [
            [1 - 2 * (y * y + z * z), 2 * (x * y - w * z), 2 * (x * z + w * y)],
            [2 * (x * y + w * z), 1 - 2 * (x * x + z * z), 2 * (y * z - w * x)],
            [2 * (x * z - w * y), 2 * (y * z + w * x), 1 - 2 * (x * x + y * y)],
        ]
    )

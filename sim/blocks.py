"""Particles of a periodic box in cubic blocks: what a projection reads, block after block.

Knows nothing of windows, of rotations or of what the particles are.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from sim.cells import by_cell

Array = NDArray[np.float64]
Integers = NDArray[np.int64]

_PER_BLOCK = 256
"""Few enough for the offsets of a block to stay in the cache, many enough that choosing blocks costs little."""
_MAX_BLOCKS = 64


@dataclass(frozen=True)
class Blocks:
    """n particles sorted by block; block i of the n_side^3, z fastest, holds start[i]:start[i + 1].

    offset (3, n) float32 [Mpc/h] from the centre of the block, so that no digit is lost far from the origin; mass (n,)
    or (1,) for all, float32 [Msun/h].
    """

    offset: NDArray[np.float32]
    mass: NDArray[np.float32]
    start: Integers
    n_side: int
    box_size: float

    @classmethod
    def of(cls, pos: NDArray[np.float32], mass: float | NDArray[np.float32], box_size: float) -> Self:
        """The blocks of pos (n, 3) in [0, box_size] with one mass or one each; ValueError when these do not fit."""
        _refuse(pos, mass, box_size)
        n_side = int(np.clip((len(pos) / _PER_BLOCK) ** (1 / 3), 1, _MAX_BLOCKS))
        order, block = by_cell(pos, box_size, n_side)
        counts = np.bincount(block, minlength=n_side**3)
        middle = _middles(n_side, box_size)
        offset = np.empty((3, len(pos)), np.float32)
        for axis in range(3):
            of_block = (block // n_side ** (2 - axis)) % n_side
            offset[axis] = pos[order, axis] - middle[of_block]
        masses = np.atleast_1d(np.asarray(mass, np.float32))
        sorted_mass = masses[order] if masses.size > 1 else masses
        return cls(offset, sorted_mass, np.concatenate([[0], np.cumsum(counts)]), n_side, box_size)

    def __len__(self) -> int:
        return self.offset.shape[1]

    @property
    def middles(self) -> Array:
        """Centres of the blocks along one axis (n_side,)."""
        return _middles(self.n_side, self.box_size)


def _middles(n_side: int, box_size: float) -> Array:
    return np.asarray((np.arange(n_side) + 0.5) * (box_size / n_side))


def _refuse(pos: NDArray[np.float32], mass: float | NDArray[np.float32], box_size: float) -> None:
    problems: dict[str, Any] = {
        f"pos of shape (n, 3), got {pos.shape}": pos.ndim != 2 or pos.shape[1] != 3,
        f"one mass or one of {len(pos)}, got {np.shape(mass)}": np.shape(mass) not in ((), (len(pos),)),
    }
    for law, broken in problems.items():
        if broken:
            raise ValueError(f"blocks: expected {law}")
    if len(pos) and not (pos.min() >= 0 and pos.max() <= box_size):
        raise ValueError(f"blocks: expected positions in [0, {box_size}] Mpc/h, got {pos.min()} to {pos.max()}")
    if not np.isfinite(np.sum(mass, dtype=np.float64)):
        raise ValueError("blocks: expected finite masses, got one that is not")

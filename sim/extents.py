"""What part of the box each rank holds along x. Knows nothing of meshes: it is read off the particles."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from sim.parallel import Comm

Array = NDArray[np.float64]
Integers = NDArray[np.int64]

_SLACK = 1 + 1e-9
"""Rounding must not leave out a particle whose distance is just the reach."""


@dataclass(frozen=True)
class Extents:
    """Smallest and largest x (size,) of the particles of every rank [Mpc/h], nan where a rank has none."""

    low: Array
    high: Array
    box_size: float

    @classmethod
    def of(cls, pos: NDArray[np.floating[Any]], box_size: float, comm: Comm) -> Self:
        """The same on every rank, from the pos (n, 3) of each."""
        x = pos[:, 0]
        own = np.array([x.min(), x.max()] if len(x) else [np.nan, np.nan], np.float64)
        ends = np.array(comm.allgather(own))
        return cls(ends[:, 0], ends[:, 1], box_size)

    def within(self, rank: int, x: NDArray[np.floating[Any]], reach: float | Array) -> Integers:
        """Which of x (n,) lie at most `reach`, a number or (n,), along x from what `rank` holds, round the box too."""
        low, high = self.low[rank], self.high[rank]
        x = x.astype(np.float64)
        gap = np.minimum(np.mod(low - x, self.box_size), np.mod(x - high, self.box_size))
        # nan, a rank without particles, compares false.
        return np.flatnonzero((gap <= reach * _SLACK) | ((x >= low) & (x <= high)))

    def touch(self, a: int, b: int, reach: float) -> bool:
        """Whether particles of two ranks may lie within `reach` of each other."""
        ends = np.array([self.low[a], self.high[a]])
        inside = self.low[a] <= self.low[b] and self.high[b] <= self.high[a]
        return bool(inside or len(self.within(b, ends, reach)))

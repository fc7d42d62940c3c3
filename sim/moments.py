"""Mean and variance of numbers that are never all in memory: one pass, mergeable. Knows nothing of what they are."""

from __future__ import annotations

from collections.abc import Iterable
from functools import reduce
from typing import Self

import numpy as np
from numpy.typing import NDArray

from configs import Frozen


class Moments(Frozen):
    """How many numbers, their mean, and the sum of the squared distances from it."""

    n: int = 0
    mean: float = 0.0
    squares: float = 0.0

    @classmethod
    def of(cls, values: NDArray[np.floating]) -> Self:
        """Those of `values`, in two passes in float64."""
        if not values.size:
            return cls()
        mean = float(values.mean(dtype=np.float64))
        return cls(n=values.size, mean=mean, squares=float(((values - np.float64(mean)) ** 2).sum()))

    def merged(self, other: Moments) -> Moments:
        """Those of both together (Chan, Golub & LeVeque 1979)."""
        n = self.n + other.n
        if not n:
            return Moments()
        step = other.mean - self.mean
        squares = self.squares + other.squares + step**2 * self.n * other.n / n
        return Moments(n=n, mean=self.mean + step * other.n / n, squares=squares)

    @property
    def std(self) -> float:
        return float(np.sqrt(self.squares / max(self.n, 1)))


def total(parts: Iterable[Moments]) -> Moments:
    """Those of all parts, merged in their order."""
    return reduce(Moments.merged, parts, Moments())

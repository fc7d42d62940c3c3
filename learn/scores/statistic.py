"""What every statistic is that is a curve for a method and a number beside the truth."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from learn.scores.views import Views

Array = NDArray[np.float64]


class Statistic(Protocol):
    """Measured once on the truth and once on each method, simulation by simulation."""

    @property
    def name(self) -> str: ...

    @property
    def axis(self) -> Array:
        """What the last axis of a measurement is, (K,)."""
        ...

    def measure(self, views: Views) -> Array:
        """Of the maps of one simulation, (C, ..., K)."""
        ...

    def scores(self, painted: Array, truth: Array) -> Mapping[str, Array]:
        """Numbers a channel, (C,), of two measurements; nan where there is none."""
        ...


def relative_distance(painted: Array, truth: Array) -> Array:
    """Sum of |painted - truth| over that of |truth| along the last axis; nan where the truth is 0 throughout."""
    below = np.abs(truth).sum(axis=-1)
    distance = np.abs(painted - truth).sum(axis=-1)
    return np.divide(distance, below, out=np.full_like(distance, np.nan), where=below > 0)

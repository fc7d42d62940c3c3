"""What a judgement of fields found, before it is written or drawn."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from learn.data import About
from learn.fields.drawn import Trade
from learn.fields.measures import Measured

Array = NDArray[np.float64]
SAMPLES, HELD_OUT = "samples", "held-out fields"


@dataclass(frozen=True)
class Findings:
    """Measurements by method, likeness to the training set, trades, and some fields of each method to look at."""

    about: About
    axes: Mapping[str, Array]
    params: Array
    measured: Mapping[str, Measured]
    likeness: Mapping[str, Array]
    trades: tuple[Trade, ...]
    shown: Mapping[str, NDArray[np.float32]]

"""A measured quantity: its value, what the draws of the posterior say of it, and how it is written."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from astropy.units import Quantity

QUANTILES = (0.16, 0.5, 0.84)
LARGE, SMALL = 1e5, 1e-3
"""From and below which a value is written with a power of ten."""
CERTAIN = 1e-9
"""A smaller error, relative, is one of rounding."""


class Interval(NamedTuple):
    """The quantiles of the draws that QUANTILES names."""

    low: Quantity
    median: Quantity
    high: Quantity


class Shown(NamedTuple):
    """Digits to write: 10^exponent is taken out; up and down are empty for what has no errors."""

    value: str
    up: str
    down: str
    exponent: int


@dataclass(frozen=True)
class Measure:
    """`value` at the best parameters; `draws` (B,), nan where there is none, or None of a certain quantity.

    `label` is in words, `symbol` in LaTeX.
    """

    key: str
    label: str
    symbol: str
    value: Quantity
    draws: Quantity | None = None

    @property
    def interval(self) -> Interval | None:
        """None without draws, or when every draw is lost."""
        if self.draws is None or not np.isfinite(self.draws).any():
            return None
        return Interval(*np.nanquantile(self.draws.to(self.value.unit), QUANTILES))

    @property
    def n_lost(self) -> int:
        """Draws that have no such quantity."""
        return 0 if self.draws is None else int((~np.isfinite(self.draws)).sum())

    def shown(self) -> Shown:
        """The median with the distances to the quantiles, to two digits of the smaller one; or the value to four."""
        interval = self.interval
        value, low, high = (
            float(one.value) for one in ((interval.median, *interval[::2]) if interval else [self.value] * 3)
        )
        exponent = _exponent(value)
        value, up, down = (one / 10.0**exponent for one in (value, high - value, value - low))
        errors = [error for error in (up, down) if error > CERTAIN * abs(value)]
        if not errors:
            return Shown(f"{value:.{_decimals(value, 4)}f}", "", "", exponent)
        decimals = _decimals(min(errors), 2)
        value_text, up_text, down_text = (f"{one:.{decimals}f}" for one in (value, up, down))
        return Shown(value_text, up_text, down_text, exponent)


def _exponent(value: float) -> int:
    size = abs(value)
    return math.floor(math.log10(size)) if size and not SMALL <= size < LARGE else 0


def _decimals(value: float, n_digits: int) -> int:
    """That leave `value` this many digits, at most 6."""
    size = abs(value)
    return min(6, max(0, n_digits - 1 - math.floor(math.log10(size)))) if size > 0 else n_digits - 1

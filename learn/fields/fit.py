"""How a number of each simulation depends on its parameters: a fit of least squares, and what it leaves."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]


@dataclass(frozen=True)
class ParameterFit:
    """values = a + b x + c x^2, x being the parameters in standard deviations; fewer terms for few simulations."""

    center: Array  # (p,)
    spread: Array  # (p,)
    n_powers: int
    coefficients: Array  # (1 + n_powers p, K)

    @classmethod
    def of(cls, params: Array, values: Array, *, most_powers: int = 2) -> Self:
        """From params (S, p) and values (S, K); as many powers as leave three simulations a coefficient."""
        center, spread = params.mean(0), params.std(0)
        spread = np.where(spread > 1e-6 * np.abs(center), spread, np.inf)
        n_params = params.shape[1]
        fits = [n for n in range(most_powers + 1) if 3 * (1 + n * n_params) <= len(params)]
        n_powers = max(fits, default=0)
        x = design((params - center) / spread, n_powers)
        return cls(center, spread, n_powers, np.asarray(np.linalg.lstsq(x, values, rcond=None)[0], np.float64))

    def __call__(self, params: Array) -> Array:
        """(S, p) -> (S, K)"""
        return design((params - self.center) / self.spread, self.n_powers) @ self.coefficients


def design(x: Array, n_powers: int) -> Array:
    """(S, p) -> (S, 1 + n_powers p)"""
    return np.concatenate([np.ones((len(x), 1)), *(x**power for power in range(1, n_powers + 1))], axis=1)


def slopes(params: Array, values: Array) -> Array:
    """How values (S, K) rise with the logarithm of each parameter, (p, K), from params (S, p).

    nan for a parameter that does not vary or is not above 0, and for too few simulations.
    """
    usable = (params > 0).all(0) & (np.ptp(params, axis=0) > 1e-6 * np.abs(params).mean(0))
    found = np.full((params.shape[1], values.shape[1]), np.nan)
    if usable.any() and len(params) > 1 + usable.sum():
        logs = np.log(params[:, usable])
        found[usable] = np.linalg.lstsq(design(logs - logs.mean(0), 1), values, rcond=None)[0][1:]
    return found

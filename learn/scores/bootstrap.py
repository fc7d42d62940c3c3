"""Means over simulations and their errors, by drawing the simulations with replacement."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

N_DRAWS = 1000


@dataclass(frozen=True)
class Estimate:
    """A number over all simulations and its bootstrap standard error."""

    value: float
    standard_error: float


@dataclass(frozen=True)
class Band:
    """A mean over simulations and the central 68 % of its bootstrap distribution."""

    mean: Array
    low: Array
    high: Array


def bootstrap_means(values: Array, *, seed: int, n_draws: int = N_DRAWS) -> Array:
    """Means of `values` (S, ...) over simulations drawn with replacement: (n_draws, ...)."""
    return np.tensordot(_counts(len(values), seed, n_draws) / len(values), values, axes=1)


def band(values: Array, *, seed: int) -> Band:
    """Mean of `values` (S, ...) over simulations with its 68 % bootstrap interval."""
    low, high = np.percentile(bootstrap_means(values, seed=seed), [16, 84], axis=0)
    return Band(values.mean(axis=0), low, high)


def estimate(values: Array, *, seed: int) -> Estimate | None:
    """Mean of one number a simulation, (S,), with its standard error; those without one are nan and left out.

    None if no simulation has the number.
    """
    known = values[~np.isnan(values)]
    if not known.size:
        return None
    return Estimate(float(known.mean()), float(bootstrap_means(known, seed=seed).std()))


def largest(values: Array, *, seed: int) -> Estimate:
    """Largest of one number a simulation, (S,), with its standard error."""
    drawn = _counts(len(values), seed, N_DRAWS) > 0
    highest = np.where(drawn, values, -np.inf).max(axis=1)
    return Estimate(float(values.max()), float(highest.std()))


def _counts(n: int, seed: int, n_draws: int) -> NDArray[np.int64]:
    """How often each of n simulations is drawn, (n_draws, n)."""
    return np.random.default_rng(seed).multinomial(n, np.full(n, 1 / n), size=n_draws)

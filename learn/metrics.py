"""Spectra of painted maps against true ones, and the errors of their means over simulations.

Knows arrays and `sim.spectra`; nothing of networks, files or figures. Maps of one simulation are not independent,
so a simulation is the unit of every mean and of every resampling.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from sim import spectra

Array = NDArray[np.float64]

N_DRAWS = 1000
BLANK = 1e-6
"""A map whose range is below this share of its mean holds rounding errors of float32, not structure."""


@dataclass(frozen=True)
class Comparison:
    """Spectra of S simulations, painted by one method: C channels (total first), K bins, power in (Mpc/h)^2."""

    k: Array  # (K,) h/Mpc
    painted: Array  # (S, C, K)
    truth: Array  # (S, C, K)
    cross: Array  # (S, C, K)
    dmo: Array  # (S, K)
    mass: Array  # (S, C) painted mass over true mass

    @property
    def ratio(self) -> Array:
        """P(k) of the painted over that of the true maps, (S, C, K)."""
        return self.painted / self.truth

    @property
    def correlation(self) -> Array:
        """r(k) of painted with true maps, (S, C, K); 0 where nothing was painted."""
        norm = np.sqrt(self.painted * self.truth)
        return np.divide(self.cross, norm, out=np.zeros_like(norm), where=norm > 0)

    @property
    def suppression(self) -> Array:
        """S(k) = P_total / P_dmo of the painted maps, (S, K)."""
        return self.painted[:, 0] / self.dmo

    @property
    def true_suppression(self) -> Array:
        """S(k) = P_total / P_dmo of the true maps, (S, K)."""
        return self.truth[:, 0] / self.dmo


@dataclass(frozen=True)
class Estimate:
    """A mean over simulations and its bootstrap standard error."""

    value: float
    standard_error: float


@dataclass(frozen=True)
class Band:
    """A mean over simulations and the central 68 % of its bootstrap distribution."""

    mean: Array
    low: Array
    high: Array


def compare(painted: NDArray, truth: NDArray, dmo: NDArray, *, box_size: float, edges: Array) -> Comparison:
    """Spectra of the maps of one simulation, averaged over its n maps.

    painted, truth (n, C, P, P) and dmo (n, P, P) are surface densities, each turned into a contrast by its own mean;
    box_size in Mpc/h, edges of the k bins in h/Mpc. ValueError for other shapes, RuntimeError for an empty truth.
    """
    if painted.shape != truth.shape or dmo.shape != (truth.shape[0], *truth.shape[2:]):
        shapes = f"{painted.shape}, {truth.shape}, {dmo.shape}"
        raise ValueError(f"maps: expected (n, C, P, P) twice and (n, P, P), got {shapes}")
    per_map = [_spectra_of_map(*maps, box_size, edges) for maps in zip(painted, truth, dmo, strict=True)]
    k, auto, true_auto, cross, dmo_auto = (np.mean(column, axis=0) for column in zip(*per_map, strict=True))
    if not np.all(true_auto > 0):
        channel = int(np.argmin(true_auto.min(axis=1)))
        raise RuntimeError(f"true maps, channel {channel}: expected power in every bin, got an empty channel")
    mass = _total_mass(painted) / _total_mass(truth)
    return Comparison(k, auto[None], true_auto[None], cross[None], dmo_auto[None], mass[None])


def join(comparisons: Sequence[Comparison]) -> Comparison:
    """The simulations of several comparisons as one."""
    names = ("painted", "truth", "cross", "dmo", "mass")
    stacked = {name: np.concatenate([getattr(one, name) for one in comparisons]) for name in names}
    return Comparison(k=comparisons[0].k, **stacked)


def bootstrap_means(values: Array, *, seed: int, n_draws: int = N_DRAWS) -> Array:
    """Means of `values` (S, ...) over simulations drawn with replacement: (n_draws, ...)."""
    n = len(values)
    counts = np.random.default_rng(seed).multinomial(n, np.full(n, 1 / n), size=n_draws)
    return np.tensordot(counts / n, values, axes=1)


def band(values: Array, *, seed: int) -> Band:
    """Mean of `values` (S, ...) over simulations with its 68 % bootstrap interval."""
    low, high = np.percentile(bootstrap_means(values, seed=seed), [16, 84], axis=0)
    return Band(values.mean(axis=0), low, high)


def estimate(values: Array, *, seed: int) -> Estimate:
    """Mean of one number a simulation, (S,), with its bootstrap standard error."""
    return Estimate(float(values.mean()), float(bootstrap_means(values, seed=seed).std()))


def power_error(comparison: Comparison, channel: int, *, k_max: float, seed: int) -> Estimate | None:
    """Mean of |P ratio - 1| over bins below `k_max` and over simulations; None if no bin is that large-scale."""
    below = comparison.k < k_max
    if not below.any():
        return None
    return estimate(np.abs(comparison.ratio[:, channel, below] - 1).mean(axis=1), seed=seed)


def mean_correlation(comparison: Comparison, channel: int, *, k_max: float, seed: int) -> Estimate | None:
    """Mean of r(k) over bins below `k_max` and over simulations; None if no bin is that large-scale."""
    below = comparison.k < k_max
    if not below.any():
        return None
    return estimate(comparison.correlation[:, channel, below].mean(axis=1), seed=seed)


def suppression_error(comparison: Comparison, *, k_max: float, seed: int) -> Estimate | None:
    """Largest |S - S_true| below `k_max` of the S(k) averaged over simulations; None if no bin is that large-scale."""
    below = comparison.k < k_max
    if not below.any():
        return None
    error = (comparison.suppression - comparison.true_suppression)[:, below]
    draws = np.abs(bootstrap_means(error, seed=seed)).max(axis=1)
    return Estimate(float(np.abs(error.mean(axis=0)).max()), float(draws.std()))


def mass_error(comparison: Comparison, channel: int, *, seed: int) -> Estimate:
    """Mean of |painted mass / true mass - 1| over simulations."""
    return estimate(np.abs(comparison.mass[:, channel] - 1), seed=seed)


def _spectra_of_map(painted: NDArray, truth: NDArray, dmo: NDArray, box_size: float, edges: Array) -> tuple[Array, ...]:
    """k, P of each painted channel, P of each true channel, their cross P, and P of the input."""
    reference = spectra.power(dmo, box_size, edges=edges)

    def power(field: NDArray, other: NDArray) -> Array:
        if _is_blank(field) or _is_blank(other):
            return np.zeros_like(reference.pk)
        return spectra.power(field, box_size, other, edges=edges).pk

    auto = np.array([power(field, field) for field in painted])
    true_auto = np.array([power(field, field) for field in truth])
    cross = np.array([power(*pair) for pair in zip(painted, truth, strict=True)])
    return reference.k, auto, true_auto, cross, reference.pk


def _is_blank(field: NDArray) -> bool:
    return bool(np.ptp(field) <= BLANK * abs(field.mean(dtype=np.float64)))


def _total_mass(maps: NDArray) -> Array:
    """Sum over the maps and pixels of each channel of (n, C, P, P)."""
    return maps.sum(axis=(0, 2, 3), dtype=np.float64)

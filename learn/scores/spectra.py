"""Power, correlation and mass of painted maps against true ones."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from learn.scores.bootstrap import Estimate, bootstrap_means, estimate, largest
from learn.scores.shells import Shells
from learn.scores.views import Views, contrast_modes

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Comparison:
    """Spectra of S simulations, painted by one method: C channels (total first), K bins, power in (Mpc/h)^2."""

    k: Array  # (K,) h/Mpc
    painted: Array  # (S, C, K)
    truth: Array  # (S, C, K)
    cross: Array  # (S, C, K)
    dmo: Array  # (S, K)
    mass: Array  # (S, C) painted mass over true mass
    mass_of_map: Array  # (S, C) largest |painted mass / true mass - 1| of a map
    mass_of_input: Array  # (S, C) largest |painted mass / mass of the input - 1| of a map

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

    def reaches(self, k_max: float) -> bool:
        """Whether there are bins below `k_max` and the bins go on to it, within the width of the last."""
        return bool(self.k[0] < k_max <= self.k[-1] ** 2 / self.k[-2])


def compare(painted: Views, truth: Views, dmo: NDArray, shells: Shells) -> Comparison:
    """Spectra of the maps of one simulation, averaged over its n maps.

    dmo (n, P, P) is the input. Each map is turned into a contrast by its own mean; maps that are not periodic are
    weighted by a Hann window. ValueError for other shapes, RuntimeError for an empty true channel.
    """
    if painted.maps.shape != truth.maps.shape or dmo.shape != (truth.maps.shape[0], *truth.maps.shape[2:]):
        shapes = f"{painted.maps.shape}, {truth.maps.shape}, {dmo.shape}"
        raise ValueError(f"maps: expected (n, C, P, P) twice and (n, P, P), got {shapes}")
    inputs = contrast_modes(dmo, truth.geometry)
    pairs = ((painted.modes, painted.modes), (truth.modes, truth.modes), (painted.modes, truth.modes), (inputs, inputs))
    auto, true_auto, cross, dmo_auto = (shells.power(*pair).mean(axis=0)[None] for pair in pairs)
    if not np.all(true_auto > 0):
        channel = int(np.argmin(true_auto[0].min(axis=1)))
        raise RuntimeError(f"true maps, channel {channel}: expected power in every bin, got an empty channel")
    return Comparison(shells.k, auto, true_auto, cross, dmo_auto, *_masses(painted.maps, truth.maps, dmo))


def join(comparisons: Sequence[Comparison]) -> Comparison:
    """The simulations of several comparisons as one."""
    names = ("painted", "truth", "cross", "dmo", "mass", "mass_of_map", "mass_of_input")
    stacked = {name: np.concatenate([getattr(one, name) for one in comparisons]) for name in names}
    return Comparison(k=comparisons[0].k, **stacked)


def power_error(comparison: Comparison, channel: int, *, k_max: float, seed: int) -> Estimate | None:
    """Mean of |P ratio - 1| over bins below `k_max` and over simulations; None if the bins do not reach that far."""
    if not comparison.reaches(k_max):
        return None
    ratio = comparison.ratio[:, channel, comparison.k < k_max]
    return estimate(np.abs(ratio - 1).mean(axis=1), seed=seed)


def power_bias(comparison: Comparison, channel: int, *, k_max: float, seed: int) -> Estimate | None:
    """Mean of P ratio - 1, with its sign, over bins below `k_max` and over simulations; None as in `power_error`."""
    if not comparison.reaches(k_max):
        return None
    return estimate(comparison.ratio[:, channel, comparison.k < k_max].mean(axis=1) - 1, seed=seed)


def power_worst(comparison: Comparison, channel: int, *, k_max: float, seed: int) -> Estimate | None:
    """Largest |P ratio - 1| of a bin below `k_max`, of the ratio averaged over simulations; None as in `power_error`.

    What a reader of the figure means by "within 2 % to k".
    """
    if not comparison.reaches(k_max):
        return None
    return _worst(comparison.ratio[:, channel, comparison.k < k_max] - 1, seed)


def mean_correlation(comparison: Comparison, channel: int, *, k_max: float, seed: int) -> Estimate | None:
    """Mean of r(k) over bins below `k_max` and over simulations; None as in `power_error`."""
    if not comparison.reaches(k_max):
        return None
    return estimate(comparison.correlation[:, channel, comparison.k < k_max].mean(axis=1), seed=seed)


def least_correlation(comparison: Comparison, channel: int, *, k_max: float, seed: int) -> Estimate | None:
    """Smallest r(k) of a bin below `k_max`, of the r averaged over simulations; None as in `power_error`."""
    if not comparison.reaches(k_max):
        return None
    r = comparison.correlation[:, channel, comparison.k < k_max]
    return Estimate(float(r.mean(axis=0).min()), float(bootstrap_means(r, seed=seed).min(axis=1).std()))


def suppression_error(comparison: Comparison, *, k_max: float, seed: int) -> Estimate | None:
    """Largest |S - S_true| below `k_max` of the S(k) averaged over simulations; None as in `power_error`."""
    if not comparison.reaches(k_max):
        return None
    return _worst((comparison.suppression - comparison.true_suppression)[:, comparison.k < k_max], seed)


def mass_error(comparison: Comparison, channel: int, *, seed: int) -> Estimate | None:
    """Mean of |painted mass / true mass - 1| over simulations."""
    return estimate(np.abs(comparison.mass[:, channel] - 1), seed=seed)


def mass_worst(comparison: Comparison, channel: int, *, seed: int) -> Estimate:
    """Largest |painted mass / true mass - 1| of any map."""
    return largest(comparison.mass_of_map[:, channel], seed=seed)


def mass_conservation(comparison: Comparison, channel: int, *, seed: int) -> Estimate:
    """Largest |painted mass / mass of the input - 1| of any map."""
    return largest(comparison.mass_of_input[:, channel], seed=seed)


def _worst(errors: Array, seed: int) -> Estimate:
    """Largest |mean over simulations| of (S, K)."""
    draws = np.abs(bootstrap_means(errors, seed=seed)).max(axis=1)
    return Estimate(float(np.abs(errors.mean(axis=0)).max()), float(draws.std()))


def _masses(painted: NDArray, truth: NDArray, dmo: NDArray) -> tuple[Array, Array, Array]:
    """Painted over true mass of all maps, and the largest deviations of a map from the truth and from the input."""
    own, true, given = (x.sum(axis=(-2, -1), dtype=np.float64) for x in (painted, truth, dmo))
    if not np.all(true.sum(axis=0) > 0):
        raise RuntimeError("true maps: expected mass in every channel, got none")
    of_map = np.divide(own, true, out=np.ones_like(own), where=true > 0)
    worst = (np.abs(one - 1).max(axis=0)[None] for one in (of_map, own / given[:, None]))
    return (own.sum(axis=0) / true.sum(axis=0))[None], *worst

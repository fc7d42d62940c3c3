"""How painted halos compare with the true ones: numbers a channel with bootstrap errors over simulations.

Every score is a function of means over simulations, of the painted and of the true: a box with three halos of a bin has
no ratio worth a mean. Knows arrays; nothing of networks, of files or of figures.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields

import numpy as np
from numpy.typing import NDArray

from learn.scores.bootstrap import bootstrap_means
from learn.scores.halo_statistics import Measured
from learn.scores.score import Score

Array = NDArray[np.float64]
Row = dict[str, dict[str, float] | None]
SEED = 0


@dataclass(frozen=True)
class Means:
    """Means over simulations of one channel, over many drawings of these: B of them. Names as in `Measured`.

    The stochasticity, what no linear bias explains (Dekel & Lahav 1999), is a mean of those of boxes: one of their mean
    spectra would call a bias that differs with the cosmology noise.
    """

    power: Array  # (B, K)
    cross_truth: Array
    cross_matter: Array
    matter: Array
    stochasticity: Array
    shot: Array  # (B,)
    number: Array
    bispectrum: Array  # (B, R)
    pdf: Array  # (B, N)

    @property
    def two_halo(self) -> Array:
        """Power less shot noise."""
        return self.power - self.shot[:, None]

    def correlation(self, truth: Means) -> Array:
        """r(k) with the true halos."""
        return self.cross_truth / np.sqrt(self.power * truth.power)


def means_of(measured: Measured, i_channel: int, *, drawn: bool) -> Means:
    """Of channel `i_channel` of S simulations: their mean alone (B = 1), or those of their bootstrap."""
    columns = (getattr(measured, field.name)[:, i_channel] for field in fields(Measured))
    return Means(*(bootstrap_means(x, seed=SEED) if drawn else x.mean(axis=0)[None] for x in columns))


Function = Callable[[Means, Means, NDArray[np.bool_]], Array]


def _worst_power(own: Means, true: Means, used: NDArray[np.bool_]) -> Array:
    return np.abs(own.power / true.power - 1)[:, used].max(axis=1)


def _power(own: Means, true: Means, used: NDArray[np.bool_]) -> Array:
    return np.abs(own.power / true.power - 1)[:, used].mean(axis=1)


def _two_halo(own: Means, true: Means, used: NDArray[np.bool_]) -> Array:
    """Of sums over bins: single ones may be noise about zero."""
    distance = np.abs(own.two_halo - true.two_halo)[:, used].sum(axis=1)
    return distance / np.abs(true.two_halo)[:, used].sum(axis=1)


def _shot(own: Means, true: Means, _used: NDArray[np.bool_]) -> Array:
    return own.shot / true.shot - 1


def _number(own: Means, true: Means, _used: NDArray[np.bool_]) -> Array:
    return own.number / true.number - 1


def _correlation(own: Means, true: Means, used: NDArray[np.bool_]) -> Array:
    return own.correlation(true)[:, used].mean(axis=1)


def _transfer(own: Means, true: Means, used: NDArray[np.bool_]) -> Array:
    return np.abs(np.sqrt(own.power / true.power) - 1)[:, used].max(axis=1)


def _worst_stochasticity(own: Means, true: Means, used: NDArray[np.bool_]) -> Array:
    return np.abs(own.stochasticity / true.stochasticity - 1)[:, used].max(axis=1)


def _stochasticity(own: Means, true: Means, used: NDArray[np.bool_]) -> Array:
    return np.abs(own.stochasticity / true.stochasticity - 1)[:, used].mean(axis=1)


def _of_poisson(own: Means, _true: Means, used: NDArray[np.bool_]) -> Array:
    return own.stochasticity[:, used].mean(axis=1) / own.shot


def _of_poisson_true(_own: Means, true: Means, used: NDArray[np.bool_]) -> Array:
    return true.stochasticity[:, used].mean(axis=1) / true.shot


def _pdf(own: Means, true: Means, _used: NDArray[np.bool_]) -> Array:
    return 0.5 * np.abs(own.pdf - true.pdf).sum(axis=1)


def _empty(own: Means, true: Means, _used: NDArray[np.bool_]) -> Array:
    return own.pdf[:, 0] - true.pdf[:, 0]


def _bispectrum(own: Means, true: Means, _used: NDArray[np.bool_]) -> Array:
    known = np.isfinite(own.bispectrum).all(axis=0) & np.isfinite(true.bispectrum).all(axis=0)
    if not known.any():
        return np.full(len(own.bispectrum), np.nan)
    distance = np.abs(own.bispectrum - true.bispectrum)[:, known].sum(axis=1)
    return distance / np.abs(true.bispectrum)[:, known].sum(axis=1)


SCORES: Mapping[Score, Function] = {
    Score("power_worst", "worst P", "largest |P/P(truth) − 1| of a bin to k_max", "Power", printed=True): _worst_power,
    Score("power_error", "|P−1|", "mean of |P/P(truth) − 1| over bins to k_max", "Power"): _power,
    Score(
        "two_halo",
        "two-halo",
        "power less shot noise: sum of |difference| over that of the truth, to k_max",
        "Power",
        printed=True,
    ): _two_halo,
    Score("shot_noise", "shot noise", "V/N over the true V/N − 1, with its sign", "Power", printed=True): _shot,
    Score("transfer", "worst T", "largest |T − 1| of a bin to k_max, T = √(P/P(truth))", "Power"): _transfer,
    Score(
        "correlation",
        "r with truth",
        "mean r(k) with the true halos to k_max: shot noise keeps it below 1",
        "Phases",
        ideal=1.0,
        unit="number",
        printed=True,
    ): _correlation,
    Score(
        "stochasticity_worst",
        "worst stoch.",
        "largest deviation from 1 of P(1 − r²) over the true one in a bin to k_max, r being with the density",
        "Phases",
        printed=True,
    ): _worst_stochasticity,
    Score(
        "stochasticity", "stochasticity", "mean deviation from 1 of P(1 − r²) over the true one, to k_max", "Phases"
    ): _stochasticity,
    Score(
        "poisson", "over Poisson", "P(1 − r²) over V/N: 1 is Poisson's", "Phases", ideal=None, unit="number"
    ): _of_poisson,
    Score(
        "poisson_truth", "the same, truth", "that of the true halos", "Phases", ideal=None, unit="number"
    ): _of_poisson_true,
    Score(
        "pdf",
        "counts in cells",
        "half the sum of |difference| of the shares of cells with n halos",
        "Shapes",
        printed=True,
    ): _pdf,
    Score("empty", "empty cells", "share of cells without halos less the true one", "Shapes"): _empty,
    Score(
        "bispectrum",
        "bispectrum",
        "sum of |Q − Q(truth)| over that of |Q(truth)|, equilateral",
        "Shapes",
        printed=True,
    ): _bispectrum,
    Score(
        "number", "number", "halos over true halos − 1: the mass function, bin by bin", "Shapes", printed=True
    ): _number,
}
GROUPS = tuple(dict.fromkeys(score.group for score in SCORES))
PRINTED = tuple(score for score in SCORES if score.printed)


def scores(own: Measured, truth: Measured, i_channel: int, used: NDArray[np.bool_]) -> Row:
    """Every score of channel `i_channel`, of simulations (S, ...): {value, standard_error}; None where there is none.

    `used` (K,) are the bins to k_max. A score is none where no true halo is, or its numbers are not finite.
    """
    if not truth.number[:, i_channel].sum() > 0:
        return {score.name: None for score in SCORES}
    found: Row = {}
    with np.errstate(divide="ignore", invalid="ignore"):
        painted, true = (means_of(one, i_channel, drawn=False) for one in (own, truth))
        painted_drawn, true_drawn = (means_of(one, i_channel, drawn=True) for one in (own, truth))
        for score, function in SCORES.items():
            value = float(function(painted, true, used)[0])
            found[score.name] = estimated(value, function(painted_drawn, true_drawn, used))
    return found


def estimated(value: float, drawn: Array) -> dict[str, float] | None:
    """A number and the scatter of its bootstrap, over drawings that have one."""
    known = drawn[np.isfinite(drawn)]
    if not np.isfinite(value) or not known.size:
        return None
    return {"value": float(value), "standard_error": float(known.std())}

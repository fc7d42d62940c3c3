"""Satellite galaxies of halos: how many, how heavy, and which of the halo's particles each sits on.

A conditional stellar mass function after Yang, Mo & van den Bosch 2009 (ApJ 695, 900; arXiv:0808.0539): below a knee at
10^-0.25 of the central galaxy dN / dln m = phi x^(SLOPE + 1) exp(-x^2), x = m / knee. phi follows from the stellar mass
that the halo keeps in satellites; one SLOPE for all halos is ours, they find -1.0 to -1.6 from small to large groups.
Galaxies under FAINTEST knees are left out: they would hold 3 % of the mass. Knows nothing of positions.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

Array = NDArray[np.float64]
Integers = NDArray[np.int64]

KNEE = 10**-0.25
"""Mass of the knee over that of the central galaxy."""
SLOPE = -1.2
FAINTEST, HEAVIEST = 0.01, 4.0
"""Least and largest mass of a satellite over the knee."""

_LOG_X = np.linspace(np.log(FAINTEST), np.log(HEAVIEST), 512)


@dataclass(frozen=True)
class Satellites:
    """One row a galaxy: its halo, the rank of its particle among those of the halo, and its `mass` [Msun/h]."""

    halo: Integers
    rank: Integers
    mass: Array


def drawn(total: Array, central: Array, n_particles: Integers, rngs: Sequence[Generator]) -> Satellites:
    """The satellites of halos that hold `total` (h,) of stellar mass in them, beside a galaxy of mass `central` (h,).

    Masses in Msun/h. Their number is Poisson, but at least one and no more than the `n_particles` (h,) of the halo,
    whose particles are equally likely and taken once; masses are scaled so that their sum is `total`, whatever was
    drawn. Nothing in halos without satellite mass or particles.
    """
    some = [_of(*halo) for halo in zip(total, central, n_particles, rngs, strict=True)]
    counts = [len(rank) for rank, _ in some]
    empty = (np.empty(0, np.int64), np.empty(0))
    rank, mass = (np.concatenate(parts) for parts in zip(empty, *some, strict=True))
    return Satellites(np.repeat(np.arange(len(counts)), counts), rank, mass)


def expected_number(total: Array, central: Array) -> Array:
    """Mean number of satellites between FAINTEST and HEAVIEST, before rounding to particles."""
    return np.asarray(total / (KNEE * central) * _NUMBER[-1] / _MASS)


def _of(total: float, central: float, n_particles: int, rng: Generator) -> tuple[Integers, Array]:
    """Ranks and masses of the satellites of one halo."""
    if total <= 0 or n_particles == 0:
        return np.empty(0, np.int64), np.empty(0)
    mean = min(float(expected_number(np.asarray(total), np.asarray(central))), float(n_particles))
    n = int(np.clip(rng.poisson(mean), 1, n_particles))
    mass = np.exp(np.interp(rng.random(n) * _NUMBER[-1], _NUMBER, _LOG_X))
    return rng.choice(n_particles, n, replace=False), mass * (total / mass.sum())


def _integral(values: Array) -> Array:
    """Integral over ln x from FAINTEST to each point, by trapezia."""
    return np.concatenate([[0.0], np.cumsum((values[1:] + values[:-1]) / 2 * np.diff(_LOG_X))])


_DENSITY = np.exp((SLOPE + 1) * _LOG_X - np.exp(2 * _LOG_X))
_NUMBER = _integral(_DENSITY)
_MASS = _integral(_DENSITY * np.exp(_LOG_X))[-1]

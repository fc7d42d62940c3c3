"""Which quantities are measured on the rings of a lens, and what each is called."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import NamedTuple

import numpy as np
from astropy import units
from astropy.units import Quantity
from torch import Tensor

from learn.mass.measure import Measure
from sim.lensing.distances import Distances
from sim.lensing.rings import Rings, multipole


class OnSky(NamedTuple):
    """A quantity of B draws that needs no distance."""

    key: str
    label: str
    symbol: str
    of: Callable[[Rings], Quantity]


class Weighed(NamedTuple):
    """A quantity of B draws that needs distances."""

    key: str
    label: str
    symbol: str
    of: Callable[[Rings, Distances], Quantity]


class Certain(NamedTuple):
    """A quantity of redshifts and cosmology alone."""

    key: str
    label: str
    symbol: str
    of: Callable[[Distances], Quantity]


ON_SKY = (
    OnSky(
        "theta_e",
        "Einstein radius: mean κ = 1",
        r"$\theta_\mathrm{E}$, $\bar\kappa(<\theta_\mathrm{E}) = 1$",
        lambda of: array(of.theta_e) * units.arcsec,
    ),
    OnSky(
        "theta_e_critical",
        "Einstein radius: area of the critical curve",
        r"$\theta_\mathrm{E}$, $\sqrt{A_\mathrm{crit} / \pi}$",
        lambda of: array(of.theta_critical) * units.arcsec,
    ),
    OnSky(
        "kappa_m2",
        "m = 2 amplitude of κ at θE over its mean",
        r"$a_2(\kappa) / a_0(\kappa)$",
        lambda of: array(multipole(of.kappa_around, 2).abs()) * units.one,
    ),
    OnSky(
        "alpha_m2",
        "m = 2 amplitude of the radial deflection at θE over its mean",
        r"$a_2(\alpha_r) / a_0(\alpha_r)$",
        lambda of: array(multipole(of.alpha_around, 2).abs()) * units.one,
    ),
)
CERTAIN = (
    Certain("distance_lens", "distance to the lens", r"$D_\mathrm{l}$", lambda to: to.lens),
    Certain("distance_source", "distance to the source", r"$D_\mathrm{s}$", lambda to: to.source),
    Certain("distance_between", "distance from lens to source", r"$D_\mathrm{ls}$", lambda to: to.between),
    Certain("time_delay_distance", "time-delay distance", r"$D_{\Delta t}$", lambda to: to.time_delay),
    Certain("sigma_crit", "critical surface density", r"$\Sigma_\mathrm{crit}$", lambda to: to.sigma_crit),
)
WEIGHED = (
    Weighed(
        "einstein_length",
        "Einstein radius in the plane of the lens",
        r"$R_\mathrm{E}$",
        lambda of, to: to.length(array(of.theta_e)),
    ),
    Weighed(
        "mass",
        "projected mass within θE",
        r"$M(<\theta_\mathrm{E})$",
        lambda of, to: to.mass(1.0, array(of.theta_e)),
    ),
    Weighed(
        "sigma_v",
        "velocity dispersion of the isothermal sphere of this θE",
        r"$\sigma_\mathrm{SIS}$",
        lambda of, to: to.dispersion(array(of.theta_e)),
    ),
)


def measured(own: Rings, drawn: Rings | None, distances: Distances | None) -> Iterator[Measure]:
    """Every quantity that can be: `own` has the best parameters, `drawn` the draws of uncertain ones."""
    for sky in ON_SKY:
        yield Measure(*sky[:3], sky.of(own)[0], None if drawn is None else sky.of(drawn))
    if distances is None:
        return
    for certain in CERTAIN:
        yield Measure(*certain[:3], certain.of(distances))
    for weighed in WEIGHED:
        draws = None if drawn is None else weighed.of(drawn, distances)
        yield Measure(*weighed[:3], weighed.of(own, distances)[0], draws)


def array(values: Tensor) -> np.ndarray:
    return values.numpy()

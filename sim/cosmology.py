"""Expansion, growth and distances of a flat universe without photons, as an N-body code sees it.

Matter, massive neutrinos and dark energy with w = w0 + wa (1 - a). omega_m counts the neutrinos of today. They have
their exact density at all times: of 0.02 eV each, 1.7 times that of as many at rest at z=49. Massless neutrinos are
radiation and left out like photons, so a universe of very light ones is not quite that of m_nu=0: E^2 is 0.6 % more
at z=49 and 0.01 % at z=1, D1 0.4 % more and 0.002 %.

Knows nothing of power spectra. The scale factor `a` is a number or an array in (0, 1].
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray
from scipy.integrate import solve_ivp
from scipy.interpolate import CubicHermiteSpline

from configs import Box, Cosmology
from sim import neutrinos
from sim.units import HUBBLE, RHO_CRITICAL, SPEED_OF_LIGHT

Scale = TypeVar("Scale", float, NDArray[np.float64])

EARLIEST = 1e-4
"""Scale factor where the growth factors begin, deep in matter domination."""
START = 1e-6
"""Scale factor where their equations start when there are neutrinos, which are relativistic then."""

_NODES, _WEIGHTS = np.polynomial.legendre.leggauss(32)


def hubble_rate(cosmology: Cosmology, a: Scale) -> Scale:
    """E(a) = H(a) / H0."""
    return np.sqrt(sum(_densities(cosmology, a)))


def omega_m_of_a(cosmology: Cosmology, a: Scale) -> Scale:
    """Matter density, omega_m a^-3 as of particles of constant mass, over the critical density of the same time."""
    return cosmology.omega_m * a**-3.0 / hubble_rate(cosmology, a) ** 2


def omega_nu(cosmology: Cosmology) -> float:
    """Neutrino density today over critical, a part of omega_m."""
    return float(neutrinos.density(cosmology.m_nu, cosmology.h, 1.0)) if cosmology.m_nu else 0.0


def growth(cosmology: Cosmology, a: Scale) -> Scale:
    """Linear growth factor D1, one at a=1, with all matter clustering alike.

    Neutrinos enter the expansion and not the clustering, so D1 does not depend on scale. Particles stand for total
    matter and start from CAMB's total linear power at z=0 scaled back with this D1 (Zennaro et al. 2017): they come to
    the right linear power at z=0 on all scales, and have too little before. For k > 0.3 h/Mpc, D1 against CAMB's is
    0.9 % low at z=49 for want of photons, 1.2, 2.8, 5.3 % with neutrinos of 0.06, 0.15, 0.3 eV in all; at z=1 it is
    0.01 % low, and 0.14, 0.35, 0.69 %.
    """
    return _growth_table(cosmology).first(a)


def growth_rate(cosmology: Cosmology, a: Scale) -> Scale:
    """f1 = dln D1 / dln a."""
    return _growth_table(cosmology).first(a, 1) / growth(cosmology, a)


def growth2(cosmology: Cosmology, a: Scale) -> Scale:
    """Second-order growth factor D2, about -3/7 D1^2 (Bouchet et al. 1995), in units where D1(1) = 1."""
    return _growth_table(cosmology).second(a)


def growth_rate2(cosmology: Cosmology, a: Scale) -> Scale:
    """f2 = dln D2 / dln a."""
    return _growth_table(cosmology).second(a, 1) / growth2(cosmology, a)


def comoving_distance(cosmology: Cosmology, z: Scale) -> Scale:
    """Comoving distance to redshift z [Mpc/h], for any shape of `z`; ValueError when one is negative."""
    if np.min(z, initial=0) < 0:
        raise ValueError(f"comoving distance: expected redshifts from 0, got {np.min(z)}")
    half = np.asarray(np.log1p(z) / 2, np.float64)[..., None]
    a = np.exp(-half * (_NODES + 1))
    distance = (half / (a * hubble_rate(cosmology, a)) @ _WEIGHTS) * SPEED_OF_LIGHT / HUBBLE
    return distance if isinstance(z, np.ndarray) else float(distance[()])


def mean_density(cosmology: Cosmology) -> float:
    """Comoving matter density [Msun/h / (Mpc/h)^3]."""
    return cosmology.omega_m * RHO_CRITICAL


def critical_density(cosmology: Cosmology, z: Scale) -> Scale:
    """Critical density of redshift z in comoving units [Msun/h / (Mpc/h)^3]."""
    return RHO_CRITICAL * hubble_rate(cosmology, 1 / (1 + z)) ** 2 / (1 + z) ** 3


def particle_mass(box: Box) -> float:
    """Mass of one particle [Msun/h]."""
    return mean_density(box.cosmology) * (box.box_size / box.n_particles) ** 3


def _densities(cosmology: Cosmology, a: Scale) -> tuple[Scale, Scale, Scale]:
    """Of cold matter, dark energy and massive neutrinos, over critical today."""
    cold = (cosmology.omega_m - omega_nu(cosmology)) * a**-3.0
    dark = a ** (-3 * (1 + cosmology.w0 + cosmology.wa)) * np.exp(-3 * cosmology.wa * (1 - a))
    light = neutrinos.density(cosmology.m_nu, cosmology.h, a) if cosmology.m_nu else 0 * cold
    return cold, (1 - cosmology.omega_m) * dark, light


@dataclass(frozen=True)
class _GrowthTable:
    """D1 and D2 as splines in ln a."""

    splines: tuple[CubicHermiteSpline, CubicHermiteSpline]

    def first(self, a: Scale, derivative: int = 0) -> Scale:
        return self._evaluate(0, a, derivative)

    def second(self, a: Scale, derivative: int = 0) -> Scale:
        return self._evaluate(1, a, derivative)

    def _evaluate(self, order: int, a: Scale, derivative: int) -> Scale:
        """D or dD/dln a at `a`; ValueError outside (EARLIEST, 1]."""
        if np.min(a) < EARLIEST or np.max(a) > 1:
            raise ValueError(f"growth: expected scale factors from {EARLIEST} to 1, got {np.min(a)} to {np.max(a)}")
        value = self.splines[order](np.log(a), derivative)
        return value if isinstance(a, np.ndarray) else float(value)


@lru_cache(maxsize=256)
def _growth_table(cosmology: Cosmology) -> _GrowthTable:
    """Solve for D1 and D2, from D1 = a and D2 = -3/7 a^2, or what they are among relativistic neutrinos."""
    _refuse_without_matter(cosmology)
    log_a = np.linspace(np.log(EARLIEST), 0, 1025)
    found = solve_ivp(
        _growth_equations,
        (np.log(START if cosmology.m_nu else EARLIEST), 0),
        _growth_at_start(cosmology),
        "DOP853",
        log_a,
        args=(cosmology,),
        rtol=1e-11,
        atol=1e-18,
    )
    norm = found.y[0, -1]
    first = CubicHermiteSpline(log_a, found.y[0] / norm, found.y[2] / norm)
    second = CubicHermiteSpline(log_a, found.y[1] / norm**2, found.y[3] / norm**2)
    return _GrowthTable((first, second))


def _refuse_without_matter(cosmology: Cosmology) -> None:
    """Growth needs cold matter, and its era."""
    light = omega_nu(cosmology) + cosmology.omega_b
    if light >= cosmology.omega_m:
        raise ValueError(f"m_nu: expected neutrinos and baryons below omega_m={cosmology.omega_m:g}, got {light:g}")
    if cosmology.w0 + cosmology.wa >= 0:
        raise ValueError(f"w0 + wa: expected below 0, got {cosmology.w0 + cosmology.wa:g}")


def _growth_at_start(cosmology: Cosmology) -> NDArray[np.float64]:
    """(D1, D2, D1', D2'): D1 = a + 2/3 a_equal (Meszaros 1974), and D2 of that source with no D2 of its own."""
    if not cosmology.m_nu:
        return np.array([EARLIEST, -3 / 7 * EARLIEST**2, EARLIEST, -6 / 7 * EARLIEST**2])
    equal = neutrinos.relativistic_today(cosmology.h) / cosmology.omega_m
    d1, d2 = START + 2 / 3 * equal, -2 / 3 * START * equal
    return np.array([d1, d2, START, d2])


def _growth_equations(log_a: float, y: NDArray[np.float64], cosmology: Cosmology) -> NDArray[np.float64]:
    """d/dln a of (D1, D2, D1', D2'): D1'' + drag D1' = s D1, D2'' + drag D2' = s (D2 - D1^2).

    The drag is 2 + dln H / dln a, the source s is 3/2 of the matter density over critical.
    """
    a = np.exp(log_a)
    cold, dark, light = _densities(cosmology, a)
    critical = cold + dark + light
    pressure = (cosmology.w0 + cosmology.wa * (1 - a)) * dark
    if cosmology.m_nu:
        pressure += neutrinos.pressure(cosmology.m_nu, cosmology.h, a)
    drag = 0.5 - 1.5 * pressure / critical
    source = 1.5 * cosmology.omega_m * a**-3.0 / critical
    d1, d2, v1, v2 = y
    return np.array([v1, v2, source * d1 - drag * v1, source * (d2 - d1**2) - drag * v2])

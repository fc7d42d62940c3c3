"""Expansion, growth and distances of flat LCDM without radiation, as an N-body code sees it.

Knows nothing of power spectra. The scale factor `a` is a number or an array in (0, 1].
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import TypeVar

import numpy as np
from astropy.cosmology import FlatLambdaCDM
from numpy.typing import NDArray
from scipy.integrate import solve_ivp
from scipy.interpolate import CubicHermiteSpline

from configs import Box, Cosmology
from sim.units import RHO_CRITICAL

Scale = TypeVar("Scale", float, NDArray[np.float64])

EARLIEST = 1e-4
"""Scale factor where the growth equations start, deep in matter domination."""


def hubble_rate(cosmology: Cosmology, a: Scale) -> Scale:
    """E(a) = H(a) / H0."""
    return np.sqrt(cosmology.omega_m * a**-3.0 + 1.0 - cosmology.omega_m)


def omega_m_of_a(cosmology: Cosmology, a: Scale) -> Scale:
    """Matter density over the critical density of the same time."""
    return cosmology.omega_m * a**-3.0 / hubble_rate(cosmology, a) ** 2


def growth(cosmology: Cosmology, a: Scale) -> Scale:
    """Linear growth factor D1, one at a=1."""
    return _growth_table(cosmology.omega_m).first(a)


def growth_rate(cosmology: Cosmology, a: Scale) -> Scale:
    """f1 = dln D1 / dln a."""
    return _growth_table(cosmology.omega_m).first(a, 1) / growth(cosmology, a)


def growth2(cosmology: Cosmology, a: Scale) -> Scale:
    """Second-order growth factor D2, about -3/7 D1^2 (Bouchet et al. 1995), in units where D1(1) = 1."""
    return _growth_table(cosmology.omega_m).second(a)


def growth_rate2(cosmology: Cosmology, a: Scale) -> Scale:
    """f2 = dln D2 / dln a."""
    return _growth_table(cosmology.omega_m).second(a, 1) / growth2(cosmology, a)


def comoving_distance(cosmology: Cosmology, z: Scale) -> Scale:
    """Comoving distance to redshift z [Mpc/h]."""
    return to_astropy(cosmology).comoving_distance(z).value * cosmology.h


def to_astropy(cosmology: Cosmology) -> FlatLambdaCDM:
    """The same cosmology in astropy, without radiation."""
    return FlatLambdaCDM(H0=100 * cosmology.h, Om0=cosmology.omega_m, Ob0=cosmology.omega_b, Tcmb0=0)


def mean_density(cosmology: Cosmology) -> float:
    """Comoving matter density [Msun/h / (Mpc/h)^3]."""
    return cosmology.omega_m * RHO_CRITICAL


def particle_mass(box: Box) -> float:
    """Mass of one particle [Msun/h]."""
    return mean_density(box.cosmology) * (box.box_size / box.n_particles) ** 3


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
def _growth_table(omega_m: float) -> _GrowthTable:
    """Solve for D1 and D2 of one matter density."""
    log_a = np.linspace(np.log(EARLIEST), 0, 1025)
    d = np.array([EARLIEST, -3 / 7 * EARLIEST**2])
    start = np.concatenate([d, d * [1, 2]])
    found = solve_ivp(
        _growth_equations, log_a[[0, -1]], start, "DOP853", log_a, args=(omega_m,), rtol=1e-11, atol=1e-18
    )
    norm = found.y[0, -1]
    first = CubicHermiteSpline(log_a, found.y[0] / norm, found.y[2] / norm)
    second = CubicHermiteSpline(log_a, found.y[1] / norm**2, found.y[3] / norm**2)
    return _GrowthTable((first, second))


def _growth_equations(log_a: float, y: NDArray[np.float64], omega_m: float) -> NDArray[np.float64]:
    """d/dln a of (D1, D2, D1', D2'): D1'' + drag D1' = s D1, D2'' + drag D2' = s (D2 - D1^2)."""
    matter = omega_m * np.exp(-3 * log_a)
    omega = matter / (matter + 1 - omega_m)
    drag, source = 2 - 1.5 * omega, 1.5 * omega
    d1, d2, v1, v2 = y
    return np.array([v1, v2, source * d1 - drag * v1, source * (d2 - d1**2) - drag * v2])

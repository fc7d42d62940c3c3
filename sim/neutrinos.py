"""Density and pressure of massive neutrinos in the background. Knows nothing of other matter or of clustering."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

T_CMB = 2.7255
"""Temperature of the microwave background today [K] (Fixsen 2009)."""
N_EFF = 3.044
"""Effective number of neutrinos while they are relativistic (Froustey et al. 2020), CAMB's default."""
N_SPECIES = 3
BOLTZMANN = 8.617333262e-5
"""eV / K"""
OMEGA_PHOTONS = 4.48162009e-7
"""Photons at 1 K over the critical density of h=1: 8 pi G a_rad / (3 c^2 (100 km/s/Mpc)^2), CODATA 2018."""

TEMPERATURE = (4 / 11) ** (1 / 3) * (N_EFF / N_SPECIES) ** 0.25 * T_CMB
"""Of the neutrinos today [K]. The excess of N_EFF over three heats them, as in CAMB."""
PER_SPECIES = 7 / 8 * OMEGA_PHOTONS * TEMPERATURE**4
"""One relativistic species, with its antiparticles, today, over the critical density of h=1."""
RELATIVISTIC = 7 * np.pi**4 / 120
"""Integral of x^3 / (e^x + 1) from 0 to infinity."""

_NODES, _WEIGHTS = np.polynomial.legendre.leggauss(48)
_U = np.sqrt(50) / 2 * (_NODES + 1)
_X = _U**2
_OCCUPIED = np.sqrt(50) * _U * _WEIGHTS * _X**2 / (np.exp(_X) + 1)
"""Momentum over temperature, to where e^-x is below rounding, and weights of x^2 / (e^x + 1) there.

The nodes are even in sqrt(x), for the energy is not smooth near x=0 where the mass is small."""


def density(m_nu: float, h: float, a: Any) -> Any:
    """Energy density over today's critical density, in the shape of `a`; `m_nu` is the sum of masses [eV].

    Exact for a Fermi-Dirac distribution whose momenta fall as 1/a (Lesgourgues & Pastor 2006, eq. 6).
    """
    mass = _mass_over_temperature(m_nu, a)
    return _relativistic(h, a) * (np.sqrt(_X**2 + mass**2) @ _OCCUPIED) / RELATIVISTIC


def pressure(m_nu: float, h: float, a: Any) -> Any:
    """Pressure in the units of `density`."""
    mass = _mass_over_temperature(m_nu, a)
    return _relativistic(h, a) * (_X**2 / np.sqrt(_X**2 + mass**2) @ _OCCUPIED) / (3 * RELATIVISTIC)


def relativistic_today(h: float) -> float:
    """What the density would be today without mass, over critical."""
    return float(_relativistic(h, 1.0))


def _relativistic(h: float, a: Any) -> Any:
    return N_SPECIES * PER_SPECIES / h**2 * a**-4.0


def _mass_over_temperature(m_nu: float, a: Any) -> NDArray[np.float64]:
    """M a / (k T), with an axis for momenta."""
    return np.asarray(m_nu / (N_SPECIES * BOLTZMANN * TEMPERATURE) * a, np.float64)[..., None]

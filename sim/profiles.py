"""Radial profiles of one halo: NFW, hot gas, central galaxy, relaxation of dark matter; and their scaling with mass.

Pure formulas, arrays in and arrays out: knows nothing of particles, configurations or displacements. Radii `x` are
in units of R200c, enclosed masses fractions, halo masses M200c in Msun/h. Arguments broadcast.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import erf, lambertw

Array = NDArray[np.float64]

TRUNCATION = 3.5
"""Where an NFW halo ends, over R200c, at peak height nu = 1."""

CENTRAL_SIZE = 0.03
"""Twice the half-light radius of the central galaxy, over R200c (Schneider et al. 2019)."""

INNER_CORE = 0.01
"""Where the density of the inner gas becomes flat, over R200c."""

_NODES, _WEIGHTS = np.polynomial.legendre.leggauss(4)


def concentration(m200c: ArrayLike, redshift: float) -> Array:
    """Mean c200c of relaxed halos of mass `m200c` [Msun/h] (Dutton & Maccio 2014, arXiv:1402.7073)."""
    slope = -0.101 + 0.026 * redshift
    norm = 0.520 + (0.905 - 0.520) * np.exp(-0.617 * redshift**1.21)
    return np.asarray(10**norm * (np.asarray(m200c, dtype=float) / 1e12) ** slope)


def nfw_enclosed(x: ArrayLike, c: ArrayLike) -> Array:
    """Mass within `x` over M200c of an NFW halo of concentration `c`."""
    return np.asarray(_nfw(np.asarray(c, dtype=float) * np.asarray(x, dtype=float)) / _nfw(np.asarray(c, dtype=float)))


def nfw_radius(fraction: ArrayLike, c: ArrayLike) -> Array:
    """The x that encloses `fraction` of M200c: inverse of `nfw_enclosed`, by the Lambert function."""
    t = np.asarray(fraction, dtype=float) * _nfw(np.asarray(c, dtype=float))
    return np.asarray((-1 / lambertw(-np.exp(-1 - t)).real - 1) / c)


def truncation(nu: ArrayLike) -> Array:
    """Where a halo of peak height `nu` ends, over R200c: 4 - 0.5 nu, at least 1.

    The sign is that of the public code of Schneider et al. 2025: what falls in fast ends close to R200c.
    """
    return np.maximum(4 - 0.5 * np.asarray(nu, dtype=float), 1.0)


def halo_enclosed(x: ArrayLike, c: ArrayLike, truncation: ArrayLike = TRUNCATION) -> Array:
    """Mass within `x` over M200c: NFW inside R200c, outside it NFW times [(1 + 1/e^2) / (1 + x^2/e^2)]^2.

    e is `truncation`. The density is continuous and the mass finite (Baltz et al. 2009, arXiv:0705.0682, n = 2).
    """
    x, c = np.broadcast_arrays(np.asarray(x, dtype=float), np.asarray(c, dtype=float))
    truncation = np.asarray(truncation, dtype=float)
    tail = _truncated_nfw(c * np.maximum(x, 1), truncation * c) - _truncated_nfw(c, truncation * c)
    inside = nfw_enclosed(np.minimum(x, 1), c)
    return np.asarray(inside + (1 + truncation**-2) ** 2 * tail / _nfw(c))


def stellar_fraction(m200c: ArrayLike, n_star: float, log10_m_star: float, tau: float, eta: float) -> Array:
    """Stellar mass over M200c, peaking near m_star (Moster et al. 2013; Schneider et al. 2025)."""
    m = np.asarray(m200c, dtype=float) / 10**log10_m_star
    return np.asarray(n_star / (m**tau + m**eta))


def gas_slope(m200c: ArrayLike, log10_m_c: ArrayLike, mu: float) -> Array:
    """Slope beta of the hot gas: 3 far above m_c, 0 far below it (Giri & Schneider 2021)."""
    m = (np.asarray(m200c, dtype=float) / 10 ** np.asarray(log10_m_c, dtype=float)) ** mu
    return np.asarray(3 * m / (1 + m))


def gas_density(
    x: ArrayLike, beta: ArrayLike, theta_co: float, theta_ej: ArrayLike, gamma: float, delta: float
) -> Array:
    """Hot gas density, not normalised: a core, a slope -beta, a cut beyond theta_ej (Schneider et al. 2025)."""
    x = np.asarray(x, dtype=float)
    core = (1 + x / theta_co) ** -np.asarray(beta)
    return np.asarray(core * (1 + (x / np.asarray(theta_ej, dtype=float)) ** gamma) ** (-delta / gamma))


def inner_gas_density(x: ArrayLike) -> Array:
    """Density of the cold gas around the central galaxy, not normalised: x^-3 exp(-x) (Schneider et al. 2025).

    Flat below INNER_CORE, without which its mass is infinite.
    """
    x = np.asarray(x, dtype=float)
    return np.asarray(np.exp(-x) / (x**3 + INNER_CORE**3))


def central_enclosed(x: ArrayLike) -> Array:
    """Fraction of the central galaxy within `x`: density x^-2 exp(-(x / CENTRAL_SIZE)^2) (Schneider et al. 2019)."""
    return np.asarray(erf(np.asarray(x, dtype=float) / CENTRAL_SIZE))


def relaxation(
    x: ArrayLike, halo: ArrayLike, cold: ArrayLike, hot: ArrayLike, redshift: float, step_radius: ArrayLike = 1.0
) -> Array:
    """r_initial / r_final of dark matter that ends at `x`, > 1 where it contracted (Schneider et al. 2025).

    Masses within x (..., m) over the whole mass: `halo` of all matter before, `cold` of the central galaxy and the
    inner gas, `hot` of the hot gas; the last x holds all of each. (Q0, Q1, Q2) = (0.075, 0.25 (1 + z), 0.7), the step
    at `step_radius` [R200c]. Shifted by a constant to be 1 at the last x.
    """
    halo, cold, hot = (np.asarray(one, dtype=float) for one in (halo, cold, hot))
    step = 0.075 / (1 + (np.asarray(x, dtype=float) / np.asarray(step_radius, dtype=float)) ** 1.5)
    galaxy = 0.25 * (1 + redshift) * (cold / halo - cold[..., -1:])
    ratio = 1 + step + galaxy + 0.7 * (hot / halo - hot[..., -1:])
    return np.asarray(ratio - (ratio[..., -1:] - 1))


def enclosed(density: Callable[[Array], Array], x: Array) -> Array:
    """Integral of 4 pi r^2 `density` from 0 to each of the rising radii `x`, over that to the last.

    `density` takes radii (m,) and returns (..., m). Four Gauss points a step in ln r; constant density below x[0].
    """
    low, high = np.log(x[:-1, None]), np.log(x[1:, None])
    r = np.exp((low + high) / 2 + (high - low) / 2 * _NODES)  # (m - 1, 4)
    values = density(r.ravel())
    values = values.reshape(*values.shape[:-1], *r.shape) * r**3  # (..., m - 1, 4)
    steps = (values * _WEIGHTS).sum(axis=-1) * (high - low)[:, 0] / 2
    mass = np.cumsum(np.concatenate([density(x[:1]) * x[0] ** 3 / 3, steps], axis=-1), axis=-1)
    return np.asarray(mass / mass[..., -1:])


def _nfw(s: Array) -> Array:
    """ln(1 + s) - s / (1 + s)."""
    return np.asarray(np.log1p(s) - s / (1 + s))


def _truncated_nfw(s: Array, t: ArrayLike) -> Array:
    """Integral of s^2 / [s (1 + s)^2 (1 + s^2/t^2)^2]."""
    t = np.asarray(t, dtype=float)
    rational = s - 2 * t**6 + t**4 * s * (1 - 3 * s) + s**2 + 2 * t**2 * (1 + s - s**2)
    rational *= s / ((1 + s) * (t**2 + s**2))
    smooth = (6 * t**2 - 2) * np.arctan(s / t) + t * (t**2 - 3) * np.log(t**2 * (1 + s) ** 2 / (t**2 + s**2))
    return np.asarray(t**2 / (1 + t**2) ** 3 / 2 * (rational + t * smooth))

"""How strongly matter at some distance lenses the galaxies behind it: n(z), and the kernel of the convergence.

In the Born approximation and in a flat universe kappa = integral of W(chi) delta dchi with

    W = 3/2 omega_m (H0/c)^2 chi (1 + z) g,      g = integral of n(chi') (1 - chi / chi') dchi' from chi on

(Bartelmann & Schneider 2001, eq. 6.18 to 6.21). Knows nothing of maps.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property, lru_cache

import numpy as np
from numpy.typing import NDArray
from scipy.integrate import cumulative_simpson
from scipy.interpolate import CubicSpline

from configs import Box, Cosmology
from sim.cosmology import comoving_distance
from sim.lightcone import Plane, cone_of, farthest_source, redshift_at
from sim.units import HUBBLE, SPEED_OF_LIGHT

Array = NDArray[np.float64]

_N_TABLE = 4097
_NODES, _WEIGHTS = np.polynomial.legendre.leggauss(8)


@dataclass(frozen=True)
class Sources:
    """Galaxies behind the light cone: all at `redshift`, or n(z) ~ z^2 exp(-(z / redshift)^1.5) up to `farthest`."""

    cosmology: Cosmology
    redshift: float
    smail: bool
    farthest: float

    @cached_property
    def chi(self) -> float:
        """Comoving distance of the farthest [Mpc/h]."""
        return float(comoving_distance(self.cosmology, self.farthest))

    @cached_property
    def distribution(self) -> tuple[Array, Array]:
        """Z and n(z), (m,) each, normalised; of a single source plane its redshift and 1."""
        if not self.smail:
            return np.array([self.redshift]), np.ones(1)
        z = np.linspace(0, self.farthest, _N_TABLE)
        n = z**2 * np.exp(-((z / self.redshift) ** 1.5))
        return z, n / cumulative_simpson(n, x=z)[-1]

    def efficiency(self, chi: Array) -> Array:
        """The efficiency g, from 1 at the observer to 0 at the farthest source and behind it."""
        if not self.smail:
            return np.maximum(0, 1 - chi / self.chi)
        return np.where(chi < self.chi, self._tail(np.minimum(chi, self.chi)), 0)

    @cached_property
    def _tail(self) -> CubicSpline:
        """G of a distribution, from its share beyond each distance and the mean inverse distance of that share."""
        z, n = self.distribution
        chi = comoving_distance(self.cosmology, z)
        inverse = np.divide(n, chi, out=np.zeros_like(n), where=chi > 0)
        share, nearness = (part[-1] - part for part in (cumulative_simpson(y, x=z, initial=0) for y in (n, inverse)))
        return CubicSpline(chi, share - chi * nearness)

    def kernel(self, chi: Array) -> Array:
        """The kernel W [h/Mpc] at comoving distances `chi` [Mpc/h]."""
        strength = 1.5 * self.cosmology.omega_m * (HUBBLE / SPEED_OF_LIGHT) ** 2
        return strength * chi * (1 + redshift_at(self.cosmology, chi)) * self.efficiency(chi)

    def weight(self, plane: Plane) -> float:
        """Convergence for a density contrast of one all through `plane`: the integral of W over it."""
        far = min(plane.far, self.chi)
        chi = 0.5 * (plane.near + far) + 0.5 * (far - plane.near) * _NODES
        return float(0.5 * (far - plane.near) * (_WEIGHTS * self.kernel(chi)).sum())


@lru_cache(maxsize=64)
def sources_of(box: Box) -> Sources:
    """Those that the light cone of a box asks for; ValueError as in `farthest_source`."""
    cone = cone_of(box)
    return Sources(box.cosmology, cone.z_source, cone.distribution == "smail", farthest_source(box))

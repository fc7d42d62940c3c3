"""The halos that baryons change: which they are, how each differs from the mean of its mass, what it is made of.

Knows nothing of particles or of displacements. Masses in Msun/h, radii in comoving Mpc/h, shares over M200c.

Stars cannot exceed baryons: scatter in the central galaxy stops where it and its inner gas would take more than
`ROOM` of what the satellites leave, so that some of the baryons are hot gas in every halo.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial

import numpy as np
from numpy.random import Generator, Philox
from numpy.typing import NDArray

from configs import Baryons, Cosmology
from sim import profiles
from sim.cosmology import mean_density
from sim.halos import Catalog
from sim.power import linear_power
from sim.spheres import outermost

Array = NDArray[np.float64]

ROOM = 0.95
"""Most of the baryons, less satellites, that the central galaxy and its inner gas take."""

M_C, CENTRAL, CONCENTRATION, SATELLITES = range(4)
"""Streams of random numbers of one halo, independent of each other."""

_COLLAPSE = 1.686
_LOG_MASSES = np.linspace(8, 17, 46)


@dataclass(frozen=True)
class Hosts:
    """The halos that displace, from the most massive down: one row of each array a halo.

    `truncation` is where a halo ends over its radius; `central`, `satellite` and `inner_gas` are masses over `mass`.
    """

    center: Array
    mass: Array
    radius: Array
    concentration: Array
    truncation: Array
    log10_m_c: Array
    central: Array
    satellite: Array
    inner_gas: Array

    def __len__(self) -> int:
        return len(self.mass)

    @property
    def stars(self) -> Array:
        """Mass of the central galaxy and of the satellites over `mass`."""
        return self.central + self.satellite


def select(
    catalog: Catalog, cosmology: Cosmology, baryons: Baryons, box_size: float, *, redshift: float, seed: int
) -> Hosts:
    """The halos of `catalog` that are no satellites, each with its scatter drawn.

    ValueError when a halo of its mass would have more stars than baryons before any scatter.
    """
    order = np.lexsort((*catalog.center.T, -catalog.m200c))
    order = order[catalog.m200c[order] > 0]
    center, radius = np.asarray(catalog.center[order], float), np.asarray(catalog.r200c[order], float)
    keep = outermost(center, radius, box_size)
    mass, draw = np.asarray(catalog.m200c[order], float)[keep], partial(normal, center[keep] / box_size, seed)
    central, satellite = stars_of(mass, cosmology, baryons)
    inner = baryons.inner_gas * (1 + redshift) ** 1.5
    room = ROOM * (cosmology.baryon_fraction - satellite) / (1 + inner)
    central = np.minimum(central * 10 ** (baryons.scatter_central * draw(CENTRAL)), room)
    return Hosts(
        center[keep],
        mass,
        radius[keep],
        profiles.concentration(mass, redshift) * concentration_factor(center[keep] / box_size, baryons, seed),
        profiles.truncation(peak_height(mass, cosmology, redshift)),
        baryons.log10_m_c + baryons.scatter * draw(M_C),
        central,
        satellite,
        inner * central,
    )


def concentration_factor(position: Array, baryons: Baryons, seed: int) -> Array:
    """Concentration (h,) over the mean of its mass of the halo at each `position` (h, 3) in [0, 1)."""
    return np.asarray(10 ** (baryons.scatter_c * normal(position, seed, CONCENTRATION)))


def stars_of(mass: Array, cosmology: Cosmology, baryons: Baryons) -> tuple[Array, Array]:
    """Mean mass of the central galaxy and of the satellites over M200c; ValueError when they exceed the baryons."""
    fraction = partial(profiles.stellar_fraction, mass, baryons.n_star, baryons.log10_m_star, baryons.tau)
    total = fraction(baryons.eta)
    central = np.minimum(fraction(baryons.eta + baryons.eta_delta), total)
    if total.max(initial=0) >= cosmology.baryon_fraction:
        limit = f"stars below omega_b / omega_m = {cosmology.baryon_fraction:.4g} of every halo"
        raise ValueError(f"baryons: expected n_star to leave {limit}, got {total.max():.4g}")
    return central, total - central


def peak_height(mass: Array, cosmology: Cosmology, redshift: float) -> Array:
    """Critical over rms linear density contrast in spheres that hold `mass` [Msun/h] on average."""
    power = linear_power(cosmology, redshift)
    radii = (3 * 10**_LOG_MASSES / (4 * np.pi * mean_density(cosmology))) ** (1 / 3)
    log_sigma = [np.log(power.sigma(radius)) for radius in radii]
    return np.asarray(_COLLAPSE / np.exp(np.interp(np.log10(mass), _LOG_MASSES, log_sigma)))


def generators(position: Array, seed: int, stream: int) -> list[Generator]:
    """A generator for each `position` (h, 3) in [0, 1): Philox keyed on seed, stream and position to 2^-20."""
    cells = (position * 2**20).astype(np.uint64)
    return [Generator(Philox(key=seed, counter=[stream << 32, *cell])) for cell in cells]


def normal(position: Array, seed: int, stream: int = M_C) -> Array:
    """A standard normal number (h,) for each `position`, as `generators` gives it."""
    return np.array([rng.standard_normal() for rng in generators(position, seed, stream)])

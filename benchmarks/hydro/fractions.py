"""Gas, stars and all matter inside R200c and R500c of painted halos, beside what the profiles put there."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import brentq

from benchmarks.hydro.boxes import BOX_SIZE, COSMOLOGY, Simulated
from configs import Baryons
from sim import hosts, profiles
from sim.baryons import Counterpart, gas_of, radial_grid
from sim.hosts import Hosts
from sim.particles import Tracer
from sim.spheres import Spheres

Array = NDArray[np.float64]
RADII = ("R200c", "R500c")
EDGES = 10 ** np.arange(12.4, 14.81, 0.3)
"""Bins of M200c [Msun/h]."""
RESOLVED = 500
"""Particles of the smallest halo whose contents are judged."""


@dataclass(frozen=True)
class Fractions:
    """Masses (h, 2) [Msun/h] inside R200c and R500c: found in the particles and expected.

    `mass` (h,) is M200c, `n_particles` (h,) that over the mass of a particle.
    """

    mass: Array
    n_particles: Array
    gas: Array
    stars: Array
    dark_matter: Array
    expected_gas: Array
    expected_stars: Array

    @property
    def total(self) -> Array:
        return self.gas + self.stars + self.dark_matter


def measured(box: Simulated, sides: Counterpart, baryons: Baryons) -> Fractions:
    """Of every halo that displaces. A particle in two spheres belongs to the heavier halo, as in the model."""
    keys = {"redshift": box.redshift, "seed": box.seed}
    halo = hosts.select(box.catalog, COSMOLOGY, baryons, BOX_SIZE, **keys)
    x = np.stack([np.ones(len(halo)), radius_500(halo.concentration)], axis=1)
    found = [within(tracer, halo, x) for tracer in (sides.gas, sides.stars, sides.dark_matter)]
    return Fractions(halo.mass, halo.mass / box.mass, *found, *expected(halo, baryons, x))


def within(tracer: Tracer, halo: Hosts, x: Array) -> Array:
    """Mass (h, m) of a species inside x (h, m) R200c."""
    owner, distance = Spheres.of(tracer.pos, BOX_SIZE).owners(halo.center, halo.radius)
    inside = owner >= 0
    owner, distance, mass = owner[inside], distance[inside] / halo.radius[owner[inside]], tracer.mass[inside]
    near = [np.bincount(owner, mass * (distance < row[owner]), minlength=len(halo)) for row in x.T]
    return np.stack(near, axis=1)


def expected(halo: Hosts, baryons: Baryons, x: Array) -> tuple[Array, Array]:
    """Gas and stars (h, m) [Msun/h] inside x (h, m) R200c by the profiles; satellites follow NFW halos."""
    grid = radial_grid(halo, baryons, BOX_SIZE)
    cold = profiles.enclosed(profiles.inner_gas_density, grid)
    hot = profiles.enclosed(gas_of(halo, baryons), grid)
    whole = profiles.halo_enclosed(grid[-1], halo.concentration, halo.truncation)
    share = COSMOLOGY.baryon_fraction * whole - halo.stars - halo.inner_gas
    gas = [share * np.array([np.interp(at, grid, row) for at, row in zip(one, hot, strict=True)]) for one in x.T]
    gas = [one + halo.inner_gas * np.interp(at, grid, cold) for one, at in zip(gas, x.T, strict=True)]
    stars = [
        halo.central * profiles.central_enclosed(at) + halo.satellite * profiles.nfw_enclosed(at, halo.concentration)
        for at in x.T
    ]
    return np.stack(gas, axis=1) * halo.mass[:, None], np.stack(stars, axis=1) * halo.mass[:, None]


def radius_500(concentration: Array) -> Array:
    """R500c over R200c of NFW halos."""

    def of(c: float) -> float:
        return float(brentq(lambda x: float(profiles.nfw_enclosed(x, c)) - 2.5 * x**3, 0.1, 1))

    return np.array([of(c) for c in concentration])


def resolved(found: Fractions) -> Fractions:
    """Of the halos that have RESOLVED particles."""
    rows = found.n_particles >= RESOLVED
    return Fractions(*(getattr(found, name)[rows] for name in Fractions.__dataclass_fields__))


def joined(found: Sequence[Fractions]) -> Fractions:
    names = Fractions.__dataclass_fields__
    return Fractions(*(np.concatenate([getattr(one, name) for one in found]) for name in names))


def binned(found: Fractions, numerator: Array, denominator: Array, edges: Array = EDGES) -> Array:
    """Sum of `numerator` over that of `denominator`, (h,) each, in bins of M200c; nan below 5 halos."""
    counts, above, below = (
        np.histogram(found.mass, edges, weights=weights)[0] for weights in (None, numerator, denominator)
    )
    return np.where(counts >= 5, above / np.where(below > 0, below, 1), np.nan)


def baryon_fractions(found: Fractions) -> tuple[Array, Array]:
    """Mass [Msun] and baryon fraction over the cosmic one, inside R200c of painted halos, in bins for SP(k)."""
    edges = 10 ** np.arange(12.6, 14.81, 0.2)
    total, baryons = found.total[:, 0], found.gas[:, 0] + found.stars[:, 0]
    share = binned(found, baryons, total, edges) / COSMOLOGY.baryon_fraction
    mass = binned(found, total, np.ones(len(total)), edges) / COSMOLOGY.h
    good = np.isfinite(share)
    return mass[good], share[good]

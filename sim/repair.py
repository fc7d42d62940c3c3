"""Halos of a particle-mesh box as they would be without its softening: their masses M200c, and where particles lie.

A particle-mesh run makes a halo puffy, but takes no mass out of a sphere of REACH times its resolution. There the halo
is put back: an NFW profile of the mean concentration, which outside R200c goes on above the mean density, and holds the
mass found in that sphere. Knows nothing of baryons and of how halos were found.

Rules, none of which depends on the order of the particles:

- a halo whose centre lies within R200c of a more massive one is a satellite: its mass stays and it moves nothing;
- a particle within reach of several others belongs to that of the smallest distance over radius, which goes as the
  cube root of the mass of the group: the boundary between two halos is where they are equally dense;
- a halo keeps the order of its particles in radius; nothing moves at the reach or outside it.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numba import njit, prange
from numpy.typing import NDArray

from configs import Box, Cosmology
from sim import profiles
from sim.cells import by_key
from sim.cosmology import critical_density, mean_density
from sim.halos import OVERDENSITY, Catalog
from sim.particles import wrapped
from sim.spheres import Spheres, outermost

Array = NDArray[np.float64]
Positions = NDArray[np.float32]
Integers = NDArray[np.int64]

REACH = 3.5
"""In units of the resolution. Mass within 2.5 of them is that of a mesh of twice the cells to 2 %; with 3.5 the counts
of M200c and the power of the repaired box are best (`benchmarks.halos`, which counts; LOG.md)."""

_BISECTIONS = 60
_TOLERANCE = 1e-9


@dataclass(frozen=True)
class _Universe:
    """What turns a mass into a radius: `density` [Msun/h / (Mpc/h)^3] 200 times critical, omega_m at `redshift`."""

    density: float
    omega_m: float
    redshift: float

    @classmethod
    def of(cls, cosmology: Cosmology, redshift: float) -> _Universe:
        critical = critical_density(cosmology, redshift)
        return cls(OVERDENSITY * critical, mean_density(cosmology) / critical, redshift)

    @property
    def around(self) -> float:
        """The mean density over that within R200c."""
        return self.omega_m / OVERDENSITY

    def radius(self, mass: Array) -> Array:
        return np.asarray(np.cbrt(mass / self.density * 0.75 / np.pi))

    def enclosed(self, x: Array, c: Array) -> Array:
        """Mass within `x` R200c over M200c: NFW, and the mean density outside R200c."""
        return profiles.nfw_enclosed(x, c) + self.around * np.maximum(x**3 - 1, 0)


def resolution_of(box: Box) -> float:
    """Side of a cell of the force mesh [Mpc/h], but not less than half a mean separation: finer meshes do not help.

    With a reach of 3.5 cells, a mesh of 3 cells a particle would have .85 of the halos of 1000 particles.
    """
    return max(1 / box.mesh_factor, 0.5) * box.box_size / box.n_particles


def repaired(
    pos: Positions,
    mass: float,
    catalog: Catalog,
    cosmology: Cosmology,
    *,
    resolution: float,
    redshift: float = 0.0,
    concentration_factor: Array | None = None,
) -> tuple[Positions, Catalog]:
    """The particles where they would be without softening, and the catalogue with their M200c, again from the largest.

    `pos` (n, 3) in [0, box_size) Mpc/h, particles of equal `mass` Msun/h, `catalog` the halos found in them,
    `resolution` in Mpc/h that of the run (see `resolution_of`): 0 changes no position and no mass. The mean
    concentration is multiplied by `concentration_factor` (h,), in the order of `catalog`, when there is one. The new
    catalogue's concentration is that of the profile given to each halo; halos whose R200c is beyond the reach keep
    their masses; M200m is mended like M200c. ValueError when the reach is not below half the box.
    """
    reach = _reach(resolution, catalog.box_size)
    factor = np.ones(len(catalog)) if concentration_factor is None else concentration_factor
    if factor.shape != (len(catalog),) or not (factor > 0).all():
        raise ValueError(f"repair: expected {len(catalog)} concentration factors above 0, got {factor}")
    box = _Box(Spheres.of(pos, catalog.box_size), mass, _Universe.of(cosmology, redshift), reach)
    first, _ = box.mended(catalog, _by_mass(catalog.center, catalog.mass_fof), factor)
    mended, owned = box.mended(catalog, _hosts(first), factor)
    place = owned.places(mended, reach, box.universe, pos)
    moved = _moved(pos, np.asarray(mended.center, float), owned.halo, owned.distance, place, catalog.box_size)
    return wrapped(moved, catalog.box_size), _ordered(mended)


@dataclass(frozen=True)
class _Owned:
    """The halo that each particle (n,) belongs to, -1 where to none, and its distance to the centre."""

    halo: Integers
    distance: Array

    def places(self, catalog: Catalog, reach: float, universe: _Universe, pos: Positions) -> Array:
        """The distance (n,) that each takes: that of its rank in the profile of its halo, which ends at `reach`."""
        order, sorted_halo = by_key(self.halo + 1, len(catalog) + 1)
        start = np.searchsorted(sorted_halo, np.arange(1, len(catalog) + 2))
        profile = (np.asarray(catalog.r200c), np.asarray(catalog.concentration), reach, universe.around)
        place = np.zeros(len(pos))
        _place(place, pos, self.distance, order, start, *profile)
        return place


@dataclass(frozen=True)
class _Box:
    """All particles, each of `mass`, and how far a halo reaches."""

    spheres: Spheres
    mass: float
    universe: _Universe
    reach: float

    def mended(self, catalog: Catalog, hosts: Integers, factor: Array) -> tuple[Catalog, _Owned]:
        """The catalogue with the masses of `hosts`, some of its rows, from what they own within the reach."""
        size = np.cbrt(catalog.mass_fof[hosts])
        nearest, distance = self.spheres.nearest(np.asarray(catalog.center[hosts], float), size, self.reach)
        halo = np.append(hosts, -1)[nearest]
        held = np.asarray(np.bincount(halo[halo >= 0], minlength=len(catalog)) * self.mass, np.float64)
        return _mended(catalog, held, factor, self.reach, self.universe), _Owned(halo, distance)


def _reach(resolution: float, box_size: float) -> float:
    if not 0 <= REACH * resolution < box_size / 2:
        limit = f"a resolution from 0 to below {box_size / 2 / REACH:.4g} Mpc/h"
        raise ValueError(f"repair: expected {limit}, got {resolution} Mpc/h")
    return REACH * resolution


def _by_mass(center: Array, mass: Array) -> Integers:
    """Halos from the largest `mass` down, ties by position."""
    return np.lexsort((*center.T[::-1], -mass))


def _hosts(catalog: Catalog) -> Integers:
    """Rows with their centre in no R200c of a more massive halo, from the largest down."""
    order = _by_mass(catalog.center, catalog.m200c)
    center, radius = (np.asarray(column[order], float) for column in (catalog.center, catalog.r200c))
    return order[outermost(center, radius, catalog.box_size)]


def _ordered(catalog: Catalog) -> Catalog:
    """The rows from the largest M200c down."""
    order = _by_mass(catalog.center, catalog.m200c)
    columns = {name: value if np.ndim(value) == 0 else value[order] for name, value in vars(catalog).items()}
    return Catalog(**columns)


def _mended(catalog: Catalog, held: Array, factor: Array, reach: float, universe: _Universe) -> Catalog:
    """The catalogue with the masses of halos that own `held` (h,) within `reach`, unless R200c is not below it."""
    puffy = (catalog.r200c < reach) & (held > 0)
    solved = _solved(np.where(puffy, held, 1), factor, reach, universe)
    m200c = np.where(puffy, solved, catalog.m200c)
    c = factor * profiles.concentration(np.maximum(m200c, 1), universe.redshift)
    new = replace(catalog, m200c=m200c, r200c=universe.radius(m200c), concentration=c)
    if catalog.m200m is None or catalog.r200m is None:
        return new
    radius = new.r200c * _edges(c, universe)
    m200m = np.where(puffy, 4 / 3 * np.pi * radius**3 * universe.density * universe.omega_m, catalog.m200m)
    return replace(new, m200m=m200m, r200m=np.where(puffy, radius, catalog.r200m))


def _solved(held: Array, factor: Array, reach: float, universe: _Universe) -> Array:
    """M200c (h,) of halos that hold the mass `held` (h,) within `reach`; no M200c exceeds it."""
    low, high = np.zeros(len(held)), np.log(held)
    for _ in range(_BISECTIONS):
        middle = (low + high) / 2
        m200c = np.exp(middle)
        c = factor * profiles.concentration(m200c, universe.redshift)
        heavy = m200c * universe.enclosed(reach / universe.radius(m200c), c) > held
        low, high = np.where(heavy, low, middle), np.where(heavy, middle, high)
    return m200c


def _edges(c: Array, universe: _Universe) -> Array:
    """R200m over R200c, where the mean density within is 200 times the mean density of the universe."""
    low, high = np.zeros(len(c)), np.full(len(c), np.log(10.0))
    for _ in range(_BISECTIONS):
        x = np.exp((low + high) / 2)
        dense = universe.enclosed(x, c) > universe.omega_m * x**3
        low, high = np.where(dense, np.log(x), low), np.where(dense, high, np.log(x))
    return x


@njit(cache=True, nogil=True, parallel=True)
def _place(place, pos, distance, order, start, r200c, concentration, reach, around):  # type: ignore[no-untyped-def]
    """The distance at which the profile of halo i, rows order[start[i] : start[i + 1]], holds the rank of each row."""
    for h in prange(len(start) - 1):
        rows = _by_distance(order[start[h] : start[h + 1]], distance, pos)
        r200, c, x = r200c[h], concentration[h], 0.0
        if len(rows) == 0:
            continue
        whole = _enclosed(reach / r200, c, around)[0]
        for rank, p in enumerate(rows):
            x = _reached((rank + 0.5) / len(rows) * whole, x, reach / r200, c, around)
            place[p] = x * r200


@njit(cache=True, nogil=True)
def _by_distance(rows, distance, pos):  # type: ignore[no-untyped-def]
    """`rows` by distance, ties by position."""
    rows = rows[np.argsort(distance[rows])]
    for i in range(1, len(rows)):
        p, j = rows[i], i
        while j > 0 and distance[rows[j - 1]] == distance[p] and _before(pos[p], pos[rows[j - 1]]):
            rows[j] = rows[j - 1]
            j -= 1
        rows[j] = p
    return rows


@njit(cache=True, nogil=True)
def _before(a, b):  # type: ignore[no-untyped-def]
    for axis in range(3):
        if a[axis] != b[axis]:
            return a[axis] < b[axis]
    return False


@njit(cache=True, nogil=True)
def _reached(sought, low, high, c, around):  # type: ignore[no-untyped-def]
    """Where between `low` and `high`, in R200c, the enclosed mass is `sought`: by Newton, or by halves."""
    x = (low + high) / 2
    for _ in range(_BISECTIONS):
        value, slope = _enclosed(x, c, around)
        if value < sought:
            low = x
        else:
            high = x
        last, x = x, x + (sought - value) / slope
        if not low < x < high:
            x = (low + high) / 2
        if abs(x - last) < _TOLERANCE * high:
            break
    return x


@njit(cache=True, nogil=True)
def _enclosed(x, c, around):  # type: ignore[no-untyped-def]
    """`_Universe.enclosed` times the mass of an NFW halo within c scale radii, and its slope."""
    full, s = around * (np.log1p(c) - c / (1 + c)), c * x
    mass, slope = np.log1p(s) - s / (1 + s), c * s / (1 + s) ** 2
    return (mass + full * (x**3 - 1), slope + 3 * full * x**2) if x > 1 else (mass, slope)


@njit(cache=True, nogil=True, parallel=True)
def _moved(pos, center, halo, distance, place, box_size):  # type: ignore[no-untyped-def]
    """Positions (n, 3) with each particle of a halo at its `place`, in the same direction."""
    moved = pos.astype(np.float64)
    for p in prange(len(pos)):
        if halo[p] >= 0 and distance[p] > 0.0:
            for axis in range(3):
                offset = moved[p, axis] - center[halo[p], axis]
                offset -= box_size * np.rint(offset / box_size)
                moved[p, axis] += (place[p] / distance[p] - 1) * offset
    return moved

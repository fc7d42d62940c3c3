"""The hydrodynamic-like counterpart of a dark-matter-only box: component-wise baryonification.

After Schneider et al. 2019 (arXiv:1810.08629), Giri & Schneider 2021 (arXiv:2108.08863) and Schneider et al. 2025
(arXiv:2507.07892). Every particle splits into dark matter, gas and stars, which halos displace along their radii so
that the mass they enclose follows a target profile. Knows nothing of files, of maps or of how halos were found.

Rules for what overlaps, none of which depends on the order of the particles:

- a halo whose centre lies within R200c of a more massive one is a satellite and displaces nothing;
- a particle within R200c of several halos is hosted by the most massive, and only its host displaces it: neighbours
  neither smear a halo nor part it from its gas (Schneider et al. 2025 spare neighbours too);
- a particle outside every R200c is displaced by the sum over all halos within reach, each at its first position.

Profile repair, the same for both sides of a pair: a mesh code makes puffy halos, so hosted particles keep their order
in radius and take the radii of an NFW halo of the same mass. Nothing moves at R200c or outside it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import numpy as np
from numba import njit
from numpy.typing import NDArray

from configs import Baryons, Cosmology
from sim import profiles
from sim.halos import Catalog
from sim.spheres import Spheres, outermost

Array = NDArray[np.float64]
Positions = NDArray[np.float32]
Integers = NDArray[np.int64]

REACH = 2.0
"""A halo displaces particles within REACH * theta_ej * R200c, where 99 % of the hot gas of the model ends."""

_INSIDE = np.geomspace(1e-3, 1, 96)
_N_OUTSIDE = 32


@dataclass(frozen=True)
class Tracer:
    """Particles of one species: `pos` (n, 3) in [0, box_size) Mpc/h, `mass` (n,) Msun/h."""

    pos: Positions
    mass: NDArray[np.float32]


@dataclass(frozen=True)
class Counterpart:
    """Both sides of a pair: `dmo_pos` (n, 3) of the repaired particles, and the species that they turn into."""

    dmo_pos: Positions
    dark_matter: Tracer
    gas: Tracer
    stars: Tracer


@dataclass(frozen=True)
class Hosts:
    """The halos that displace, from the most massive down: one row of each array a halo."""

    center: Array
    mass: Array
    radius: Array
    concentration: Array
    log10_m_c: Array


def displaced(
    pos: Positions,
    mass: float,
    catalog: Catalog,
    cosmology: Cosmology,
    baryons: Baryons,
    box_size: float,
    *,
    redshift: float = 0.0,
    seed: int,
) -> Counterpart:
    """The repaired dark matter of a box and its baryonic counterpart.

    `pos` (n, 3) comoving Mpc/h, particles of equal `mass` Msun/h, `catalog` the halos found in them. The masses of the
    three species sum to n * mass. `seed` and the centre of a halo decide its scatter. ValueError when the box sizes
    differ or when a halo would have more stars than baryons.
    """
    if catalog.box_size != box_size:
        raise ValueError(f"catalog: expected the halos of a box of {box_size} Mpc/h, got {catalog.box_size} Mpc/h")
    hosts = select(catalog, baryons, box_size, redshift=redshift, seed=seed)
    central, satellite = stars_of(hosts.mass, cosmology, baryons)
    spheres = Spheres.of(pos, box_size)
    host, distance = spheres.owners(hosts.center, hosts.radius)
    grid = radial_grid(hosts, baryons, box_size)
    shells = spheres.shells(hosts.center, hosts.radius, grid[len(_INSIDE) - 1 :], host)
    owned = np.bincount(host[host >= 0], minlength=len(hosts.mass))
    around = shells / np.maximum(owned, 1)[:, None]
    ratios = response(grid, around, hosts, (central, satellite), cosmology, baryons, redshift)
    x = repaired(pos, host, distance, hosts.concentration)
    shift = spheres.shifts(hosts.center, hosts.radius, host, x, np.log(grid), ratios)
    star_fraction = np.where(host >= 0, np.append(central + satellite, 0.0)[host], 0.0)
    return split(pos, mass, shift, star_fraction, cosmology.baryon_fraction, box_size)


def select(catalog: Catalog, baryons: Baryons, box_size: float, *, redshift: float, seed: int) -> Hosts:
    """The halos of `catalog` that are no satellites, each with its scatter drawn."""
    order = np.lexsort((*catalog.center.T, -catalog.m200c))
    order = order[catalog.m200c[order] > 0]
    center, radius = np.asarray(catalog.center[order], float), np.asarray(catalog.r200c[order], float)
    keep = outermost(center, radius, box_size)
    mass = np.asarray(catalog.m200c[order], float)[keep]
    log10_m_c = baryons.log10_m_c + baryons.scatter * normal(center[keep] / box_size, seed)
    return Hosts(center[keep], mass, radius[keep], profiles.concentration(mass, redshift), log10_m_c)


def normal(position: Array, seed: int) -> Array:
    """A standard normal number for each `position` (h, 3) in [0, 1), by Philox keyed on seed and position to 2^-20."""
    cells = (position * 2**20).astype(np.uint64)
    return np.array([np.random.Generator(np.random.Philox(key=seed, counter=[0, *c])).standard_normal() for c in cells])


def stars_of(mass: Array, cosmology: Cosmology, baryons: Baryons) -> tuple[Array, Array]:
    """Mass of the central galaxy and of the satellites over M200c; ValueError when they exceed the baryons."""
    fraction = partial(profiles.stellar_fraction, mass, baryons.n_star, baryons.log10_m_star, baryons.tau)
    total = fraction(baryons.eta)
    central = np.minimum(fraction(baryons.eta + baryons.eta_delta), total)
    if total.max(initial=0) >= cosmology.baryon_fraction:
        limit = f"stars below omega_b / omega_m = {cosmology.baryon_fraction:.4g} of every halo"
        raise ValueError(f"baryons: expected n_star to leave {limit}, got {total.max():.4g}")
    return central, total - central


def radial_grid(hosts: Hosts, baryons: Baryons, box_size: float) -> Array:
    """Radii over R200c on which profiles are tabulated, to the reach of a halo or to half the box for the largest."""
    last = min(REACH * baryons.theta_ej, box_size / 2 / hosts.radius.max(initial=1e-9))
    return np.concatenate([_INSIDE, np.geomspace(1, last, _N_OUTSIDE + 1)[1:]])


def repaired(pos: Positions, host: Integers, distance: Array, concentration: Array) -> Array:
    """Distance over R200c (n,) that each hosted particle takes: that of its rank in an NFW halo; 0 for the others."""
    inside = np.flatnonzero(host >= 0)
    inside = inside[np.lexsort((*pos[inside].T, distance[inside], host[inside]))]
    owned = np.bincount(host[inside], minlength=len(concentration))
    rank = np.arange(len(inside)) - np.repeat(np.cumsum(owned) - owned, owned)
    x = np.zeros(len(pos))
    x[inside] = profiles.nfw_radius((rank + 0.5) / owned[host[inside]], concentration[host[inside]])
    return x


def response(
    grid: Array,
    shells: Array,
    hosts: Hosts,
    stars: tuple[Array, Array],
    cosmology: Cosmology,
    baryons: Baryons,
    redshift: float,
) -> Array:
    """ln(final / initial radius) of dark matter, gas and stars (h, 3, m) on the radial `grid` (m,) over R200c.

    `shells` (h, m_outside) is the mass around each halo that no halo hosts, over the mass that this one hosts. A shell
    belongs to the halo as far as its truncated NFW profile goes; the rest is background, which keeps its profile.
    """
    f_b, (central, satellite) = cosmology.baryon_fraction, (f[:, None] for f in stars)
    c, outside = hosts.concentration[:, None], grid[len(_INSIDE) - 1 :]
    hosted = profiles.nfw_enclosed(_INSIDE, c)
    tail = np.minimum(shells, np.diff(profiles.halo_enclosed(outside, c), axis=1))
    halo, around = extended(hosted, tail), extended(0 * hosted, shells - tail)
    total = halo[:, -1:]
    f_gas = f_b * total - central - satellite
    gas = profiles.enclosed(gas_of(hosts, baryons), grid)
    ratio = profiles.relaxation(
        grid, halo / total, profiles.central_enclosed(grid), gas, central / total, f_gas / total, redshift
    )
    first = extended(hosted, 0 * tail) * (central + satellite)
    satellites = profiles.nfw_enclosed(np.minimum(grid * ratio, 1), c)
    galaxies = central * profiles.central_enclosed(grid) + satellite * satellites
    return np.stack(
        [
            log_moves(grid, np.broadcast_to(grid, ratio.shape), grid * ratio),
            log_moves(grid, f_b * (halo + around) - first, f_gas * gas + f_b * around),
            log_moves(grid, first, galaxies),
        ],
        axis=1,
    )


def gas_of(hosts: Hosts, baryons: Baryons) -> Callable[[Array], Array]:
    """The hot gas density of each halo as a function of radii (m,) over R200c, which returns (h, m)."""
    beta = profiles.gas_slope(hosts.mass, hosts.log10_m_c, baryons.mu)[:, None]
    shape = (baryons.theta_co, baryons.theta_ej, baryons.gamma, baryons.delta)
    return lambda x: profiles.gas_density(x, beta, *shape)


def extended(inside: Array, shells: Array) -> Array:
    """Enclosed mass on the whole grid: `inside` R200c, then growing by `shells`."""
    return np.concatenate([inside, inside[:, -1:] + np.cumsum(shells, axis=1)], axis=1)


def log_moves(grid: Array, initial: Array, final: Array) -> Array:
    """ln(x_f / x) for each x of `grid`: at x_f the enclosed mass `final` (h, m) first reaches `initial` (h, m) at x."""
    rising = np.maximum.accumulate(final, axis=1)
    return np.asarray(_crossings(np.log(grid), np.log(initial), np.log(rising))) - np.log(grid)


def split(
    pos: Positions, mass: float, shift: NDArray[np.float32], stars: Array, baryon_fraction: float, box_size: float
) -> Counterpart:
    """Three tracers a particle, displaced; no star tracer where the mass fraction `stars` (n,) is 0."""
    starry = stars > 0
    dark, gas = mass * (1 - baryon_fraction), mass * (baryon_fraction - stars)
    return Counterpart(
        wrapped(pos + shift[0], box_size),
        Tracer(wrapped(pos + shift[1], box_size), np.full(len(pos), dark, np.float32)),
        Tracer(wrapped(pos + shift[2], box_size), gas.astype(np.float32)),
        Tracer(wrapped(pos[starry] + shift[3][starry], box_size), (mass * stars[starry]).astype(np.float32)),
    )


def wrapped(pos: Positions, box_size: float) -> Positions:
    """`pos` taken into [0, box_size); the remainder of a tiny negative number rounds to box_size, which is 0."""
    inside = np.mod(pos, np.float32(box_size))
    return np.where(inside < np.float32(box_size), inside, np.float32(0))


@njit(cache=True)
def _crossings(log_grid, initial, final):  # type: ignore[no-untyped-def]
    """Where in ln x `final`, linear in it, first reaches each value of `initial`; slope 1 before the first point."""
    log_x = np.empty(initial.shape)
    for h in range(len(initial)):
        i = 0
        for j in range(len(log_grid)):
            while i < len(log_grid) - 1 and final[h, i] < initial[h, j]:
                i += 1
            if i == 0:
                log_x[h, j] = log_grid[0] + initial[h, j] - final[h, 0]
                continue
            t = (initial[h, j] - final[h, i - 1]) / (final[h, i] - final[h, i - 1])
            log_x[h, j] = log_grid[i - 1] + min(t, 1.0) * (log_grid[i] - log_grid[i - 1])
    return log_x

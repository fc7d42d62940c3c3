"""The hydrodynamic-like counterpart of a dark-matter-only box: component-wise baryonification.

After Schneider et al. 2019 (arXiv:1810.08629), Giri & Schneider 2021 (arXiv:2108.08863) and Schneider et al. 2025
(arXiv:2507.07892). Every particle splits into dark matter, gas and stars, which halos displace along their radii so
that the mass they enclose follows a target profile. Knows nothing of files, of maps or of how halos were found.

Stars are a central galaxy, which every hosted particle shares, and satellites, each on one hosted particle that follows
the dark matter; there are none outside halos. The gas of a halo gives up the mass of both evenly.

Rules for what overlaps, none of which depends on the order of the particles:

- a halo whose centre lies within R200c of a more massive one is a satellite and displaces nothing;
- a particle within R200c of several halos is hosted by the most massive, and only its host displaces it: neighbours
  neither smear a halo nor part it from its gas (Schneider et al. 2025 spare neighbours too);
- a particle outside every R200c is displaced by the sum over all halos within reach, each at its first position.

Halos must be as dense as they should be: those of a particle-mesh run are repaired before (`sim.repair`). Gas and stars
go to their profiles from each halo's own enclosed mass; dark matter moves as it would in the NFW halo, because its
response to a galaxy must not be that to the noise of a few particles.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numba import njit
from numpy.typing import NDArray

from configs import Baryons, Cosmology
from sim import hosts, profiles, satellites
from sim.halos import Catalog
from sim.hosts import Hosts
from sim.particles import Tracer, wrapped
from sim.satellites import Satellites
from sim.spheres import Spheres

Array = NDArray[np.float64]
Positions = NDArray[np.float32]
Integers = NDArray[np.int64]

REACH = 2.0
"""A halo displaces particles within REACH times its ejection radius, where 99 % of the hot gas of the model ends."""

# close to 1, where the gas that leaves the halo comes from, the steps become short
_INSIDE = np.concatenate([np.geomspace(1e-3, 1, 96)[:-1], 1 - np.geomspace(0.06, 5e-4, 12), [1.0]])
_N_OUTSIDE = 32


@dataclass(frozen=True)
class Counterpart:
    """Both sides of a pair: `dmo_pos` (n, 3) of the particles before, and the species that they turn into."""

    dmo_pos: Positions
    dark_matter: Tracer
    gas: Tracer
    stars: Tracer


@dataclass(frozen=True)
class Members:
    """The particles that halos host: `host` (n,) of each particle, -1 for none, and `distance` (n,) to its centre.

    `ranked` are the hosted particles by host and distance: those of host h are ranked[start[h] : start[h + 1]].
    """

    host: Integers
    distance: Array
    ranked: Integers
    start: Integers

    @classmethod
    def of(cls, pos: Positions, spheres: Spheres, halos: Hosts) -> Members:
        host, distance = spheres.owners(halos.center, halos.radius)
        inside = np.flatnonzero(host >= 0)
        ranked = inside[np.lexsort((*pos[inside].T, distance[inside], host[inside]))]
        owned = np.bincount(host[inside], minlength=len(halos))
        return cls(host, distance, ranked, np.concatenate([[0], np.cumsum(owned)]))

    @property
    def owned(self) -> Integers:
        """How many particles each host has (h,)."""
        return np.diff(self.start)

    def each(self, of_host: Array, elsewhere: float = 0.0) -> Array:
        """The number (n,) of each particle's host, from one (h,) a host."""
        return np.append(of_host, elsewhere)[self.host]


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
    """The dark matter of a box and its baryonic counterpart.

    `pos` (n, 3) comoving Mpc/h, particles of equal `mass` Msun/h, `catalog` the halos found in them. The masses of the
    three species sum to n * mass, `dmo_pos` is `pos`. `seed` and the centre of a halo decide its scatter and its
    satellites. ValueError when the box sizes differ or when a halo would have more stars than baryons.
    """
    if catalog.box_size != box_size:
        raise ValueError(f"catalog: expected the halos of a box of {box_size} Mpc/h, got {catalog.box_size} Mpc/h")
    halos = hosts.select(catalog, cosmology, baryons, box_size, redshift=redshift, seed=seed)
    spheres = Spheres.of(pos, box_size)
    members = Members.of(pos, spheres, halos)
    grid = radial_grid(halos, baryons, box_size)
    shells = spheres.shells(halos.center, halos.radius, grid[len(_INSIDE) - 1 :], members.host)
    around = shells / np.maximum(members.owned, 1)[:, None]
    x = members.distance / members.each(halos.radius, 1.0)
    hosted = enclosed(members, x, profiles.nfw_enclosed(_INSIDE, halos.concentration[:, None]))
    ratios = response(grid, hosted, around, halos, cosmology, baryons, redshift)
    shift = spheres.shifts(halos.center, halos.radius, members.host, np.log(grid), ratios)
    rngs = hosts.generators(halos.center / box_size, seed, hosts.SATELLITES)
    weight = members.owned * mass
    galaxies = satellites.drawn(halos.satellite * weight, halos.central * weight, members.owned, rngs)
    return split(pos, mass, shift, halos, members, galaxies, cosmology.baryon_fraction, box_size)


def radial_grid(halos: Hosts, baryons: Baryons, box_size: float) -> Array:
    """Radii over R200c on which profiles are tabulated, to the reach of a halo or to half the box for the largest."""
    ejection = baryons.theta_ej * halos.truncation.max(initial=profiles.TRUNCATION) / profiles.TRUNCATION
    last = min(REACH * ejection, box_size / 2 / halos.radius.max(initial=1e-9))
    return np.concatenate([_INSIDE, np.geomspace(1, last, _N_OUTSIDE + 1)[1:]])


def enclosed(members: Members, x: Array, nfw: Array) -> Array:
    """Share of each host's particles within each radius of the inner grid (h, m), from their distances `x` (n,).

    One particle spread like the `nfw` halo (h, m) is added, so that the share rises where the halo has no particle.
    """
    n_hosts, n = nfw.shape
    i_bin = np.searchsorted(_INSIDE, x[members.ranked])
    host = np.repeat(np.arange(n_hosts), members.owned)
    counts = np.bincount(host * (n + 1) + i_bin, minlength=n_hosts * (n + 1)).reshape(n_hosts, n + 1)
    within = np.cumsum(counts, axis=1)[:, :n]
    return np.asarray((within + nfw) / (within[:, -1:] + 1))


def response(
    grid: Array,
    hosted: Array,
    shells: Array,
    halos: Hosts,
    cosmology: Cosmology,
    baryons: Baryons,
    redshift: float,
) -> Array:
    """ln(final / initial radius) of dark matter, gas and the central galaxy (h, 3, m) on the radial `grid` (m,).

    `hosted` (h, m_inside) is the share of the particles of each halo within the grid's points up to R200c; `shells`
    (h, m_outside) is the mass around it that no halo hosts, over the mass that this one hosts. A shell belongs to the
    halo as far as its truncated NFW profile goes; the rest is background, which keeps its profile.
    """
    f_b, central, stars = cosmology.baryon_fraction, halos.central[:, None], halos.stars[:, None]
    c, outside, end = halos.concentration[:, None], grid[len(_INSIDE) - 1 :], halos.truncation[:, None]
    tail = np.minimum(shells, np.diff(profiles.halo_enclosed(outside, c, end), axis=1))
    nfw, around = extended(profiles.nfw_enclosed(_INSIDE, c), tail), extended(0 * hosted, shells - tail)
    total = nfw[:, -1:]
    inner = halos.inner_gas[:, None] * profiles.enclosed(profiles.inner_gas_density, grid)
    hot = (f_b * total - stars - inner[:, -1:]) * profiles.enclosed(gas_of(halos, baryons), grid)
    galaxy = profiles.central_enclosed(grid)
    ratio = profiles.relaxation(grid, nfw / total, (central * galaxy + inner) / total, hot / total, redshift, end / 4)
    halo, first = extended(hosted, tail), extended(hosted, 0 * tail)
    return np.stack(
        [
            log_moves(grid, np.broadcast_to(grid, ratio.shape), grid * ratio),
            log_moves(grid, f_b * (halo + around) - stars * first, hot + inner + f_b * around),
            log_moves(grid, first, np.broadcast_to(galaxy, first.shape)),
        ],
        axis=1,
    )


def gas_of(halos: Hosts, baryons: Baryons) -> Callable[[Array], Array]:
    """The hot gas density of each halo as a function of radii (m,) over R200c, which returns (h, m)."""
    beta = profiles.gas_slope(halos.mass, halos.log10_m_c, baryons.mu)[:, None]
    theta_ej = baryons.theta_ej * halos.truncation[:, None] / profiles.TRUNCATION
    return lambda x: profiles.gas_density(x, beta, baryons.theta_co, theta_ej, baryons.gamma, baryons.delta)


def extended(inside: Array, shells: Array) -> Array:
    """Enclosed mass on the whole grid: `inside` R200c, then growing by `shells`."""
    return np.concatenate([inside, inside[:, -1:] + np.cumsum(shells, axis=1)], axis=1)


def log_moves(grid: Array, initial: Array, final: Array) -> Array:
    """ln(x_f / x) for each x of `grid`: at x_f the enclosed mass `final` (h, m) first reaches `initial` (h, m) at x."""
    rising = np.maximum.accumulate(final, axis=1)
    return np.asarray(_crossings(np.log(grid), np.log(initial), np.log(rising))) - np.log(grid)


def split(
    pos: Positions,
    mass: float,
    shift: NDArray[np.float32],
    halos: Hosts,
    members: Members,
    galaxies: Satellites,
    baryon_fraction: float,
    box_size: float,
) -> Counterpart:
    """Tracers of the species: dark matter and gas of every particle, a share of the central galaxy of every hosted one.

    Satellites are tracers of their own, where the dark matter of their particle ends.
    """
    moved = [wrapped(pos + one, box_size) for one in shift[:2]]
    dark, gas = mass * (1 - baryon_fraction), mass * (baryon_fraction - members.each(halos.stars))
    hosted = np.flatnonzero(members.host >= 0)
    chosen = members.ranked[members.start[galaxies.halo] + galaxies.rank]
    stars = np.concatenate([mass * members.each(halos.central)[hosted], galaxies.mass])
    central = wrapped(pos[hosted] + shift[2][hosted], box_size)
    return Counterpart(
        pos,
        Tracer(moved[0], np.full(len(pos), dark, np.float32)),
        Tracer(moved[1], gas.astype(np.float32)),
        Tracer(np.concatenate([central, moved[0][chosen]]), stars.astype(np.float32)),
    )


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

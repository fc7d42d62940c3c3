"""Halos of a periodic box: their centres, spherical-overdensity masses and velocities, from friends-of-friends groups.

Knows nothing of files or of baryons. Positions are used as float32. Nothing depends on the order of the particles but
the last bits of sums, and with ids not even these; no bit depends on how many threads or ranks there are.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numba import njit, prange
from numpy.typing import NDArray

from sim import friends
from sim.cells import Positions, by_key, taken
from sim.centers import CORE, densest, most_bound
from sim.extents import Extents
from sim.friends import Groups
from sim.parallel import SERIAL, Comm
from sim.spheres import Spheres
from sim.structure import Members
from sim.units import RHO_CRITICAL

OVERDENSITY = 200.0
"""Mean density inside R200c over the critical density, and inside R200m over the mean density."""

_GROW = 1.5
_SOFTENING = 0.1
"""Of the potential that finds the most bound member, over the linking length."""

Array = NDArray[np.float64]
Integers = NDArray[np.int64]


@dataclass(frozen=True)
class Catalog:
    """h halos of a box of side box_size [Mpc/h], from the largest m200c down, ties by position.

    center (h, 3) comoving Mpc/h in [0, box_size); n_particles (h,) and mass_fof (h,) [Msun/h] of the group; m200c (h,)
    [Msun/h] and r200c (h,) [comoving Mpc/h] of all matter around the centre, 0 where no sphere of 10 to twice the
    group's particles reaches the density; vel (h, 3) [km/s] mean peculiar velocity of the group, None without
    velocities; m200m (h,) and r200m (h,) as m200c and r200c, for the mean density, None when they were not asked for.
    concentration (h,) c200c, spin (h,) lambda' and shape (h, 2) b/a and c/a of the group within R200c, as `structure`
    defines them and 0 where it has too few particles; None when they were not asked for.
    """

    center: Array
    mass_fof: Array
    n_particles: Integers
    m200c: Array
    r200c: Array
    box_size: float
    vel: Array | None = None
    m200m: Array | None = None
    r200m: Array | None = None
    concentration: Array | None = None
    spin: Array | None = None
    shape: Array | None = None

    def __len__(self) -> int:
        return len(self.mass_fof)


def find(
    pos: NDArray[np.floating[Any]],
    mass: float,
    box_size: float,
    *,
    omega_m: float,
    redshift: float = 0.0,
    critical_density: float | None = None,
    m200m: bool = False,
    properties: bool = False,
    center: Literal["densest", "most_bound"] = "densest",
    linking_length: float = 0.2,
    min_particles: int = 20,
    vel: NDArray[np.floating[Any]] | None = None,
    ids: NDArray[np.integer[Any]] | None = None,
    comm: Comm = SERIAL,
) -> Catalog:
    """Halos of n particles of equal `mass` [Msun/h] that fill the box: pos (n, 3) Mpc/h, vel (n, 3) km/s.

    `linking_length` is in mean particle separations. The `center` is that of a sphere that shrinks onto the heaviest
    part of the group, or the member with the lowest potential of the group (see `centers`). R200c is the innermost
    radius at which the mean density around it falls through 200 times `critical_density` [Msun/h in a comoving
    (Mpc/h)^3], by default that of flat LCDM at `redshift`, and M200c that volume times that density; R200m and M200m
    are those of 200 times the mean density. With `properties` the catalogue has concentrations, shapes and, where there
    are velocities, spins at `redshift`.

    Ranks may hold any particles, and slabs along x cost least; each gets the whole catalogue, the same to the last bit
    on any number of ranks when the unique `ids` (n,) are given (without, they count particles from rank to rank).
    ValueError for positions outside the box.
    """
    _refuse(mass=mass, linking_length=linking_length, min_particles=min_particles, critical_density=critical_density)
    if center not in ("densest", "most_bound"):
        raise ValueError(f"halos: expected center densest or most_bound, got {center}")
    pos, ids = friends.checked(pos, box_size, comm), friends.identities(ids, len(pos), comm)
    n = int(comm.allreduce(np.array([len(pos)]))[0])
    linking = linking_length * box_size / max(n, 1) ** (1 / 3)
    groups = friends.groups(pos, box_size, linking, ids=ids, comm=comm)
    found = _gathered(groups, _Particles(pos, ids, _columns(vel, len(pos))), min_particles, comm)
    where = (found.rows.pos, found.start, box_size)
    centers = densest(*where) if center == "densest" else most_bound(*where, softening=_SOFTENING * linking)
    n_particles = np.diff(found.start)
    critical = flat_critical_density(omega_m, redshift) if critical_density is None else critical_density
    matter = _Matter(Spheres.of(pos, box_size, n), Extents.of(pos, box_size, comm), mass, comm)
    columns = {"center": centers, "mass_fof": mass * n_particles, "n_particles": n_particles}
    columns |= matter.spheres_of(centers, n_particles, OVERDENSITY * critical, "200c")
    if m200m:
        columns |= matter.spheres_of(centers, n_particles, OVERDENSITY * omega_m * RHO_CRITICAL, "200m")
    if vel is not None:
        columns["vel"] = np.asarray(_means(found.rows.vel, found.start))
    if properties:
        members = Members(found.rows.pos, found.start, centers, columns["r200c"], box_size)
        columns |= {"concentration": members.concentration(), "shape": members.shape()}
        columns |= {} if vel is None else {"spin": members.spin(found.rows.vel, mass, redshift)}
    return Catalog(**_sorted(columns, found.label, comm), box_size=box_size)


def _refuse(*, mass: float, linking_length: float, min_particles: int, critical_density: float | None) -> None:
    if not (mass > 0 and linking_length > 0 and min_particles >= 1):
        got = f"{mass}, {linking_length}, {min_particles}"
        raise ValueError(f"halos: expected mass > 0, linking_length > 0 and min_particles >= 1, got {got}")
    if critical_density is not None and not critical_density > 0:
        raise ValueError(f"halos: expected critical_density > 0 Msun/h / (Mpc/h)^3, got {critical_density}")


def flat_critical_density(omega_m: float, redshift: float) -> float:
    """That of flat LCDM [Msun/h in a comoving (Mpc/h)^3]."""
    return float(RHO_CRITICAL * (omega_m + (1 - omega_m) / (1 + redshift) ** 3))


@dataclass(frozen=True)
class _Particles:
    """pos (n, 3), ids (n,) and vel (n, 3), or (n, 0) where there are none."""

    pos: Positions
    ids: Integers
    vel: NDArray[np.floating[Any]]

    def taken(self, rows: NDArray[np.integer[Any]]) -> _Particles:
        return _Particles(taken(self.pos, rows), self.ids[rows], self.vel[rows])

    def exchanged(self, rows: Sequence[NDArray[np.integer[Any]]], comm: Comm) -> _Particles:
        """The particles that other ranks send here, when rows[r] go to rank r."""
        columns = (self.pos, self.ids, self.vel)
        return _Particles(*(np.concatenate(comm.alltoall([column[to] for to in rows])) for column in columns))

    def followed_by(self, other: _Particles) -> _Particles:
        pairs = ((self.pos, other.pos), (self.ids, other.ids), (self.vel, other.vel))
        return _Particles(*(np.concatenate(pair) for pair in pairs))


def _columns(vel: NDArray[np.floating[Any]] | None, n: int) -> NDArray[np.floating[Any]]:
    """`vel`, or no columns; ValueError when it is not one velocity a particle."""
    if vel is None:
        return np.empty((n, 0), np.float32)
    if vel.shape != (n, 3):
        raise ValueError(f"halos: expected vel of shape ({n}, 3), got {vel.shape}")
    return vel


@dataclass(frozen=True)
class _Members:
    """The groups that this rank describes: group i is called label[i] and holds rows start[i] to start[i + 1]."""

    label: Integers
    start: Integers
    rows: _Particles

    def followed_by(self, other: _Members) -> _Members:
        start = np.concatenate([self.start, self.start[-1] + other.start[1:]])
        return _Members(np.concatenate([self.label, other.label]), start, self.rows.followed_by(other.rows))

    def sorted(self) -> _Members:
        """The members of every group by id."""
        order = np.asarray(_by_id(self.rows.ids, self.start))
        return _Members(self.label, self.start, self.rows.taken(order))


def _gathered(groups: Groups, particles: _Particles, min_particles: int, comm: Comm) -> _Members:
    """Groups of at least `min_particles`; each of those that ranks share comes together on one rank, by its label."""
    whole = ~groups.shared & (groups.size >= min_particles)
    rows = groups.members[np.repeat(whole, groups.size)]
    members = _Members(groups.label[whole], _ends(groups.size[whole]), particles.taken(rows))
    if comm.size > 1:
        members = members.followed_by(_assembled(groups, particles, min_particles, comm))
    return members.sorted()


def _assembled(groups: Groups, particles: _Particles, min_particles: int, comm: Comm) -> _Members:
    """The groups that ranks share, each on the rank that its label, modulo the number of ranks, says."""
    shared = np.repeat(groups.shared, groups.size)
    rows, label = groups.members[shared], np.repeat(groups.label, groups.size)[shared]
    to = [np.flatnonzero(label % comm.size == rank) for rank in range(comm.size)]
    here = particles.exchanged([rows[i] for i in to], comm)
    label = np.concatenate(comm.alltoall([label[i] for i in to]))
    names, group, size = np.unique(label, return_inverse=True, return_counts=True)
    order = np.argsort(group, kind="stable")
    large = size >= min_particles
    return _Members(names[large], _ends(size[large]), here.taken(order[large[group[order]]]))


def _ends(size: Integers) -> Integers:
    """Where each of consecutive groups starts, and the last ends."""
    return np.concatenate([[0], np.cumsum(size)])


@dataclass(frozen=True)
class _Matter:
    """All particles of the box, each of `mass` [Msun/h] and on the rank that holds it."""

    spheres: Spheres
    extents: Extents
    mass: float
    comm: Comm

    def spheres_of(self, center: Array, n_particles: Integers, density: float, name: str) -> dict[str, Array]:
        """Columns m{name} and r{name} of the spheres of `density` around each centre (h, 3)."""
        radius = self._radii(center, n_particles, self.mass / density)
        return {f"m{name}": 4 / 3 * np.pi * radius**3 * density, f"r{name}": radius}

    def _radii(self, center: Array, n_particles: Integers, volume: float) -> Array:
        """(h,): `volume` is that of a particle at the density sought; 0 where that density is never reached."""
        half = self.spheres.box_size / 2
        reach = np.minimum((2 * n_particles * volume * 0.75 / np.pi) ** (1 / 3), half)
        radius, left = np.zeros(len(center)), np.arange(len(center))
        while self.comm.allreduce(np.array([len(left)]))[0]:
            start, squares = self._squares(center[left], reach[left])
            radius[left] = _crossings(start, squares, reach[left], volume, CORE)
            left = left[(radius[left] >= reach[left]) & (reach[left] < half)]
            reach[left] = np.minimum(_GROW * reach[left], half)
        return radius

    def _squares(self, center: Array, reach: Array) -> tuple[Integers, Array]:
        """Squared distances of the particles of all ranks nearer than `reach`, centre after centre, in any order."""
        if self.comm.size == 1:
            return self.spheres.squares(center, reach)
        asked = [self.extents.within(rank, center[:, 0], reach) for rank in range(self.comm.size)]
        answers = [
            self.spheres.squares(np.ascontiguousarray(wanted[:, :3]), np.ascontiguousarray(wanted[:, 3]))
            for wanted in self.comm.alltoall([np.column_stack([center[i], reach[i]]) for i in asked])
        ]
        counts = self.comm.alltoall([np.diff(start) for start, _ in answers])
        squares = np.concatenate(self.comm.alltoall([found for _, found in answers]))
        halo = np.concatenate([np.repeat(i, count) for i, count in zip(asked, counts, strict=True)])
        order, _ = by_key(halo, max(len(center), 1))
        return _ends(np.bincount(halo, minlength=len(center))), squares[order]


def _sorted(columns: dict[str, NDArray[Any]], label: Integers, comm: Comm) -> dict[str, NDArray[Any]]:
    """The halos of all ranks in the order of a catalogue."""
    columns = {name: np.concatenate(comm.allgather(column)) for name, column in columns.items()}
    label = np.concatenate(comm.allgather(label))
    order = np.lexsort((label, *columns["center"].T[::-1], -columns["m200c"]))
    return {name: column[order] for name, column in columns.items()}


@njit(cache=True, nogil=True, parallel=True)
def _by_id(ids, start):  # type: ignore[no-untyped-def]
    """The order that sorts the ids of each group."""
    order = np.empty(len(ids), np.int64)
    for h in prange(len(start) - 1):
        order[start[h] : start[h + 1]] = start[h] + np.argsort(ids[start[h] : start[h + 1]])
    return order


@njit(cache=True, nogil=True)
def _means(values, start):  # type: ignore[no-untyped-def]
    """Mean of values (n, m) over each group: (h, m)."""
    means = np.zeros((len(start) - 1, values.shape[1]))
    for h in range(len(start) - 1):
        for i in range(start[h], start[h + 1]):
            for axis in range(values.shape[1]):
                means[h, axis] += values[i, axis]
        means[h] /= start[h + 1] - start[h]
    return means


@njit(cache=True, nogil=True, parallel=True)
def _crossings(start, squares, reach, volume, core):  # type: ignore[no-untyped-def]
    """Radius (h,) where the sphere of each centre first falls through the density; `squares` are all within `reach`."""
    radius = np.empty(len(reach))
    for h in prange(len(reach)):
        radius[h] = _crossing(np.sqrt(np.sort(squares[start[h] : start[h + 1]])), reach[h], volume, core)
    return radius


@njit(cache=True, nogil=True)
def _crossing(distance, reach, volume, core):  # type: ignore[no-untyped-def]
    """Where i particles, sorted by `distance`, first no longer fill their spheres; `reach` if they always do, or 0."""
    dense = False
    for i in range(core, len(distance) + 1):
        radius = (i * volume * 0.75 / np.pi) ** (1 / 3)
        dense = dense or radius >= distance[i - 1]
        if dense and radius < (distance[i] if i < len(distance) else reach):
            return radius
    return reach if dense else 0.0

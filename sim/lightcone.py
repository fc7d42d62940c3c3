"""The past light cone of an observer at z=0: which slab of the box is seen where, when and how, as mass planes.

Shells of equal comoving thickness fill the distance chi from 0 to the farthest source. A shell shows one slab of the
box at one time, that at which light left its middle. The box repeats along the line of sight; each repetition is turned
and shifted as (seed, repetition) decide, and its shells are neighbours in the box too. Knows nothing of lensing or of
files.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numba import njit, prange
from numpy.typing import ArrayLike, NDArray
from scipy.interpolate import CubicSpline

from configs import Box, Cosmology, Lightcone
from sim.cosmology import comoving_distance, growth, mean_density
from sim.maps import project
from sim.nbody import State
from sim.parallel import SERIAL, Comm
from sim.stepping import momentum_growth, schedule

Map = NDArray[np.float32]
Vectors = NDArray[np.float32]

SMAIL_TAIL = 9.233413
"""t = (z / z0)^1.5 beyond which lie 0.1 % of n(z) ~ z^2 exp(-t): the root of (1 + t) exp(-t) = 0.001."""
EARLIEST_REDSHIFT = 1000.0


@dataclass(frozen=True)
class Turn:
    """How a repetition is seen: the box axes that lie along the line of sight, the rows and the columns of a plane,
    which of the three run backwards, and by what share of the box each is shifted then.
    """

    axes: tuple[int, int, int]
    flips: tuple[bool, bool, bool]
    shifts: tuple[float, float, float]


@dataclass(frozen=True)
class Plane:
    """A shell from `near` to `far` [Mpc/h] seen at scale factor `a`: layer `layer` of `n_layers` of a repetition."""

    index: int
    near: float
    far: float
    a: float
    repetition: int
    layer: int
    n_layers: int
    turn: Turn

    @property
    def chi(self) -> float:
        """Comoving distance of the middle [Mpc/h]."""
        return 0.5 * (self.near + self.far)

    @property
    def depth(self) -> float:
        return self.far - self.near

    @property
    def z(self) -> float:
        return 1 / self.a - 1


def cone_of(box: Box) -> Lightcone:
    """The light cone that a box was asked for; ValueError when it was not."""
    if box.lightcone is None:
        raise ValueError("lightcone: expected a box with a light cone, got one without")
    return box.lightcone


def farthest_source(box: Box) -> float:
    """Redshift of the sources, or the one below which 99.9 % of a distribution lie, at most that of the start.

    ValueError when all sources are behind the start of the simulation.
    """
    cone = cone_of(box)
    if cone.distribution == "smail":
        return float(min(cone.z_source * SMAIL_TAIL ** (2 / 3), box.z_initial))
    if cone.z_source >= box.z_initial:
        raise ValueError(f"lightcone.z_source: expected less than z_initial={box.z_initial}, got {cone.z_source}")
    return cone.z_source


@lru_cache(maxsize=64)
def planes(box: Box) -> tuple[Plane, ...]:
    """The planes that fill the way to the farthest source, from the observer outwards.

    The last may reach behind the sources. One whose middle is behind the start of the simulation is left out.
    """
    cone, far = cone_of(box), float(comoving_distance(box.cosmology, farthest_source(box)))
    n_layers = round(box.box_size / cone.plane_depth)
    n_planes = int(np.ceil(far / box.box_size * n_layers - 1e-9))
    edges = box.box_size * np.arange(n_planes + 1) / n_layers
    a = 1 / (1 + redshift_at(box.cosmology, 0.5 * (edges[1:] + edges[:-1])))
    found = []
    for i in range(n_planes):
        repetition, layer = divmod(i, n_layers)
        turn = turned(cone.seed, repetition)
        found.append(Plane(i, float(edges[i]), float(edges[i + 1]), float(a[i]), repetition, layer, n_layers, turn))
    return tuple(plane for plane in found if plane.a * (1 + box.z_initial) >= 1)


def turned(seed: int, repetition: int) -> Turn:
    """How a repetition is seen: a function of the seed and of its number alone."""
    rng = np.random.default_rng(np.random.SeedSequence([seed, repetition]))
    axes, flips, shifts = rng.permutation(3).tolist(), rng.integers(2, size=3).tolist(), rng.random(3).tolist()
    return Turn(tuple(axes), (bool(flips[0]), bool(flips[1]), bool(flips[2])), tuple(shifts))


def due(box: Box, step: int) -> list[Plane]:
    """The planes that are made from the state after `step` steps: those for whose time no other state is nearer."""
    middle = _middle_times(box)
    return [plane for plane in planes(box) if int(np.searchsorted(middle, plane.a)) == step]


@lru_cache(maxsize=64)
def _middle_times(box: Box) -> NDArray[np.float64]:
    """Scale factors halfway between one state and the next."""
    a = np.array([1 / (1 + box.z_initial)] + [step.a for step in schedule(box)])
    return 0.5 * (a[1:] + a[:-1])


def redshift_at(cosmology: Cosmology, chi: NDArray[np.float64]) -> NDArray[np.float64]:
    """Redshift at comoving distances `chi` [Mpc/h]; ValueError beyond EARLIEST_REDSHIFT."""
    inverse = _inverse_distance(cosmology)
    if np.min(chi) < 0 or np.max(chi) > inverse.x[-1]:
        raise ValueError(f"distance: expected 0 to {inverse.x[-1]:.0f} Mpc/h, got {np.min(chi)} to {np.max(chi)}")
    return np.expm1(inverse(chi))


@lru_cache(maxsize=64)
def _inverse_distance(cosmology: Cosmology) -> CubicSpline:
    """ln(1 + z) as a function of comoving distance."""
    log_z = np.linspace(0, np.log1p(EARLIEST_REDSHIFT), 4097)
    return CubicSpline(comoving_distance(cosmology, np.expm1(log_z)), log_z)


def seen(state: State, plane: Plane) -> Vectors:
    """The particles of this rank in `plane` at its time, `as_seen`.

    They move from the time of the state by the drift that is exact in the Zel'dovich solution, however long:
    x += p (D(a) - D(a1)) / G(a1).
    """
    cosmology, box_size = state.box.cosmology, state.box.box_size
    gone = growth(cosmology, plane.a) - growth(cosmology, state.a)
    drift = np.float32(gone / momentum_growth(cosmology, np.array([state.a]))[0])
    turn, layers = plane.turn, np.empty(len(state.pos), np.int32)
    sight = turn.axes[0], -1.0 if turn.flips[0] else 1.0, turn.shifts[0] * box_size
    _fill_layers(layers, state.pos, state.mom, drift, *sight, box_size, plane.n_layers)
    inside = np.flatnonzero(layers == plane.layer)
    return as_seen(state.pos[inside] + drift * state.mom[inside], turn, box_size)


def as_seen(pos: Vectors, turn: Turn, box_size: float) -> Vectors:
    """Positions (n, 3) of a box along the line of sight, the rows and the columns, in [0, box_size) and float32."""
    signs = np.where(turn.flips, -1.0, 1.0)
    return np.asarray(_turn(pos, np.array(turn.axes), signs, np.array(turn.shifts) * box_size, box_size))


def contrast(state: State, plane: Plane, comm: Comm = SERIAL) -> tuple[Map, int] | None:
    """Surface density of `plane` over its mean, less one, (n, n), and how many particles it holds; rank 0 alone."""
    box, pos = state.box, seen(state, plane)
    n_particles = comm.allreduce(np.array([len(pos)], np.int64))
    image = gathered(project(pos, 1.0, box.box_size, cone_of(box).plane_pixels, 0), comm)
    if image is None:
        return None
    mean = (box.n_particles / box.box_size) ** 3 * plane.depth
    return (image / mean - 1).astype(np.float32), int(n_particles[0])


def contrast_of(tracers: Iterable[tuple[Vectors, ArrayLike]], plane: Plane, box: Box) -> Map:
    """The contrast (n, n) of `plane` in other matter of the whole box: painted baryons, say.

    A tracer is pos (n, 3) Mpc/h at the time of the plane, and mass, a number or (n,) Msun/h.
    """
    n_pixels = cone_of(box).plane_pixels
    total = np.zeros((n_pixels, n_pixels))
    for pos, mass in tracers:
        there = as_seen(pos, plane.turn, box.box_size)
        layers = np.minimum(there[:, 0].astype(np.float64) / box.box_size * plane.n_layers, plane.n_layers - 1)
        inside = np.flatnonzero(layers.astype(np.int64) == plane.layer)
        weights = np.asarray(mass)
        total += project(there[inside], weights[inside] if weights.ndim else weights, box.box_size, n_pixels, 0)
    return (total / (mean_density(box.cosmology) * plane.depth) - 1).astype(np.float32)


def gathered(image: Map, comm: Comm) -> NDArray[np.float64] | None:
    """The sum of the images of all ranks on rank 0, in rank order; None elsewhere. No rank holds more than two."""
    strips = comm.alltoall(np.array_split(image, comm.size))
    strip = np.asarray(np.sum(np.stack(strips), axis=0, dtype=np.float64))
    received = comm.alltoall([strip] + [strip[:0]] * (comm.size - 1))
    return np.concatenate(received) if comm.rank == 0 else None


@njit(cache=True, parallel=True)
def _fill_layers(out, pos, mom, drift, axis, sign, shift, box_size, n_layers):  # type: ignore[no-untyped-def]
    """Layers of the drifted particles along the line of sight."""
    for p in prange(len(pos)):
        x = sign * np.float64(pos[p, axis] + drift * mom[p, axis]) + shift
        x -= np.floor(x / box_size) * box_size
        out[p] = min(int(x / box_size * n_layers), n_layers - 1)


@njit(cache=True, parallel=True)
def _turn(pos, axes, signs, shifts, box_size):  # type: ignore[no-untyped-def]
    """Coordinates in another order, some backwards, shifted, taken into [0, box_size)."""
    out = np.empty((len(pos), 3), np.float32)
    end = np.float32(box_size)
    for p in prange(len(pos)):
        for i in range(3):
            x = signs[i] * np.float64(pos[p, axes[i]]) + shifts[i]
            out[p, i] = np.float32(x - np.floor(x / box_size) * box_size)
            if out[p, i] >= end:
                out[p, i] = 0
    return out

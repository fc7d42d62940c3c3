"""A particle-mesh N-body run of one slab, as a generator of states. Knows nothing of files or of how ranks talk.

Each particle is on the rank that owns its x plane, and near the particles of its row in memory: they are put in that
order every few steps, because painting and reading are bound by memory. The order is a function of the step alone.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numba import njit, prange
from numpy.typing import NDArray

from configs import Box
from sim import initial
from sim.cells import taken
from sim.cosmology import growth, growth2, growth_rate, growth_rate2, hubble_rate
from sim.fourier import Fourier
from sim.mesh import Sorted, order_by_rows, sort
from sim.parallel import SERIAL, Comm, launch
from sim.poisson import Poisson
from sim.profile import Profile
from sim.slab import Slab
from sim.stepping import Step, schedule
from sim.tables import input_power
from sim.units import HUBBLE

Vectors = NDArray[np.float32]

SETTLE_EVERY = 4
"""Steps after which particles are put in the order of their rows again."""
SCRATCH_BYTES = 1 << 20
"""What does not grow with the box: pieces of planes that the threads work on."""


@dataclass
class State:
    """The particles of one rank between two steps. The arrays are the run's own: copy what must outlive the next step.

    pos (n, 3) comoving Mpc/h in [0, box_size), mom (n, 3) a^2 dx/dt / H0 in Mpc/h, ids (n,): lattice index, x slowest.
    `output` is the redshift of `box.redshifts` that this state is, if it is one. `spare` is memory like that of `pos`.
    """

    box: Box
    a: float
    step: int
    output: float | None
    pos: Vectors
    mom: Vectors
    ids: NDArray[np.uint64]
    spare: Vectors = field(default_factory=lambda: np.empty((0, 3), np.float32), repr=False, compare=False)

    @property
    def vel(self) -> Vectors:
        """Peculiar velocity, (n, 3) km/s."""
        return self.mom * np.float32(HUBBLE / self.a)

    @property
    def redshift(self) -> float:
        return 1 / self.a - 1


def run(box: Box, comm: Comm = SERIAL) -> Iterator[State]:
    """Yield the initial state, then the state after each of `box.n_steps` steps.

    ValueError when the box cannot be divided among the ranks or the power spectrum does not cover its modes;
    RuntimeError naming the step when a force is not finite.
    """
    yield from evolve(start(box, comm), comm)


def start(box: Box, comm: Comm = SERIAL) -> State:
    """Particles displaced from a lattice by first- or second-order Lagrangian perturbation theory.

    Lattice points lie at centres of mesh cells. There CIC gives an undisplaced lattice no density contrast at
    mesh factors 1 and 2, and a plane wave is followed 2 to 10 times more closely than from mesh points (LOG.md).
    """
    fourier = Fourier(Slab(box.n_particles, box.box_size, comm))
    noise = initial.white_noise(fourier, box.seed, fixed_amplitude=box.fixed_amplitude, paired_phase=box.paired_phase)
    delta = initial.density_modes(fourier, input_power(box), noise)
    initial.translate(fourier, delta, _offset(box))
    a = 1 / (1 + box.z_initial)
    pos, mom = _displaced(fourier, delta, box, a)
    state = State(box, a, 0, None, pos, mom, _lattice_ids(fourier.slab))
    drift(state, 0.0, comm)
    migrate(state, Slab(box.n_mesh, box.box_size, comm))
    return state


def _displaced(fourier: Fourier, delta: initial.Modes, box: Box, a: float) -> tuple[Vectors, Vectors]:
    """Positions and momenta of particles displaced from the lattice by the modes `delta`, which are overwritten."""
    cosmology = box.cosmology
    rate = a**2 * hubble_rate(cosmology, a)
    first = initial.potential(fourier, delta)
    orders = [(first, growth(cosmology, a), growth_rate(cosmology, a))]
    if box.lpt_order == 2:
        orders.append((initial.potential2(fourier, first), growth2(cosmology, a), growth_rate2(cosmology, a)))
    pos = _lattice(box, fourier.slab)
    mom = np.zeros_like(pos)
    for potential, d, f in orders:
        for axis in range(3):
            shift = initial.gradient(fourier, potential, axis)
            shift *= np.float32(d)
            pos[:, axis] += shift.ravel()
            shift *= np.float32(rate * f)
            mom[:, axis] += shift.ravel()
    return pos, mom


def evolve(state: State, comm: Comm = SERIAL, *, profile: Profile | None = None) -> Iterator[State]:
    """Yield `state`, then the state after each step that is left of its box's schedule; `profile` fills up."""
    launch()
    slab = Slab(state.box.n_mesh, state.box.box_size, comm)
    poisson = Poisson(state.box, slab, Profile() if profile is None else profile)
    steps = schedule(state.box)
    yield state
    acc = None
    for step in steps[state.step :]:
        acc = advance(state, step, poisson, acc)
        yield state


def advance(state: State, step: Step, poisson: Poisson, acc: Vectors | None = None) -> Vectors | None:
    """Take `state` through one step; return the force at its end when the step ends with a kick.

    `acc` is that of the step before, if there was one.
    """
    if step.first:
        state.mom += np.float32(step.first) * (force(_sorted(state, poisson), poisson) if acc is None else acc)
    _move(state, step.drift, poisson)
    particles = _settled(state, poisson)
    if step.first:
        acc = force(particles, poisson)
        state.mom *= np.float32(step.keep)
        state.mom += np.float32(step.second) * acc
    else:
        poisson.kick(state.mom, particles, step.keep, step.second)
        _move(state, step.last, poisson)
    state.a, state.step, state.output = step.a, state.step + 1, step.output
    return acc


def force(particles: Sorted, poisson: Poisson) -> Vectors:
    """Minus the gradient of the inverse Laplacian of the density contrast at the particles, (n, 3) Mpc/h."""
    acc = np.zeros_like(particles.pos)
    poisson.kick(acc, particles, 0.0, 1.0)
    return acc


def drift(state: State, factor: float, comm: Comm) -> None:
    """Pos += factor * mom, and back into [0, box_size); RuntimeError naming the step where that is not finite."""
    lost = _drift(state.pos, state.mom, np.float32(factor), np.float32(state.box.box_size))
    if comm.allreduce(np.array([lost]))[0]:
        expected = f"finite momenta after step {state.step} (a={state.a:.4f})"
        raise RuntimeError(f"nbody: expected {expected}, got {lost} particles with others")


def _move(state: State, factor: float, poisson: Poisson) -> None:
    """Drift, and each particle to the rank that owns its plane."""
    with poisson.profile.stage("drift", 36 * len(state.pos)):
        drift(state, factor, poisson.slab.comm)
    if poisson.slab.comm.size > 1:
        with poisson.profile.stage("migrate"):
            migrate(state, poisson.slab)


def _sorted(state: State, poisson: Poisson) -> Sorted:
    with poisson.profile.stage("sort", 28 * len(state.pos)):
        return sort(state.pos, poisson.slab, state.box.assignment)


def _settled(state: State, poisson: Poisson) -> Sorted:
    """The particles by planes; every few steps they are put in the order of their rows in memory, too."""
    found = _sorted(state, poisson)
    if state.step % SETTLE_EVERY:
        return found
    with poisson.profile.stage("settle", 80 * len(state.pos)):
        order_by_rows(found)
        settle(state, found.order)
        count_up(found.order)
        return replace(found, pos=state.pos)


def settle(state: State, order: NDArray[np.int32]) -> None:
    """Put the particles in `order`. Fresh memory costs more than the copy: what they leave is kept for the next."""
    if len(state.spare) != len(order):
        state.spare = np.empty((len(order), 3), np.float32)
    state.pos, state.spare = taken(state.pos, order, state.spare), state.pos
    state.mom, state.spare = taken(state.mom, order, state.spare), state.mom
    state.ids[:] = taken(state.ids, order, state.spare.reshape(-1)[: 2 * len(order)].view(np.uint64))


def count_up(order: NDArray[np.int32], *, at_once: int = 1 << 20) -> None:
    """Order = 0, 1, 2, ..., in place."""
    for first in range(0, len(order), at_once):
        order[first : first + at_once] = np.arange(first, min(first + at_once, len(order)), dtype=np.int32)


def migrate(state: State, slab: Slab) -> None:
    """Move each particle to the rank that owns its plane; those that come take the places of those that go."""
    comm = slab.comm
    if comm.size == 1:
        return
    leaving = np.flatnonzero(_outside(state.pos, slab.inverse_cell, slab.lo, slab.hi, slab.n_mesh))
    owners = slab.owners(state.pos[leaving])
    order = np.argsort(owners, kind="stable")
    ends = np.cumsum(np.bincount(owners, minlength=comm.size))[:-1]
    for name in ("pos", "mom", "ids"):
        blocks = np.split(getattr(state, name)[leaving[order]], ends)
        setattr(state, name, _replaced(getattr(state, name), leaving, np.concatenate(comm.alltoall(blocks))))


def _replaced(values: NDArray[Any], leaving: NDArray[np.int64], arrived: NDArray[Any]) -> NDArray[Any]:
    """`values` without those at the rising indices `leaving`, with `arrived` in their places and then at the end."""
    n_filled = min(len(leaving), len(arrived))
    values[leaving[:n_filled]] = arrived[:n_filled]
    if n_filled < len(arrived):
        return np.concatenate([values, arrived[n_filled:]])
    n_left = len(values) - len(leaving) + n_filled
    holes = leaving[n_filled:]
    tail = np.setdiff1d(np.arange(n_left, len(values)), holes, assume_unique=True)
    values[holes[holes < n_left]] = values[tail]
    return values[:n_left]


def memory_bytes(box: Box, size: int = 1) -> int:
    """Most memory that the arrays of one of `size` ranks hold at a time: particles, one force mesh, what moves them.

    A rank of several holds copies of what it exchanges, and room for a tenth more particles than its share.
    """
    n, cells = box.n_particles**3 / size, box.n_mesh**2 * (box.n_mesh + 2) / size
    mesh = 4 * (cells + 7 * box.n_mesh * (box.n_mesh + 2))
    particles = (84 if box.integrator == "fastpm" else 62) * n
    if box.gradient == "spectral":
        mesh *= 4
    if size > 1:
        particles, mesh = 1.1 * particles + 40 * n, 4 * mesh
    return SCRATCH_BYTES + int(max(particles + mesh, (44 if size == 1 else 90) * n))


def _lattice_ids(slab: Slab) -> NDArray[np.uint64]:
    """Indices of the lattice points of a slab."""
    plane = slab.n_mesh**2
    return np.arange(slab.lo * plane, slab.hi * plane, dtype=np.uint64)


def _lattice(box: Box, slab: Slab) -> Vectors:
    """Positions of the lattice points of a slab, (n, 3) by rising index."""
    along = (np.arange(box.n_particles) * (box.box_size / box.n_particles) + _offset(box)).astype(np.float32)
    pos = np.empty((*slab.shape, 3), np.float32)
    pos[..., 0] = along[slab.lo : slab.hi, None, None]
    pos[..., 1] = along[:, None]
    pos[..., 2] = along
    return pos.reshape(-1, 3)


def _offset(box: Box) -> float:
    """Half a cell of the force mesh [Mpc/h]."""
    return 0.5 * box.box_size / box.n_mesh


@njit(cache=True, parallel=True)
def _outside(pos, inverse_cell, lo, hi, n):  # type: ignore[no-untyped-def]
    """Which particles are on planes of other ranks."""
    outside = np.empty(len(pos), np.bool_)
    for p in prange(len(pos)):
        plane = min(np.int64(pos[p, 0] * inverse_cell), n - 1)
        outside[p] = plane < lo or plane >= hi
    return outside


@njit(cache=True, parallel=True)
def _drift(pos, mom, factor, box_size):  # type: ignore[no-untyped-def]
    """Add factor * mom to pos and take it back into [0, box_size); how many particles are not finite."""
    lost = 0
    for p in prange(len(pos)):
        for axis in range(3):
            x = pos[p, axis] + factor * mom[p, axis]
            if not (x >= 0 and x < box_size):
                x -= np.floor(x / box_size) * box_size
                if x < 0 or x >= box_size:
                    x = np.float32(0)
                if not np.isfinite(x):
                    lost += 1
            pos[p, axis] = x
    return lost

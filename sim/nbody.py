"""A particle-mesh N-body run of one slab, as a generator of states. Knows nothing of files or of how ranks talk.

Each particle is on the rank that owns its x plane. Poisson's equation is solved with -1/k^2 and nothing else, and the
force is a four-point difference of the potential. Compensating the windows of CIC would resonate with the particle
lattice where the mesh is finer than it: 5 % more power at k = 0.25 h/Mpc, 17 % at 1, in a box of 256 Mpc/h (LOG.md).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numba import njit, prange
from numpy.typing import NDArray

from configs import Box
from sim import initial
from sim.cosmology import growth, growth2, growth_rate, growth_rate2, hubble_rate
from sim.fourier import Fourier
from sim.mesh import Sorted, deposit, gradient, sort
from sim.parallel import SERIAL, Comm
from sim.power import linear_power
from sim.slab import Mesh, Slab
from sim.stepping import Step, schedule
from sim.units import HUBBLE

Vectors = NDArray[np.float32]


@dataclass
class State:
    """The particles of one rank between two steps. The arrays are the run's own: copy what must outlive the next step.

    pos (n, 3) comoving Mpc/h in [0, box_size), mom (n, 3) a^2 dx/dt / H0 in Mpc/h, ids (n,): lattice index, x slowest.
    `output` is the redshift of `box.redshifts` that this state is, if it is one.
    """

    box: Box
    a: float
    step: int
    output: float | None
    pos: Vectors
    mom: Vectors
    ids: NDArray[np.uint64]

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
    delta = initial.density_modes(fourier, linear_power(box.cosmology), noise)
    delta = initial.translated(fourier, delta, _offset(box))
    a = 1 / (1 + box.z_initial)
    shift, mom = _displaced(fourier, delta, box, a)
    ids = _lattice_ids(fourier.slab)
    state = State(box, a, 0, None, _lattice(ids, box), mom, ids)
    _drift(state.pos, shift, np.float32(1), np.float32(box.box_size))
    migrate(state, Slab(box.n_mesh, box.box_size, comm))
    return state


def _displaced(fourier: Fourier, delta: initial.Modes, box: Box, a: float) -> tuple[Vectors, Vectors]:
    """Displacements from the lattice and momenta, each (n, 3) Mpc/h."""
    cosmology = box.cosmology
    rate = a**2 * hubble_rate(cosmology, a)
    d = growth(cosmology, a)
    shift = initial.displacement(fourier, delta)
    shift *= d
    mom = shift * np.float32(rate * growth_rate(cosmology, a))
    if box.lpt_order == 2:
        second = initial.displacement2(fourier, delta)
        second *= growth2(cosmology, a)
        shift += second
        second *= rate * growth_rate2(cosmology, a)
        mom += second
    return shift.reshape(-1, 3), mom.reshape(-1, 3)


def evolve(state: State, comm: Comm = SERIAL) -> Iterator[State]:
    """Yield `state`, then the state after each step that is left of its box's schedule."""
    fourier = Fourier(Slab(state.box.n_mesh, state.box.box_size, comm))
    yield state
    acc = force(state, fourier)
    for step in schedule(state.box)[state.step :]:
        acc = advance(state, acc, step, fourier)
        yield state


def advance(state: State, acc: Vectors, step: Step, fourier: Fourier) -> Vectors:
    """Take `state` through one kick, drift and kick; return the force at its end."""
    _kick(state.mom, acc, np.float32(step.first))
    _drift(state.pos, state.mom, np.float32(step.drift), np.float32(state.box.box_size))
    migrate(state, fourier.slab)
    state.a, state.step, state.output = step.a, state.step + 1, step.output
    acc = force(state, fourier)
    _kick(state.mom, acc, np.float32(step.second))
    return acc


def force(state: State, fourier: Fourier) -> Vectors:
    """Minus the gradient of the inverse Laplacian of the density contrast at the particles, (n, 3) Mpc/h."""
    slab = fourier.slab
    particles = sort(state.pos, slab, state.box.assignment)
    potential = _potential(particles, fourier, (state.box.n_particles / state.box.n_mesh) ** 3)
    acc = gradient(particles, potential)
    finite = slab.comm.allreduce(np.array([not np.isfinite(acc).all()], np.int64))
    if finite[0]:
        raise RuntimeError(f"force: expected finite values at step {state.step} (a={state.a:.4f}), got others")
    return acc


def _potential(particles: Sorted, fourier: Fourier, mean: float) -> Mesh:
    """Minus the inverse Laplacian of the density contrast, where `mean` particles share a cell."""
    modes = fourier.forward(deposit(particles))
    kx, ky, kz = (np.ravel(k) for k in fourier.k)
    nyquist = np.float32(np.pi * (fourier.slab.n_mesh - 0.5) / fourier.slab.box_size)
    _green(modes, kx, ky, kz, nyquist, np.float32(1 / mean))
    return fourier.inverse(modes)


def migrate(state: State, slab: Slab) -> None:
    """Move each particle to the rank that owns its plane."""
    if slab.comm.size == 1:
        return
    owners = slab.owners(state.pos)
    order = np.argsort(owners, kind="stable")
    ends = np.cumsum(np.bincount(owners, minlength=slab.comm.size))[:-1]
    for name in ("pos", "mom", "ids"):
        blocks = np.split(getattr(state, name)[order], ends)
        setattr(state, name, np.concatenate(slab.comm.alltoall(blocks)))


def memory_bytes(box: Box) -> int:
    """Most memory that the arrays of a serial run hold at a time: particles with two forces, and two force meshes."""
    n = box.n_particles**3
    force_mesh = 4 * (box.n_mesh + 7) * (box.n_mesh + 2) * box.n_mesh
    return max(60 * n + 9 * force_mesh // 4, 72 * n)


def _lattice_ids(slab: Slab) -> NDArray[np.uint64]:
    """Indices of the lattice points of a slab."""
    plane = slab.n_mesh**2
    return np.arange(slab.lo * plane, slab.hi * plane, dtype=np.uint64)


def _lattice(ids: NDArray[np.uint64], box: Box) -> Vectors:
    """Positions of lattice points, (n, 3)."""
    n = np.uint64(box.n_particles)
    index = np.stack([ids // (n * n), ids // n % n, ids % n], axis=-1)
    return (index * (box.box_size / box.n_particles) + _offset(box)).astype(np.float32)


def _offset(box: Box) -> float:
    """Half a cell of the force mesh [Mpc/h]."""
    return 0.5 * box.box_size / box.n_mesh


@njit(cache=True, parallel=True)
def _green(modes, kx, ky, kz, nyquist, scale):  # type: ignore[no-untyped-def]
    """Multiply by scale / k^2 in place; zero at k=0 and on the Nyquist planes."""
    for i in prange(len(kx)):
        for j in range(len(ky)):
            k2 = kx[i] * kx[i] + ky[j] * ky[j]
            inside = abs(kx[i]) < nyquist and abs(ky[j]) < nyquist
            for k in range(len(kz)):
                if inside and kz[k] < nyquist and k2 + kz[k] > 0:
                    modes[i, j, k] *= scale / (k2 + kz[k] * kz[k])
                else:
                    modes[i, j, k] = 0


@njit(cache=True, parallel=True)
def _kick(mom, acc, factor):  # type: ignore[no-untyped-def]
    """Add factor * acc to mom."""
    for p in prange(len(mom)):
        for axis in range(3):
            mom[p, axis] += factor * acc[p, axis]


@njit(cache=True, parallel=True)
def _drift(pos, mom, factor, box_size):  # type: ignore[no-untyped-def]
    """Add factor * mom to pos and take it back into [0, box_size)."""
    for p in prange(len(pos)):
        for axis in range(3):
            x = pos[p, axis] + factor * mom[p, axis]
            x -= np.floor(x / box_size) * box_size
            if x < 0 or x >= box_size:
                x = np.float32(0)
            pos[p, axis] = x

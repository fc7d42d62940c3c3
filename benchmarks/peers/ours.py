"""The jobs of the peers, done by this project: nothing but its public names."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import numpy as np

from benchmarks.peers.worker import Particles, Vectors, memory, peak_memory, seconds, serve, wrapped
from configs import Baryons, Box, Cosmology
from sim import nbody, rotations, spectra
from sim.baryons import displaced
from sim.blocks import Blocks
from sim.cosmology import particle_mass
from sim.cutouts import Windows, cutouts
from sim.friends import group_labels
from sim.mesh import Assignment, order_by_rows, paint, sort
from sim.particles import Tracer
from sim.power import linear_power
from sim.sides import resolved
from sim.slab import Slab

PLANCK = Cosmology(omega_m=0.3152, omega_b=0.0493, h=0.6736, n_s=0.9649, sigma8=0.81)


def box_of(particles: Particles, n_mesh: int, **more: Any) -> Box:
    """The box that the particles are in, with another force mesh."""
    fields: dict[str, Any] = {
        "cosmology": PLANCK,
        "box_size": particles.box_size,
        "n_particles": particles.n,
        "mesh_factor": n_mesh // particles.n,
        "seed": 1,
        "z_initial": particles.z_initial,
        "n_steps": particles.n_steps,
    }
    return Box(**(fields | more))


def state_of(particles: Particles, box: Box, pos: Vectors | None = None) -> nbody.State:
    """The particles, or the same elsewhere, as a state that `evolve` continues."""
    pos = particles.pos if pos is None else pos
    ids = np.arange(particles.n**3, dtype=np.uint64)
    return nbody.State(box, particles.a, particles.step, None, pos, particles.mom, ids)


def particles(folder: str, n: int, mesh_factor: int, box_size: float, n_steps: int, step: int) -> dict[str, Any]:
    """Write the particles of a run after `step` of n_steps from z=49 to 0."""
    size: dict[str, Any] = {"box_size": box_size, "n_particles": n, "mesh_factor": mesh_factor}
    box = Box(cosmology=PLANCK, **size, seed=1, n_steps=n_steps)
    for state in nbody.run(box):
        if state.step == step:
            order = np.argsort(state.ids)
            facts = (n, box.n_mesh, box_size, PLANCK.omega_m, PLANCK.h, state.a, step, n_steps, box.z_initial)
            Particles(state.pos[order], state.mom[order], *facts).save(folder)
            return {"a": state.a}
    raise RuntimeError(f"particles: expected step {step} of {n_steps}, got none")


def step(folder: str, n_mesh: int, scheme: Assignment, reordered: bool = False) -> dict[str, Any]:
    """Seconds of a step: the mean of all that are left of the run, after one elsewhere that is not counted.

    A mean, because particles are put in order every few steps: the fastest of them would leave that out. `reordered`:
    from the order in which the particles of a run would be, not from that of the lattice.
    """
    warm_up(folder, n_mesh, scheme)
    given = Particles.load(folder)
    box = box_of(given, n_mesh, assignment=scheme)
    state = state_of(given, box)
    del given
    if reordered:
        particles = sort(state.pos, Slab(n_mesh, box.box_size), scheme)
        order_by_rows(particles)
        nbody.settle(state, particles.order)
        del particles
    states = nbody.evolve(state)
    next(states)
    begin = time.perf_counter()
    n = sum(1 for _ in states)
    return {"seconds": [(time.perf_counter() - begin) / n], "n_timed": n}


def warm_up(folder: str, n_mesh: int, scheme: Assignment) -> None:
    """One step, whose particles are gone when it returns."""
    given = Particles.load(folder)
    states = nbody.evolve(state_of(given, box_of(given, n_mesh, assignment=scheme)))
    next(states)
    next(states)


def hold(folder: str, n_mesh: int, scheme: Assignment) -> dict[str, Any]:
    """Bytes held before the particles are there, kernels compiled; then `step`, whose peak comes with the answer."""
    few = np.random.default_rng(0).random((8**3, 3), dtype=np.float32)
    tiny = Particles(few, few - np.float32(0.5), 8, 8, 1.0, PLANCK.omega_m, PLANCK.h, 0.5, 0, 1, 1.0)
    n = Particles.load(folder).n
    for _ in nbody.evolve(state_of(tiny, box_of(tiny, 8 * n_mesh // n, assignment=scheme))):
        pass
    before = memory()
    return {**step(folder, n_mesh, scheme), "bytes_before": before}


def run(folder: str, n_mesh: int, out: str, n_steps: int | None = None, scheme: str | None = None) -> dict[str, Any]:
    """Seconds of a run to z=0 from the particles in memory, with the default settings; its positions go to `out`."""
    given = Particles.load(folder)
    chosen: dict[str, Any] = {"n_steps": n_steps or Box.model_fields["n_steps"].default}
    if scheme is not None:
        chosen["assignment"] = scheme
    box, shift = box_of(given, n_mesh, **chosen), given.shift(n_mesh)
    pos = wrapped(given.pos + shift, given.box_size)
    begin = time.perf_counter()
    *_, state = nbody.evolve(state_of(given, box, pos))
    spent = time.perf_counter() - begin
    np.save(out, wrapped(state.pos[np.argsort(state.ids)] - shift, given.box_size))
    return {"seconds": [spent], "n_steps": box.n_steps, "scheme": box.assignment}


def compare(path: str, reference: str, box_size: float, n_mesh: int) -> dict[str, Any]:
    """P(k) of positions in a file over that of others, and r(k) of the two, in 24 bins of log k [h/Mpc]."""
    field, fine = (paint(np.load(name), box_size, n_mesh) for name in (path, reference))
    ratio = spectra.suppression(field, fine, box_size, n_bins=24)
    r = spectra.correlation(field, fine, box_size, n_bins=24)
    return {"k": r.k.tolist(), "r": r.value.tolist(), "ratio": ratio.value.tolist()}


def cold(n: int, mesh_factor: int, box_size: float) -> dict[str, Any]:
    """A whole run from nothing: linear power, initial conditions, z=49 to 0."""
    *_, state = nbody.run(Box(cosmology=PLANCK, box_size=box_size, n_particles=n, mesh_factor=mesh_factor, seed=1))
    return {"n_steps": state.step}


def table(path: str) -> dict[str, Any]:
    """Write linear P(k) at z=0 for a peer that reads one; return the parameters that go with it."""
    k = np.geomspace(1e-4, 50, 1000)
    np.savetxt(path, np.stack([k, linear_power(PLANCK)(k)], axis=1))
    return {"omega_m": PLANCK.omega_m, "h": PLANCK.h}


def deposit(folder: str, n_mesh: int, n_timed: int) -> dict[str, Any]:
    """Seconds of each CIC deposit of particles in lattice order, sorting included."""
    given = Particles.load(folder)
    total = float(paint(given.pos, given.box_size, n_mesh).sum(dtype=np.float64))
    return {"seconds": seconds(lambda: paint(given.pos, given.box_size, n_mesh), n_timed), "total": total}


def power(folder: str, n_mesh: int, n_timed: int) -> dict[str, Any]:
    """Seconds of each P(k) of a painted field, its window compensated."""
    given = Particles.load(folder)
    mesh = paint(given.pos, given.box_size, n_mesh)
    found = spectra.power(mesh, given.box_size, window="cic")
    spent = seconds(lambda: spectra.power(mesh, given.box_size, window="cic"), n_timed)
    return {"seconds": spent, "k": found.k.tolist(), "pk": found.pk.tolist()}


def friends(folder: str, linking: float, n_timed: int, out: str) -> dict[str, Any]:
    """Seconds of each search, and what one holds beyond the particles, kernels compiled.

    The index of the first particle of each particle's group is written to `out`.
    """
    few = np.random.default_rng(0).random((8**3, 3), dtype=np.float32)
    group_labels(few, 1.0, linking / 8)
    given = Particles.load(folder)
    before = memory()
    labels = group_labels(given.pos, given.box_size, linking)
    held = peak_memory() - before
    spent = seconds(lambda: group_labels(given.pos, given.box_size, linking), n_timed)
    np.save(out, labels)
    return {"seconds": spent, "held_bytes": held}


def species(folder: str, n_cutouts: int) -> dict[str, Any]:
    """Write both sides of the particles in a folder, the centres of their heaviest halos, and rotations, to a file."""
    given = Particles.load(folder)
    box = box_of(given, given.n_mesh)
    mass, pos = particle_mass(box), wrapped(given.pos, given.box_size)
    pos, found = resolved(pos, mass, box, Baryons(), redshift=0.0, seed=1)
    sides = displaced(pos, mass, found, PLANCK, Baryons(), given.box_size, seed=1)
    tracers = [Tracer(sides.dmo_pos, np.full(len(pos), mass, np.float32)), sides.dark_matter, sides.gas, sides.stars]
    arrays = {f"{key}{i}": getattr(one, key) for i, one in enumerate(tracers) for key in ("pos", "mass")}
    centers = found.center[np.arange(n_cutouts) % 20]
    turns = np.array([rotations.named("benchmark", i) for i in range(n_cutouts)])
    np.savez(f"{folder}/species.npz", box_size=given.box_size, centers=centers, turns=turns, **arrays)
    return {"n_particles": [len(one.pos) for one in tracers]}


def cut(folder: str, factors: list[int], n_pixels: int, n_target: int, n_timed: int, out: str) -> dict[str, Any]:
    """Seconds of each cutout of four species, what one holds beyond the particles, and seconds to sort these once."""
    data = np.load(f"{folder}/species.npz")
    box_size, centers, turns = float(data["box_size"]), data["centers"], data["turns"]
    own = [(data[f"pos{i}"], data[f"mass{i}"]) for i in range(4)]
    few = Blocks.of(own[0][0][:100], own[0][1][:100], box_size)
    scales = tuple(box_size * factor / factors[-1] for factor in factors)
    wide, near = (Windows(some, n_pixels, box_size) for some in (scales, scales[:n_target]))
    cutouts(few, centers[0], turns[0], wide)
    before, begin = memory(), time.perf_counter()
    blocks = [Blocks.of(pos, mass, box_size) for pos, mass in own]
    sorting, found, last = time.perf_counter() - begin, [], []
    for center, turn in list(zip(centers, turns, strict=True))[: n_timed + 1]:
        begin = time.perf_counter()
        last = [cutouts(one, center, turn, near if i else wide)[0] for i, one in enumerate(blocks)]
        found.append(time.perf_counter() - begin)
    np.save(out, np.array([maps[0] for maps in last]))
    own_bytes = sum(pos.nbytes + mass.nbytes for pos, mass in own)
    held = {"held_bytes": peak_memory() - before, "own_bytes": own_bytes}
    return {"seconds": found[1:], "sorting": sorting, **held}


if __name__ == "__main__":
    jobs: list[Callable[..., dict[str, Any]]]
    jobs = [particles, step, hold, run, compare, cold, table, deposit, power, friends, species, cut]
    serve({job.__name__: job for job in jobs})

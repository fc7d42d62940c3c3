"""Starts a box from given initial conditions: a snapshot becomes the state before the first step.

Knows nothing of how files are laid out. What the box and the snapshot both say must agree.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from configs import Box
from sim import binary, snapshot
from sim.agreement import together
from sim.binary import LengthUnit
from sim.cosmology import particle_mass
from sim.nbody import State, migrate
from sim.parallel import SERIAL, Comm
from sim.particles import Particles, Snapshot, wrapped
from sim.slab import Slab
from sim.units import HUBBLE

WHERE = "initial conditions"

_CRYSTALLINE = 0.5
"""Mean cosine above which particles are on a lattice: displaced by less than 0.19 of its spacing (rms)."""
_CENTRED = 0.05
"""Cells of the force mesh by which a lattice may be off the centres of cells."""


def start(path: Path, box: Box, comm: Comm = SERIAL, *, length_unit: LengthUnit | None = None) -> State:
    """Step 0 of `box` from the snapshot at `path`, of any format that `sim.snapshot` reads; as `state_of`. Collective.

    Of Gadget binary each rank reads its share, and `length_unit` is what the file does not say. FileNotFoundError;
    ValueError, the same on every rank, for a broken file or one of another box.
    """
    return state_of(together(comm, lambda: _share(Path(path), comm, length_unit)), box, comm)


def state_of(part: Snapshot, box: Box, comm: Comm = SERIAL, *, recentre: bool = True) -> State:
    """Step 0 of `box` with the dark matter of a snapshot in place of a realisation of the seed. Collective.

    `part` is what this rank holds of it: everything on one rank. Ids are kept. With `recentre` all positions are moved
    by `lattice_shift`; subtract it to have those of the file. ValueError, the same on every rank, for another species,
    an id that comes twice, or another size of the box, number or mass of the particles, omega_m, h or redshift.
    """
    matter = together(comm, lambda: _only_matter(part))
    n_total = int(comm.allreduce(np.array([len(matter)]))[0])
    together(comm, lambda: _refuse_another(part, matter, n_total, box))
    alike = _alike(matter.ids, comm)
    together(comm, lambda: _refuse_twins(alike))
    shift = lattice_shift(matter.pos, box, comm) if recentre else np.zeros(3)
    pos = wrapped(matter.pos + shift, box.box_size) if shift.any() else matter.pos.copy()
    a = 1 / (1 + box.z_initial)
    state = State(box, a, 0, None, pos, matter.vel * np.float32(a / HUBBLE), matter.ids.copy())
    migrate(state, Slab(box.n_mesh, box.box_size, comm))
    return state


def lattice_shift(pos: NDArray[np.float32], box: Box, comm: Comm = SERIAL) -> NDArray[np.float64]:
    """What brings a lattice of box.n_particles along a side to centres of mesh cells, (3,) Mpc/h. Collective.

    `pos` (n, 3) are the particles of this rank. Zero for a glass, and where it is less than a twentieth of a cell. Our
    own lattices lie at centres too (`nbody.start`); benchmarks/arepo.py shows what one at mesh points does.
    """
    spacing, cell = box.box_size / box.n_particles, box.box_size / box.n_mesh
    waves = np.exp(2j * np.pi / spacing * pos.astype(np.float64)).sum(axis=0)
    sums = comm.allreduce(np.array([*waves.real, *waves.imag, len(pos)]))
    mean = (sums[:3] + 1j * sums[3:6]) / sums[6]
    off = np.angle(mean) / (2 * np.pi) * spacing - 0.5 * cell
    shift = np.rint(off / cell) * cell - off
    is_lattice = np.abs(mean).min() > _CRYSTALLINE
    return shift if is_lattice and np.abs(shift).max() > _CENTRED * cell else np.zeros(3)


def _share(path: Path, comm: Comm, length_unit: LengthUnit | None) -> Snapshot:
    """What this rank reads."""
    if binary.recognised(path):
        return binary.read(path, length_unit=length_unit, share=(comm.rank, comm.size))
    whole = snapshot.read(path)
    parts = {}
    for name, all_of_it in whole.particles.items():
        rows = slice(comm.rank * len(all_of_it) // comm.size, (comm.rank + 1) * len(all_of_it) // comm.size)
        mass = all_of_it.mass[rows] if isinstance(all_of_it.mass, np.ndarray) else all_of_it.mass
        parts[name] = Particles(all_of_it.pos[rows], all_of_it.vel[rows], mass, all_of_it.ids[rows])
    return replace(whole, particles=parts)


def _only_matter(part: Snapshot) -> Particles:
    """The dark matter, when there is nothing else."""
    if list(part.particles) != ["dark_matter"]:
        raise ValueError(f"{WHERE}: expected dark matter only, got {', '.join(part.particles) or 'none'}")
    return part.particles["dark_matter"]


def _refuse_another(part: Snapshot, matter: Particles, n_total: int, box: Box) -> None:
    """ValueError when the box and the snapshot contradict each other."""
    mass = np.atleast_1d(matter.mass)
    agreements = [
        ("n_particles^3", box.n_particles**3, n_total, 0.0),
        ("box_size", box.box_size, part.box_size, 1e-6),
        ("cosmology.omega_m", box.cosmology.omega_m, part.omega_m, 1e-4),
        ("cosmology.h", box.cosmology.h, part.h, 1e-4),
        ("1 + z_initial", 1 + box.z_initial, 1 + part.redshift, 1e-4),
        *(("particle mass [Msun/h]", particle_mass(box), m, 1e-2) for m in (mass.min(), mass.max()) if len(mass)),
    ]
    for name, wanted, got, tolerance in agreements:
        if not abs(got - wanted) <= tolerance * wanted:
            raise ValueError(f"{WHERE}: expected {name} = {wanted:.8g} of the box, got {got:.8g}")


def _alike(ids: NDArray[np.uint64], comm: Comm) -> NDArray[np.uint64]:
    """The ids of all ranks that have the same remainder as this rank."""
    if comm.size == 1:
        return ids
    owner = ids % np.uint64(comm.size)
    return np.concatenate(comm.alltoall([ids[owner == rank] for rank in range(comm.size)]))


def _refuse_twins(ids: NDArray[np.uint64]) -> None:
    """ValueError when an id comes twice: halos and outputs could not tell the particles apart."""
    ids = np.sort(ids)
    twins = ids[1:][ids[1:] == ids[:-1]]
    if len(twins):
        raise ValueError(f"{WHERE}: expected every id once, got {twins[0]} again")

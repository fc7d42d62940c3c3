"""Dark-matter boxes for the baryon benchmark: simulated once, painted with any baryons, compared by power."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numba import njit
from numpy.typing import NDArray

from configs import Baryons, Box, Cosmology, Enthalpy
from sim import enthalpy, nbody, spectra
from sim.baryons import Counterpart, displaced
from sim.cosmology import particle_mass
from sim.halos import Catalog
from sim.particles import Tracer
from sim.sides import resolved

Array = NDArray[np.float64]

COSMOLOGY = Cosmology(omega_m=0.3152, omega_b=0.0493, h=0.6736, n_s=0.9649, sigma8=0.81)
BOX_SIZE = 50.0
SPK_REDSHIFT = 0.125
"""The lowest redshift that SP(k) is calibrated at."""
K = np.array([0.3, 0.5, 1, 2, 3, 5, 8])
N_MESH = 256


@dataclass(frozen=True)
class Simulated:
    """The repaired particles of a box at one redshift, of equal `mass` [Msun/h], its halos, the seed of all scatter."""

    pos: NDArray[np.float32]
    mass: float
    catalog: Catalog
    redshift: float
    seed: int

    def painted(self, baryons: Baryons) -> Counterpart:
        keys: dict[str, Any] = {"redshift": self.redshift, "seed": self.seed}
        return displaced(self.pos, self.mass, self.catalog, COSMOLOGY, baryons, BOX_SIZE, **keys)

    def by_potential(self, config: Enthalpy) -> Counterpart:
        return enthalpy.displaced(self.pos, self.mass, COSMOLOGY, config, BOX_SIZE)

    def matter(self, sides: Counterpart) -> list[Tracer]:
        """The side of a pair without baryons."""
        return [Tracer(sides.dmo_pos, np.full(len(self.pos), self.mass, np.float32))]


def boxes(n_boxes: int, n_particles: int) -> list[Box]:
    """Pairs of boxes: seeds 1, 1, 2, 2, ... with the phases of the second turned by pi."""
    common = {"cosmology": COSMOLOGY, "box_size": BOX_SIZE, "n_particles": n_particles, "fixed_amplitude": True}
    common |= {"mesh_factor": 3, "redshifts": (SPK_REDSHIFT, 0.0)}
    return [Box.model_validate(common | {"seed": 1 + i // 2, "paired_phase": bool(i % 2)}) for i in range(n_boxes)]


def simulated(box: Box, seed: int) -> list[Simulated]:
    """`box` at each of its output redshifts, its halos repaired."""
    found = []
    for state in nbody.run(box):
        if state.output is not None:
            mass = particle_mass(box)
            pos, catalog = resolved(state.pos, mass, box, Baryons(), redshift=state.output, seed=seed)
            found.append(Simulated(pos, mass, catalog, state.output, seed))
    return found


def species(sides: Counterpart) -> list[Tracer]:
    return [sides.dark_matter, sides.gas, sides.stars]


def suppression(simulated: Simulated, sides: Counterpart) -> Array:
    """S at `K`, from particles painted in three dimensions."""
    edges = np.geomspace(2 * np.pi / BOX_SIZE * 1.9, 12, 15)
    fields = [density(tracers) for tracers in (species(sides), simulated.matter(sides))]
    ratio = spectra.suppression(*fields, BOX_SIZE, edges=edges)
    return np.interp(np.log(K), np.log(ratio.k), ratio.value)


def density(tracers: Sequence[Tracer]) -> Array:
    """Mass on a mesh by cloud-in-cell."""
    mesh = np.zeros((N_MESH,) * 3)
    for one in tracers:
        _paint(mesh, one.pos, one.mass, N_MESH / BOX_SIZE)
    return mesh


@njit(cache=True)
def _paint(mesh, pos, mass, scale):  # type: ignore[no-untyped-def]
    n = len(mesh)
    for p in range(len(pos)):
        x, y, z = pos[p, 0] * scale, pos[p, 1] * scale, pos[p, 2] * scale
        i, j, k = int(x), int(y), int(z)
        for corner in range(8):
            a, b, c = corner >> 2, corner >> 1 & 1, corner & 1
            weight = (1 - abs(x - i - a)) * (1 - abs(y - j - b)) * (1 - abs(z - k - c))
            mesh[(i + a) % n, (j + b) % n, (k + c) % n] += mass[p] * weight

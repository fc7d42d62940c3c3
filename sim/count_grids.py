"""A box on a grid: its density, and how many halos of each mass are in each cell.

Knows where boxes and their halos come from; knows nothing of shards, of workers or of what is learned. Cell i of an
axis is centred on i times its side, for matter and halos alike.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from configs import Baryons, Box, CataloguedBox, CataloguedHalos, Counts, FoundHalos
from configs.counting import MAX_CELLS
from sim import catalogs, nbody, sides, snapshot
from sim.cosmology import particle_mass
from sim.count_shards import Density, Grids, Integers
from sim.halos import Catalog
from sim.mesh import paint
from sim.shards import file_hash

MAX_COUNT = 2**16 - 1
RECORD = "box.json"
_WHOLE = 1e-6
"""Of a box, what its cells may leave over."""

Positions = NDArray[np.floating]


def names(config: Counts) -> list[str]:
    """The simulations of a configuration; FileNotFoundError when there are none."""
    if isinstance(config.source, CataloguedHalos):
        return sorted(box.name for box in config.source.boxes)
    found = sorted(path.parent.name for path in config.source.simulations.glob(f"*/{RECORD}"))
    if not found:
        raise FileNotFoundError(f"{config.source.simulations}: expected folders with a {RECORD}, found none")
    return found


def source_hash(name: str, config: Counts) -> str:
    """Of what identifies the simulation `name`: of box.json, or of the names and sizes of the files of others."""
    if isinstance(config.source, FoundHalos):
        return file_hash(config.source.simulations / name / RECORD)
    box = _box_of(name, config.source)
    told = [[path.name, size_of(path)] for path in (box.snapshot, box.catalog)]
    return hashlib.sha256(json.dumps([*told, box.sigma8]).encode()).hexdigest()


def grids(name: str, config: Counts) -> Grids:
    """The grids of simulation `name`; FileNotFoundError or ValueError names what is missing or does not fit."""
    edges = np.asarray(config.log10_mass_edges)
    if isinstance(config.source, CataloguedHalos):
        return _catalogued(_box_of(name, config.source), config.cell_size, edges)
    return _found(name, config.source, config.cell_size, edges)


def density_of(pos: Positions, box_size: float, n_cells: int) -> Density:
    """1 + delta of particles pos (n, 3) in [0, box_size) by cloud in cell, (n_cells, n_cells, n_cells)."""
    mesh = paint(np.ascontiguousarray(pos, np.float32), box_size, n_cells, "cic")
    return mesh / np.float32(len(pos) / n_cells**3)


def counts_of(
    center: NDArray[np.float64], mass: NDArray[np.float64], box_size: float, n_cells: int, edges: NDArray[np.float64]
) -> Integers:
    """Halos at center (h, 3) in [0, box_size) with 10^edges[i] <= mass < 10^edges[i + 1] in each cell, (C, N, N, N).

    ValueError for centres outside the box, or more halos in a cell than 16 bits hold.
    """
    if len(center) and not (center.min() >= 0 and center.max() <= box_size):
        raise ValueError(f"counts: expected centres in [0, {box_size:g}] Mpc/h, got {center.min()} to {center.max()}")
    n_bins = len(edges) - 1
    with np.errstate(divide="ignore"):
        i_bin = np.searchsorted(edges, np.log10(mass), side="right") - 1
    kept = (i_bin >= 0) & (i_bin < n_bins)
    cell = np.rint(center[kept] * (n_cells / box_size)).astype(np.int64) % n_cells
    flat = np.ravel_multi_index((i_bin[kept], *cell.T), (n_bins, n_cells, n_cells, n_cells))
    found = np.bincount(flat, minlength=n_bins * n_cells**3)
    if found.max(initial=0) > MAX_COUNT:
        raise ValueError(f"counts: expected at most {MAX_COUNT} halos a cell, got {found.max()}")
    return found.astype(np.uint16).reshape(n_bins, n_cells, n_cells, n_cells)


def n_cells_of(box_size: float, cell_size: float, where: str) -> int:
    """How many cells fill a side; ValueError names `where` no whole number does, or too many would."""
    n = round(box_size / cell_size)
    if n < 2 or n > MAX_CELLS or abs(n * cell_size / box_size - 1) > _WHOLE:
        raise ValueError(
            f"{where}: expected a cell_size of which 2 to {MAX_CELLS} fill {box_size:g} Mpc/h, got {cell_size:g}"
        )
    return n


def size_of(path: Path) -> int:
    """Bytes of a file, or of all files of a folder; FileNotFoundError."""
    if not path.exists():
        raise FileNotFoundError(f"{path}: expected a snapshot or a catalogue, found none")
    files: Sequence[Path] = [path] if path.is_file() else sorted(one for one in path.rglob("*") if one.is_file())
    return sum(one.stat().st_size for one in files)


def _found(name: str, source: FoundHalos, cell_size: float, edges: NDArray[np.float64]) -> Grids:
    """Of one of our boxes."""
    folder = source.simulations / name
    box = sides.read_box(folder)
    n = n_cells_of(box.box_size, cell_size, str(folder))
    _refuse_unresolved(particle_mass(box) * source.min_particles, edges, str(folder))
    pos, repaired, catalog = _resolved(folder, box, source)
    if source.density == "lpt":
        pos = lagrangian(box, source.redshift)
    elif source.density == "repaired":
        pos = repaired
    counts = counts_of(np.asarray(catalog.center), np.asarray(catalog.m200c), box.box_size, n, edges)
    params = (box.cosmology.omega_m, box.cosmology.sigma8, source.redshift)
    return Grids(density_of(pos, box.box_size, n), counts, params, box.box_size)


def _resolved(folder: Path, box: Box, source: FoundHalos) -> tuple[Positions, Positions, Catalog]:
    """Particles as they are and as they would be without softening, and the halos."""
    matter = sides.read_output(folder, box, source.redshift).particles["dark_matter"]
    seed = int(np.random.SeedSequence((source.seed, sides.index_of(folder.name))).generate_state(1, np.uint64)[0])
    keys: dict[str, Any] = {"redshift": source.redshift, "seed": seed, "vel": matter.vel, "ids": matter.ids}
    keys |= source.model_dump(include={"linking_length", "min_particles", "center", "repair"})
    repaired, catalog = sides.resolved(matter.pos, particle_mass(box), box, Baryons(), **keys)
    return matter.pos, repaired, catalog


def density_in(folder: Path, source: FoundHalos, cell_size: float) -> Density:
    """That of the box in `folder`, as `source` shows it."""
    box = sides.read_box(folder)
    n = n_cells_of(box.box_size, cell_size, str(folder))
    if source.density == "lpt":
        return density_of(lagrangian(box, source.redshift), box.box_size, n)
    if source.density == "repaired":
        return density_of(_resolved(folder, box, source)[1], box.box_size, n)
    return density_of(sides.read_output(folder, box, source.redshift).particles["dark_matter"].pos, box.box_size, n)


def lagrangian(box: Box, redshift: float) -> NDArray[np.float32]:
    """Particles (n, 3) of `box` at `redshift` by Lagrangian perturbation theory alone, from its own white noise.

    ValueError for a box that started from given initial conditions.
    """
    if box.initial_conditions is not None:
        raise ValueError(f"density=lpt: expected a box of a seed, got one of {box.initial_conditions}")
    return nbody.start(box.model_copy(update={"z_initial": redshift})).pos


def _catalogued(box: CataloguedBox, cell_size: float, edges: NDArray[np.float64]) -> Grids:
    """Of a snapshot and a catalogue."""
    found = snapshot.read(box.snapshot)
    if "dark_matter" not in found.particles:
        raise ValueError(f"{box.snapshot}: expected dark matter, got {', '.join(found.particles) or 'none'}")
    n = n_cells_of(found.box_size, cell_size, str(box.snapshot))
    halos = catalogs.read(box.catalog, box_size=found.box_size, redshift=found.redshift, omega_m=found.omega_m)
    counts = counts_of(halos.center, halos.m200c, found.box_size, n, edges)
    density = density_of(found.particles["dark_matter"].pos, found.box_size, n)
    return Grids(density, counts, (found.omega_m, box.sigma8, found.redshift), found.box_size)


def _box_of(name: str, source: CataloguedHalos) -> CataloguedBox:
    return next(box for box in source.boxes if box.name == name)


def _refuse_unresolved(least: float, edges: NDArray[np.float64], where: str) -> None:
    """ValueError where halos of the first bin would have fewer particles than a halo must have."""
    if least > 10 ** edges[0]:
        raise ValueError(
            f"{where}: expected log10_mass_edges from {np.log10(least):.2f}, the smallest halo, got {edges[0]:g}"
        )

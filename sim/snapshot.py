"""Particle snapshots on disk: reads any format that it knows, writes the CAMELS/Gadget HDF5 layout.

Knows which suffix belongs to which format, and what the outputs of a run are called; `sim.gadget`, `sim.binary` and
`sim.abacus` know the formats.
"""

from __future__ import annotations

import re
import shutil
from collections.abc import Collection
from pathlib import Path

import numpy as np

from sim import abacus, binary, gadget
from sim.gadget import write
from sim.hdf import SUFFIXES
from sim.parallel import SERIAL, Comm
from sim.particles import Particles, Snapshot, Species, Tracer, Tracers

__all__ = [
    "Particles",
    "Snapshot",
    "Species",
    "Tracer",
    "Tracers",
    "discard_output",
    "output_path",
    "read",
    "read_tracers",
    "write",
    "write_output",
]


def read(path: Path) -> Snapshot:
    """Read a snapshot, its positions wrapped into [0, box_size).

    `path` is an .hdf5 file, any file of a multi-file set or the name of the set without the number, a snapdir_* folder
    (snap_000.hdf5 finds snapdir_000 beside it), Gadget binary, or an Abacus .npz. FileNotFoundError for a missing file
    or part; ValueError naming the file when it is truncated, foreign or inconsistent, or declares more data than it
    holds.
    """
    path = _set_of(Path(path))
    if path.suffix == ".npz":
        return abacus.read(path)
    if _is_binary(path):
        return binary.read(path)
    _refuse_foreign(path)
    return gadget.read(path)


def read_tracers(path: Path, species: Collection[Species] | None = None, *, keep_wind: bool = False) -> Tracers:
    """Positions and masses alone of `species`, or of all that a snapshot holds: half the memory of `read`.

    `path` and errors as those of `read`. A species of which there are none is an empty tracer. Wind particles of AREPO
    are left out and counted in `n_excluded`; with `keep_wind` they are stars, as the file has them.
    """
    path = _set_of(Path(path))
    unknown = sorted(set(species or ()) - set(gadget.PART_TYPES))
    if unknown:
        raise ValueError(f"species: expected some of {', '.join(gadget.PART_TYPES)}, got {', '.join(unknown)}")
    if path.suffix == ".npz" or _is_binary(path):
        return _without_velocities(read(path), species)
    _refuse_foreign(path)
    return gadget.read_tracers(path, species, keep_wind=keep_wind)


def _is_binary(path: Path) -> bool:
    return path.suffix not in SUFFIXES and binary.recognised(path)


def _refuse_foreign(path: Path) -> None:
    """ValueError unless `path` may be a snapshot in HDF5."""
    if path.suffix not in SUFFIXES and not path.is_dir():
        known = ", ".join((*SUFFIXES, ".npz"))
        raise ValueError(f"{path}: expected a snapshot ending in {known} or a folder of them, got {path.suffix!r}")


def _without_velocities(whole: Snapshot, species: Collection[Species] | None) -> Tracers:
    tracers = {
        name: _tracer(whole.particles.get(name))
        for name in gadget.PART_TYPES
        if (name in whole.particles if species is None else name in species)
    }
    return Tracers(tracers, whole.box_size, whole.redshift, whole.omega_m, whole.h, whole.omega_b)


def _tracer(part: Particles | None) -> Tracer:
    return Tracer(np.empty((0, 3), np.float32), 0.0) if part is None else Tracer(part.pos, part.mass)


def output_path(folder: Path, i_output: int) -> Path:
    """Output `i_output` of the run in `folder`: snap_000.hdf5 of one rank, or snapdir_000 with a file a rank."""
    return _set_of(folder / f"snap_{i_output:03d}.hdf5")


def _set_of(path: Path) -> Path:
    """snapdir_000 for the name of its snap_000.hdf5 or snapshot_000.hdf5, if only that is there; else `path`."""
    folder = path.with_name(re.sub("^snap(shot)?_", "snapdir_", path.stem))
    return folder if folder.name != path.stem and folder.is_dir() and not path.exists() else path


def write_output(folder: Path, i_output: int, part: Snapshot, comm: Comm = SERIAL) -> Path:
    """Write output `i_output` of a run of which this rank holds `part`: no rank sees another's particles.

    The file written: snap_000.hdf5 on one rank, snapdir_000/snap_000.{rank}.hdf5 on several.
    """
    name = f"snap_{i_output:03d}.hdf5"
    path = folder / name if comm.size == 1 else folder / f"snapdir_{i_output:03d}" / name
    counts = np.array([len(species) for species in part.particles.values()])
    totals = dict(zip(part.particles, comm.allreduce(counts).tolist(), strict=True))
    return gadget.write_part(path, part, comm.rank, comm.size, totals)


def discard_output(folder: Path, i_output: int) -> None:
    """Remove output `i_output`, written by however many ranks, if it is there."""
    path = output_path(folder, i_output)
    shutil.rmtree(path) if path.is_dir() else path.unlink(missing_ok=True)

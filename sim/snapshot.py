"""Particle snapshots on disk: reads any format that it knows, writes the CAMELS/Gadget HDF5 layout.

Knows which suffix belongs to which format, and what the outputs of a run are called; `sim.gadget`, `sim.binary` and
`sim.abacus` know the formats.
"""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np

from sim import abacus, binary, gadget
from sim.gadget import write
from sim.parallel import SERIAL, Comm
from sim.particles import Particles, Snapshot, Species

__all__ = ["Particles", "Snapshot", "Species", "discard_output", "output_path", "read", "write", "write_output"]


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
    if path.suffix not in gadget.SUFFIXES and binary.recognised(path):
        return binary.read(path)
    if path.suffix in gadget.SUFFIXES or path.is_dir():
        return gadget.read(path)
    known = ", ".join((*gadget.SUFFIXES, ".npz"))
    raise ValueError(f"{path}: expected a snapshot ending in {known} or a folder of them, got {path.suffix!r}")


def output_path(folder: Path, i_output: int) -> Path:
    """Output `i_output` of the run in `folder`: snap_000.hdf5 of one rank, or snapdir_000 with a file a rank."""
    return _set_of(folder / f"snap_{i_output:03d}.hdf5")


def _set_of(path: Path) -> Path:
    """snapdir_000 for the name of its snap_000.hdf5, where only the folder is there; else `path`."""
    folder = path.with_name(path.stem.replace("snap_", "snapdir_", 1))
    return folder if path.stem.startswith("snap_") and folder.is_dir() and not path.exists() else path


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

"""Particle snapshots on disk: reads any format that it knows, writes the CAMELS/Gadget HDF5 layout.

Knows which suffix belongs to which format; `sim.gadget` and `sim.abacus` know the formats.
"""

from __future__ import annotations

from pathlib import Path

from sim import abacus, gadget
from sim.gadget import write
from sim.particles import Particles, Snapshot, Species

__all__ = ["Particles", "Snapshot", "Species", "read", "write"]


def read(path: Path) -> Snapshot:
    """Read a snapshot, its positions wrapped into [0, box_size).

    `path` is an .hdf5 file, any file of a multi-file set or the name of the set without the number, a snapdir_* folder,
    or an Abacus .npz. FileNotFoundError for a missing file or part; ValueError naming the file when it is truncated,
    foreign or inconsistent, or declares more data than it holds.
    """
    path = Path(path)
    if path.suffix == ".npz":
        return abacus.read(path)
    if path.suffix in gadget.SUFFIXES or path.is_dir():
        return gadget.read(path)
    known = ", ".join((*gadget.SUFFIXES, ".npz"))
    raise ValueError(f"{path}: expected a snapshot ending in {known} or a folder of them, got {path.suffix!r}")

"""Reads the .npz extract of an Abacus box: one file, dark matter only, centred on the origin."""

from __future__ import annotations

import zipfile
from collections.abc import Mapping
from pathlib import Path

import numpy as np
from numpy.lib import format as npy

from sim.hdf import DEFLATE_LIMIT
from sim.particles import Particles, Snapshot, wrapped

Shape = tuple[int, ...]


def read(path: Path) -> Snapshot:
    """The snapshot in keys pos_mpch, vel_kms, boxsize_mpch, mpart_hmsun, omega_m and h0 (km/s/Mpc).

    Positions in [-box_size/2, box_size/2] are wrapped. The format is that of z=0 extracts: a key `redshift` is read
    when there is one. FileNotFoundError; ValueError naming the file when it is broken or another .npz.
    """
    try:
        _check_shapes(shapes(path))
        with np.load(path, allow_pickle=False) as data:
            return _snapshot(data)
    except (zipfile.BadZipFile, ValueError) as error:
        raise ValueError(f"{path}: expected an Abacus extract: {error}") from error


def shapes(path: Path) -> dict[str, Shape]:
    """Shape of each array of an .npz, from its header alone: nothing is allocated.

    zipfile.BadZipFile for what is no archive; ValueError for what is no array of numbers or declares another size.
    """
    with zipfile.ZipFile(path) as archive:
        limit = DEFLATE_LIMIT * path.stat().st_size
        return {item.filename.removesuffix(".npy"): _shape(archive, item, limit) for item in archive.infolist()}


def _snapshot(data: Mapping[str, np.ndarray]) -> Snapshot:
    box_size, n = float(data["boxsize_mpch"]), len(data["pos_mpch"])
    particles = Particles(
        pos=wrapped(data["pos_mpch"], box_size),
        vel=data["vel_kms"].astype(np.float32, copy=False),
        mass=float(data["mpart_hmsun"]),
        ids=np.arange(n, dtype=np.uint64),
    )
    redshift = float(data["redshift"]) if "redshift" in data else 0.0
    return Snapshot({"dark_matter": particles}, box_size, redshift, float(data["omega_m"]), float(data["h0"]) / 100)


def _check_shapes(found: Mapping[str, Shape]) -> None:
    """ValueError unless the arrays of an extract are there and fit together."""
    n = found.get("pos_mpch", (0,))[:1]
    expected = {"pos_mpch": (*n, 3), "vel_kms": (*n, 3), "boxsize_mpch": (), "mpart_hmsun": (), "omega_m": (), "h0": ()}
    for name, shape in expected.items():
        if name not in found:
            raise ValueError(f"expected a key {name}, got {', '.join(sorted(found)) or 'none'}")
        if found[name] != shape:
            raise ValueError(f"expected {name} of shape {shape}, got {found[name]}")


def _shape(archive: zipfile.ZipFile, item: zipfile.ZipInfo, limit: int) -> Shape:
    """Shape of one array; ValueError when it is no array of numbers or its header declares another size than it has."""
    with archive.open(item) as stream:
        version = npy.read_magic(stream)
        header = npy.read_array_header_1_0 if version == (1, 0) else npy.read_array_header_2_0
        shape, _, dtype = header(stream)
        size = stream.tell() + dtype.itemsize * int(np.prod(shape, dtype=object))
    if dtype.hasobject:
        raise ValueError(f"{item.filename} holds objects")
    if size != item.file_size or size > limit:
        raise ValueError(f"{item.filename} declares {size} bytes, {min(item.file_size, limit)} are there")
    return shape

"""Shards of halos counted in cells and their manifest on disk.

Knows the formats and their integrity; knows nothing of how the counts are made.

Shard `{simulation}.hdf5`: `density` (N, N, N) float32 over its mean, `counts` (C, N, N, N) uint16, `params` (p,). Its
record `{simulation}.json` says which configuration and which simulation it was made from. `manifest.json` lists the
shards of a finished set.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from numpy.typing import NDArray

from configs import Frozen
from configs.files import replacing
from sim.shards import opened, read_model, refuse_altered

FORMAT = 1
PRODUCT = "counts"
UNIT = "mean density"
COUNT_UNIT = "halos a cell"
INPUT_CHANNELS = ("density",)
PARAM_NAMES = ("omega_m", "sigma8", "redshift")

Density = NDArray[np.float32]
Integers = NDArray[np.uint16]


@dataclass(frozen=True)
class Grids:
    """density (N, N, N) in units of its mean, counts (C, N, N, N) of halos, params in the order of PARAM_NAMES."""

    density: Density
    counts: Integers
    params: tuple[float, ...]
    box_size: float


@dataclass(frozen=True)
class Shard:
    """The grids of one simulation: channels are bins in log10 of M200c [Msun/h], `cell_size` in Mpc/h."""

    simulation: str
    grids: Grids
    channels: tuple[str, ...]
    config: dict[str, Any]

    @property
    def cell_size(self) -> float:
        return self.grids.box_size / len(self.grids.density)


class Record(Frozen):
    """What a shard holds and what it was made from: `config` and `source` are hashes."""

    simulation: str
    file: str
    sha256: str
    n_halos: int
    n_cells: int
    box_size: float
    config: str
    source: str
    commit: str


class Entry(Frozen):
    """A shard in the manifest."""

    simulation: str
    file: str
    sha256: str
    n_halos: int


class Manifest(Frozen):
    """What a folder of shards holds, and which simulations are for training, validation and test."""

    product: str
    format: int
    config: dict[str, Any]
    commit: str
    input_channels: tuple[str, ...]
    target_channels: tuple[str, ...]
    unit: str
    target_unit: str
    cell_size: float
    box_size: float
    n_cells: int
    param_names: tuple[str, ...]
    shards: tuple[Entry, ...]
    split: dict[str, tuple[str, ...]]


def write_shard(path: Path, shard: Shard) -> None:
    """Write `shard` to `path`, whole or not at all; equal content gives equal bytes."""
    grids = shard.grids
    with replacing(path) as temporary, h5py.File(temporary, "w") as file:
        contents = {"density": grids.density, "counts": grids.counts, "params": np.array(grids.params)}
        for key, values in contents.items():
            file.create_dataset(key, data=values, track_times=False)
        file["density"].attrs["unit"], file["counts"].attrs["unit"] = UNIT, COUNT_UNIT
        file.attrs["product"], file.attrs["format"] = PRODUCT, FORMAT
        file.attrs["simulation"], file.attrs["box_size"] = shard.simulation, grids.box_size
        file.attrs["cell_size"] = shard.cell_size
        file.attrs["target_channels"], file.attrs["param_names"] = list(shard.channels), list(PARAM_NAMES)
        file.attrs["config"] = json.dumps(shard.config, sort_keys=True)


def read_shard(path: Path) -> Shard:
    """The shard at `path`; FileNotFoundError, or ValueError when it is damaged or of another format."""
    with opened(path) as file:
        refuse_foreign(file, path)
        params = tuple(map(float, file["params"][:]))
        grids = Grids(file["density"][:], file["counts"][:], params, float(file.attrs["box_size"]))
        channels = tuple(map(str, file.attrs["target_channels"]))
        return Shard(str(file.attrs["simulation"]), grids, channels, json.loads(file.attrs["config"]))


def refuse_foreign(file: h5py.File, path: Path) -> None:
    """ValueError unless the open `file` is a shard of this product and format."""
    found = (file.attrs.get("product"), file.attrs.get("format"))
    if found != (PRODUCT, FORMAT):
        raise ValueError(f"{path}: expected a shard of {PRODUCT}, format {FORMAT}, got {found[0]}, {found[1]}")


def read_manifest(folder: Path) -> Manifest:
    """The manifest of a folder of shards; ValueError when it is none of this product and format."""
    path = folder / "manifest.json"
    manifest = read_model(Manifest, path, "a manifest of a finished set of halo counts")
    if (manifest.product, manifest.format) != (PRODUCT, FORMAT):
        found = f"{manifest.product}, {manifest.format}"
        raise ValueError(f"{path}: expected {PRODUCT}, format {FORMAT}, got {found}")
    return manifest


def verify(folder: Path) -> Manifest:
    """The manifest of `folder`; ValueError names the first shard whose bytes are not those it was written with."""
    manifest = read_manifest(folder)
    refuse_altered(folder, {shard.file: shard.sha256 for shard in manifest.shards})
    return manifest

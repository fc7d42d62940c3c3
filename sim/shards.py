"""Shards of paired maps and their manifest on disk.

Knows the formats and their integrity; knows nothing of how maps are made.

Shard `{simulation}.hdf5`: `inputs` (n, 1, P, P) and `targets` (n, 3, P, P), float32 surface densities; `params` (n, p);
`axis` and `slab` (n,). Its record `{simulation}.json` says which configuration and which simulation it was made from.
`manifest.json` lists the shards of a finished set.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import h5py
import numpy as np
from numpy.typing import NDArray
from pydantic import ValidationError

from configs import Baryons, Cosmology, Frozen

Array = NDArray[np.float32]
Model = TypeVar("Model", bound=Frozen)

FORMAT = 1
UNIT = "Msun/h / (Mpc/h)^2"
INPUT_CHANNELS = ("dmo",)
TARGET_CHANNELS = ("total", "gas", "stars")
PARAM_NAMES = (*Cosmology.model_fields, *Baryons.model_fields, "redshift")


@dataclass(frozen=True)
class Shard:
    """The maps of one simulation: lengths in Mpc/h, maps in `UNIT`, rows of `params` in the order of `param_names`."""

    simulation: str
    inputs: Array
    targets: Array
    params: Array
    axis: NDArray[np.int64]
    slab: NDArray[np.int64]
    box_size: float
    redshift: float
    config: dict[str, Any]
    input_channels: tuple[str, ...] = INPUT_CHANNELS
    target_channels: tuple[str, ...] = TARGET_CHANNELS
    param_names: tuple[str, ...] = PARAM_NAMES
    unit: str = UNIT

    @property
    def pixel_size(self) -> float:
        return self.box_size / self.inputs.shape[-1]

    @property
    def depth(self) -> float:
        """Length of the line of sight through each map."""
        return self.box_size / int(self.config["n_slabs"])


class ShardRecord(Frozen):
    """What a shard holds and what it was made from: `config` and `source` are hashes."""

    simulation: str
    file: str
    sha256: str
    n_maps: int
    box_size: float
    config: str
    source: str
    commit: str


class ShardEntry(Frozen):
    """A shard in the manifest."""

    simulation: str
    file: str
    sha256: str
    n_maps: int


class Manifest(Frozen):
    """What a folder of shards holds, and which simulations are for training, validation and test."""

    format: int
    config: dict[str, Any]
    commit: str
    input_channels: tuple[str, ...]
    target_channels: tuple[str, ...]
    unit: str
    pixel_size: float
    box_size: float
    depth: float
    param_names: tuple[str, ...]
    shards: tuple[ShardEntry, ...]
    split: dict[str, tuple[str, ...]]


def write_shard(path: Path, shard: Shard) -> None:
    """Write `shard` to `path`; equal content gives equal bytes."""
    with h5py.File(path, "w") as file:
        for key in ("inputs", "targets", "params", "axis", "slab"):
            file.create_dataset(key, data=getattr(shard, key), track_times=False)
        for key in ("simulation", "box_size", "pixel_size", "depth", "redshift", "unit"):
            file.attrs[key] = getattr(shard, key)
        for key in ("input_channels", "target_channels", "param_names"):
            file.attrs[key] = list(getattr(shard, key))
        file.attrs["format"] = FORMAT
        file.attrs["config"] = json.dumps(shard.config, sort_keys=True)


def read_shard(folder: Path, name: str) -> Shard:
    """The shard of simulation `name` in `folder`; ValueError when it is damaged or of another format."""
    path = folder / f"{name}.hdf5"
    with opened(path) as file:
        return _shard(file, path)


@contextmanager
def opened(path: Path) -> Iterator[h5py.File]:
    """The HDF5 file of a shard; FileNotFoundError, or ValueError when it is damaged or lacks what a shard has."""
    if not path.is_file():
        raise FileNotFoundError(f"{path}: expected the shard of a simulation, found none")
    try:
        with h5py.File(path) as file:
            yield file
    except (OSError, KeyError) as error:
        raise ValueError(f"{path}: expected a whole shard of format {FORMAT}, got: {error}") from error


def _shard(file: h5py.File, path: Path) -> Shard:
    if file.attrs.get("format") != FORMAT:
        raise ValueError(f"{path}: expected a shard of format {FORMAT}, got {file.attrs.get('format')}")
    content: dict[str, Any] = {key: file[key][:] for key in ("inputs", "targets", "params", "axis", "slab")}
    content |= {key: tuple(map(str, file.attrs[key])) for key in ("input_channels", "target_channels", "param_names")}
    content |= {key: file.attrs[key].item() for key in ("box_size", "redshift")}
    content |= {key: str(file.attrs[key]) for key in ("simulation", "unit")}
    return Shard(**content, config=json.loads(file.attrs["config"]))


def read_manifest(folder: Path) -> Manifest:
    """The manifest of a folder of shards; ValueError when it is no manifest of this format."""
    path = folder / "manifest.json"
    manifest = read_model(Manifest, path, "a manifest of a finished set of pairs")
    if manifest.format != FORMAT:
        raise ValueError(f"{path}: expected format {FORMAT}, got {manifest.format}")
    return manifest


def read_model(model: type[Model], path: Path, what: str) -> Model:
    """The JSON of a `model` at `path`; FileNotFoundError, or ValueError when it is no such JSON."""
    if not path.is_file():
        raise FileNotFoundError(f"{path}: expected {what}, found none")
    try:
        return model.model_validate_json(path.read_text())
    except ValidationError as error:
        raise ValueError(f"{path}: expected {what}, got {error.errors()[0]['msg']}") from error


def verify(folder: Path) -> Manifest:
    """The manifest of `folder`; ValueError names the first shard whose bytes are not those it was written with."""
    manifest = read_manifest(folder)
    refuse_altered(folder, {shard.file: shard.sha256 for shard in manifest.shards})
    return manifest


def refuse_altered(folder: Path, hashes: Mapping[str, str]) -> None:
    """ValueError names the first file of `folder` whose SHA-256 is not the one given."""
    for name, expected in hashes.items():
        if (got := file_hash(folder / name)) != expected:
            raise ValueError(f"{folder / name}: expected sha256 {expected}, got {got}")


def file_hash(path: Path) -> str:
    """SHA-256 of a file."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def digest(content: Mapping[str, Any]) -> str:
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()

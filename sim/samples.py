"""Samples of the surroundings of halos on both sides of a simulation, and their shards and manifest on disk.

Knows the formats and their integrity; knows nothing of how samples are made.

Shard `{simulation}.{part}.hdf5`: `condition` (n, P, P), `target` (n, 3, P, P) and `large_scale` (n, s, P, P), float32
mass a fine pixel [Msun/h]; `large_scale_target` (n, 3, t, P, P) where it was asked for; `params` (n, p), `halo_mass`
(n,), `halo_radius` (n,), `halo_center` (n, 3), `halo` and `rotation_number` (n,), `rotation` (n, 3, 3). Cubes have an
axis P more. Its record `{simulation}.{part}.json` says what it was made from, `{simulation}.json` which parts and halos
a simulation has, and `manifest.json` lists a finished set.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from numpy.typing import NDArray

from configs import Frozen
from configs.files import replacing
from sim.moments import Moments
from sim.shards import opened, read_model, refuse_altered

Array = NDArray[np.float32]

FORMAT = 1
PRODUCT = "cutouts"
UNIT = "Msun/h a fine pixel"
TARGET_CHANNELS = ("dark_matter", "gas", "stars")
UNITS = {
    "condition": UNIT,
    "target": UNIT,
    "large_scale": UNIT,
    "large_scale_target": UNIT,
    "halo_mass": "M200c, Msun/h",
    "halo_radius": "R200c, comoving Mpc/h",
    "halo_center": "comoving Mpc/h",
}


@dataclass(frozen=True)
class Samples:
    """n samples of one simulation: lengths in Mpc/h, masses in Msun/h, rows of `params` in the order of param_names.

    `rotation` carries an offset from the centre to the frame of the sample, whose line of sight is the last axis.
    """

    condition: Array
    target: Array
    large_scale: Array
    large_scale_target: Array
    params: NDArray[np.float64]
    halo_mass: NDArray[np.float64]
    halo_radius: NDArray[np.float64]
    halo_center: NDArray[np.float64]
    halo: NDArray[np.int64]
    rotation_number: NDArray[np.int64]
    rotation: NDArray[np.float64]

    def __len__(self) -> int:
        return len(self.condition)

    def moments(self) -> dict[str, Moments]:
        """Those of log10(1 + mass) of every channel, by its name."""
        channels = {"condition": self.condition}
        channels |= {f"target/{name}": self.target[:, i] for i, name in enumerate(TARGET_CHANNELS)}
        channels |= {f"large_scale/{i}": self.large_scale[:, i] for i in range(self.large_scale.shape[1])}
        return {name: Moments.of(np.log10(1 + channel.astype(np.float64))) for name, channel in channels.items()}


@dataclass(frozen=True)
class Shard:
    """Samples and what they are samples of."""

    simulation: str
    samples: Samples
    scales: tuple[float, ...]
    box_size: float
    depth: float
    redshift: float
    param_names: tuple[str, ...]
    config: dict[str, Any]

    @property
    def pixel_size(self) -> float:
        """Side of a fine pixel."""
        return self.scales[0] / self.samples.condition.shape[-1]


class PartRecord(Frozen):
    """What a shard holds and what it was made from: `config` and `source` are hashes, `seconds` times by stage."""

    simulation: str
    part: int
    file: str
    sha256: str
    n_samples: int
    config: str
    source: str
    commit: str
    moments: dict[str, Moments]
    seconds: dict[str, float]


class SimulationRecord(Frozen):
    """The shards of one simulation, and the halos that its catalogue has for them."""

    simulation: str
    n_halos: int
    n_samples: int
    box_size: float
    redshift: float
    param_names: tuple[str, ...]
    catalog: str
    counts: dict[str, int]
    config: str
    source: str
    parts: tuple[PartRecord, ...]
    seconds: dict[str, float]


class Entry(Frozen):
    """A shard in the manifest."""

    simulation: str
    file: str
    sha256: str
    n_samples: int


class Manifest(Frozen):
    """What a folder of shards holds. `hash` is of all but `commit` and `seconds`: of what was made, not of how."""

    product: str
    format: int
    config: dict[str, Any]
    unit: str
    target_channels: tuple[str, ...]
    scales: tuple[float, ...]
    n_pixels: int
    n_dims: int
    pixel_size: float
    box_size: float
    depth: float
    redshift: float
    param_names: tuple[str, ...]
    halos: dict[str, int]
    catalogs: dict[str, str]
    counts: dict[str, dict[str, int]]
    shards: tuple[Entry, ...]
    split: dict[str, tuple[str, ...]]
    moments: dict[str, Moments]
    commit: str
    seconds: dict[str, float]
    hash: str = ""

    def words(self) -> str:
        """What there is, in a line."""
        n_samples = sum(entry.n_samples for entry in self.shards)
        made = f"{n_samples} samples of {sum(self.halos.values())} halos in {len(self.halos)} simulations"
        return f"{made}, {len(self.shards)} shards, hash {self.hash[:16]}"

    def content_hash(self) -> str:
        """SHA-256 of everything but commit, seconds and itself."""
        content = self.model_dump(mode="json", exclude={"commit", "seconds", "hash"})
        return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


def write_shard(path: Path, shard: Shard) -> None:
    """Write `shard` to `path`, whole or not at all; equal content gives equal bytes."""
    with replacing(path) as temporary, h5py.File(temporary, "w") as file:
        for field in fields(Samples):
            values = getattr(shard.samples, field.name)
            if values.size or field.name not in ("large_scale", "large_scale_target"):
                data = file.create_dataset(field.name, data=values, track_times=False)
                if field.name in UNITS:
                    data.attrs["unit"] = UNITS[field.name]
        for key in ("simulation", "box_size", "depth", "redshift", "pixel_size"):
            file.attrs[key] = getattr(shard, key)
        file.attrs["scales"] = np.array(shard.scales)
        file.attrs["target_channels"] = list(TARGET_CHANNELS)
        file.attrs["param_names"] = list(shard.param_names)
        file.attrs["product"], file.attrs["format"] = PRODUCT, FORMAT
        file.attrs["config"] = json.dumps(shard.config, sort_keys=True)


def read_shard(path: Path) -> Shard:
    """The shard at `path`; ValueError when it is damaged or of another format."""
    with opened(path) as file:
        return _shard(file, path)


def _shard(file: h5py.File, path: Path) -> Shard:
    kind = (str(file.attrs.get("product")), int(file.attrs.get("format", 0)))
    if kind != (PRODUCT, FORMAT):
        raise ValueError(f"{path}: expected a shard of {PRODUCT}, format {FORMAT}, got {kind[0]}, format {kind[1]}")
    content = {field.name: file[field.name][:] for field in fields(Samples) if field.name in file}
    shape = content["condition"].shape
    content.setdefault("large_scale", np.empty((shape[0], 0, *shape[1:]), np.float32))
    content.setdefault("large_scale_target", np.empty((shape[0], 3, 0, *shape[1:]), np.float32))
    return Shard(
        simulation=str(file.attrs["simulation"]),
        samples=Samples(**content),
        scales=tuple(file.attrs["scales"].tolist()),
        param_names=tuple(map(str, file.attrs["param_names"])),
        config=json.loads(file.attrs["config"]),
        **{key: file.attrs[key].item() for key in ("box_size", "depth", "redshift")},
    )


def read_manifest(folder: Path) -> Manifest:
    """The manifest of a folder of shards; ValueError when it is none of this format, or was altered."""
    path = folder / "manifest.json"
    manifest = read_model(Manifest, path, "the manifest of a finished set of cutouts")
    if (manifest.product, manifest.format) != (PRODUCT, FORMAT):
        kind = f"{manifest.product}, format {manifest.format}"
        raise ValueError(f"{path}: expected {PRODUCT}, format {FORMAT}, got {kind}")
    if manifest.hash != manifest.content_hash():
        raise ValueError(f"{path}: expected content of hash {manifest.hash}, got {manifest.content_hash()}")
    return manifest


def verify(folder: Path) -> Manifest:
    """The manifest of `folder`; ValueError names the first shard whose bytes are not those it was written with."""
    manifest = read_manifest(folder)
    refuse_altered(folder, {entry.file: entry.sha256 for entry in manifest.shards})
    return manifest


def write_record(path: Path, record: Frozen) -> None:
    """Write a record or a manifest as JSON, whole or not at all."""
    with replacing(path) as temporary:
        temporary.write_text(record.model_dump_json(indent=1) + "\n")

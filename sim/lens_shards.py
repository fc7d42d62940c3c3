"""Shards of simulated lenses and their manifest on disk.

Knows the formats and their integrity; knows nothing of how lenses are made.

Shard `lenses_{part}.hdf5`, float32: `image`, `noiseless`, `noise_map` (n, P, P), `psf` (n, k, k), `source` (n, m, m);
`truth/{name}` (n,), `truth/subhalos` (n, s, 3) and `truth/clumps` (n, c, 4), float64; units as attributes. Its record
`lenses_{part}.json` says which configuration it was made from and what was rejected. `manifest.json` lists the shards
of a finished set.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from numpy.typing import NDArray

from configs import Frozen
from configs.files import replacing
from sim.lensing.truth import CLUMP, PSF_KINDS, SOURCE_KINDS, SUBHALO, TRUTH, Truths
from sim.shards import opened, read_model

FORMAT = 1
PRODUCT = "lenses"
RATE = "electron s-1"
UNITS = {"image": RATE, "noiseless": RATE, "noise_map": RATE, "psf": "", "source": "electron s-1 arcsec-2"}
"""Of what is kept of each system."""

Images = Mapping[str, NDArray[np.float32]]


class Record(Frozen):
    """What a part of a set holds, and what it was made from: `config` is a hash, sha256 one of all its files."""

    part: int
    start: int
    stop: int
    files: tuple[str, ...]
    sha256: str
    n_bytes: int
    rejected: dict[str, int]
    config: str
    commit: str


class Manifest(Frozen):
    """What a folder of lenses holds, and how many systems were rejected on the way."""

    product: str
    format: int
    family: str
    config: dict[str, Any]
    commit: str
    n: int
    units: dict[str, str]
    truth: dict[str, str]
    parameters: dict[str, str]
    rejected: dict[str, int]
    parts: tuple[Record, ...]

    def words(self) -> str:
        """How many there are and how many were rejected, on one line."""
        why = ", ".join(f"{n} {reason}" for reason, n in self.rejected.items() if n)
        n_rejected = sum(self.rejected.values())
        return f"{self.n} systems of {self.family}; {n_rejected} rejected" + (f" ({why})" if why else "")


def write_shard(path: Path, images: Images, truths: Truths, config: Mapping[str, Any]) -> None:
    """Write the images of `UNITS` and the truth to `path`, whole or not at all; equal content gives equal bytes."""
    with replacing(path) as temporary, h5py.File(temporary, "w") as file:
        for name, unit in UNITS.items():
            file.create_dataset(name, data=images[name], track_times=False).attrs["unit"] = unit
        for name, quantity in TRUTH.items():
            column = file.create_dataset(f"truth/{name}", data=truths[name], track_times=False)
            column.attrs["unit"], column.attrs["meaning"] = quantity.unit, quantity.meaning
        for name, columns in (("subhalos", SUBHALO), ("clumps", CLUMP)):
            table = file.create_dataset(f"truth/{name}", data=getattr(truths, name), track_times=False)
            table.attrs["columns"] = list(columns)
        file.attrs["product"], file.attrs["format"] = PRODUCT, FORMAT
        file.attrs["source_kinds"], file.attrs["psf_kinds"] = list(SOURCE_KINDS), list(PSF_KINDS)
        file.attrs["config"] = json.dumps(config, sort_keys=True)


def read_shard(path: Path, first: int | None = None) -> tuple[Images, Truths]:
    """The images and the truth of the systems of a shard, or of its `first`; ValueError when it is none or damaged."""
    with opened(path) as file:
        found = (file.attrs.get("product"), file.attrs.get("format"))
        if found != (PRODUCT, FORMAT):
            raise ValueError(f"{path}: expected a shard of {PRODUCT}, format {FORMAT}, got {found[0]}, {found[1]}")
        images = {name: file[name][:first] for name in UNITS}
        truth = file["truth"]
        numbers = {name: truth[name][:first] for name in TRUTH}
        return images, Truths(numbers, truth["subhalos"][:first], truth["clumps"][:first])


def read_manifest(folder: Path) -> Manifest:
    """The manifest of a folder of lenses; ValueError when it is none of this product and format."""
    path = folder / "manifest.json"
    manifest = read_model(Manifest, path, "a manifest of a finished set of lenses")
    if (manifest.product, manifest.format) != (PRODUCT, FORMAT):
        found = f"{manifest.product}, {manifest.format}"
        raise ValueError(f"{path}: expected {PRODUCT}, format {FORMAT}, got {found}")
    return manifest


def lens_sets(folder: Path) -> list[Path]:
    """`folder` if it is a finished set of lenses, else those of its folders that are."""
    return [one for one in (folder, *sorted(folder.glob("*/"))) if is_lens_set(one)]


def is_lens_set(folder: Path) -> bool:
    path = folder / "manifest.json"
    return path.is_file() and json.loads(path.read_text()).get("product") == PRODUCT

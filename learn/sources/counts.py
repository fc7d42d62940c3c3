"""Sets of halo counts that `produce` wrote, in one folder or several of the same simulations."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from configs import CountShards
from learn.data import About, Split
from learn.sources.patches import Cube, PatchSource
from sim.count_shards import Manifest, read_manifest, read_shard
from sim.shards import file_hash

SAME = ("input_channels", "target_channels", "unit", "target_unit", "cell_size", "box_size", "param_names", "split")


@dataclass(frozen=True)
class StoredShard:
    """A shard of halo counts."""

    path: Path

    def load(self) -> Cube:
        grids = read_shard(self.path).grids
        return Cube(grids.density, grids.counts, np.array(grids.params, np.float32))


def open_counts(config: CountShards, split: Split) -> PatchSource:
    """The boxes of one split; FileNotFoundError or ValueError names what is missing or of another kind."""
    folders = (config.folder, *config.more)
    manifests = [read_manifest(folder) for folder in folders]
    for folder, manifest in zip(folders, manifests, strict=True):
        refuse_different(manifests[0], manifest, config.folder, folder)
    names = manifests[0].split[split]
    if not names:
        raise ValueError(f"{config.folder / 'manifest.json'}: simulations in the {split} split, found none")
    cubes = {name: list(shards_of(name, folders, manifests)) for name in names}
    return PatchSource(cubes, config, about_of(manifests[0], folders))


def shards_of(name: str, folders: Sequence[Path], manifests: Sequence[Manifest]) -> list[StoredShard]:
    """The shards of simulation `name`, of every folder."""
    pairs = zip(folders, manifests, strict=True)
    every = ((folder, entry) for folder, manifest in pairs for entry in manifest.shards)
    return [StoredShard(folder / entry.file) for folder, entry in every if entry.simulation == name]


def about_of(manifest: Manifest, folders: Sequence[Path]) -> About:
    """What the boxes are."""
    hashes = [file_hash(folder / "manifest.json") for folder in folders]
    return About(
        input_channels=manifest.input_channels,
        target_channels=manifest.target_channels,
        unit=manifest.unit,
        target_unit=manifest.target_unit,
        n_dims=3,
        pixel_size=manifest.cell_size,
        box_size=manifest.box_size,
        depth=manifest.box_size,
        periodic=True,
        param_names=manifest.param_names,
        data_sha256=hashes[0] if len(hashes) == 1 else hashlib.sha256("".join(hashes).encode()).hexdigest(),
    )


def refuse_different(first: Manifest, other: Manifest, first_folder: Path, folder: Path) -> None:
    """ValueError unless the boxes of two folders are of one kind, and their simulations parted alike."""
    for name in SAME:
        expected, got = getattr(first, name), getattr(other, name)
        if expected != got:
            raise ValueError(f"{folder}: expected {name} {expected} as in {first_folder}, got {got}")

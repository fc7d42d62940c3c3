"""Pair shards that `produce` wrote, in one folder or several of the same simulations."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from configs import PairShards
from learn.data import About, Batch, Split
from learn.sources.files import OpenFiles
from sim.shards import Manifest, file_hash, read_manifest

SAME = ("input_channels", "target_channels", "unit", "pixel_size", "box_size", "depth", "param_names", "split")


class ShardSource:
    """The maps of one split; a shard is opened when one of its maps is first asked for, in each process."""

    def __init__(self, config: PairShards, split: Split) -> None:
        self.folders = (config.folder, *config.more)
        manifests = [read_manifest(folder) for folder in self.folders]
        for folder, manifest in zip(self.folders, manifests, strict=True):
            refuse_different(manifests[0], manifest, self.folders[0], folder)
        self.manifest = manifests[0]
        self._maps: list[tuple[Path, int]] = []
        self.simulations: Mapping[str, range] = {
            name: self._list_maps(name, manifests) for name in self.manifest.split[split]
        }
        self._files = OpenFiles()
        if not self._maps:
            raise ValueError(f"{config.folder / 'manifest.json'}: maps in the {split} split, found none")
        self.about = self._describe()

    def _describe(self) -> About:
        """What the maps are: the whole box seen along an axis, so periodic."""
        hashes = [file_hash(folder / "manifest.json") for folder in self.folders]
        identity = hashes[0] if len(hashes) == 1 else hashlib.sha256("".join(hashes).encode()).hexdigest()
        described = self.manifest.model_dump(include=set(About.model_fields))
        return About(**described, periodic=True, data_sha256=identity)

    def __len__(self) -> int:
        return len(self._maps)

    def read(self, indices: Sequence[int]) -> Batch:
        """The maps with these indices, as stored."""
        return Batch.stacked((self._read_one(i) for i in indices), indices)

    def close(self) -> None:
        """Close the shards; reading opens them again."""
        self._files.close()

    def _list_maps(self, name: str, manifests: Sequence[Manifest]) -> range:
        """Add the maps of simulation `name`, of every folder; their indices."""
        start = len(self._maps)
        for folder, manifest in zip(self.folders, manifests, strict=True):
            for shard in manifest.shards:
                if shard.simulation == name:
                    self._maps += [(folder / shard.file, row) for row in range(shard.n_maps)]
        return range(start, len(self._maps))

    def _read_one(self, index: int) -> tuple[NDArray[np.float32], ...]:
        path, row = self._maps[index]
        shard = self._files[path]
        return shard["inputs"][row], shard["targets"][row], shard["params"][row]


def refuse_different(first: Manifest, other: Manifest, first_folder: Path, folder: Path) -> None:
    """ValueError unless the maps of two folders are of one kind, and their simulations parted alike."""
    for name in SAME:
        expected, got = getattr(first, name), getattr(other, name)
        if expected != got:
            raise ValueError(f"{folder}: expected {name} {expected} as in {first_folder}, got {got}")

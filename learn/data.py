"""Shards on disk -> batches of tensors, in an order that does not know how many workers there are.

What a worker reads, and how each map is rolled, turned and mirrored, is a function of (seed, step, index in the global
batch) alone. Knows nothing of normalisation or of networks.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Literal, Self

import h5py
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from sim.shards import Manifest, read_manifest

Split = Literal["train", "validation", "test"]
ORDER, AUGMENTATION = 0, 1  # the streams of random numbers that one seed gives


@dataclass(frozen=True)
class Batch:
    """inputs (B, 1, P, P) and targets (B, C, P, P) in Msun/h/(Mpc/h)^2, params (B, p); float32."""

    inputs: Tensor
    targets: Tensor
    params: Tensor

    def __len__(self) -> int:
        return len(self.inputs)

    def to(self, device: torch.device) -> Self:
        return type(self)(self.inputs.to(device), self.targets.to(device), self.params.to(device))


class MapDataset:
    """The maps of one split; a shard is opened when one of its maps is first asked for, in each process."""

    def __init__(self, folder: Path, split: Split) -> None:
        self.folder, self.split = folder, split
        self.manifest: Manifest = read_manifest(folder)
        members = set(self.manifest.split[split])
        shards = [shard for shard in self.manifest.shards if shard.simulation in members]
        self._maps = [(shard.file, row) for shard in shards for row in range(shard.n_maps)]
        self._files: dict[str, h5py.File] = {}
        if not self._maps:
            raise ValueError(f"{folder / 'manifest.json'}: maps in the {split} split, found none")

    def __len__(self) -> int:
        return len(self._maps)

    def __getstate__(self) -> dict[str, object]:
        return {**self.__dict__, "_files": {}}

    def read(self, indices: Sequence[int]) -> Batch:
        """The maps with these indices, as stored."""
        rows = [self._read_one(i) for i in indices]
        inputs, targets, params = (torch.from_numpy(np.stack(part)) for part in zip(*rows, strict=True))
        return Batch(inputs, targets, params)

    def _read_one(self, index: int) -> tuple[NDArray[np.float32], ...]:
        name, row = self._maps[index]
        if name not in self._files:
            self._files[name] = h5py.File(self.folder / name)
        shard = self._files[name]
        return shard["inputs"][row], shard["targets"][row], shard["params"][row]

    def close(self) -> None:
        """Close the shards; reading opens them again."""
        for file in self._files.values():
            file.close()
        self._files.clear()


@dataclass(frozen=True)
class InOrder:
    """The maps of a data set as stored, in batches, as often as it is iterated; rank r of n takes every n-th map."""

    dataset: MapDataset
    batch_size: int
    rank: int = 0
    size: int = 1

    def __iter__(self) -> Iterator[Batch]:
        mine = range(self.rank, len(self.dataset), self.size)
        for start in range(0, len(mine), self.batch_size):
            yield self.dataset.read(mine[start : start + self.batch_size])


@dataclass(frozen=True)
class Shuffled:
    """An endless stream of augmented batches: this rank's share of every global batch of `batch_size` maps."""

    dataset: MapDataset
    batch_size: int
    seed: int
    rank: int = 0
    size: int = 1
    periodic: bool = True

    def starting(self, step: int) -> Iterator[Batch]:
        """The batches of steps `step`, `step` + 1, ..."""
        while True:
            yield self.at(step)
            step += 1

    def at(self, step: int) -> Batch:
        """The share of this rank in the batch of `step`."""
        share = self.batch_size // self.size
        mine = range(self.rank * share, (self.rank + 1) * share)
        indices = [position(self.seed, step * self.batch_size + i, len(self.dataset)) for i in mine]
        rngs = [np.random.default_rng([AUGMENTATION, self.seed, step, i]) for i in mine]
        return augmented(self.dataset.read(indices), rngs, periodic=self.periodic)


def position(seed: int, count: int, n_maps: int) -> int:
    """Which map is the `count`-th of a stream that shows every map once an epoch."""
    epoch, place = divmod(count, n_maps)
    return int(permutation(seed, epoch, n_maps)[place])


@lru_cache(maxsize=4)
def permutation(seed: int, epoch: int, n_maps: int) -> NDArray[np.int64]:
    """The order of an epoch."""
    return np.random.default_rng([ORDER, seed, epoch]).permutation(n_maps)


def augmented(batch: Batch, rngs: Sequence[np.random.Generator], *, periodic: bool) -> Batch:
    """`batch` with each map turned, mirrored and (if `periodic`) rolled by its own generator."""
    maps = torch.cat((batch.inputs, batch.targets), dim=1)  # (B, 1 + C, P, P)
    moved = torch.stack([moved_at_random(x, rng, periodic) for x, rng in zip(maps, rngs, strict=True)])
    n_in = batch.inputs.shape[1]
    return Batch(moved[:, :n_in].contiguous(), moved[:, n_in:].contiguous(), batch.params)


def moved_at_random(maps: Tensor, rng: np.random.Generator, periodic: bool) -> Tensor:
    """One of the 8 symmetries of the square, then a roll, the same for all channels (C, P, P)."""
    turns, mirror = int(rng.integers(4)), bool(rng.integers(2))
    down, right = (int(n) for n in rng.integers(maps.shape[-1], size=2))
    maps = torch.rot90(maps.flip(-1) if mirror else maps, turns, (-2, -1))
    return torch.roll(maps, (down, right), (-2, -1)) if periodic else maps

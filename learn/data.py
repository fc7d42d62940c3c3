"""Maps -> batches of tensors, in an order that does not know how many workers there are.

What a worker reads, and how each map is rolled, turned and mirrored, is a function of (seed, step, index in the global
batch) alone. Knows nothing of files, of normalisation or of networks.
"""

from __future__ import annotations

import copy
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from functools import lru_cache
from itertools import chain
from typing import Any, Literal, Protocol, Self

import numpy as np
import torch
from numpy.typing import NDArray
from pydantic import Field
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from configs import Frozen

Split = Literal["train", "validation", "test"]
ORDER, AUGMENTATION = 0, 1  # the streams of random numbers that one seed gives


@dataclass(frozen=True)
class Batch:
    """inputs (B, I, P, P), targets (B, C, P, P) and params (B, p), float32; seeds (B,), int64. Cubes: (B, I, P, P, P).

    Inputs may be wider than targets, by what a network must see around these. I is 0 where a field is generated from
    nothing but parameters. Whatever is drawn for map i is drawn from seed i: no other map, worker or step has a part in
    it.
    """

    inputs: Tensor
    targets: Tensor
    params: Tensor
    seeds: Tensor

    @classmethod
    def stacked(cls, maps: Iterable[tuple[NDArray[np.float32], ...]], seeds: Sequence[int]) -> Self:
        """From the inputs (I, P, P), targets (C, P, P) and params (p,) of each map."""
        inputs, targets, params = (torch.from_numpy(np.stack(part)) for part in zip(*maps, strict=True))
        return cls(inputs, targets, params, torch.tensor(list(seeds)))

    def __len__(self) -> int:
        return len(self.inputs)

    def to(self, device: torch.device) -> Self:
        return type(self)(*(getattr(self, field.name).to(device, non_blocking=True) for field in fields(self)))

    def pin_memory(self) -> Self:
        """Itself in memory that a GPU copies from while it computes."""
        return type(self)(*(getattr(self, field.name).pin_memory() for field in fields(self)))

    def part(self, first: int, last: int) -> Self:
        """Those from `first` on, without `last`."""
        return type(self)(*(getattr(self, field.name)[first:last] for field in fields(self)))

    def parts(self, n: int) -> Iterator[Self]:
        """At most `n` parts of equal or nearly equal size, in order."""
        columns = (torch.tensor_split(getattr(self, field.name), min(n, len(self))) for field in fields(self))
        return (type(self)(*part) for part in zip(*columns, strict=True))


class About(Frozen):
    """What the maps or cubes of a data set are, the same for all its splits. Lengths in comoving Mpc/h."""

    input_channels: tuple[str, ...]  # the dark matter first, then wider or other views of it
    target_channels: tuple[str, ...]
    unit: str = Field(description="of the inputs; of the targets too, unless they have their own")
    target_unit: str | None = None
    n_dims: Literal[2, 3] = 2
    pixel_size: float = Field(gt=0, description="side of a pixel")
    box_size: float = Field(gt=0, description="side of a map")
    depth: float = Field(gt=0, description="thickness of a map along the line of sight, of a cube its side")
    periodic: bool
    oriented: bool = Field(False, description="whether parameters tell directions, so that maps are shown as they are")
    param_names: tuple[str, ...]
    data_sha256: str = Field(description="of what identifies the data: of a manifest where there is one")

    @property
    def n_pixels(self) -> int:
        """Pixels along the side of a map."""
        return round(self.box_size / self.pixel_size)


class Source(Protocol):
    """The maps of one split of a data set, read when they are asked for, in each process."""

    @property
    def about(self) -> About:
        """What the maps are."""
        ...

    @property
    def simulations(self) -> Mapping[str, range]:
        """The maps of each simulation, by index: the unit that splits are made on and errors are counted in."""
        ...

    def __len__(self) -> int: ...

    def read(self, indices: Sequence[int]) -> Batch:
        """The maps with these indices, as stored; their seeds are their indices."""
        ...

    def close(self) -> None:
        """Close what is open; reading opens it again."""
        ...


@dataclass(frozen=True)
class InOrder:
    """The maps of a data set as stored, in batches, as often as it is iterated; rank r of n takes every n-th map."""

    dataset: Source
    batch_size: int
    rank: int = 0
    size: int = 1

    def __iter__(self) -> Iterator[Batch]:
        mine = range(self.rank, len(self.dataset), self.size)
        for start in range(0, len(mine), self.batch_size):
            yield self.dataset.read(mine[start : start + self.batch_size])


@dataclass(frozen=True)
class Shuffled(Dataset[Batch]):
    """An endless stream of augmented batches: this rank's share of every global batch of `batch_size` maps."""

    dataset: Source
    batch_size: int
    seed: int
    rank: int = 0
    size: int = 1

    def loader(self, steps: range, n_processes: int, *, n_together: int = 1, pin: bool) -> Iterable[Batch]:
        """The batches of `steps`, `n_together` a reading, ahead by processes if any, into pinned memory for a GPU."""
        ahead: dict[str, Any] = {"multiprocessing_context": "spawn", "prefetch_factor": 2} if n_processes else {}
        self.dataset.close()
        few: Iterable[list[Batch]] = DataLoader(
            self,
            sampler=steps,
            batch_size=n_together,
            collate_fn=list,
            num_workers=n_processes,
            pin_memory=pin,
            **ahead,
        )
        return chain.from_iterable(few)

    def __getitems__(self, steps: Sequence[int]) -> list[Batch]:
        """What a loader asks for: the shares of this rank in the batches of `steps`, from one reading."""
        n = len(self._mine)
        read = self.dataset.read([index for step in steps for index in self._indices(step)])
        return [self._shown(step, read.part(i * n, (i + 1) * n)) for i, step in enumerate(steps)]

    def at(self, step: int) -> Batch:
        """The share of this rank in the batch of `step`."""
        (one,) = self.__getitems__([step])
        return one

    @property
    def _mine(self) -> range:
        """Places in a global batch."""
        return range(*(self.batch_size * rank // self.size for rank in (self.rank, self.rank + 1)))

    def _indices(self, step: int) -> list[int]:
        return [position(self.seed, step * self.batch_size + i, len(self.dataset)) for i in self._mine]

    def _shown(self, step: int, batch: Batch) -> Batch:
        rngs = [np.random.default_rng([AUGMENTATION, self.seed, step, i]) for i in self._mine]
        seeds = torch.tensor([int(rng.integers(2**62)) for rng in rngs])
        about = self.dataset.about
        shown = batch if about.oriented else augmented(batch, rngs, periodic=about.periodic)
        return replace(shown, seeds=seeds)


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
    pairs = zip(batch.inputs, batch.targets, rngs, strict=True)
    inputs, targets = zip(*(moved_together(x, y, rng, periodic) for x, y, rng in pairs), strict=True)
    return replace(batch, inputs=torch.stack(inputs), targets=torch.stack(targets))


def moved_together(inputs: Tensor, targets: Tensor, rng: np.random.Generator, periodic: bool) -> tuple[Tensor, Tensor]:
    """The inputs and targets of a map moved alike; inputs that show more around the targets are not rolled."""
    if inputs.shape[-1] != targets.shape[-1]:
        wide = moved_at_random(inputs, copy.deepcopy(rng), False)
        return wide.contiguous(), moved_at_random(targets, rng, False).contiguous()
    moved = moved_at_random(torch.cat((inputs, targets)), rng, periodic)
    return moved[: len(inputs)].contiguous(), moved[len(inputs) :].contiguous()


def moved_at_random(maps: Tensor, rng: np.random.Generator, periodic: bool) -> Tensor:
    """One of the 8 symmetries of the square, or 48 of the cube, then a roll, the same for all channels (C, P, P)."""
    if maps.ndim == 4:
        return cube_moved_at_random(maps, rng, periodic)
    turns, mirror = int(rng.integers(4)), bool(rng.integers(2))
    down, right = (int(n) for n in rng.integers(maps.shape[-1], size=2))
    maps = torch.rot90(maps.flip(-1) if mirror else maps, turns, (-2, -1))
    return torch.roll(maps, (down, right), (-2, -1)) if periodic else maps


def cube_moved_at_random(cubes: Tensor, rng: np.random.Generator, periodic: bool) -> Tensor:
    """Axes exchanged, some mirrored (rotations are the half of these with an even number of both), then a roll."""
    order, mirrored = rng.permutation(3), np.flatnonzero(rng.integers(2, size=3))
    shifts = tuple(int(n) for n in rng.integers(cubes.shape[-1], size=3))
    cubes = cubes.permute(0, *(1 + int(i) for i in order)).flip([1 + int(i) for i in mirrored])
    return torch.roll(cubes, shifts, (1, 2, 3)) if periodic else cubes

"""Cubes of halo counts as a source of maps: whole boxes, or patches with what is around them. Knows nothing of files.

A box is periodic: patches begin every `spacing` cells along each axis, and one that leaves the box goes on at its other
side.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from configs import Patched
from learn.data import About, Batch

Array = NDArray[np.float32]
MAX_BYTES = 2**29
"""Of cubes that a process keeps in memory: reading a patch from a file reads the cube."""


@dataclass(frozen=True)
class Cube:
    """density (N, N, N) over its mean, halo counts (C, N, N, N) and parameters (p,) of one box."""

    density: Array
    counts: NDArray[Any]
    params: Array

    @property
    def n_bytes(self) -> int:
        return self.density.nbytes + self.counts.nbytes


class Stored(Protocol):
    """A cube on disk."""

    def load(self) -> Cube:
        """It in memory; ValueError names the file that holds something else."""
        ...


class PatchSource:
    """The patches, or the whole boxes, of one split; a cube is read when it is first asked for, in each process."""

    def __init__(self, cubes: Mapping[str, Sequence[Stored]], patches: Patched, about: About) -> None:
        self.patches, self.n_cells = patches, about.n_pixels
        self._cubes = [cube for some in cubes.values() for cube in some]
        self._starts = starts(self.n_cells, patches)
        lengths = np.cumsum([0, *(len(some) * len(self._starts) for some in cubes.values())])
        self.simulations: Mapping[str, range] = {
            name: range(int(lengths[i]), int(lengths[i + 1])) for i, name in enumerate(cubes)
        }
        self.about = about if patches.patch is None else patched(about, patches.patch)
        self._held: dict[int, Cube] = {}

    def __getstate__(self) -> dict[str, object]:
        return {**self.__dict__, "_held": {}}

    def __len__(self) -> int:
        return len(self._cubes) * len(self._starts)

    def read(self, indices: Sequence[int]) -> Batch:
        """The patches with these indices, as stored."""
        return Batch.stacked((self._read_one(i) for i in indices), indices)

    def close(self) -> None:
        """Forget the cubes; reading reads them again."""
        self._held.clear()

    def _read_one(self, index: int) -> tuple[Array, ...]:
        i_cube, i_start = divmod(index, len(self._starts))
        cube, start = self._cube(i_cube), self._starts[i_start]
        if self.patches.patch is None:
            return cube.density[None], cube.counts.astype(np.float32), cube.params
        inputs = cut(cube.density, start, self.patches.patch, self.patches.margin)
        return inputs[None], cut(cube.counts, start, self.patches.patch).astype(np.float32), cube.params

    def _cube(self, i: int) -> Cube:
        """Cube `i`, from memory if it is still there; the oldest make room."""
        if i not in self._held:
            cube = self._cubes[i].load()
            refuse_unlike(cube, self.n_cells, i)
            self._held[i] = cube
            while sum(one.n_bytes for one in self._held.values()) > MAX_BYTES and len(self._held) > 1:
                del self._held[next(iter(self._held))]
        return self._held[i]


def starts(n_cells: int, patches: Patched) -> list[tuple[int, int, int]]:
    """The first cell of each patch of a box; ValueError for a patch larger than the box."""
    if patches.patch is None:
        return [(0, 0, 0)]
    if patches.patch > n_cells:
        raise ValueError(f"data.patch: expected at most the {n_cells} cells of a box, got {patches.patch}")
    along = range(0, n_cells, patches.spacing or patches.patch)
    return list(product(along, along, along))


def patched(about: About, patch: int) -> About:
    """What patches of a box are."""
    side = patch * about.pixel_size
    return about.model_copy(update={"box_size": side, "depth": side, "periodic": False})


def cut(box: NDArray[Any], start: Sequence[int], side: int, margin: int = 0) -> NDArray[Any]:
    """`side` cells from `start` along the last three axes of a periodic box, and `margin` around them."""
    n = box.shape[-1]
    along = [np.arange(first - margin, first + side + margin) % n for first in start]
    return box[(..., *np.ix_(*along))]


def refuse_unlike(cube: Cube, n_cells: int, where: int) -> None:
    """ValueError unless a cube has `n_cells` along each side and no density below 0."""
    shapes = cube.density.shape, cube.counts.shape[1:]
    if shapes != ((n_cells,) * 3, (n_cells,) * 3):
        raise ValueError(f"cube {where}: expected {n_cells} cells along each side, got {shapes[0]} and {shapes[1]}")
    if not (np.isfinite(cube.density).all() and cube.density.min() >= 0):
        raise ValueError(f"cube {where}: expected densities >= 0 in every cell, got others")

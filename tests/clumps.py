"""Particles in clumps, and their division among ranks, for the tests of groups and halos."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from sim.parallel import Comm, ThreadComm

BOX = 16.0
GRID = 2.0**-14
"""Positions are multiples of this, so that shifts by others are exact in float32."""

Positions = NDArray[np.float32]
Integers = NDArray[np.int64]
Result = TypeVar("Result")


def clump(center: tuple[float, float, float], n: int, *, size: float = 0.2, seed: int = 0) -> Positions:
    """Points of a Gaussian ball, wrapped into the box."""
    pos = center + size * np.random.default_rng(seed).standard_normal((n, 3))
    return (np.round(pos / GRID) * GRID % BOX).astype(np.float32)


def field(n: int, seed: int = 5) -> Positions:
    return (np.random.default_rng(seed).integers(0, int(BOX / GRID), (n, 3)) * GRID).astype(np.float32)


def clustered() -> Positions:
    """Clumps of many sizes, some on the edges, in a sparse field."""
    rng = np.random.default_rng(11)
    clumps = [clump(tuple(rng.random(3) * BOX), 20 + 15 * i, size=0.05 + 0.02 * i, seed=i) for i in range(15)]
    edges = [clump((0, 8, 8), 200, seed=20), clump((8, 16, 0), 200, seed=21), clump((0, 0, 0), 300, seed=22)]
    return np.concatenate([*clumps, *edges, field(2000)])


def filament(n: int, *, seed: int = 6) -> Positions:
    """A wavy line of n points all along x, round the box."""
    x = BOX * np.arange(n) / n
    phase = 2 * np.pi * x / BOX
    pos = np.stack([x, 8 + np.sin(phase), 8 + 0.5 * np.cos(2 * phase)], axis=1)
    pos += 0.02 * np.random.default_rng(seed).standard_normal(pos.shape)
    return (np.round(pos / GRID) * GRID % BOX).astype(np.float32)


def slab_owners(pos: Positions, size: int, seed: int = 3) -> Integers:
    """The rank (n,) of each particle: slabs along x of very unequal widths."""
    cuts = np.sort(np.random.default_rng(seed).uniform(0, BOX, size - 1))
    return np.searchsorted(cuts, pos[:, 0], side="right")


def on_ranks(owner: Integers, size: int, function: Callable[..., Result], *columns: NDArray[Any]) -> list[Result]:
    """function(comm, *columns of that rank) on `size` ranks, of which each has the rows that it owns."""

    def one_rank(comm: Comm) -> Result:
        return function(comm, *(column[owner == comm.rank] for column in columns))

    return ThreadComm.run(size, one_rank)


class Counted(Comm):
    """Counts the bytes that a rank sends to others."""

    def __init__(self, comm: Comm) -> None:
        self.comm, self.rank, self.size, self.sent = comm, comm.rank, comm.size, 0

    def alltoall(self, blocks: Sequence[NDArray[Any]]) -> list[NDArray[Any]]:
        self.sent += sum(block.nbytes for rank, block in enumerate(blocks) if rank != self.rank)
        return self.comm.alltoall(blocks)

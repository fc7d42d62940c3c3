"""The planes of a mesh that a rank owns, and the exchange of the ghost planes around them.

Knows nothing of what the mesh holds.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from sim.parallel import SERIAL, Comm, slab_bounds

Mesh = NDArray[np.float32]


@dataclass(frozen=True)
class Slab:
    """The planes lo <= x / cell < hi of a periodic n_mesh^3 mesh that this rank owns."""

    n_mesh: int
    box_size: float
    comm: Comm = SERIAL

    @cached_property
    def bounds(self) -> NDArray[np.int64]:
        """First plane of every rank, and n_mesh."""
        size = self.comm.size
        return np.array([slab_bounds(self.n_mesh, size, rank)[0] for rank in range(size)] + [self.n_mesh])

    @property
    def lo(self) -> int:
        return int(self.bounds[self.comm.rank])

    @property
    def hi(self) -> int:
        return int(self.bounds[self.comm.rank + 1])

    @property
    def shape(self) -> tuple[int, int, int]:
        return self.hi - self.lo, self.n_mesh, self.n_mesh

    @property
    def inverse_cell(self) -> np.float32:
        return np.float32(self.n_mesh / self.box_size)

    def owners(self, pos: NDArray[np.float32]) -> NDArray[np.int64]:
        """Rank that owns each of pos (n, 3) in [0, box_size)."""
        plane = np.minimum((pos[:, 0] * self.inverse_cell).astype(np.int64), self.n_mesh - 1)
        return np.searchsorted(self.bounds, plane, side="right") - 1


def fold(mesh: Mesh, slab: Slab, below: int, above: int) -> None:
    """Add the first `below` and last `above` planes, ghosts, to their owners' planes in place."""
    refuse_thin(slab, max(below, above))
    own = mesh[below : len(mesh) - above]
    own[:above] += slab.comm.shift(mesh[len(mesh) - above :], 1)
    if below:
        own[len(own) - below :] += slab.comm.shift(mesh[:below], -1)


def surround(mesh: Mesh, slab: Slab, below: int, above: int) -> None:
    """Fill the first `below` and last `above` planes, ghosts, with their owners' planes in place."""
    refuse_thin(slab, max(below, above))
    own = mesh[below : len(mesh) - above]
    mesh[len(mesh) - above :] = slab.comm.shift(own[:above], -1)
    if below:
        mesh[:below] = slab.comm.shift(own[len(own) - below :], 1)


def extended(mesh: Mesh, slab: Slab, below: int, above: int) -> Mesh:
    """A copy of `mesh` with `below` and `above` planes of its neighbours around it."""
    wide = np.empty((len(mesh) + below + above, *mesh.shape[1:]), mesh.dtype)
    wide[below : len(wide) - above] = mesh
    surround(wide, slab, below, above)
    return wide


def refuse_thin(slab: Slab, n_planes: int) -> None:
    """ValueError when a slab is thinner than what its neighbours need of it."""
    thinnest = int(np.diff(slab.bounds).min())
    if thinnest < n_planes:
        where = f"mesh: a mesh of {slab.n_mesh} planes over {slab.comm.size} ranks"
        raise ValueError(f"{where}: expected at least {n_planes} planes a rank, got {thinnest}")

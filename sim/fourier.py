"""Real Fourier transforms of a mesh in slabs, and the wavenumbers of what comes out.

A mesh is padded: its rows have room for the n // 2 + 1 complex modes that they become, so that a transform needs no
second mesh. Planes and rows are transformed a few at a time, while they are in the cache. In Fourier space every rank
holds all kx, a range of ky and kz >= 0: broadcast kx, ky, kz and no formula needs to know. Knows nothing of particles.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sim.parallel import in_threads
from sim.slab import Slab
from sim.transforms import Transforms, engine

Array = NDArray[Any]
Rows = Callable[[Array, int], None]
"""Changes the modes (n, n // 2 + 1) of one ky in place, given the index of that ky among those of this rank."""
CACHE = 1 << 18
"""Bytes that are transformed at a time, where a plane or a row is not larger."""


@dataclass(frozen=True)
class Fourier:
    """Transforms between the real meshes of a slab (planes, n, n) and their modes (n, rows, n // 2 + 1)."""

    slab: Slab

    @cached_property
    def transforms(self) -> Transforms:
        return engine()

    @cached_property
    def i_modes(self) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
        """Integer modes along x, y, z of this rank, broadcastable; the Nyquist mode is negative in x and y."""
        n = self.slab.n_mesh
        signed = np.rint(np.fft.fftfreq(n) * n).astype(np.int64)
        rows = signed[self.slab.lo : self.slab.hi]
        return signed.reshape(-1, 1, 1), rows.reshape(1, -1, 1), np.arange(n // 2 + 1).reshape(1, 1, -1)

    @cached_property
    def k(self) -> tuple[NDArray[np.float32], NDArray[np.float32], NDArray[np.float32]]:
        """kx, ky, kz [h/Mpc], broadcastable."""
        kx, ky, kz = (np.float32(2 * np.pi / self.slab.box_size) * i.astype(np.float32) for i in self.i_modes)
        return kx, ky, kz

    def forward(self, mesh: Array) -> Array:
        """Unnormalised sum over cells of mesh * exp(-i k x), in the precision of `mesh`."""
        planes = padded(self.slab, mesh.dtype)
        planes[:, :, : self.slab.n_mesh] = mesh
        modes = self._columns(planes)
        _each_row(modes, lambda block, _: self.transforms.forward_rows(block))
        return modes

    def inverse(self, modes: Array) -> Array:
        """The mesh whose `forward` is `modes`, which is overwritten."""
        _each_row(modes, lambda block, _: self.transforms.inverse_rows(block))
        return self._planes(modes)[:, :, : self.slab.n_mesh]

    def filter(self, planes: Array, change: Rows) -> None:
        """`change` the modes of padded `planes`, in place. Several rows are changed at a time, in any order."""
        modes = self._columns(planes)

        def both_ways(block: Array, row: int) -> Array:
            block = self.transforms.forward_rows(block)
            for j in range(block.shape[1]):
                change(block[:, j], row + j)
            return self.transforms.inverse_rows(block)

        _each_row(modes, both_ways)
        filtered = self._planes(modes)
        if self.slab.comm.size > 1:
            planes[:] = filtered

    def _columns(self, planes: Array) -> Array:
        """Padded planes, transformed along y and z in place and shared out by ky."""
        n = self.slab.n_mesh
        modes = planes.view(np.result_type(planes.dtype, np.complex64))

        def transform(begin: int, end: int) -> None:
            for some in batches(begin, end, modes[0].nbytes):
                modes[some] = self.transforms.forward_planes(planes[some, :, :n])

        in_threads(transform, len(planes))
        if self.slab.comm.size == 1:
            return modes
        return np.concatenate(self.slab.comm.alltoall(np.split(modes, self.slab.bounds[1:-1], axis=1)))

    def _planes(self, modes: Array) -> Array:
        """The inverse of `_columns`."""
        n = self.slab.n_mesh
        if self.slab.comm.size > 1:
            modes = np.concatenate(self.slab.comm.alltoall(np.split(modes, self.slab.bounds[1:-1])), axis=1)
        planes = modes.view(modes.real.dtype)

        def transform(begin: int, end: int) -> None:
            for some in batches(begin, end, modes[0].nbytes):
                planes[some, :, :n] = self.transforms.inverse_planes(modes[some], n)

        in_threads(transform, len(planes))
        return planes


def padded(slab: Slab, dtype: np.dtype | type = np.float32, *, ghosts: int = 0) -> Array:
    """A mesh of zeros for the planes of `slab` and so many ghost planes, with room for the modes of each row."""
    n = slab.n_mesh
    return np.zeros((slab.hi - slab.lo + ghosts, n, 2 * (n // 2 + 1)), dtype)


def batches(begin: int, end: int, n_bytes: int) -> Iterator[slice]:
    """The range in parts of as many items of `n_bytes` as fit into the cache, at least one."""
    step = max(1, CACHE // n_bytes)
    for first in range(begin, end, step):
        yield slice(first, min(first + step, end))


def _each_row(modes: Array, change: Callable[[Array, int], Array]) -> None:
    """Replace modes[:, rows] by what `change` makes of a copy of it, given the first of the rows."""

    def transform(begin: int, end: int) -> None:
        for some in batches(begin, end, modes[:, 0].nbytes):
            modes[:, some] = change(np.ascontiguousarray(modes[:, some]), some.start)

    in_threads(transform, modes.shape[1])

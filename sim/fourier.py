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
from sim.transforms import Transforms, engine, modes_of

Array = NDArray[Any]
Rows = Callable[[Array, int], None]
"""Changes modes (n, rows, n // 2 + 1) in place, given the index of the first of those ky among those of this rank."""
CACHE = 1 << 18
"""Bytes that are transformed at a time, where a plane or a row is not larger."""


@dataclass(frozen=True)
class Fourier:
    """Transforms between the real meshes of a slab (planes, n, n) and their modes (n, rows, n // 2 + 1)."""

    slab: Slab

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
        transforms, modes = self._transforms(mesh.dtype), self._columns(planes)

        def transform(some: slice) -> None:
            modes[:, some] = transforms.forward_rows(modes, some.start, some.stop)

        _each_row(modes, transform)
        return modes

    def inverse(self, modes: Array) -> Array:
        """The mesh whose `forward` is `modes`, which is overwritten."""
        transforms, modes = self._transforms(modes.real.dtype), np.ascontiguousarray(modes)

        def transform(some: slice) -> None:
            transforms.inverse_rows(np.ascontiguousarray(modes[:, some]), modes, some.start)

        _each_row(modes, transform)
        return self._planes(modes)[:, :, : self.slab.n_mesh]

    def filter(self, planes: Array, change: Rows) -> None:
        """`change` the modes of padded `planes`, in place. Several rows are changed at a time, in any order."""
        transforms, modes = self._transforms(planes.dtype), self._columns(planes)

        def both_ways(some: slice) -> None:
            block = transforms.forward_rows(modes, some.start, some.stop)
            change(block, some.start)
            transforms.inverse_rows(block, modes, some.start)

        _each_row(modes, both_ways)
        filtered = self._planes(modes)
        if self.slab.comm.size > 1:
            planes[:] = filtered

    def _transforms(self, dtype: np.dtype) -> Transforms:
        return engine(self.slab.n_mesh, dtype)

    def _columns(self, planes: Array) -> Array:
        """Padded planes, transformed along y and z in place and shared out by ky."""
        _each_plane(planes, self._transforms(planes.dtype).forward_planes)
        if self.slab.comm.size == 1:
            return modes_of(planes)
        return np.concatenate(self.slab.comm.alltoall(np.split(modes_of(planes), self.slab.bounds[1:-1], axis=1)))

    def _planes(self, modes: Array) -> Array:
        """The inverse of `_columns`."""
        if self.slab.comm.size > 1:
            modes = np.concatenate(self.slab.comm.alltoall(np.split(modes, self.slab.bounds[1:-1])), axis=1)
        planes = modes.view(modes.real.dtype)
        _each_plane(planes, self._transforms(planes.dtype).inverse_planes)
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


def _each_plane(planes: Array, transform: Callable[[Array], None]) -> None:
    """Transform a few planes at a time."""

    def work(begin: int, end: int) -> None:
        for some in batches(begin, end, planes[0].nbytes):
            transform(planes[some])

    in_threads(work, len(planes))


def _each_row(modes: Array, transform: Callable[[slice], None]) -> None:
    """Transform a few rows at a time."""

    def work(begin: int, end: int) -> None:
        for some in batches(begin, end, modes[:, 0].nbytes):
            transform(some)

    in_threads(work, modes.shape[1])

"""Real Fourier transforms of a mesh in slabs, and the wavenumbers of what comes out.

In Fourier space every rank holds all kx, a range of ky and kz >= 0: broadcast kx, ky, kz and no formula needs to know.
Knows nothing of particles.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import scipy.fft
from numpy.typing import NDArray

from sim.parallel import n_threads_of_rank
from sim.slab import Slab

Array = NDArray[Any]


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
        workers, comm = n_threads_of_rank(), self.slab.comm
        if comm.size == 1:
            return scipy.fft.rfftn(mesh, workers=workers)
        modes = scipy.fft.rfft2(mesh, workers=workers)
        received = comm.alltoall(np.split(modes, self.slab.bounds[1:-1], axis=1))
        return scipy.fft.fft(np.concatenate(received), axis=0, overwrite_x=True, workers=workers)

    def inverse(self, modes: Array) -> Array:
        """The mesh whose `forward` is `modes`, which is overwritten."""
        workers, comm, n = n_threads_of_rank(), self.slab.comm, self.slab.n_mesh
        modes = scipy.fft.ifft(modes, axis=0, overwrite_x=True, workers=workers)
        if comm.size > 1:
            received = comm.alltoall(np.split(modes, self.slab.bounds[1:-1], axis=0))
            modes = np.concatenate(received, axis=1)
        modes = scipy.fft.ifft(modes, axis=1, overwrite_x=True, workers=workers)
        return scipy.fft.irfft(modes, n, axis=2, overwrite_x=True, workers=workers)

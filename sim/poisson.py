"""Gravity of the particles of a slab: density, potential and kicks on one mesh, which is used again at every step.

The potential is the inverse Laplacian of the density contrast, spectral (-1/k^2) or that of the seven- or
thirteen-point difference, of second or fourth order; its gradient a four-point difference or spectral; the windows of
assignment and interpolation are divided out if asked. Dividing by the windows, or a spectral gradient, resonates with
the particle lattice where the mesh is finer than it (benchmarks/resonance.py, LOG.md).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
from numba import njit
from numpy.typing import NDArray

from configs import Box
from sim import gradient
from sim.fourier import Fourier, padded
from sim.mesh import SUPPORT, Sorted, fill, ghosts, read
from sim.profile import Profile
from sim.slab import Mesh, Slab, fold, refuse_thin, surround

Vectors = NDArray[np.float32]
Tables = tuple[NDArray[np.float32], ...]


@dataclass(frozen=True)
class Poisson:
    """The force solver of one rank."""

    box: Box
    slab: Slab
    profile: Profile = field(default_factory=Profile, compare=False)

    @cached_property
    def fourier(self) -> Fourier:
        return Fourier(self.slab)

    def kick(self, mom: Vectors, particles: Sorted, keep: float, gain: float) -> None:
        """Mom (n, 3) = keep * mom + gain * F, F minus the gradient of the inverse Laplacian of the density contrast."""
        n, n_bytes = len(mom), self._own.nbytes
        with self.profile.stage("deposit", 16 * n + n_bytes):
            self._deposit(particles)
        if self.box.gradient == "spectral":
            with self.profile.stage("spectral"):
                self._kick_spectrally(mom, particles, keep, gain)
            return
        with self.profile.stage("potential", 6 * n_bytes):
            self.fourier.filter(self._own, self._solve)
        with self.profile.stage("kick", 40 * n + n_bytes):
            below, above = gradient.planes(self.box.assignment)
            surround(self._mesh, self.slab, below, above)
            gradient.kick(mom, particles, self._mesh, keep, gain)

    def _deposit(self, particles: Sorted) -> None:
        """Fill the mesh with the number of particles in each cell."""
        below, above = ghosts(self.box.assignment)
        touched = self._mesh[gradient.REACH : len(self._mesh) - gradient.REACH]
        fill(particles, touched)
        fold(touched, self.slab, below, above)

    def _solve(self, modes: NDArray[np.complex64], first: int) -> None:
        """Modes (n, rows, k) of the density, from row `first`, to those of minus the potential, in place."""
        rows = slice(first, first + modes.shape[1])
        (xx, yy, zz), (wx, wy, wz) = self._tables
        _solve(modes.view(np.float32), xx, yy[rows], zz, wx, wy[rows], wz)

    def _kick_spectrally(self, mom: Vectors, particles: Sorted, keep: float, gain: float) -> None:
        """One inverse transform an axis."""
        n = self.slab.n_mesh
        modes = self.fourier.forward(self._own[:, :, :n])
        self._solve(modes, 0)
        for axis in range(3):
            component = self.fourier.inverse(1j * self.fourier.k[axis] * modes)
            force = read(component, particles.pos, self.slab.box_size, self.box.assignment, comm=self.slab.comm)
            mom[:, axis] = np.float32(keep) * mom[:, axis] + np.float32(gain) * force

    @cached_property
    def _mesh(self) -> Mesh:
        """The planes of the slab and all ghost planes, padded."""
        below, above = gradient.planes(self.box.assignment)
        refuse_thin(self.slab, max(below, above))
        return padded(self.slab, ghosts=below + above)

    @property
    def _own(self) -> Mesh:
        below, _ = gradient.planes(self.box.assignment)
        return self._mesh[below : below + self.slab.hi - self.slab.lo]

    @cached_property
    def _tables(self) -> tuple[Tables, Tables]:
        """Along each axis, what the Laplacian adds up and what the windows multiply; along z for both parts of a mode.

        The Nyquist planes are kept: a lattice four cells wide has its Bragg peaks there, and without them it would
        pull on itself when it moves, a fifth of the growth to z=15 (LOG.md).
        """
        factors = [axis_factors(self.box, i.ravel()) for i in self.fourier.i_modes]
        squares, windows = (list(map(_float32, table)) for table in zip(*factors, strict=True))
        windows[0] *= np.float32(self.box.mesh_factor**3)
        for table in (squares, windows):
            table[2] = np.repeat(table[2], 2)
        return tuple(squares), tuple(windows)


def axis_factors(box: Box, i_modes: NDArray[Any]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """What stands for k^2 of `i_modes` along one axis [(h/Mpc)^2], and what their force is multiplied by.

    The second is 1, or what undoes assignment and interpolation; 0 at the Nyquist frequency of a spectral gradient.
    """
    phase = np.pi * i_modes / box.n_mesh
    square = _square(phase, box.laplacian) * (2 * box.n_mesh / box.box_size) ** 2
    window = np.sinc(phase / np.pi) ** (-2.0 * SUPPORT[box.assignment] * box.deconvolve)
    if box.gradient == "spectral":  # which is not defined at Nyquist
        window[2 * np.abs(i_modes) == box.n_mesh] = 0
    return square, window


def _square(phase: NDArray[np.float64], laplacian: str) -> NDArray[np.float64]:
    """What minus the Laplacian multiplies a wave of `phase` = k cell / 2 by, along one axis and over (2 / cell)^2."""
    if laplacian == "spectral":
        return phase**2
    sine = np.sin(phase) ** 2
    return sine if laplacian == "seven_point" else sine + sine**2 / 3


def _float32(values: NDArray[Any]) -> NDArray[np.float32]:
    return np.asarray(values, np.float32)


@njit(cache=True, nogil=True, error_model="numpy")
def _solve(modes, xx, yy, zz, wx, wy, wz):  # type: ignore[no-untyped-def]
    """Multiply floats (x, y, 2 z) by wx wy wz / (xx + yy + zz) in place; the first two by zero where that sum is."""
    for i in range(len(xx)):
        for j in range(len(yy)):
            square, window, row = xx[i] + yy[j], wx[i] * wy[j], modes[i, j]
            for k in range(len(zz)):
                row[k] *= window * wz[k] / (square + zz[k])
            if square + zz[0] == 0:
                row[:2] = 0

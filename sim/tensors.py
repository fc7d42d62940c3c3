"""What `sim.mesh` and the force do, on torch tensors: for a GPU, and on CPU tensors to the same numbers.

A deposit adds whole numbers: weights are rounded down to multiples of 2^-bits and summed as 64-bit integers, whose
sums do not depend on the order. So the atomics of a GPU give the same bits on every run, for any order of the
particles. Particles are taken in chunks and clouds one cell at a time, so what is held beside the particles and a few
meshes is bounded. Positions are (3, n): a GPU reads each axis in a row. Knows nothing of time or of files.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import product

import numpy as np
import torch
from torch import Tensor

from configs import Box
from sim.mesh import SUPPORT, Assignment
from sim.poisson import axis_factors

CHUNK = {"cpu": 1 << 16, "cuda": 1 << 23}
"""Particles, or modes, taken at once: what a cache holds, and enough to fill a GPU."""
CHUNK_BYTES = 300
"""Most memory for each particle of a chunk: cells, weights and what is made of them, of TSC in double precision."""


def paint(pos: Tensor, box_size: float, n_mesh: int, assignment: Assignment = "cic") -> Tensor:
    """Number of particles in each cell, (n_mesh, n_mesh, n_mesh) in the precision of pos (3, n); see `sim.mesh.paint`.

    ValueError when a position is not in [0, box_size].
    """
    refuse_outside(pos, box_size)
    counts = torch.zeros(n_mesh**3, dtype=torch.int64, device=pos.device)
    unit = 2.0 ** fixed_point_bits(pos.shape[1])
    for lo, hi in chunks(pos.shape[1], pos.device):
        for cell, weight in _clouds(pos[:, lo:hi], box_size, n_mesh, assignment, unit):
            counts.index_add_(0, cell, weight.to(torch.int64))
    return counts.to(pos.dtype).mul_(1 / unit).reshape(n_mesh, n_mesh, n_mesh)


def read(mesh: Tensor, pos: Tensor, box_size: float, assignment: Assignment = "cic") -> Tensor:
    """`mesh` interpolated to pos (3, n) with the weights of `paint`: (n,). ValueError as in `paint`."""
    refuse_outside(pos, box_size)
    return _read(mesh, pos, box_size, assignment)


def refuse_outside(pos: Tensor, box_size: float) -> None:
    """ValueError unless all of pos is in [0, box_size]."""
    wrong = sum(int((~((x >= 0) & (x <= box_size))).sum()) for x in pos)
    if wrong:
        raise ValueError(f"tensors: expected finite positions in [0, {box_size:g}], got {wrong} coordinates elsewhere")


def fixed_point_bits(n: int) -> int:
    """Binary digits after the point with which the weights of `n` particles, all in one cell, fit 63 bits."""
    return 62 - max(1, n).bit_length()


def chunks(n: int, device: torch.device) -> Iterator[tuple[int, int]]:
    """First and one past the last of each chunk of `n`."""
    size = CHUNK[device.type]
    for lo in range(0, n, size):
        yield lo, min(n, lo + size)


def _read(mesh: Tensor, pos: Tensor, box_size: float, assignment: Assignment) -> Tensor:
    out = torch.zeros_like(pos[0])
    for lo, hi in chunks(pos.shape[1], pos.device):
        for cell, weight in _clouds(pos[:, lo:hi], box_size, mesh.shape[0], assignment):
            out[lo:hi].addcmul_(weight, mesh.take(cell))
    return out


def _clouds(
    pos: Tensor, box_size: float, n: int, assignment: Assignment, unit: float = 1.0
) -> Iterator[tuple[Tensor, Tensor]]:
    """The clouds of pos (3, m), one cell of all of them after the other: where in the flat mesh, weight in `unit`."""
    support = SUPPORT[assignment]
    first, weights = _weights(pos * (n / box_size), n, support)
    cells = [(first + i) % n for i in range(support)]
    for i, j in product(range(support), repeat=2):
        row = (cells[i][0] * n + cells[j][1]) * n
        weight = weights[i][0] * unit * weights[j][1]
        for k in range(support):
            yield row + cells[k][2], weight * weights[k][2]


def _weights(u: Tensor, n: int, support: int) -> tuple[Tensor, tuple[Tensor, ...]]:
    """First cell of clouds centred on `u` (3, m), in cells, and the weights along each axis of it and the next ones."""
    if support == 2:
        first = u.to(torch.int64).clamp_(max=n - 1)
        u = u - first
        return first, (1 - u, u)
    first = (u + 0.5).to(torch.int64) - 1
    s = u - first - 1
    return first, ((0.5 - s).square() / 2, 0.75 - s * s, (0.5 + s).square() / 2)


@dataclass(frozen=True)
class Poisson:
    """The factors of a box's force in Fourier space along one axis, each (n_mesh,), in the order of an FFT.

    k [h/Mpc]; k2 and window are those of `sim.poisson.axis_factors`.
    """

    box: Box
    k: Tensor
    k2: Tensor
    window: Tensor

    @classmethod
    def of(cls, box: Box, device: torch.device, dtype: torch.dtype) -> Poisson:
        """The factors of `box`, rounded to `dtype` from double precision."""
        i_modes = np.rint(np.fft.fftfreq(box.n_mesh) * box.n_mesh)
        tables = 2 * np.pi / box.box_size * i_modes, *axis_factors(box, i_modes)
        return cls(box, *(torch.from_numpy(table).to(device, dtype) for table in tables))

    def kick(self, mom: Tensor, pos: Tensor, keep: float, gain: float) -> None:
        """Mom (3, n) = keep * mom + gain * F, F minus the gradient of the inverse Laplacian of the contrast at pos."""
        for p, slope in zip(mom, self.slopes(self.potential(pos)), strict=True):
            force = _read(slope, pos, self.box.box_size, self.box.assignment)
            p.mul_(keep).add_(force, alpha=gain)
            del slope, force

    def potential(self, pos: Tensor) -> Tensor:
        """Modes of minus the inverse Laplacian of the density contrast of pos (3, n), (n, n, n // 2 + 1)."""
        box = self.box
        modes = torch.fft.rfftn(paint(pos, box.box_size, box.n_mesh, box.assignment))
        self.solve(modes, box.mesh_factor**3)
        return modes

    def slopes(self, modes: Tensor) -> Iterator[Tensor]:
        """The meshes of the derivatives along x, y and z, one at a time."""
        shape = (self.box.n_mesh,) * 3
        if self.box.gradient == "four_point":
            potential = torch.fft.irfftn(modes, shape)
            del modes
            for axis in range(3):
                yield difference(potential, axis, self.box.n_mesh / self.box.box_size)
        else:
            half = modes.shape[2]
            for k in (self.k.reshape(-1, 1, 1), self.k.reshape(-1, 1), self.k[:half]):
                yield torch.fft.irfftn(modes * (1j * k), shape)

    def solve(self, modes: Tensor, scale: float) -> None:
        """Multiply by scale window / k^2 in place, a few planes at a time; zero at k=0."""
        n, half = modes.shape[1:]
        k2 = self.k2.reshape(-1, 1) + self.k2[:half]
        window = self.window.reshape(-1, 1) * self.window[:half] * scale
        planes = max(1, CHUNK[modes.device.type] // (n * half))
        for lo in range(0, n, planes):
            at = slice(lo, lo + planes)
            green = window * self.window[at, None, None] / (k2 + self.k2[at, None, None])
            if lo == 0:
                green[0, 0, 0] = 0
            modes[at] *= green


def difference(mesh: Tensor, axis: int, cells_per_length: float) -> Tensor:
    """Four-point derivative of a periodic mesh along one axis."""
    near, far = cells_per_length * 2 / 3, cells_per_length / -12
    out = mesh.roll(-1, axis).sub_(mesh.roll(1, axis)).mul_(near)
    return out.add_(mesh.roll(-2, axis).sub_(mesh.roll(2, axis)), alpha=far)


def drift(pos: Tensor, mom: Tensor, factor: float, box_size: float) -> int:
    """Add factor * mom to pos (3, n) and take it back into [0, box_size); how many coordinates are not finite."""
    lost = 0
    for x, p in zip(pos, mom, strict=True):
        x.add_(p, alpha=factor)
        lost += x.numel() - int(torch.isfinite(x).sum())
        x.sub_(torch.floor(x / box_size), alpha=box_size)
        x.masked_fill_((x < 0) | (x >= box_size), 0)
    return lost

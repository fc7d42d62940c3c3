"""Spectra and bispectra of periodic cubes in bins of |k|. Knows arrays; nothing of halos."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import scipy.fft
from numpy.typing import NDArray

from sim.spectra import log_edges

Array = NDArray[np.float64]
Modes = NDArray[np.complex128]
N_RINGS = 6
"""Of the bispectrum, between 1.5 fundamental modes and 2/3 of the Nyquist frequency, where triangles begin to alias."""


@dataclass(frozen=True)
class CubeShells:
    """Bins between rising `edges` [h/Mpc] over the modes of n_cells^3 cells of a box; bins without a mode are left out.

    No window of the cells is divided out: what is compared is counted in the same ones.
    """

    n_cells: int
    box_size: float
    edges: tuple[float, ...]

    @classmethod
    def logarithmic(cls, n_cells: int, box_size: float, n_bins: int) -> CubeShells:
        """n_bins uniform in log k up to the Nyquist frequency."""
        return cls(n_cells, box_size, tuple(log_edges(box_size, n_cells, n_bins)))

    @classmethod
    def rings(cls, n_cells: int, box_size: float) -> CubeShells:
        """Those of the bispectrum, fewer in a box of few cells."""
        fundamental = 2 * np.pi / box_size
        low, high = 1.5 * fundamental, 0.999 * fundamental * n_cells / 3
        if not low < high:
            raise ValueError(f"bispectrum: expected a box of at least 5 cells along each side, got {n_cells}")
        return cls(n_cells, box_size, tuple(np.geomspace(low, high, N_RINGS + 1)))

    @cached_property
    def k(self) -> Array:
        """Mean |k| of the modes of each bin [h/Mpc], (K,)."""
        return self._means(self._size)

    @property
    def n_modes(self) -> Array:
        """Modes of each bin, (K,): as many are independent as half of them, of a field without imaginary part."""
        return self._counted[self._used]

    def modes(self, field: NDArray) -> Modes:
        """Of field / mean - 1, (n, n, n // 2 + 1); zero where the mean is."""
        wide = field.astype(np.float64)
        mean = float(wide.mean())
        return np.asarray(scipy.fft.rfftn(wide / mean - 1 if mean > 0 else np.zeros(field.shape)))

    def power(self, a: Modes, b: Modes) -> Array:
        """Cross power (K,) [(Mpc/h)^3] of fields whose `modes` are a and b."""
        return self._means(a.real * b.real + a.imag * b.imag) * self.box_size**3 / self.n_cells**6

    def bispectrum(self, modes: Modes) -> Array:
        """Reduced Q(k) = B(k, k, k) / (3 P(k)^2) of equilateral triangles (K,); nan without triangles, 0 without power.

        Sums over cells of cubes of ring-filtered fields are sums over closed triangles (Scoccimarro 2015,
        arXiv:1506.02729, eq. 19).
        """
        power = self.power(modes, modes)
        cubes = np.array([self._sum_of_cubes(modes, i) for i in range(len(self._used_bins))])
        scale = self.box_size**6 / self.n_cells**9
        found = np.full(len(power), np.nan)
        closed = self._triangles * self.n_cells**6 > 0.5
        found[closed & (power == 0)] = 0
        closed &= power > 0
        found[closed] = cubes[closed] * scale / self._triangles[closed] / (3 * power[closed] ** 2)
        return found

    def _sum_of_cubes(self, modes: Modes, i: int) -> float:
        """Of the field of the modes of bin `i` alone, on the coarsest grid on which no open triangle closes."""
        n = self._n_coarse[i]
        cut = within(n, self.n_cells)
        field = scipy.fft.irfftn(modes[cut] * (self._bins[cut] == self._used_bins[i] + 1), s=(n,) * 3)
        return float((field**3).sum()) * (n / self.n_cells) ** 6

    @cached_property
    def _triangles(self) -> Array:
        """Closed triangles of each bin, in the units of `_sum_of_cubes`."""
        ones = np.ones(self._size.shape, np.complex128)
        return np.array([self._sum_of_cubes(ones, i) for i in range(len(self._used_bins))])

    @cached_property
    def _used_bins(self) -> NDArray[np.int64]:
        return np.flatnonzero(self._used)

    @cached_property
    def _n_coarse(self) -> list[int]:
        """Cells along a side that the modes of each bin need: more than three times the largest of their numbers."""
        longest = np.array(self.edges[1:])[self._used_bins] * self.box_size / (2 * np.pi)
        return [min(self.n_cells, 2 * scipy.fft.next_fast_len(int(1.5 * k) + 1, real=True)) for k in longest]

    @cached_property
    def _size(self) -> Array:
        n = self.n_cells
        whole, half = np.fft.fftfreq(n, 1 / n), np.arange(n // 2 + 1)
        squares = whole[:, None, None] ** 2 + whole[:, None] ** 2 + half**2
        return np.asarray(2 * np.pi / self.box_size * np.sqrt(squares))

    @cached_property
    def _bins(self) -> NDArray[np.int64]:
        """1 + the bin of each mode; 0 below all and for the mean, the last above them all."""
        bins = np.searchsorted(np.array(self.edges), self._size, side="right")
        bins[0, 0, 0] = 0
        return bins

    @cached_property
    def _weights(self) -> Array:
        """How many modes of the whole transform each mode of the half stands for."""
        last = np.arange(self.n_cells // 2 + 1)
        once = (last == 0) | (2 * last == self.n_cells)
        return np.broadcast_to(np.where(once, 1.0, 2.0), self._size.shape)

    @cached_property
    def _counted(self) -> Array:
        return self._sums(np.ones_like(self._size))

    @cached_property
    def _used(self) -> NDArray[np.bool_]:
        return self._counted > 0

    def _sums(self, values: Array) -> Array:
        weighted = (values * self._weights).ravel()
        sums = np.bincount(self._bins.ravel(), weights=weighted, minlength=len(self.edges) + 1)
        return np.asarray(sums[1 : len(self.edges)], np.float64)

    def _means(self, values: Array) -> Array:
        return np.asarray(self._sums(values)[self._used] / self.n_modes)


def within(n: int, n_cells: int) -> tuple[Any, ...]:
    """Where the modes of a grid of n cells along a side are among those of one of n_cells."""
    whole = np.rint(np.fft.fftfreq(n, 1 / n)).astype(np.intp)
    return np.ix_(whole, whole, np.arange(n // 2 + 1)) if n < n_cells else (np.s_[...],)

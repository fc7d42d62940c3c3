"""Power spectra of periodic fields in two and three dimensions, of the modes of a slab, and of particles.

A mode is a sum over cells, unnormalised; its window is the kernel that painted the field. Modes are binned by the
integer |k|^2 in units of the fundamental mode, so which bin holds a mode is exact, and added up plane by plane in
float64: the same bits at any number of threads. A float32 field is transformed in float32.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
import scipy.fft
from numba import njit, prange
from numpy.typing import ArrayLike, NDArray

from sim.fourier import Fourier
from sim.mesh import Positions, paint
from sim.parallel import SERIAL, Comm, n_threads_of_rank
from sim.slab import Slab

Window = Literal["cic", "tsc"]
Integers = NDArray[np.int64]
Modes = NDArray[np.complexfloating]
Reals = NDArray[np.float64]
_ORDER: dict[str, int] = {"cic": 2, "tsc": 3}


@dataclass(frozen=True)
class Spectrum:
    """P(k) in bins that hold modes: k [h/Mpc] the mean of |k| over the bin, pk [(Mpc/h)^d], n_modes (both of +-k)."""

    k: Reals
    pk: Reals
    n_modes: Integers


@dataclass(frozen=True)
class Ratio:
    """A dimensionless function of k [h/Mpc], such as r(k) or S(k); nan where its denominator has no power."""

    k: Reals
    value: Reals
    n_modes: Integers


def linear_edges(box_size: float, n: int) -> Reals:
    """Edges of bins one fundamental mode wide, centred on its multiples up to the Nyquist frequency [h/Mpc]."""
    return np.asarray((np.arange(n // 2 + 1) + 0.5) * (2 * np.pi / box_size))


def log_edges(box_size: float, n: int, n_bins: int) -> Reals:
    """Edges of n_bins bins uniform in log k from just below the fundamental mode to the Nyquist frequency [h/Mpc]."""
    fundamental = 2 * np.pi / box_size
    return np.geomspace(0.999 * fundamental, 1.001 * fundamental * (n / 2), n_bins + 1)


def power(
    field: NDArray[np.floating],
    box_size: float,
    other: NDArray[np.floating] | None = None,
    *,
    n_bins: int | None = None,
    edges: ArrayLike | None = None,
    window: Window | None = None,
    shot_noise: float = 0.0,
) -> Spectrum:
    """P(k) of delta = field / mean - 1, or the cross power with `other`; a field is (n, n) or (n, n, n).

    Bins: `edges` [h/Mpc], else n_bins in log k, else one fundamental mode each. `window` divides by W(k)^2 of the
    kernel that painted the field. `shot_noise` [(Mpc/h)^d] is the white noise of the particles: it is subtracted with
    the shape that painting gives it (Jing 2005, astro-ph/0409240, eq. 21). ValueError for fields that are not square,
    differ in shape, or whose mean is not positive.
    """
    _check(field, box_size, other, window)
    n = field.shape[0]
    bins = _edges(n, box_size, n_bins, edges)
    modes, mean = _transform(field)
    others, other_mean = (modes, mean) if other is None else _transform(other)
    axes = [_signed(n)] * (field.ndim - 1) + [np.arange(n // 2 + 1)]
    shells = _Shells(axes, n, box_size, bins)
    scale = box_size**field.ndim / (float(field.size) ** 2 * mean * other_mean)
    return shells.spectrum(shells.sums(modes, others, scale, _Weights(window, shot_noise)))


def power_of_modes(
    modes: Modes,
    fourier: Fourier,
    other: Modes | None = None,
    *,
    n_bins: int | None = None,
    edges: ArrayLike | None = None,
    window: Window | None = None,
    shot_noise: float = 0.0,
) -> Spectrum:
    """`power` of a density contrast whose `fourier.forward` is `modes`: that of the whole box on every rank.

    modes (n, rows, n // 2 + 1) of this rank; every rank calls this with the same options. ValueError for another shape.
    """
    return _of_slab(modes, fourier, other, _edges_of(fourier, n_bins, edges), 1.0, _Weights(window, shot_noise))


def particle_power(
    pos: Positions,
    box_size: float,
    n_mesh: int,
    *,
    assignment: Window = "tsc",
    interlace: bool = True,
    n_bins: int | None = None,
    edges: ArrayLike | None = None,
    shot_noise: float = 0.0,
    comm: Comm = SERIAL,
) -> Spectrum:
    """P(k) of the particles of all ranks: pos (n, 3) in [0, box_size), each on the rank that owns its plane.

    With `interlace` they are painted twice, half a cell apart along each axis, and the mean of both lacks every alias
    that is an odd number of sampling wave numbers away (Sefusatti et al. 2016, arXiv:1512.07295, section 3.1).
    `shot_noise` [(Mpc/h)^3], V/N for points, is subtracted with the aliases that remain. ValueError without particles
    and as in `power` and `paint`.
    """
    fourier = Fourier(Slab(n_mesh, box_size, comm))
    bins = _edges_of(fourier, n_bins, edges)
    n_particles = int(comm.allreduce(np.array([len(pos)], np.int64))[0])
    if n_particles == 0 or assignment not in _ORDER:
        wanted = f"particles and an assignment of {', '.join(_ORDER)}"
        raise ValueError(f"particle_power: expected {wanted}, got {n_particles} and {assignment!r}")
    modes = fourier.forward(paint(pos, box_size, n_mesh, assignment, comm=comm))
    if interlace:
        half = 0.5 * box_size / n_mesh
        shifted = _moved(pos, half, fourier.slab)
        second = fourier.forward(paint(shifted, box_size, n_mesh, assignment, comm=comm))
        _mean_of_both(modes, second, *(np.ravel(np.exp(1j * half * k.astype(np.float64))) for k in fourier.k))
    return _of_slab(modes, fourier, None, bins, n_particles / n_mesh**3, _Weights(assignment, shot_noise, interlace))


def correlation(
    a: NDArray[np.floating],
    b: NDArray[np.floating],
    box_size: float,
    *,
    n_bins: int | None = None,
    edges: ArrayLike | None = None,
) -> Ratio:
    """r(k) = P_ab / sqrt(P_aa P_bb), in [-1, 1]; windows cancel."""
    cross = power(a, box_size, b, n_bins=n_bins, edges=edges)
    first, second = (power(field, box_size, n_bins=n_bins, edges=edges) for field in (a, b))
    return _ratio(cross, np.sqrt(first.pk * second.pk))


def suppression(
    hydro: NDArray[np.floating],
    dmo: NDArray[np.floating],
    box_size: float,
    *,
    n_bins: int | None = None,
    edges: ArrayLike | None = None,
) -> Ratio:
    """S(k) = P_hydro / P_dmo; windows cancel."""
    above, below = (power(field, box_size, n_bins=n_bins, edges=edges) for field in (hydro, dmo))
    return _ratio(above, below.pk)


def _ratio(spectrum: Spectrum, below: Reals) -> Ratio:
    value = np.divide(spectrum.pk, below, out=np.full_like(below, np.nan), where=below > 0)
    return Ratio(spectrum.k, value, spectrum.n_modes)


def _check(
    field: NDArray[np.floating], box_size: float, other: NDArray[np.floating] | None, window: str | None
) -> None:
    problems = {
        f"field of shape (n, n) or (n, n, n), got {field.shape}": field.ndim not in (2, 3) or len(set(field.shape)) > 1,
        f"two fields of one shape, got {field.shape} and {getattr(other, 'shape', None)}": other is not None
        and other.shape != field.shape,
        f"box_size > 0, got {box_size}": not box_size > 0,
        f"window of {', '.join(_ORDER)} or None, got {window!r}": window not in (None, *_ORDER),
    }
    for law, broken in problems.items():
        if broken:
            raise ValueError(f"power: expected {law}")


def _edges(n: int, box_size: float, n_bins: int | None, edges: ArrayLike | None) -> Reals:
    if edges is not None and n_bins is not None:
        raise ValueError("power: expected edges or n_bins, got both")
    if edges is None:
        return linear_edges(box_size, n) if n_bins is None else log_edges(box_size, n, n_bins)
    bins = np.asarray(edges, np.float64)
    if bins.ndim != 1 or len(bins) < 2 or not np.all(np.diff(bins) > 0):
        raise ValueError(f"power: expected edges of two or more rising numbers, got {edges}")
    return bins


def _edges_of(fourier: Fourier, n_bins: int | None, edges: ArrayLike | None) -> Reals:
    return _edges(fourier.slab.n_mesh, fourier.slab.box_size, n_bins, edges)


def _signed(n: int) -> Integers:
    """Integer modes along an axis that is transformed in full."""
    return (np.arange(n) + n // 2) % n - n // 2


def _transform(field: NDArray[np.floating]) -> tuple[Modes, float]:
    """Modes of the field less its mean, and the mean."""
    mean = float(field.mean(dtype=np.float64))
    if not 0 < mean < np.inf:
        raise ValueError(f"power: expected a finite field with a positive mean, got mean {mean}")
    # In float32 the mean must go first: rounded in the transform, it would leave noise in every mode.
    return scipy.fft.rfftn(field - mean, workers=n_threads_of_rank()), mean


def _of_slab(
    modes: Modes, fourier: Fourier, other: Modes | None, edges: Reals, mean: float, weights: _Weights
) -> Spectrum:
    """The spectrum of the modes that all ranks hold together, of a field of that mean."""
    n, box_size = fourier.slab.n_mesh, fourier.slab.box_size
    axes = [np.ravel(i) for i in fourier.i_modes]
    shape = tuple(len(i) for i in axes)
    for each in (modes, modes if other is None else other):
        if each.shape != shape:
            raise ValueError(f"power_of_modes: expected modes of shape {shape}, got {each.shape}")
    shells = _Shells(axes, n, box_size, edges)
    scale = box_size**3 / (float(n) ** 6 * mean**2)
    sums = shells.sums(modes, modes if other is None else other, scale, weights)
    return shells.spectrum(fourier.slab.comm.allreduce(sums))


@dataclass(frozen=True)
class _Weights:
    """What painting did to the modes: divided out, after its share of white noise is taken away."""

    window: Window | None
    shot_noise: float
    interlaced: bool = False

    def tables(self, i_modes: Integers, n: int) -> Reals:
        """Factors of one axis over its W^2, (3, modes): 1, the sum of W^2 over all aliases, the same with signs."""
        if self.window is None:
            return np.ones((3, len(i_modes)))
        x = i_modes / n
        inverse = np.sinc(x) ** (-2 * _ORDER[self.window])
        return np.stack([inverse, inverse * _aliases(x, self.window), inverse * _alternating_aliases(x, self.window)])

    @property
    def noise(self) -> tuple[float, float]:
        """White noise on the plain and on the alternating sum: their mean is that over even aliases."""
        return (0.5 * self.shot_noise, 0.5 * self.shot_noise) if self.interlaced else (self.shot_noise, 0.0)


@dataclass(frozen=True)
class _Shells:
    """Bins of |k| over modes whose integers along each axis are `axes`, the last of a half transform of n cells."""

    axes: list[Integers]
    n: int
    box_size: float
    edges: Reals

    def sums(self, a: Modes, b: Modes, scale: float, weights: _Weights) -> Reals:
        """Number of modes, sum of |k| and of the corrected power in each bin, (3, bins)."""
        # A 2-D field is one of (n, 1, n): it is the first axis that threads share.
        axes = self.axes if len(self.axes) == 3 else [self.axes[0], np.zeros(1, np.int64), self.axes[1]]
        shape = tuple(len(i) for i in axes)
        i_bin, k = self._bin_of_square()
        tables = [weights.tables(i, self.n) for i in axes]
        tables[0] *= np.array([[scale], [weights.noise[0]], [weights.noise[1]]])
        tables[2] *= self._multiplicity
        products = np.zeros((shape[0], len(self.edges) + 1))
        _add_up(products, a.reshape(shape), b.reshape(shape), i_bin, *(i**2 for i in axes), *tables)
        squares = [np.unique_counts(i**2) for i in axes]
        numbers = [*(each.counts.astype(np.float64) for each in squares[:2]), self._multiplicity]
        geometry = np.zeros((len(numbers[0]), 2, len(self.edges) + 1))
        _count(geometry, i_bin, k, *(each.values for each in squares), *numbers)
        return np.stack([*geometry.sum(axis=0), products.sum(axis=0)])[:, 1:-1]

    def spectrum(self, sums: Reals) -> Spectrum:
        """Means over bins; a bin without modes is left out."""
        n_modes, sum_k, sum_p = sums[:, sums[0] > 0]
        return Spectrum(sum_k / n_modes, sum_p / n_modes, n_modes.astype(np.int64))

    @property
    def _multiplicity(self) -> Reals:
        """How many modes of the full transform each mode of the half transform stands for."""
        last = self.axes[-1]
        return np.where((last == 0) | (2 * last == self.n), 1.0, 2.0)

    def _bin_of_square(self) -> tuple[Integers, Reals]:
        """For each integer |k|^2, 1 + its bin, 0 below all bins and for the mean, the last above; and |k| [h/Mpc]."""
        k = 2 * np.pi / self.box_size * np.sqrt(np.arange(len(self.axes) * (self.n // 2) ** 2 + 1))
        starts = np.searchsorted(k, self.edges)
        i_bin = np.repeat(np.arange(len(starts) + 1), np.diff(starts, prepend=0, append=len(k)))
        i_bin[0] = 0
        return i_bin, k


def _aliases(x: Reals, window: Window) -> Reals:
    """Sum over integers m of sinc(x + m)^(2 order): the shape of painted white noise."""
    square = np.sin(np.pi * x) ** 2
    return np.asarray(1 - 2 / 3 * square if window == "cic" else 1 - square + 2 / 15 * square**2)


def _alternating_aliases(x: Reals, window: Window) -> Reals:
    """The same with signs (-1)^m: by Poisson's sum, the B-spline of twice the order at half integers, transformed."""
    values = {"cic": (23 / 48, 1 / 48), "tsc": (841 / 1920, 79 / 1280, 1 / 3840)}[window]
    return np.sum([2 * value * np.cos((2 * i + 1) * np.pi * x) for i, value in enumerate(values)], axis=0)


def _moved(pos: Positions, by: float, slab: Slab) -> Positions:
    """Positions moved by `by` along each axis, each on the rank that owns its plane."""
    moved = (pos + np.float32(by)) % np.float32(slab.box_size)
    if slab.comm.size == 1:
        return moved
    owners = slab.owners(moved)
    ends = np.cumsum(np.bincount(owners, minlength=slab.comm.size))[:-1]
    return np.concatenate(slab.comm.alltoall(np.split(moved[np.argsort(owners, kind="stable")], ends)))


@njit(cache=True, parallel=True)
def _mean_of_both(modes, shifted, phase_x, phase_y, phase_z):  # type: ignore[no-untyped-def]
    """Half of modes + shifted * phase, in place."""
    for i in prange(len(phase_x)):
        for j in range(len(phase_y)):
            phase = 0.5 * phase_x[i] * phase_y[j]
            for k in range(len(phase_z)):
                modes[i, j, k] = 0.5 * modes[i, j, k] + shifted[i, j, k] * (phase * phase_z[k])


@njit(cache=True, parallel=True)
def _add_up(out, a, b, i_bin, square_x, square_y, square_z, table_x, table_y, table_z):  # type: ignore[no-untyped-def]
    """Add to out (planes, bins) the corrected products of the modes a and b, (planes, rows, columns)."""
    for i in prange(len(square_x)):
        total = out[i]
        for j in range(len(square_y)):
            square = square_x[i] + square_y[j]
            p0 = table_x[0, i] * table_y[0, j]
            p1 = table_x[1, i] * table_y[1, j]
            p2 = table_x[2, i] * table_y[2, j]
            for k in range(len(square_z)):
                u, v = a[i, j, k], b[i, j, k]
                product = np.float64(u.real) * np.float64(v.real) + np.float64(u.imag) * np.float64(v.imag)
                noise = p1 * table_z[1, k] + p2 * table_z[2, k]
                total[i_bin[square + square_z[k]]] += product * p0 * table_z[0, k] - noise


@njit(cache=True, parallel=True)
def _count(out, i_bin, k, square_x, square_y, square_z, number_x, number_y, number_z):  # type: ignore[no-untyped-def]
    """Add to out (planes, 2, bins) the modes of each |k|^2, which are products of numbers, and their |k|."""
    for x in prange(len(square_x)):
        for y in range(len(square_y)):
            square, number = square_x[x] + square_y[y], number_x[x] * number_y[y]
            for z in range(len(square_z)):
                i, weight = square + square_z[z], number * number_z[z]
                out[x, 0, i_bin[i]] += weight
                out[x, 1, i_bin[i]] += weight * k[i]

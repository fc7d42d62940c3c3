"""Power spectra of periodic 2-D and 3-D fields: auto, cross, correlation and suppression.

Knows nothing of particles: a field is an array, its window the kernel it was painted with.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

import numpy as np
import scipy.fft
from numpy.typing import ArrayLike, NDArray

Window = Literal["cic", "tsc"]
_ORDER: dict[str, int] = {"cic": 2, "tsc": 3}
_CHUNK = 1 << 20
"""Modes binned at once: bounds the memory beside the transforms."""


@dataclass(frozen=True)
class Spectrum:
    """P(k) in bins that hold modes: k [h/Mpc] the mean of |k| over the bin, pk [(Mpc/h)^d], n_modes (both of +-k)."""

    k: NDArray[np.float64]
    pk: NDArray[np.float64]
    n_modes: NDArray[np.int64]


@dataclass(frozen=True)
class Ratio:
    """A dimensionless function of k [h/Mpc], such as r(k) or S(k); nan where its denominator has no power."""

    k: NDArray[np.float64]
    value: NDArray[np.float64]
    n_modes: NDArray[np.int64]


def linear_edges(box_size: float, n: int) -> NDArray[np.float64]:
    """Edges of bins one fundamental mode wide, centred on its multiples up to the Nyquist frequency [h/Mpc]."""
    return np.asarray((np.arange(n // 2 + 1) + 0.5) * (2 * np.pi / box_size))


def log_edges(box_size: float, n: int, n_bins: int) -> NDArray[np.float64]:
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
    bins = _edges(field.shape[0], box_size, n_bins, edges)
    modes = scipy.fft.rfftn(_contrast(field))
    others = modes if other is None else scipy.fft.rfftn(_contrast(other))
    volume = box_size**field.ndim / float(field.size) ** 2
    return _binned(modes, others, field.shape[0], box_size, bins, volume, window, shot_noise)


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


def _ratio(spectrum: Spectrum, below: NDArray[np.float64]) -> Ratio:
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


def _edges(n: int, box_size: float, n_bins: int | None, edges: ArrayLike | None) -> NDArray[np.float64]:
    if edges is not None and n_bins is not None:
        raise ValueError("power: expected edges or n_bins, got both")
    if edges is None:
        return linear_edges(box_size, n) if n_bins is None else log_edges(box_size, n, n_bins)
    bins = np.asarray(edges, np.float64)
    if bins.ndim != 1 or len(bins) < 2 or not np.all(np.diff(bins) > 0):
        raise ValueError(f"power: expected edges of two or more rising numbers, got {edges}")
    return bins


def _contrast(field: NDArray[np.floating]) -> NDArray[np.float64]:
    mean = float(field.mean(dtype=np.float64))
    if not 0 < mean < np.inf:
        raise ValueError(f"power: expected a finite field with a positive mean, got mean {mean}")
    return field / np.float64(mean) - 1.0


def _binned(
    a: NDArray[np.complexfloating],
    b: NDArray[np.complexfloating],
    n: int,
    box_size: float,
    edges: NDArray[np.float64],
    volume: float,
    window: Window | None,
    shot_noise: float,
) -> Spectrum:
    """Means over bins of |k|; a bin without modes is left out."""
    # |k|^2 is an integer in units of the fundamental mode: modes are added up by it first, then by bin.
    size = a.ndim * (n // 2) ** 2 + 1
    count, total = np.zeros(size), np.zeros(size)
    for rows, index in _chunks(a.shape):
        square = _sum([i**2 for i in index]).ravel()
        weight = np.broadcast_to(_multiplicity(index[-1], n), a[rows].shape)
        p = volume * (a[rows].real * b[rows].real + a[rows].imag * b[rows].imag)
        if window is None:
            p -= shot_noise
        else:
            p = (p - shot_noise * _aliased_noise(index, n, window)) / _window(index, n, window) ** 2
        count += np.bincount(square, weight.ravel(), size)
        total += np.bincount(square, (weight * p).ravel(), size)
    k = 2 * np.pi / box_size * np.sqrt(np.arange(size))
    i_bin = np.where((k < edges[0]) | (k >= edges[-1]) | (k == 0), 0, np.digitize(k, edges))
    n_modes, sum_k, sum_p = (np.bincount(i_bin, value, len(edges))[1:] for value in (count, count * k, total))
    held = n_modes > 0
    return Spectrum(sum_k[held] / n_modes[held], sum_p[held] / n_modes[held], n_modes[held].astype(np.int64))


def _chunks(shape: tuple[int, ...]) -> Iterator[tuple[slice, list[NDArray[np.int64]]]]:
    """Slices of the first axis of an rfftn, each with the integer wave numbers of every axis, broadcastable."""
    n = shape[0]
    step = max(1, _CHUNK // int(np.prod(shape[1:])))
    signed = (np.arange(n) + n // 2) % n - n // 2
    for start in range(0, n, step):
        rows = slice(start, start + step)
        axes = [signed[rows], *(signed for _ in shape[1:-1]), np.arange(shape[-1])]
        yield rows, list(np.ix_(*axes))


def _sum(parts: list[NDArray[np.int64]]) -> NDArray[np.int64]:
    """The sum of arrays that broadcast."""
    total = parts[0]
    for part in parts[1:]:
        total = total + part
    return total


def _multiplicity(last: NDArray[np.int64], n: int) -> NDArray[np.float64]:
    """How many modes of the full transform each mode of the half transform stands for."""
    return np.where((last == 0) | (2 * last == n), 1.0, 2.0)


def _window(index: list[NDArray[np.int64]], n: int, window: Window) -> NDArray[np.float64]:
    """W(k) of the kernel: a product of sinc powers."""
    factors = [np.sinc(i / n) ** _ORDER[window] for i in index]
    return np.asarray(np.prod(np.broadcast_arrays(*factors), axis=0))


def _aliased_noise(index: list[NDArray[np.int64]], n: int, window: Window) -> NDArray[np.float64]:
    """Sum over all aliases of W(k)^2: the shape of painted white noise."""
    squares = [np.sin(np.pi * i / n) ** 2 for i in index]
    factors = [1 - 2 / 3 * s if window == "cic" else 1 - s + 2 / 15 * s**2 for s in squares]
    return np.asarray(np.prod(np.broadcast_arrays(*factors), axis=0))

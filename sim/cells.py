"""Particles sorted by the cells of a cubic grid, on all threads. Knows nothing of what lies in a cell or why."""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit, prange
from numpy.typing import NDArray

from sim.parallel import n_threads_of_rank
from sim.simd import AHEAD, prefetch

Positions = NDArray[np.float32]
Indices = NDArray[np.int32]
Integers = NDArray[np.int64]

_DIGIT = 11
"""Bits sorted at a time: as many streams are written at once as a core follows well."""


def by_cell(pos: Positions, box_size: float, n_cells: int, stride: int | None = None) -> tuple[Indices, Integers]:
    """The order (n,) in which pos (n, 3) in [0, box_size] lie cell after cell, and the sorted keys of these cells (n,).

    The key of the cell (x, y, z) is (x * stride + y) * stride + z, and n_cells is the stride if there is no other.
    Particles of a cell keep their order.
    """
    stride = n_cells if stride is None else stride
    return by_key(_keys(pos, n_cells, stride, box_size), stride**3)


def by_key(keys: Integers, n_values: int) -> tuple[Indices, Integers]:
    """The stable order of keys (n,) in [0, n_values), and the sorted keys: a radix sort, the same on any threads."""
    n_chunks = n_threads_of_rank()
    order = np.arange(len(keys), dtype=np.int32)
    for shift in range(0, max(n_values - 1, 1).bit_length(), _DIGIT):
        counts = _digits(keys, shift, n_chunks)
        before = (np.cumsum(counts.T) - counts.T.ravel()).reshape(counts.T.shape)
        keys, order = _scattered(keys, order, np.ascontiguousarray(before.T), shift)
    return order, keys


def runs(keys: Integers) -> Integers:
    """Where each run of equal `keys` starts, and the end of the last."""
    return np.asarray(_runs(keys, n_threads_of_rank()))


def taken(values: NDArray[Any], order: NDArray[np.integer[Any]], out: NDArray[Any] | None = None) -> NDArray[Any]:
    """values[order] of numbers (n,) or vectors (n, c), in `out` if given."""
    out = np.empty((len(order), *values.shape[1:]), values.dtype) if out is None else out
    if len(order):
        _take(out.reshape(len(order), -1), values.reshape(len(values), -1), order)
    return out


@njit(cache=True, parallel=True, nogil=True)
def _keys(pos, n_cells, stride, box_size):  # type: ignore[no-untyped-def]
    keys = np.empty(len(pos), np.int64)
    for p in prange(len(pos)):
        key = 0
        for axis in range(3):
            key = key * stride + min(int(pos[p, axis] * n_cells / box_size), n_cells - 1)
        keys[p] = key
    return keys


@njit(cache=True, parallel=True, nogil=True)
def _digits(keys, shift, n_chunks):  # type: ignore[no-untyped-def]
    """How often each chunk holds each digit: (n_chunks, 2**_DIGIT)."""
    counts = np.zeros((n_chunks, 1 << _DIGIT), np.int64)
    for chunk in prange(n_chunks):
        for i in range(chunk * len(keys) // n_chunks, (chunk + 1) * len(keys) // n_chunks):
            counts[chunk, (keys[i] >> shift) & ((1 << _DIGIT) - 1)] += 1
    return counts


@njit(cache=True, parallel=True, nogil=True)
def _scattered(keys, order, cursors, shift):  # type: ignore[no-untyped-def]
    """Keys and order sorted by one digit; each chunk writes where `cursors` says that its share of a digit begins."""
    n_chunks = len(cursors)
    new_keys, new_order = np.empty_like(keys), np.empty_like(order)
    for chunk in prange(n_chunks):
        for i in range(chunk * len(keys) // n_chunks, (chunk + 1) * len(keys) // n_chunks):
            digit = (keys[i] >> shift) & ((1 << _DIGIT) - 1)
            place = cursors[chunk, digit]
            cursors[chunk, digit] = place + 1
            new_keys[place] = keys[i]
            new_order[place] = order[i]
    return new_keys, new_order


@njit(cache=True, parallel=True, nogil=True)
def _runs(keys, n_chunks):  # type: ignore[no-untyped-def]
    found = np.zeros(n_chunks + 1, np.int64)
    for chunk in prange(n_chunks):
        n = 0
        for i in range(chunk * len(keys) // n_chunks, (chunk + 1) * len(keys) // n_chunks):
            n += i == 0 or keys[i] != keys[i - 1]
        found[chunk + 1] = n
    found = np.cumsum(found)
    starts = np.empty(found[-1] + 1, np.int64)
    for chunk in prange(n_chunks):
        n = found[chunk]
        for i in range(chunk * len(keys) // n_chunks, (chunk + 1) * len(keys) // n_chunks):
            if i == 0 or keys[i] != keys[i - 1]:
                starts[n] = i
                n += 1
    starts[-1] = len(keys)
    return starts


@njit(cache=True, parallel=True, nogil=True)
def _take(out, values, order):  # type: ignore[no-untyped-def]
    """Out = values[order]."""
    for i in prange(len(order)):
        prefetch(values, order[min(i + AHEAD, len(order) - 1)] * values.shape[1])
        for axis in range(values.shape[1]):
            out[i, axis] = values[order[i], axis]

"""How much a map is like the one of a library that it is most like, rolled, turned or mirrored."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import scipy.fft
from numpy.typing import NDArray

from learn.fields.sets import Maps

Array = NDArray[np.float64]
CHUNK = 256
"""Maps of the library in memory as products with one map."""


def likeness(maps: Maps, library: Maps) -> Array:
    """Highest correlation of the logarithms of each of `maps` (n, P, P) with any of `library` (N, P, P): (n,).

    1 is a copy. Both are taken as periodic.
    """
    modes = [scipy.fft.rfft2(standard(library[i : i + CHUNK])) for i in range(0, len(library), CHUNK)]
    return np.array([max(highest(turned, chunk) for turned in turns(one) for chunk in modes) for one in standard(maps)])


def highest(one: Maps, modes: NDArray[np.complex64]) -> float:
    """Highest correlation of a standard map (P, P) with maps given by their modes, over all rolls."""
    products = scipy.fft.irfft2(modes * scipy.fft.rfft2(one).conj(), s=one.shape)
    return float(products.max()) / one.size


def standard(maps: Maps) -> Maps:
    """Logarithms of 1 + density / mean, less their mean and over their standard deviation, map by map."""
    logs = np.log1p(maps / maps.mean(axis=(1, 2), keepdims=True, dtype=np.float64))
    logs -= logs.mean(axis=(1, 2), keepdims=True)
    return (logs / logs.std(axis=(1, 2), keepdims=True)).astype(np.float32)


def turns(one: Maps) -> Iterator[Maps]:
    """The 8 symmetries of the square."""
    for mirrored in (one, one[:, ::-1]):
        for n in range(4):
            yield np.ascontiguousarray(np.rot90(mirrored, n))

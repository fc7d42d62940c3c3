"""How much a field is like the one of a library that it is most like, rolled, turned or mirrored."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import permutations, product

import numpy as np
import scipy.fft
from numpy.typing import NDArray

from learn.fields.sets import Maps

Array = NDArray[np.float64]
CHUNK = 256
"""Fields of the library in memory as products with one field."""


def likeness(fields: Maps, library: Maps) -> Array:
    """Highest correlation of the logarithms of each of `fields` (n, ...) with any of `library` (N, ...): (n,).

    1 is a copy. Both, maps or cubes, are taken as periodic.
    """
    axes = tuple(range(1, library.ndim))
    modes = [scipy.fft.rfftn(standard(library[i : i + CHUNK]), axes=axes) for i in range(0, len(library), CHUNK)]
    return np.array([max(highest(one, chunk) for one in turns(field) for chunk in modes) for field in standard(fields)])


def highest(one: Maps, modes: NDArray[np.complex64]) -> float:
    """Highest correlation of a standard field with fields given by their modes, over all rolls."""
    products = scipy.fft.irfftn(modes * scipy.fft.rfftn(one).conj(), s=one.shape, axes=tuple(range(1, modes.ndim)))
    return float(products.max()) / one.size


def standard(fields: Maps) -> Maps:
    """Logarithms of 1 + density / mean, less their mean and over their standard deviation, field by field."""
    axes = tuple(range(1, fields.ndim))
    logs = np.log1p(fields / fields.mean(axis=axes, keepdims=True, dtype=np.float64))
    logs -= logs.mean(axis=axes, keepdims=True)
    return (logs / logs.std(axis=axes, keepdims=True)).astype(np.float32)


def turns(one: Maps) -> Iterator[Maps]:
    """The 8 symmetries of the square, or the 48 of the cube."""
    for order in permutations(range(one.ndim)):
        for steps in product((1, -1), repeat=one.ndim):
            yield np.ascontiguousarray(one.transpose(order)[tuple(slice(None, None, step) for step in steps)])

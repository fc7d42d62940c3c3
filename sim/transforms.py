"""The transforms of planes and rows that `sim.fourier` is made of: our own, scipy's or FFTW's.

Our own (sim/fft.py) is the default, with scipy for what it does not do: float64, and lengths with a factor beyond 5.
DARKGLASS_FFT=scipy takes scipy for all, DARKGLASS_FFT=fftw FFTW through pyfftw: `pip install "darkglass[fftw]"`. Knows
nothing of slabs.
"""

from __future__ import annotations

import importlib
import os
from typing import Any, Protocol

import numpy as np
import scipy.fft
from numpy.typing import NDArray

from sim import fft

Array = NDArray[Any]
ENGINE = "DARKGLASS_FFT"


class Transforms(Protocol):
    """What an engine must bring. Arrays are contiguous."""

    def forward_planes(self, planes: Array) -> None:
        """Padded real planes (m, n, 2 (n // 2 + 1)) to their modes, complex numbers in the same memory."""
        ...

    def inverse_planes(self, planes: Array) -> None:
        """The inverse of `forward_planes`."""
        ...

    def forward_rows(self, modes: Array, begin: int, end: int) -> Array:
        """Rows begin to end of modes (n, r, k) transformed along the first axis, until the next call in this thread."""
        ...

    def inverse_rows(self, block: Array, modes: Array, begin: int) -> None:
        """The inverse of `forward_rows`, into the rows of `modes` from `begin`. `block` may be overwritten."""
        ...


class Scipy(Transforms):
    """pocketfft."""

    def forward_planes(self, planes: Array) -> None:
        modes_of(planes)[:] = scipy.fft.rfft2(planes[:, :, : planes.shape[1]])

    def inverse_planes(self, planes: Array) -> None:
        n, modes = planes.shape[1], modes_of(planes)
        planes[:, :, :n] = scipy.fft.irfft(scipy.fft.ifft(modes, axis=1), n, axis=2, overwrite_x=True)

    def forward_rows(self, modes: Array, begin: int, end: int) -> Array:
        return scipy.fft.fft(np.ascontiguousarray(modes[:, begin:end]), axis=0, overwrite_x=True)

    def inverse_rows(self, block: Array, modes: Array, begin: int) -> None:
        modes[:, begin : begin + block.shape[1]] = scipy.fft.ifft(block, axis=0, overwrite_x=True)


SCIPY = Scipy()


def modes_of(planes: Array) -> Array:
    """Padded planes as the complex numbers in their memory."""
    return planes.view(np.result_type(planes.dtype, np.complex64))


def engine(n: int, dtype: np.dtype) -> Transforms:
    """What DARKGLASS_FFT names, for meshes of n^3 cells of `dtype`.

    ValueError for an unknown name, ModuleNotFoundError when it is not installed.
    """
    name = os.environ.get(ENGINE, "own")
    if name == "own":
        return fft if dtype == np.float32 and fft.is_smooth(n) else SCIPY
    if name == "scipy":
        return SCIPY
    if name == "fftw":
        return importlib.import_module("sim.fftw")
    raise ValueError(f"{ENGINE}: expected own, scipy or fftw, got {name}")

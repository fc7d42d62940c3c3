"""The transforms of planes and rows that `sim.fourier` is made of, by scipy or by FFTW.

scipy.fft is the default. DARKGLASS_FFT=fftw takes FFTW through pyfftw: `pip install "darkglass[fftw]"`. Knows nothing
of slabs. What a function returns may be overwritten by its next call in the same thread.
"""

from __future__ import annotations

import importlib
import os
from typing import Any, Protocol

import scipy.fft
from numpy.typing import NDArray

Array = NDArray[Any]
ENGINE = "DARKGLASS_FFT"


class Transforms(Protocol):
    """What an engine must bring. Arguments may be overwritten."""

    def forward_planes(self, planes: Array) -> Array:
        """Modes (m, n, n // 2 + 1) of real planes (m, n, n)."""
        ...

    def inverse_planes(self, modes: Array, n: int) -> Array:
        """The planes (m, n, n) of `modes`."""
        ...

    def forward_rows(self, block: Array) -> Array:
        """Transform along the first axis."""
        ...

    def inverse_rows(self, block: Array) -> Array:
        """The inverse of `forward_rows`."""
        ...


class Scipy(Transforms):
    """pocketfft."""

    def forward_planes(self, planes: Array) -> Array:
        return scipy.fft.rfft2(planes)

    def inverse_planes(self, modes: Array, n: int) -> Array:
        return scipy.fft.irfft(scipy.fft.ifft(modes, axis=1, overwrite_x=True), n, axis=2, overwrite_x=True)

    def forward_rows(self, block: Array) -> Array:
        return scipy.fft.fft(block, axis=0, overwrite_x=True)

    def inverse_rows(self, block: Array) -> Array:
        return scipy.fft.ifft(block, axis=0, overwrite_x=True)


SCIPY = Scipy()


def engine() -> Transforms:
    """What DARKGLASS_FFT names; ValueError for an unknown name, ModuleNotFoundError when it is not installed."""
    name = os.environ.get(ENGINE, "scipy")
    if name == "scipy":
        return SCIPY
    if name == "fftw":
        return importlib.import_module("sim.fftw")
    raise ValueError(f"{ENGINE}: expected scipy or fftw, got {name}")

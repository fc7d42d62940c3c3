"""The one-plane and one-row transforms that `sim.fourier` is made of, by scipy or by FFTW.

scipy.fft is the default. DARKGLASS_FFT=fftw takes FFTW, through pyfftw, an extra under the GPL: `pip install pyfftw`.
Knows nothing of slabs. Every function returns a new array, or overwrites its argument and returns it.
"""

from __future__ import annotations

from typing import Any

import scipy.fft
from numpy.typing import NDArray

Array = NDArray[Any]


def forward_plane(plane: Array) -> Array:
    """Modes (n, n // 2 + 1) of a real plane (n, n)."""
    return scipy.fft.rfft2(plane)


def inverse_plane(modes: Array, n: int) -> Array:
    """The plane (n, n) of `modes`, which is overwritten."""
    return scipy.fft.irfft(scipy.fft.ifft(modes, axis=0, overwrite_x=True), n, axis=1, overwrite_x=True)


def forward_rows(block: Array, _row: int) -> Array:
    """Transform along the first axis."""
    return scipy.fft.fft(block, axis=0, overwrite_x=True)


def inverse_rows(block: Array, _row: int) -> Array:
    """The inverse of `forward_rows`."""
    return scipy.fft.ifft(block, axis=0, overwrite_x=True)

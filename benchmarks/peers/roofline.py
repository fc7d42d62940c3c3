"""What this machine can do, and what a step must move: the time of a step that nothing but memory and the FFT holds up.

Bytes are counted once for every array a stage reads and once for every array it writes, in float32, with everything
else in cache. n particles, m cells; modes are m / 2 complex numbers of 8 bytes:

    sort      reads positions, writes an index                         16 n
    deposit   reads positions, writes the mesh                         12 n + 4 m
    Green     reads and writes the modes                                      8 m
    kick      reads the potential, positions and momenta, writes momenta 36 n + 4 m
    drift     reads momenta and positions, writes positions            36 n

A leapfrog needs no more than one kick and one drift a step, and no stored force.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import scipy.fft
from numba import get_num_threads, njit, prange

from benchmarks.peers.worker import seconds, serve

BYTES = {  # of a particle, of a cell
    "sort": (16, 0),
    "deposit": (12, 4),
    "Green": (0, 8),
    "kick": (36, 4),
    "drift": (36, 0),
}


@njit(parallel=True)
def _triad(a, b, c, scale):  # type: ignore[no-untyped-def]
    for i in prange(len(a)):
        a[i] = b[i] + scale * c[i]


def bandwidth(n_timed: int) -> dict[str, Any]:
    """Seconds that a byte of a = b + s c takes, on three arrays of 256 MB, as STREAM counts them."""
    a, b, c = (np.full(2**26, value, np.float32) for value in (0, 1, 2))
    spent = seconds(lambda: _triad(a, b, c, np.float32(3)), n_timed)
    return {"seconds": [one / (3 * a.nbytes) for one in spent]}


def transform(n_mesh: int, n_timed: int) -> dict[str, Any]:
    """Seconds of each pair of a real FFT and its inverse, by scipy, or by FFTW where that is installed and faster."""
    mesh = np.random.default_rng(0).random((n_mesh,) * 3, dtype=np.float32)
    workers = get_num_threads()

    def pair() -> None:
        modes = scipy.fft.rfftn(mesh, workers=workers)
        scipy.fft.irfftn(modes, mesh.shape, workers=workers, overwrite_x=True)

    found = {"scipy": seconds(pair, n_timed)}
    fftw = fftw_pair(mesh, workers)
    if fftw is not None:
        found["FFTW"] = seconds(fftw, n_timed)
    name = min(found, key=lambda name: min(found[name]))
    return {"seconds": found[name], "library": name}


def fftw_pair(mesh: np.ndarray, workers: int) -> Callable[[], object] | None:
    """A planned pair of transforms, or None without pyfftw."""
    try:
        import pyfftw
    except ImportError:
        return None
    n = len(mesh)
    real = pyfftw.empty_aligned(mesh.shape, np.float32)
    modes = pyfftw.empty_aligned((n, n, n // 2 + 1), np.complex64)
    options = {"axes": (0, 1, 2), "threads": workers, "flags": ("FFTW_MEASURE",)}
    forward = pyfftw.FFTW(real, modes, **options)
    backward = pyfftw.FFTW(modes, real, direction="FFTW_BACKWARD", **options)
    real[:] = mesh
    return lambda: (forward.execute(), backward.execute())


def bytes_of_step(n: int, n_mesh: int) -> dict[str, int]:
    """Bytes that each stage moves, for n^3 particles on n_mesh^3 cells."""
    return {stage: a * n**3 + b * n_mesh**3 for stage, (a, b) in BYTES.items()}


if __name__ == "__main__":
    serve({"bandwidth": bandwidth, "transform": transform})

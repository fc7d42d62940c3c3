"""Gaussian random modes that depend on the seed alone, and the Lagrangian displacements that they cause.

The value of a mode is a function of the seed and of its integer wave vector: it knows neither the mesh nor the ranks,
so a finer mesh adds small scales to the same large ones. Knows nothing of time, of particles or of the expansion.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit, prange
from numpy.typing import NDArray

from sim.fourier import Fourier
from sim.power import PowerTable

Modes = NDArray[np.complex64]
Vectors = NDArray[np.float32]


def white_noise(fourier: Fourier, seed: int, *, fixed_amplitude: bool = False, paired_phase: bool = False) -> Modes:
    """Hermitian modes with <|w|^2> = 1, zero at k=0 and on the Nyquist planes.

    With `fixed_amplitude` |w| = 1, with the same phases; with `paired_phase` every mode changes sign
    (Angulo & Pontzen 2016).
    """
    ix, iy, iz = (np.ravel(i) for i in fourier.i_modes)
    out = np.empty((len(ix), len(iy), len(iz)), np.complex64)
    low, high = np.uint32(seed & 0xFFFFFFFF), np.uint32(seed >> 32)
    _fill_noise(out, ix, iy, iz, fourier.slab.n_mesh, low, high, fixed_amplitude)
    return -out if paired_phase else out


def density_modes(fourier: Fourier, power: PowerTable, noise: Modes) -> Modes:
    """Modes of a density contrast whose power is `power`: `Fourier.inverse` gives the contrast itself."""
    kx, ky, kz = fourier.k
    n, box_size = fourier.slab.n_mesh, fourier.slab.box_size
    amplitude = np.empty(noise.shape, np.float32)
    for i, k_plane in enumerate(kx.ravel()):
        k = np.sqrt(k_plane**2 + ky[0] ** 2 + kz[0] ** 2)
        k[k == 0] = 2 * np.pi / box_size
        amplitude[i] = n**3 * np.sqrt(power(k) / box_size**3)
    return noise * amplitude


def translated(fourier: Fourier, modes: Modes, by: float) -> Modes:
    """The field moved by -`by` [Mpc/h] along each axis: its mesh points show what was at `by` from them."""
    kx, ky, kz = (np.exp(1j * np.float32(by) * k).astype(np.complex64) for k in fourier.k)
    return modes * kx * ky * kz


def displacement(fourier: Fourier, delta: Modes) -> Vectors:
    """First-order displacement at the mesh points, (planes, n, n, 3) Mpc/h: minus the divergence is delta."""
    return _gradient(fourier, delta * _inverse_k2(fourier))


def displacement2(fourier: Fourier, delta: Modes) -> Vectors:
    """Second-order displacement, to be multiplied by D2 ~ -3/7 D1^2 (Scoccimarro 1998, eq. 7 to 9 and D2)."""
    source = fourier.forward(_second_order_source(fourier, delta * _inverse_k2(fourier)))
    return _gradient(fourier, -_without_nyquist(fourier, source) * _inverse_k2(fourier))


def _second_order_source(fourier: Fourier, potential: Modes) -> NDArray[np.float32]:
    """Sum over pairs i > j of phi_ii phi_jj - phi_ij^2, with -potential = phi: the sign does not matter."""
    kx, ky, kz = fourier.k
    xx, yy, zz = (fourier.inverse(k * k * potential) for k in (kx, ky, kz))
    source = xx * yy + (xx + yy) * zz
    for pair in (kx * ky, kx * kz, ky * kz):
        source -= fourier.inverse(pair * potential) ** 2
    return source


def _gradient(fourier: Fourier, potential: Modes) -> Vectors:
    """The real vectors i k potential."""
    return np.stack([fourier.inverse(1j * k * potential) for k in fourier.k], axis=-1)


def _inverse_k2(fourier: Fourier) -> NDArray[np.floating[Any]]:
    """1/k^2, zero at k=0."""
    kx, ky, kz = fourier.k
    k2 = kx**2 + ky**2 + kz**2
    k2[k2 == 0] = np.inf
    return 1 / k2


def _without_nyquist(fourier: Fourier, modes: Modes) -> Modes:
    """`modes` with the Nyquist planes zero: the gradient of a Nyquist mode is not defined."""
    ix, iy, iz = (np.abs(i) != fourier.slab.n_mesh // 2 for i in fourier.i_modes)
    return modes * (ix & iy & iz)


@njit(cache=True, inline="always")
def _round(counter: Any, key0: np.uint32, key1: np.uint32) -> Any:
    """One round of Philox4x32 (Salmon et al. 2011)."""
    c0, c1, c2, c3 = counter
    product0 = np.uint64(0xD2511F53) * np.uint64(c0)
    product1 = np.uint64(0xCD9E8D57) * np.uint64(c2)
    high0, high1 = np.uint32(product0 >> np.uint64(32)), np.uint32(product1 >> np.uint64(32))
    low0, low1 = np.uint32(product0 & np.uint64(0xFFFFFFFF)), np.uint32(product1 & np.uint64(0xFFFFFFFF))
    return high1 ^ c1 ^ key0, low1, high0 ^ c3 ^ key1, low0


@njit(cache=True)
def _philox(c0, c1, c2, c3, key0, key1):  # type: ignore[no-untyped-def]
    """Philox4x32-10: four random 32-bit words from a counter and a key."""
    counter = (np.uint32(c0), np.uint32(c1), np.uint32(c2), np.uint32(c3))
    for _ in range(10):
        counter = _round(counter, key0, key1)
        key0 = np.uint32((np.uint64(key0) + np.uint64(0x9E3779B9)) & np.uint64(0xFFFFFFFF))
        key1 = np.uint32((np.uint64(key1) + np.uint64(0xBB67AE85)) & np.uint64(0xFFFFFFFF))
    return counter


@njit(cache=True)
def _normal_mode(x, y, z, key0, key1, fixed_amplitude):  # type: ignore[no-untyped-def]
    """A complex number of unit variance from the integer mode (x, y, z), by Box and Muller."""
    words = _philox(x & 0xFFFFFFFF, y & 0xFFFFFFFF, z & 0xFFFFFFFF, 0, key0, key1)
    radial = (np.float64(words[0]) * 2.0**21 + np.float64(words[1] >> np.uint32(11)) + 1.0) * 2.0**-53
    phase = 2 * np.pi * (np.float64(words[2]) * 2.0**21 + np.float64(words[3] >> np.uint32(11))) * 2.0**-53
    amplitude = 1.0 if fixed_amplitude else np.sqrt(-np.log(radial))
    return amplitude * complex(np.cos(phase), np.sin(phase))


@njit(cache=True, parallel=True)
def _fill_noise(out, ix, iy, iz, n, key0, key1, fixed_amplitude):  # type: ignore[no-untyped-def]
    """Fill `out`; of a mode and its opposite, both held when kz=0, the one with positive ky, or kx, is drawn."""
    half = n // 2
    for i in prange(len(ix)):
        for j in range(len(iy)):
            for k in range(len(iz)):
                x, y, z = ix[i], iy[j], iz[k]
                if abs(x) == half or abs(y) == half or abs(z) == half or (x == 0 and y == 0 and z == 0):
                    out[i, j, k] = 0
                elif z == 0 and (y < 0 or (y == 0 and x < 0)):
                    out[i, j, k] = np.conj(_normal_mode(-x, -y, z, key0, key1, fixed_amplitude))
                else:
                    out[i, j, k] = _normal_mode(x, y, z, key0, key1, fixed_amplitude)

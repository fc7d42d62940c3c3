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
from sim.slab import Mesh

Modes = NDArray[np.complex64]


def white_noise(fourier: Fourier, seed: int, *, fixed_amplitude: bool = False, paired_phase: bool = False) -> Modes:
    """Hermitian modes with <|w|^2> = 1, zero at k=0 and on the Nyquist planes.

    With `fixed_amplitude` |w| = 1, with the same phases; with `paired_phase` every mode changes sign
    (Angulo & Pontzen 2016).
    """
    ix, iy, iz = (np.ravel(i) for i in fourier.i_modes)
    out = np.empty((len(ix), len(iy), len(iz)), np.complex64)
    low, high = np.uint32(seed & 0xFFFFFFFF), np.uint32(seed >> 32)
    _fill_noise(out, ix, iy, iz, fourier.slab.n_mesh, low, high, fixed_amplitude)
    if paired_phase:
        np.negative(out, out)
    return out


def density_modes(fourier: Fourier, power: PowerTable, noise: Modes) -> Modes:
    """`noise`, made in place the modes of a density contrast whose power is `power`: `inverse` gives the contrast."""
    kx, ky, kz = fourier.k
    n, box_size = fourier.slab.n_mesh, fourier.slab.box_size
    across = ky[0] ** 2 + kz[0] ** 2
    for i, k_plane in enumerate(kx.ravel()):
        k = np.sqrt(k_plane**2 + across)
        k[k == 0] = 2 * np.pi / box_size
        noise[i] *= (n**3 * np.sqrt(power(k) / box_size**3)).astype(np.float32)
    return noise


def translate(fourier: Fourier, modes: Modes, by: float) -> None:
    """Move the field by -`by` [Mpc/h] along each axis: its mesh points show what was at `by` from them."""
    for k in fourier.k:
        modes *= np.exp(1j * np.float32(by) * k).astype(np.complex64)


def potential(fourier: Fourier, delta: Modes) -> Modes:
    """`delta`, made in place the first-order displacement potential: its `gradient` has the divergence -delta."""
    return _over_k2(fourier, delta)


def potential2(fourier: Fourier, potential: Modes) -> Modes:
    """Modes of the second-order potential, from the first: to be multiplied by D2 ~ -3/7 D1^2.

    Scoccimarro 1998, eq. 7 to 9 and D2.
    """
    modes = fourier.forward(_second_order_source(fourier, potential))
    for axis, i in enumerate(fourier.i_modes):
        # The gradient of a Nyquist mode is not defined.
        np.moveaxis(modes, axis, 0)[np.abs(i.ravel()) == fourier.slab.n_mesh // 2] = 0
    return -_over_k2(fourier, modes)


def gradient(fourier: Fourier, potential: Modes, axis: int) -> Mesh:
    """Derivative along `axis` at the mesh points, (planes, n, n) Mpc/h."""
    return fourier.inverse(1j * fourier.k[axis] * potential)


def _second_order_source(fourier: Fourier, potential: Modes) -> Mesh:
    """Sum over pairs i > j of phi_ii phi_jj - phi_ij^2, with -potential = phi: the sign does not matter."""
    kx, ky, kz = fourier.k
    diagonal = fourier.inverse(kx * kx * potential)
    other = fourier.inverse(ky * ky * potential)
    source = diagonal * other
    diagonal += other
    source += diagonal * fourier.inverse(kz * kz * potential)
    del diagonal, other
    for first, second in ((kx, ky), (kx, kz), (ky, kz)):
        source -= fourier.inverse(first * second * potential) ** 2
    return source


def _over_k2(fourier: Fourier, modes: Modes) -> Modes:
    """`modes` over k^2, zero at k=0, in place."""
    kx, ky, kz = fourier.k
    across = ky[0] ** 2 + kz[0] ** 2
    for i, k_plane in enumerate(kx.ravel()):
        k2 = k_plane**2 + across
        k2[k2 == 0] = np.inf
        modes[i] /= k2
    return modes


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

from __future__ import annotations

import numpy as np
import pytest

from sim import initial, spectra
from sim.fourier import Fourier
from sim.parallel import Comm, ThreadComm
from sim.power import PowerTable
from sim.slab import Slab

N, SIZE = 16, 100.0
SERIAL = Fourier(Slab(N, SIZE))
TABLE = PowerTable(np.geomspace(1e-3, 10, 50), 500 * np.geomspace(1e-3, 10, 50) ** -1.5)


def displacement(delta: np.ndarray) -> np.ndarray:
    """First order, (n, n, n, 3)."""
    potential = initial.potential(SERIAL, delta.copy())
    return np.stack([initial.gradient(SERIAL, potential, axis) for axis in range(3)], axis=-1)


def displacement2(delta: np.ndarray) -> np.ndarray:
    """Second order, (n, n, n, 3)."""
    potential = initial.potential2(SERIAL, initial.potential(SERIAL, delta.copy()))
    return np.stack([initial.gradient(SERIAL, potential, axis) for axis in range(3)], axis=-1)


@pytest.mark.parametrize(
    ("counter", "key", "expected"),
    [
        ((0, 0, 0, 0), (0, 0), (0x6627E8D5, 0xE169C58D, 0xBC57AC4C, 0x9B00DBD8)),
        ((0xFFFFFFFF,) * 4, (0xFFFFFFFF,) * 2, (0x408F276D, 0x41C83B0E, 0xA20BC7C6, 0x6D5451FD)),
        (
            (0x243F6A88, 0x85A308D3, 0x13198A2E, 0x03707344),
            (0xA4093822, 0x299F31D0),
            (0xD16CFE09, 0x94FDCCEB, 0x5001E420, 0x24126EA1),
        ),
    ],
)
def test_philox_gives_the_known_answers_of_random123(
    counter: tuple[int, ...], key: tuple[int, ...], expected: tuple[int, ...]
) -> None:
    words = initial._philox(*counter, np.uint32(key[0]), np.uint32(key[1]))
    assert tuple(int(word) for word in words) == expected


def test_noise_has_unit_variance_and_no_mean() -> None:
    noise = initial.white_noise(Fourier(Slab(32, SIZE)), 1)[1:15, 1:15, 1:15]
    np.testing.assert_allclose((np.abs(noise) ** 2).mean(), 1, atol=4 / np.sqrt(noise.size))
    np.testing.assert_allclose(noise.mean(), 0, atol=4 / np.sqrt(noise.size))
    np.testing.assert_allclose((noise**2).mean(), 0, atol=6 / np.sqrt(noise.size))
    np.testing.assert_allclose((np.abs(noise) ** 4).mean(), 2, atol=20 / np.sqrt(noise.size))


def test_noise_is_hermitian() -> None:
    noise = initial.white_noise(SERIAL, 2)
    field = SERIAL.inverse(noise.astype(np.complex128))
    np.testing.assert_allclose(SERIAL.forward(field), noise, atol=1e-10)


def test_a_finer_mesh_keeps_the_large_scales() -> None:
    coarse, fine = initial.white_noise(SERIAL, 3), initial.white_noise(Fourier(Slab(2 * N, SIZE)), 3)
    shared = np.r_[0 : N // 2, -N // 2 + 1 : 0]
    for i in shared:
        np.testing.assert_array_equal(fine[i, shared, : N // 2], coarse[i, shared, : N // 2])


@pytest.mark.parametrize("size", [2, 3, 4, 8])
def test_same_universe_on_any_ranks(size: int) -> None:
    def noise(comm: Comm) -> np.ndarray:
        return initial.white_noise(Fourier(Slab(N, SIZE, comm)), 4)

    whole = np.concatenate(ThreadComm.run(size, noise), axis=1)
    np.testing.assert_array_equal(whole, initial.white_noise(SERIAL, 4))


def test_seeds_differ_in_every_bit() -> None:
    draws = [initial.white_noise(SERIAL, seed) for seed in (5, 6, 5 + 2**32, 2**63 - 1)]
    for i, draw in enumerate(draws):
        for other in draws[:i]:
            assert abs(np.vdot(draw, other)) < 5 * np.sqrt(draw.size)


def test_fixed_amplitudes_keep_the_phases_and_pairs_are_opposite() -> None:
    free, fixed = initial.white_noise(SERIAL, 7), initial.white_noise(SERIAL, 7, fixed_amplitude=True)
    drawn = free != 0
    np.testing.assert_allclose(np.abs(fixed[drawn]), 1, rtol=1e-6)
    np.testing.assert_allclose(fixed[drawn], free[drawn] / np.abs(free[drawn]), atol=1e-6)
    paired = initial.white_noise(SERIAL, 7, fixed_amplitude=True, paired_phase=True)
    np.testing.assert_array_equal(paired, -fixed)


def test_measured_power_is_the_input_mode_by_mode() -> None:
    noise = initial.white_noise(SERIAL, 8, fixed_amplitude=True)
    contrast = SERIAL.inverse(initial.density_modes(SERIAL, TABLE, noise.copy()))
    modes = np.fft.rfftn(contrast.astype(np.float64)) * (SIZE / N) ** 3
    kx, ky, kz = SERIAL.k
    k, drawn = np.sqrt(kx**2 + ky**2 + kz**2), noise != 0
    np.testing.assert_allclose(np.abs(modes[drawn]) ** 2 / SIZE**3, TABLE(k[drawn]), rtol=1e-4)


def test_measured_power_is_the_input_on_average() -> None:
    fourier = Fourier(Slab(32, SIZE))
    free, fixed = (initial.white_noise(fourier, 9, fixed_amplitude=fixed) for fixed in (False, True))
    fields = [1 + fourier.inverse(initial.density_modes(fourier, TABLE, noise)) for noise in (free, fixed)]
    measured, expected = (spectra.power(field, SIZE, edges=[0.2, 0.5, 0.9]) for field in fields)
    assert (np.abs(measured.pk / expected.pk - 1) < 4 * np.sqrt(2 / measured.n_modes)).all()


def test_displacement_is_minus_an_inverse_divergence() -> None:
    delta = initial.density_modes(SERIAL, TABLE, initial.white_noise(SERIAL, 10))
    psi = displacement(delta).astype(np.float64)
    divergence = sum(1j * k * np.fft.rfftn(psi[..., axis]) for axis, k in enumerate(SERIAL.k))
    np.testing.assert_allclose(-divergence, delta, atol=1e-5 * np.abs(delta).max())


@pytest.mark.parametrize(("first", "second"), [(0, 1), (0, 2), (1, 2)])
def test_second_order_of_crossed_waves(first: int, second: int) -> None:
    """With phi = cos(kx) + cos(ky): phi_xx phi_yy = k^4 cos cos, whose inverse Laplacian is -k^2/2 cos cos."""
    k = 2 * np.pi / SIZE * 2
    x = np.indices((N, N, N)) * SIZE / N
    u, v = k * x[first], k * x[second]
    contrast = (-(k**2) * (np.cos(u) + np.cos(v))).astype(np.float32)
    psi = displacement2(SERIAL.forward(contrast))
    expected = np.zeros((N, N, N, 3))
    expected[..., first] = k**3 / 2 * np.sin(u) * np.cos(v)
    expected[..., second] = k**3 / 2 * np.cos(u) * np.sin(v)
    np.testing.assert_allclose(psi, expected, atol=1e-6 * k**2)


@pytest.mark.parametrize(("first", "second"), [(0, 1), (0, 2), (1, 2)])
def test_second_order_of_an_oblique_wave_vanishes(first: int, second: int) -> None:
    """A plane wave in any direction moves in one dimension: phi_ii phi_jj = phi_ij^2."""
    x = np.indices((N, N, N)) * 2 * np.pi / N
    contrast = np.cos(x[first] + 2 * x[second]).astype(np.float32)
    assert np.abs(displacement2(SERIAL.forward(contrast))).max() < 1e-4

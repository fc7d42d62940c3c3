from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from numpy.typing import NDArray

from learn.scores.geometry import Geometry
from learn.scores.scattering import N_ORIENTATIONS, SIGMA, WAVENUMBER, Scattering, cropped, morlets

N = 64


@pytest.fixture
def scattering(geometry: Geometry) -> Scattering:
    return Scattering(geometry)


@pytest.fixture
def field(lognormal: Callable) -> NDArray:
    return np.log10(lognormal(0, n=1, n_channels=1)[0, 0]) - 10


def test_coefficients_are_of_degree_one_and_see_no_constant(scattering: Scattering, field: NDArray) -> None:
    one = scattering.coefficients(field)
    assert one.shape == scattering.axis.shape == (len(scattering.labels),)
    assert np.all(one > 0)
    np.testing.assert_allclose(scattering.coefficients(3 * field), 3 * one, rtol=1e-5)
    np.testing.assert_allclose(scattering.coefficients(field + 1), one, rtol=1e-4)
    np.testing.assert_array_equal(scattering.coefficients(np.full((N, N), 7.0)), 0)


def test_turns_and_mirrors_change_nothing(scattering: Scattering, field: NDArray) -> None:
    expected = scattering.coefficients(field)
    for moved in (np.rot90(field), np.rot90(field, 2), field.T, field[::-1]):
        np.testing.assert_allclose(scattering.coefficients(moved), expected, rtol=1e-3)  # the coarse grids shift


def test_turns_change_nothing_at_the_highest_frequencies_either(scattering: Scattering) -> None:
    """Of the two frequencies at the edge of the grid only one is on it: a wavelet holds both."""
    noise = np.random.default_rng(0).normal(size=(N, N))
    expected = scattering.coefficients(noise)[:2]
    np.testing.assert_allclose(scattering.coefficients(np.rot90(noise))[:2], expected, rtol=1e-5)


def test_rolls_change_nothing_on_the_grid_and_little_between_its_points(scattering: Scattering, field: NDArray) -> None:
    expected = scattering.coefficients(field)
    np.testing.assert_allclose(scattering.coefficients(np.roll(field, (8, 16), (0, 1))), expected, rtol=1e-5)
    np.testing.assert_allclose(scattering.coefficients(np.roll(field, (1, 3), (0, 1))), expected, rtol=0.01)


@pytest.mark.parametrize("j", [1, 2, 3])
def test_a_plane_wave_has_the_answer_of_the_wavelet_at_its_frequency(scattering: Scattering, j: int) -> None:
    mode = round(WAVENUMBER / 2**j * N / (2 * np.pi))
    k = 2 * np.pi * mode / N
    wave = np.cos(k * np.arange(N))[:, None] * np.ones(N)
    angles = np.pi * np.arange(N_ORIENTATIONS) / N_ORIENTATIONS
    sigma, center = SIGMA * 2**j, WAVENUMBER / 2**j

    def answer(kx: float, angle: float) -> float:
        along, across = kx * np.cos(angle), kx * np.sin(angle)
        bell = np.exp(-0.5 * sigma**2 * np.array([(along - center) ** 2 + across**2, along**2 + across**2]))
        return float(bell[0] - np.exp(-0.5 * (sigma * center) ** 2) * bell[1])

    # a wave of both signs of k: the modulus of two plane waves, averaged over a period
    x = np.linspace(0, 2 * np.pi, 4096, endpoint=False)
    both = [0.5 * np.abs(answer(k, a) * np.exp(1j * x) + answer(-k, a) * np.exp(-1j * x)).mean() for a in angles]
    assert scattering.coefficients(wave)[j] == pytest.approx(np.mean(both), rel=0.02)


def test_second_order_agrees_with_convolutions_on_the_whole_grid(scattering: Scattering, field: NDArray) -> None:
    """No crop, no half precision: every wavelet on all N x N frequencies."""

    def wavelet(j: int) -> NDArray:
        plane = np.zeros((N_ORIENTATIONS, N, N))
        coarse = morlets(N, j, N_ORIENTATIONS).astype(float)
        n = coarse.shape[-1]
        keep = np.r_[0 : (n + 1) // 2, N - n // 2 : N]
        plane[:, keep[:, None], keep[None]] = coarse
        return plane

    first = np.abs(np.fft.ifft2(np.fft.fft2(field) * wavelet(1)))
    second = np.abs(np.fft.ifft2(np.fft.fft2(first)[:, None] * wavelet(3)))
    found = dict(zip(scattering.labels, scattering.coefficients(field), strict=True))
    assert found["1"] == pytest.approx(first.mean(), rel=1e-3)
    assert found["1,3"] == pytest.approx(second.mean(), rel=0.01)


def test_cropping_keeps_the_low_frequencies() -> None:
    x = np.arange(16)
    wave = np.cos(2 * np.pi * 3 * x / 16)[:, None] * np.ones(16)
    coarse = np.fft.ifft2(cropped(np.fft.fft2(wave), 8)).real / 4
    np.testing.assert_allclose(coarse[:, 0], np.cos(2 * np.pi * 3 * np.arange(8) / 8), atol=1e-12)


def test_wavelets_have_no_mean_and_few_pixels_are_refused() -> None:
    for j in range(4):
        np.testing.assert_allclose(morlets(N, j, 4)[:, 0, 0], 0, atol=1e-6)
    with pytest.raises(ValueError, match="at least 16 pixels"):
        Scattering(Geometry(8, 1.0))


def test_the_truth_has_no_error(scattering: Scattering, lognormal: Callable, views: Callable) -> None:
    truth = lognormal(0)
    measured = scattering.measure(views(truth))
    np.testing.assert_array_equal(scattering.scores(measured, measured)["scattering"], 0)
    np.testing.assert_allclose(scattering.scores(1.1 * measured, measured)["scattering"], 0.1)

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from learn.scores import spectra
from learn.scores.bootstrap import Estimate
from learn.scores.geometry import Geometry
from learn.scores.shells import Shells
from learn.scores.views import Reference, Views, contrast_modes
from sim import spectra as oracle

N, BOX_SIZE = 32, 32.0
GEOMETRY = Geometry(N, BOX_SIZE / N)
EDGES = oracle.log_edges(BOX_SIZE, N, 8)
SHELLS = Shells(GEOMETRY, tuple(EDGES))


def lognormal(seed: int, n_maps: int = 2) -> NDArray[np.float64]:
    """Positive maps (n, N, N) with structure on all scales."""
    noise = np.fft.rfft2(np.random.default_rng(seed).normal(size=(n_maps, N, N)))
    wave = np.hypot(np.fft.fftfreq(N, 1 / N)[:, None], np.arange(N // 2 + 1)[None])
    return 1e11 * np.exp(np.fft.irfft2(noise / np.maximum(wave, 1), s=(N, N)) * 3)


def compared(painted: NDArray, truth: NDArray, dmo: NDArray) -> spectra.Comparison:
    reference = Reference.of(truth, GEOMETRY, smoothing=1.0)
    return spectra.compare(Views(painted, reference), Views(truth, reference), dmo, SHELLS)


def test_truth_painted_as_it_is_scores_perfectly() -> None:
    dmo, truth = lognormal(0), np.stack([lognormal(1), lognormal(2)], axis=1)
    perfect = compared(truth, truth, dmo)
    np.testing.assert_allclose(perfect.ratio, 1, rtol=1e-12)
    np.testing.assert_allclose(perfect.correlation, 1, rtol=1e-12)
    np.testing.assert_array_equal(perfect.suppression, perfect.true_suppression)
    np.testing.assert_allclose(perfect.mass, 1, rtol=1e-12)
    np.testing.assert_allclose(perfect.mass_of_map, 0, atol=1e-12)
    assert perfect.ratio.shape == (1, 2, len(perfect.k))


@pytest.mark.parametrize("n", [31, 32])
def test_spectra_agree_with_those_of_the_simulations(n: int) -> None:
    geometry = Geometry(n, 1.0)
    edges = oracle.log_edges(n, n, 6)
    shells = Shells(geometry, tuple(edges))
    one, other = np.random.default_rng(0).lognormal(size=(2, n, n))
    expected = oracle.power(one, n, other, edges=edges)
    np.testing.assert_allclose(shells.k, expected.k, rtol=1e-12)
    found = shells.power(contrast_modes(one, geometry), contrast_modes(other, geometry))
    np.testing.assert_allclose(found, expected.pk, rtol=1e-9, atol=1e-12)


def test_scores_agree_with_the_spectra_of_one_map() -> None:
    dmo, truth, painted = (lognormal(seed, 1) for seed in range(3))
    one = compared(painted[None], truth[None], dmo)
    expected = oracle.correlation(painted[0], truth[0], BOX_SIZE, edges=EDGES)
    np.testing.assert_allclose(one.correlation[0, 0], expected.value, rtol=1e-10)
    suppression = oracle.suppression(painted[0], dmo[0], BOX_SIZE, edges=EDGES)
    np.testing.assert_allclose(one.suppression[0], suppression.value, rtol=1e-10)


def test_a_window_keeps_white_noise_and_hides_the_jump_at_the_edge() -> None:
    plain, hann = (Geometry(128, 1.0, periodic=periodic) for periodic in (True, False))
    shells = [Shells(geometry, tuple(np.linspace(0.2, 3, 8))) for geometry in (plain, hann)]
    noise = 1 + 0.1 * np.random.default_rng(0).normal(size=(40, 128, 128))
    powers = [one.power(modes, modes).mean(axis=0) for one in shells for modes in [contrast_modes(noise, one.geometry)]]
    np.testing.assert_allclose(powers[1], powers[0], rtol=0.03)
    ramp = 1 + np.linspace(0, 1, 128)[:, None] * np.ones(128)
    jumps = [one.power(modes, modes)[-1] for one in shells for modes in [contrast_modes(ramp, one.geometry)]]
    assert jumps[1] < 1e-4 * jumps[0]


def test_amplitude_moves_mass_and_not_the_contrast() -> None:
    truth, dmo = lognormal(1)[:, None], lognormal(1)
    brighter = compared(1.1 * truth, truth, dmo)
    np.testing.assert_allclose(brighter.mass, 1.1, rtol=1e-12)
    np.testing.assert_allclose(brighter.ratio, 1, rtol=1e-10)
    error = spectra.mass_error(brighter, 0, seed=0)
    assert error is not None
    for one in (error, spectra.mass_worst(brighter, 0, seed=0), spectra.mass_conservation(brighter, 0, seed=0)):
        assert one.value == pytest.approx(0.1)


def test_mass_that_moves_between_maps_is_an_error_of_the_maps_alone() -> None:
    truth = np.stack([lognormal(1, 1)] * 3)
    moved = compared(truth * np.array([0.9, 1.2, 0.9])[:, None, None, None], truth, truth[:, 0])
    error = spectra.mass_error(moved, 0, seed=0)
    assert error is not None
    assert error.value == pytest.approx(0, abs=1e-12)
    assert spectra.mass_worst(moved, 0, seed=0).value == pytest.approx(0.2)


@pytest.mark.parametrize("level", [0.0, 1e11 / 3])
def test_a_uniform_map_has_no_power_and_no_correlation(level: float) -> None:
    truth = lognormal(1)[:, None]
    blank = compared(np.full(truth.shape, level, np.float32), truth, lognormal(0))
    np.testing.assert_array_equal(blank.ratio, 0)
    np.testing.assert_array_equal(blank.correlation, 0)
    assert spectra.power_error(blank, 0, k_max=2, seed=0) == Estimate(1, 0)
    assert spectra.power_bias(blank, 0, k_max=2, seed=0) == Estimate(-1, 0)


def test_an_empty_truth_is_refused_with_its_channel() -> None:
    truth = np.stack([lognormal(1), np.zeros((2, N, N))], axis=1)
    with pytest.raises(RuntimeError, match="channel 1"):
        compared(truth, truth, lognormal(0))


def test_shapes_are_named_when_they_differ() -> None:
    with pytest.raises(ValueError, match=r"\(2, 32, 32\)"):
        compared(lognormal(0), lognormal(1)[:, None], lognormal(2))


def test_simulations_are_the_unit_of_a_mean() -> None:
    truth = lognormal(1)[:, None]
    joined = spectra.join([compared(factor * truth, truth, lognormal(0)) for factor in (1.0, 1.2)])
    assert joined.ratio.shape[0] == 2
    error = spectra.mass_error(joined, 0, seed=0)
    assert error is not None
    assert error.value == pytest.approx(0.1)
    assert 0 < error.standard_error < 0.2


def test_errors_that_cancel_are_no_bias() -> None:
    truth = lognormal(1)[:, None]
    one = compared(truth, truth, lognormal(0))
    ratios = np.array([0.9, 1.1])[:, None, None]
    both = replace(spectra.join([one, one]), painted=ratios * one.truth)
    error, bias, worst = (
        f(both, 0, k_max=2, seed=0) for f in (spectra.power_error, spectra.power_bias, spectra.power_worst)
    )
    assert error is not None
    assert bias is not None
    assert worst is not None
    assert error.value == pytest.approx(0.1)
    assert bias.value == pytest.approx(0, abs=1e-12)
    assert worst.value == pytest.approx(0, abs=1e-12)
    assert bias.standard_error == pytest.approx(0.1 / np.sqrt(2), rel=0.1)


def test_scores_see_only_the_scales_they_are_asked_for() -> None:
    truth = lognormal(1)[:, None]
    mode = np.hypot(*np.meshgrid(np.fft.fftfreq(N, 1 / N), np.fft.fftfreq(N, 1 / N)))
    smooth = np.fft.ifft2(np.where(mode > 8, 0, np.fft.fft2(truth))).real
    comparison = compared(smooth, truth, truth[:, 0])
    below, all_of_it = 7 * 2 * np.pi / BOX_SIZE, np.pi
    perfect: dict[Callable[..., Any], float] = {
        spectra.power_error: 0,
        spectra.power_worst: 0,
        spectra.mean_correlation: 1,
        spectra.least_correlation: 1,
    }
    for score, ideal in perfect.items():
        near, far = (score(comparison, 0, k_max=k, seed=0) for k in (below, all_of_it))
        assert near.value == pytest.approx(ideal, abs=1e-10)
        assert abs(far.value - ideal) > 0.1
        assert score(comparison, 0, k_max=0.01, seed=0) is None
    error = spectra.suppression_error(comparison, k_max=below, seed=0)
    assert error is not None
    assert error.value < 1e-10


def test_a_scale_that_the_pixels_do_not_reach_has_no_score() -> None:
    truth = lognormal(1)[:, None]
    comparison = compared(truth, truth, truth[:, 0])
    assert comparison.reaches(3)
    assert not comparison.reaches(5)
    assert spectra.power_error(comparison, 0, k_max=5, seed=0) is None

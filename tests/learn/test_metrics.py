from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from learn import metrics
from sim import spectra

BOX_SIZE = 32.0
N = 32
EDGES = spectra.log_edges(BOX_SIZE, N, 8)


def lognormal(seed: int, n_maps: int = 2) -> NDArray[np.float64]:
    """Positive maps (n, N, N) with structure on all scales."""
    noise = np.fft.rfft2(np.random.default_rng(seed).normal(size=(n_maps, N, N)))
    wave = np.hypot(np.fft.fftfreq(N, 1 / N)[:, None], np.arange(N // 2 + 1)[None])
    return 1e11 * np.exp(np.fft.irfft2(noise / np.maximum(wave, 1), s=(N, N)) * 3)


def compared(painted: NDArray, truth: NDArray, dmo: NDArray) -> metrics.Comparison:
    return metrics.compare(painted, truth, dmo, box_size=BOX_SIZE, edges=EDGES)


def test_truth_painted_as_it_is_scores_perfectly() -> None:
    dmo, truth = lognormal(0), np.stack([lognormal(1), lognormal(2)], axis=1)
    perfect = compared(truth, truth, dmo)
    np.testing.assert_allclose(perfect.ratio, 1, rtol=1e-12)
    np.testing.assert_allclose(perfect.correlation, 1, rtol=1e-12)
    np.testing.assert_array_equal(perfect.suppression, perfect.true_suppression)
    np.testing.assert_allclose(perfect.mass, 1, rtol=1e-12)
    assert perfect.ratio.shape == (1, 2, len(perfect.k))


def test_scores_agree_with_the_spectra_of_one_map() -> None:
    dmo, truth, painted = (lognormal(seed, 1) for seed in range(3))
    one = compared(painted[None], truth[None], dmo)
    expected = spectra.correlation(painted[0], truth[0], BOX_SIZE, edges=EDGES)
    np.testing.assert_allclose(one.correlation[0, 0], expected.value, rtol=1e-10)
    suppression = spectra.suppression(painted[0], dmo[0], BOX_SIZE, edges=EDGES)
    np.testing.assert_allclose(one.suppression[0], suppression.value, rtol=1e-10)


def test_amplitude_moves_mass_and_not_the_contrast() -> None:
    truth = lognormal(1)[:, None]
    brighter = compared(1.1 * truth, truth, lognormal(0))
    np.testing.assert_allclose(brighter.mass, 1.1, rtol=1e-12)
    np.testing.assert_allclose(brighter.ratio, 1, rtol=1e-10)
    assert metrics.mass_error(brighter, 0, seed=0).value == pytest.approx(0.1)


@pytest.mark.parametrize("level", [0.0, 1e11 / 3])
def test_a_uniform_map_has_no_power_and_no_correlation(level: float) -> None:
    truth = lognormal(1)[:, None]
    blank = compared(np.full(truth.shape, level, np.float32), truth, lognormal(0))
    np.testing.assert_array_equal(blank.ratio, 0)
    np.testing.assert_array_equal(blank.correlation, 0)
    assert metrics.power_error(blank, 0, k_max=5, seed=0) == metrics.Estimate(1, 0)


def test_an_empty_truth_is_refused_with_its_channel() -> None:
    truth = np.stack([lognormal(1), np.zeros((2, N, N))], axis=1)
    with pytest.raises(RuntimeError, match="channel 1"):
        compared(truth, truth, lognormal(0))


def test_shapes_are_named_when_they_differ() -> None:
    with pytest.raises(ValueError, match=r"\(2, 32, 32\)"):
        compared(lognormal(0), lognormal(1), lognormal(2))


def test_bootstrap_is_seeded_and_has_the_error_of_the_mean() -> None:
    values = np.random.default_rng(3).normal(size=(400, 2))
    first, again, other = (metrics.bootstrap_means(values, seed=seed) for seed in (1, 1, 2))
    np.testing.assert_array_equal(first, again)
    assert not np.array_equal(first, other)
    np.testing.assert_allclose(first.std(axis=0), values.std(axis=0) / 20, rtol=0.1)
    np.testing.assert_allclose(first.mean(axis=0), values.mean(axis=0), atol=0.01)


def test_one_simulation_has_no_error_bar() -> None:
    band = metrics.band(np.array([[1.0, 2.0]]), seed=0)
    np.testing.assert_array_equal(band.low, band.high)


def test_simulations_are_the_unit_of_a_mean() -> None:
    truth = lognormal(1)[:, None]
    joined = metrics.join([compared(factor * truth, truth, lognormal(0)) for factor in (1.0, 1.2)])
    assert joined.ratio.shape[0] == 2
    assert metrics.mass_error(joined, 0, seed=0).value == pytest.approx(0.1)
    assert 0 < metrics.mass_error(joined, 0, seed=0).standard_error < 0.2


def test_scores_see_only_the_scales_they_are_asked_for() -> None:
    truth = lognormal(1)[:, None]
    cut = np.fft.fft2(truth)
    mode = np.hypot(*np.meshgrid(np.fft.fftfreq(N, 1 / N), np.fft.fftfreq(N, 1 / N)))
    smooth = np.fft.ifft2(np.where(mode > 8, 0, cut)).real
    comparison = compared(smooth, truth, truth[:, 0])
    k_cut = 7 * 2 * np.pi / BOX_SIZE
    large, small = (metrics.power_error(comparison, 0, k_max=k, seed=0) for k in (k_cut, 100))
    correlation, error = (f(comparison, k_max=k_cut, seed=0) for f in (correlation_of_total, metrics.suppression_error))
    assert large is not None
    assert small is not None
    assert correlation is not None
    assert error is not None
    assert large.value < 1e-10 < 0.1 < small.value
    assert correlation.value == pytest.approx(1)
    assert error.value < 1e-10
    assert metrics.power_error(comparison, 0, k_max=0.01, seed=0) is None


def correlation_of_total(comparison: metrics.Comparison, *, k_max: float, seed: int) -> metrics.Estimate | None:
    return metrics.mean_correlation(comparison, 0, k_max=k_max, seed=seed)

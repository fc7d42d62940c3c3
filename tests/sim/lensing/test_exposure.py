from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from lenstronomy.SimulationAPI.observation_api import SingleBand

from sim.lensing.exposure import Exposure, correlated, magnitude_of, rate_of, track

HST = Exposure(time=2000.0, read_noise=4.0, n_reads=4, sky=0.1)


def sky(n: int = 200) -> np.ndarray:
    return np.linspace(0, 2, n * n).reshape(n, n)


def exposures(exposure: Exposure, rate: np.ndarray, n: int = 60) -> np.ndarray:
    return np.stack([exposure.observed(rate, np.random.default_rng([7, i])) for i in range(n)])


def test_exposures_scatter_as_the_variance_says_about_the_truth() -> None:
    rate = sky(60)
    seen = exposures(HST, rate, 400)
    bias = (seen.mean(0) - rate) / np.sqrt(HST.variance(rate) / 400)
    assert abs(bias.mean()) < 4 / 60
    assert bias.std() == pytest.approx(1, abs=0.05)
    assert (seen.var(0) / HST.variance(rate)).mean() == pytest.approx(1, abs=0.01)
    bright = rate > 1
    assert (seen.var(0)[bright] / seen.var(0)[~bright].mean()).mean() > 1.5


def test_the_variance_is_lenstronomys() -> None:
    band = SingleBand(
        pixel_scale=0.05,
        exposure_time=500.0,
        magnitude_zero_point=26.0,
        read_noise=4.0,
        ccd_gain=1.0,
        sky_brightness=magnitude_of(HST.sky / 0.05**2, 26.0),
        seeing=0.1,
        num_exposures=4,
        psf_type="GAUSSIAN",
        data_count_unit="e-",
    )
    rate = np.array([[0.0, 0.3, 5.0]])
    expected = band.background_noise**2 + rate / band.exposure_time
    np.testing.assert_allclose(HST.variance(rate), expected, rtol=1e-6)
    assert rate_of(24.0, 26.0) == pytest.approx(band.magnitude2cps(24.0))


def test_correlated_noise_has_the_variance_of_white_noise_and_neighbours_that_agree() -> None:
    white = np.random.default_rng(0).standard_normal((256, 256))
    found = correlated(white, 0.7)
    assert found.var() == pytest.approx(1, abs=0.02)
    neighbours = (found * np.roll(found, 1, axis=1)).mean()
    assert neighbours == pytest.approx(np.exp(-1 / (4 * 0.7**2)), abs=0.02)
    np.testing.assert_allclose(correlated(white, 1e-3), white, atol=1e-3)
    seen = replace(HST, correlation=0.7).observed(np.ones((64, 64)), np.random.default_rng(1))
    assert seen.std() == pytest.approx(np.sqrt(HST.variance(np.ones((1, 1)))[0, 0]), rel=0.1)


def test_cosmic_rays_are_rare_bright_tracks_and_depend_on_the_seed_alone() -> None:
    struck = replace(HST, cosmic_rays=5.0)
    rate = np.zeros((100, 100))
    excess = [
        struck.observed(rate, np.random.default_rng(i)) - HST.observed(rate, np.random.default_rng(i))
        for i in range(100)
    ]
    hit = np.stack(excess)
    assert hit.min() > -1e-12
    assert hit.sum() * HST.time / 100 == pytest.approx(5 * 2000, rel=0.25)
    assert 5 < (hit > 0).sum() / 100 < 60
    again = struck.observed(rate, np.random.default_rng(3))
    np.testing.assert_array_equal(again, struck.observed(rate, np.random.default_rng(3)))


def test_a_track_is_connected_and_within_the_image() -> None:
    for seed in range(200):
        rows, columns = track((20, 30), np.random.default_rng(seed))
        assert ((rows >= 0) & (rows < 20) & (columns >= 0) & (columns < 30)).all()
        pixels = set(zip(rows.tolist(), columns.tolist(), strict=True))
        near = {(r + i, c + j) for r, c in pixels for i in (-1, 0, 1) for j in (-1, 0, 1) if (i, j) != (0, 0)}
        assert len(pixels) == 1 or pixels <= near


def test_the_noise_map_is_that_of_the_image_and_never_below_the_background() -> None:
    rate = sky(50)
    seen = HST.observed(rate, np.random.default_rng(0))
    assert (HST.noise_map(seen) >= np.sqrt(HST.variance(np.zeros(1)))).all()
    np.testing.assert_allclose(HST.noise_map(rate), np.sqrt(HST.variance(rate)))
    assert ((seen - rate) / HST.noise_map(seen)).std() == pytest.approx(1, abs=0.05)


def test_magnitudes_go_there_and_back() -> None:
    assert magnitude_of(rate_of(23.4, 25.9), 25.9) == pytest.approx(23.4)
    assert rate_of(25.9, 25.9) == 1
    with pytest.raises(ValueError, match="a rate above 0, got 0"):
        magnitude_of(0.0, 25.9)

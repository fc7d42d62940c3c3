from __future__ import annotations

import numpy as np
import pytest

from learn.scores.coverage import NOMINAL, QUANTITIES, Calibration, block_means, counted, coverage, ranks
from learn.scores.geometry import Geometry
from learn.scores.shells import Shells


@pytest.mark.parametrize("n_draws", [1, 2, 7, 16, 39, 200])
@pytest.mark.parametrize("nominal", NOMINAL)
def test_level_places_have_the_nominal_coverage_for_any_number_of_draws(n_draws: int, nominal: float) -> None:
    assert coverage(np.ones(n_draws + 1), nominal) == pytest.approx(nominal, abs=1e-12)


def test_places_at_the_ends_are_not_covered_and_those_in_the_middle_are() -> None:
    ends, middle = np.zeros(40), np.zeros(40)
    ends[[0, -1]], middle[20] = 1, 1
    assert coverage(ends, 0.95) == pytest.approx(0, abs=1e-9)
    assert coverage(middle, 0.68) == pytest.approx(1)
    assert np.isnan(coverage(np.zeros(5), 0.68))


@pytest.mark.parametrize(("spread", "low", "high"), [(1.0, 0.66, 0.70), (0.5, 0.3, 0.5), (2.0, 0.85, 1.0)])
def test_draws_like_the_truth_are_calibrated_and_others_are_not(spread: float, low: float, high: float) -> None:
    rng = np.random.default_rng(0)
    truth, draws = rng.normal(size=(1, 20000)), spread * rng.normal(size=(16, 1, 20000))
    counts = counted(ranks(draws, truth, rng), 16)
    assert low < coverage(counts, 0.68)[0] < high


def test_the_interval_of_an_order_statistic_is_exact() -> None:
    """Of 39 draws the lowest and the highest bound 38 of 40 places."""
    counts = np.zeros(40)
    counts[0], counts[5] = 1, 3
    assert coverage(counts, 0.95) == pytest.approx(0.75)


def test_equal_values_take_every_place_alike() -> None:
    rng = np.random.default_rng(0)
    places = counted(ranks(np.zeros((4, 1, 10000)), np.zeros((1, 10000)), rng), 4)[0]
    np.testing.assert_allclose(places / 10000, 0.2, atol=0.02)


def test_blocks_keep_the_mean_and_cut_what_is_left() -> None:
    maps = np.random.default_rng(0).random((2, 10, 10))
    means = block_means(maps, Geometry(10, 0.5))
    assert means.shape == (2, 25)
    np.testing.assert_allclose(means.mean(axis=1), maps.mean(axis=(1, 2)))
    np.testing.assert_allclose(means[0, 0], maps[0, :2, :2].mean())
    cut = block_means(maps, Geometry(10, 0.34))
    assert cut.shape == (2, 9)
    np.testing.assert_allclose(cut.mean(axis=1), maps[:, :9, :9].mean(axis=(1, 2)))


def test_every_quantity_of_every_channel_is_counted() -> None:
    geometry = Geometry(32, 0.5)
    shells = Shells(geometry, tuple(np.geomspace(0.39, 6, 7)))
    rng = np.random.default_rng(0)
    draws, truth = rng.lognormal(size=(9, 2, 32, 32)), rng.lognormal(size=(2, 32, 32))
    at = np.array([[3, 4], [30, 1], [8, 8]])
    places = Calibration(geometry, shells).places(draws, truth, at, rng)
    assert places.shape == (len(QUANTITIES), 2, 10)
    np.testing.assert_array_equal(places.sum(axis=2), [[256, 256], [3, 3], [len(shells.k)] * 2])
    brighter = Calibration(geometry, shells).places(100 * draws, truth, at, rng)
    np.testing.assert_array_equal(brighter[:2, :, 0], places.sum(axis=2)[:2])  # below every draw
    np.testing.assert_array_equal(brighter[2], places[2])  # of contrasts

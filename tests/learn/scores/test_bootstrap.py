from __future__ import annotations

import numpy as np
import pytest

from learn.scores import bootstrap


def test_means_are_seeded_and_have_the_error_of_the_mean() -> None:
    values = np.random.default_rng(3).normal(size=(400, 2))
    first, again, other = (bootstrap.bootstrap_means(values, seed=seed) for seed in (1, 1, 2))
    np.testing.assert_array_equal(first, again)
    assert not np.array_equal(first, other)
    np.testing.assert_allclose(first.std(axis=0), values.std(axis=0) / 20, rtol=0.1)
    np.testing.assert_allclose(first.mean(axis=0), values.mean(axis=0), atol=0.01)


def test_one_simulation_has_no_error_bar() -> None:
    band = bootstrap.band(np.array([[1.0, 2.0]]), seed=0)
    np.testing.assert_array_equal(band.low, band.high)


def test_simulations_without_the_number_are_left_out() -> None:
    known = bootstrap.estimate(np.array([1.0, 3.0]), seed=0)
    assert known is not None
    assert known.value == 2
    assert known.standard_error == pytest.approx(1 / np.sqrt(2), rel=0.1)
    assert bootstrap.estimate(np.array([1.0, np.nan, 3.0]), seed=0) == known
    assert bootstrap.estimate(np.array([np.nan]), seed=0) is None


def test_the_largest_of_many_is_rarely_missed_and_of_one_never() -> None:
    found = bootstrap.largest(np.array([0.0, 1.0, 5.0]), seed=0)
    assert found.value == 5
    chance = (2 / 3) ** 3  # that none of three draws is the largest
    assert 0 < found.standard_error < 5 * np.sqrt(chance)
    assert bootstrap.largest(np.array([5.0]), seed=0) == bootstrap.Estimate(5, 0)

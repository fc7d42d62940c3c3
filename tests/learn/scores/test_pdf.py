from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from learn.scores.pdf import EmptyPixels, PixelPdf, pixel_distance


def test_the_distance_of_a_shift_is_the_shift(lognormal: Callable, views: Callable) -> None:
    truth = lognormal(0)
    level = truth.mean(axis=(0, 2, 3))[:, None, None]
    shifted = level * ((1 + truth / level) * 10**0.02 - 1)  # u + 0.02 everywhere
    distance = pixel_distance(views(shifted, truth), views(truth))
    np.testing.assert_allclose(distance, 0.02, rtol=1e-10)


def test_where_the_pixels_are_does_not_matter(lognormal: Callable, views: Callable) -> None:
    truth = lognormal(0)
    shuffled = np.random.default_rng(0).permuted(truth.reshape(*truth.shape[:2], -1), axis=2).reshape(truth.shape)
    np.testing.assert_array_equal(pixel_distance(views(shuffled, truth), views(truth)), 0)


def test_the_density_has_the_integral_one_and_is_that_of_the_pixels(lognormal: Callable, views: Callable) -> None:
    seen = views(lognormal(0))
    pdf = PixelPdf().measure(seen)
    width = np.diff(PixelPdf.EDGES)
    np.testing.assert_allclose((pdf * width).sum(axis=1), 1, rtol=1e-12)
    np.testing.assert_allclose((pdf * width * PixelPdf().axis).sum(axis=1), seen.logs.mean(axis=(0, 2, 3)), atol=0.005)


def test_negative_density_counts_as_none(lognormal: Callable, views: Callable) -> None:
    truth = lognormal(0)
    negative = np.where(truth < np.median(truth), -truth, truth)
    clipped = np.maximum(negative, 0)
    np.testing.assert_array_equal(views(negative, truth).logs, views(clipped, truth).logs)
    empty = EmptyPixels()
    found = empty.measure(views(negative, truth))
    np.testing.assert_allclose(found.mean(), 0.5, atol=1e-3)
    scores = empty.scores(found, empty.measure(views(truth)))
    np.testing.assert_array_equal(scores["empty_truth"], 0)
    assert scores["empty_error"] == pytest.approx(found[:, 0])


def test_pixels_without_mass_are_counted(lognormal: Callable, views: Callable) -> None:
    truth = lognormal(0)
    truth[:, 1, :16] = 0
    np.testing.assert_array_equal(EmptyPixels().measure(views(truth)), [[0], [0.25]])

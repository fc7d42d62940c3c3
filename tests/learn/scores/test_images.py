from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from learn.scores.images import MAX_PSNR, image_scores


def test_identical_pictures_are_perfect(lognormal: Callable, views: Callable) -> None:
    truth = views(lognormal(0))
    scores = image_scores(truth, truth)
    np.testing.assert_allclose(scores["ssim"], 1, rtol=1e-5)
    np.testing.assert_array_equal(scores["psnr"], MAX_PSNR)


def test_a_shift_of_the_logs_has_a_known_psnr(lognormal: Callable, views: Callable) -> None:
    truth = lognormal(0)
    level = truth.mean(axis=(0, 2, 3))[:, None, None]
    shifted = views(level * ((1 + truth / level) * 10**0.05 - 1), truth)
    span = views(truth).logs.max(axis=(0, 2, 3))
    np.testing.assert_allclose(image_scores(shifted, views(truth))["psnr"], 20 * np.log10(span / 0.05), rtol=1e-3)


def test_they_are_weak(lognormal: Callable, views: Callable) -> None:
    """A map without structure has half the squared error of one with the right structure at other places."""
    truth = views(lognormal(0))
    blank = np.full_like(truth.maps, 1) * np.median(truth.maps, axis=(0, 2, 3))[:, None, None]
    uniform, other = (image_scores(views(maps, truth.maps), truth)["psnr"] for maps in (blank, lognormal(1)))
    assert np.all(uniform > other + 1.5)


def test_noise_lowers_both(lognormal: Callable, views: Callable) -> None:
    truth = lognormal(0)
    noisy = truth * np.random.default_rng(0).lognormal(0, 0.2, size=truth.shape)
    good, bad = (image_scores(views(one, truth), views(truth)) for one in (truth * 1.01, noisy))
    for score in ("ssim", "psnr"):
        assert np.all(good[score] > bad[score])
    assert good["ssim"] == pytest.approx([1, 1], abs=0.01)

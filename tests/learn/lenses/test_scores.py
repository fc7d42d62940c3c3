"""Scores of recovered lenses: what is perfect, what a blank frame gets, and numbers that are known by hand."""

from __future__ import annotations

import numpy as np
import pytest

from learn.lenses.scores import axis_ratio, correlations, lens_scores, on_pixels_of, source_scores


def sources(n: int = 3) -> np.ndarray:
    """Small discs in a large dark field, (n, 48, 48)."""
    y, x = np.mgrid[:48, :48] - 24.0
    return np.stack([(2.0 + i) * np.exp(-(x**2 + (y - i) ** 2) / 8) for i in range(n)])


def test_the_truth_is_perfect() -> None:
    truth = sources()
    found = source_scores(truth, truth, np.ones_like(truth))
    for name, best in {"source_mse": 0, "r": 1, "flux_ratio": 1, "weighted_error": 0, "ssim": 1}.items():
        np.testing.assert_allclose(found[name], best, rtol=0, atol=1e-5)


def test_a_blank_frame_is_worth_nothing_but_to_ssim() -> None:
    truth = sources()
    found = source_scores(np.zeros_like(truth), truth, np.ones_like(truth))
    assert (found["r"] == 0).all()
    assert (found["flux_ratio"] == 0).all()
    np.testing.assert_allclose(found["weighted_error"], 1, rtol=1e-6)
    assert found["source_mse"].min() > 0.1
    assert found["ssim"].min() > 0.5


def test_brighter_by_a_tenth() -> None:
    """A tenth of truth^2, over the pixels of the source, and r is blind to it."""
    truth = sources(1)
    found = source_scores(1.1 * truth, truth, np.ones_like(truth))
    unit = truth / truth.max()
    assert found["source_mse"][0] == pytest.approx(0.01 * np.square(unit[unit > 0.05]).mean())
    assert found["r"][0] == pytest.approx(1)
    assert found["flux_ratio"][0] == pytest.approx(1.1)
    assert found["weighted_error"][0] == pytest.approx(0.01)


def test_what_is_not_magnified_does_not_weigh() -> None:
    truth = sources(1)
    wrong = truth.copy()
    wrong[0, :10] += 5
    magnification = np.ones_like(truth)
    magnification[0, :10] = 0
    assert source_scores(wrong, truth, magnification)["weighted_error"][0] == 0


def test_correlation_is_numpys() -> None:
    rng = np.random.default_rng(0)
    found, truth = rng.random((2, 1, 9, 9))
    inside = rng.random((1, 9, 9)) > 0.4
    expected = np.corrcoef(found[inside], truth[inside])[0, 1]
    assert correlations(found, truth, inside)[0] == pytest.approx(expected)


def test_errors_of_lenses() -> None:
    names = ("theta_e", "slope", "e1", "e2", "x", "y", "gamma1", "gamma2")
    truth = dict(zip(names, np.array([[1.0], [2.0], [1 / 3], [0.0], [0.1], [0.0], [0.03], [0.04]]), strict=True))
    found = dict(zip(names, np.array([[1.02], [2.1], [0.0], [0.0], [0.1], [0.05], [0.0], [0.0]]), strict=True))
    errors = lens_scores(found, truth)
    assert axis_ratio(truth)[0] == pytest.approx(0.5)
    assert {name: round(float(value[0]), 6) for name, value in errors.items()} == {
        "theta_e": 0.02,
        "slope": 0.1,
        "axis_ratio": 0.5,
        "shear": 0.05,
        "centre": 0.05,
    }


def test_finer_sources_are_judged_on_the_pixels_of_the_truth() -> None:
    rng = np.random.default_rng(3)
    truth, ripple = rng.random((2, 4, 4)), np.array([[1.0, -1.0], [-1.0, 1.0]])
    fine = np.repeat(np.repeat(truth, 2, axis=1), 2, axis=2) + np.tile(ripple, (4, 4))
    np.testing.assert_allclose(on_pixels_of(truth, fine), truth, atol=1e-12)
    np.testing.assert_array_equal(on_pixels_of(truth, truth), truth)

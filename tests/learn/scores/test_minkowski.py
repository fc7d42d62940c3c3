from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.special import erfc

from learn.scores.minkowski import MinkowskiFunctionals, functionals, share_above

N = 64
LEVEL = np.array([0.5])
DISTANCE = np.hypot(*np.meshgrid(np.arange(N) - 20.0, np.arange(N) - 30.0, indexing="ij"))


def of_set(inside: NDArray[np.bool_], *, periodic: bool = True) -> tuple[float, float, float]:
    """Pixels, length of the boundary and Euler number of a set of pixels of side 1."""
    size = inside.size if periodic else (N - 1) ** 2
    area, length, euler = functionals(inside.astype(float), LEVEL, 1.0, periodic=periodic)[:, 0] * size
    return float(area), float(4 * length), float(euler)


@pytest.mark.parametrize("periodic", [True, False])
def test_discs_and_rings_have_known_numbers(periodic: bool) -> None:
    disc, ring = DISTANCE < 12, (DISTANCE < 12) & (DISTANCE > 6)
    pair = (DISTANCE < 6) | np.roll(DISTANCE < 6, 20, axis=1)
    for inside, euler in ((disc, 1), (ring, 0), (pair, 2)):
        found = of_set(inside, periodic=periodic)
        assert found[2] == pytest.approx(euler, abs=1e-9)
        assert found[0] == pytest.approx(inside.sum())
    assert of_set(disc, periodic=periodic)[1] == pytest.approx(np.pi * 23)  # 23 pixels across


def test_what_wraps_is_a_torus() -> None:
    band = np.zeros((N, N), bool)
    band[10:20] = True
    cross = band | band.T
    assert of_set(band)[2] == pytest.approx(0, abs=1e-9)
    assert of_set(cross)[2] == pytest.approx(-1, abs=1e-9)
    assert of_set(np.ones((N, N), bool))[2] == pytest.approx(0, abs=1e-9)


def test_a_set_and_the_rest_have_opposite_euler_numbers_and_one_boundary() -> None:
    inside = np.random.default_rng(0).random((N, N)) < 0.4
    (area, length, euler), (rest, same, opposite) = of_set(inside), of_set(~inside)
    assert area + rest == N * N
    assert length == pytest.approx(same)
    assert euler == pytest.approx(-opposite)


def test_turns_mirrors_and_rolls_change_nothing(gaussian: Callable) -> None:
    field, thresholds = gaussian(0)[0], np.linspace(-2, 2, 9)
    expected = functionals(field, thresholds, 0.5)
    for moved in (np.rot90(field), field[::-1], np.roll(field, (3, 11), (0, 1))):
        np.testing.assert_allclose(functionals(moved, thresholds, 0.5), expected, atol=1e-12)


def test_a_gaussian_field_agrees_with_the_closed_forms(gaussian: Callable) -> None:
    """Tomita (1986), as in Schmalzing & Gorski (1998), eq. 11."""
    radius, pixel, nu = 5.0, 0.5, np.linspace(-2, 2, 9)
    fields = gaussian(0, n=60, n_pixels=256, radius=radius)
    found = np.mean([functionals(field, nu, pixel) for field in fields], axis=0)
    slope = 1 / (2 * (radius * pixel) ** 2)  # variance of a derivative over that of the field
    bell = np.exp(-(nu**2) / 2)
    np.testing.assert_allclose(found[0], erfc(nu / np.sqrt(2)) / 2, atol=0.01)
    np.testing.assert_allclose(found[1], np.sqrt(slope) * bell / 8, rtol=0.04)
    euler = slope * nu * bell / (2 * np.pi) ** 1.5
    np.testing.assert_allclose(found[2], euler, atol=0.04 * np.abs(euler).max())


def test_a_value_at_a_threshold_is_above_it() -> None:
    np.testing.assert_array_equal(
        share_above(np.array([0.0, 1, 1, 2]), np.array([0.5, 1, 1.5, 3])), [0.75, 0.75, 0.25, 0]
    )


def test_identical_maps_have_no_distance_and_empty_ones_the_whole(lognormal: Callable, views: Callable) -> None:
    statistic, truth = MinkowskiFunctionals(), lognormal(0)
    measured = statistic.measure(views(truth))
    assert measured.shape == (2, 3, len(statistic.axis))
    for score in statistic.scores(measured, measured).values():
        np.testing.assert_array_equal(score, 0)
    for score in statistic.scores(0 * measured, measured).values():
        np.testing.assert_allclose(score, 1)

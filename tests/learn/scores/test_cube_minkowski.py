"""Minkowski functionals of cubes, where geometry knows them."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.ndimage import label

from learn.scores.cube_minkowski import functionals

SIDE, VOXEL = 48, 0.5
HALF = np.array([0.5])


def distance(center: float = 23.7) -> np.ndarray:
    """Of each voxel from a point [voxel]."""
    lines = np.arange(SIDE) - center
    return np.sqrt(lines[:, None, None] ** 2 + lines[:, None] ** 2 + lines**2)


def of(body: np.ndarray) -> np.ndarray:
    """Totals over the cube: volume, area / 6, mean curvature / 3 pi, Euler number."""
    return functionals(body.astype(float), HALF, VOXEL)[:, 0] * (SIDE * VOXEL) ** 3


def test_a_ball_has_the_volume_the_area_the_curvature_and_the_euler_number_of_one() -> None:
    radius = 15.3
    r = radius * VOXEL
    expected = [4 / 3 * np.pi * r**3, 4 * np.pi * r**2 / 6, 4 * r / 3, 1]
    np.testing.assert_allclose(of(distance() < radius), expected, rtol=0.03)


def test_a_hole_in_a_ball_adds_area_and_takes_curvature() -> None:
    inner, outer = 6.2 * VOXEL, 16.4 * VOXEL
    expected = [
        4 / 3 * np.pi * (outer**3 - inner**3),
        4 * np.pi * (outer**2 + inner**2) / 6,
        4 * (outer - inner) / 3,
        2,
    ]
    np.testing.assert_allclose(of((distance() < 16.4) & (distance() >= 6.2)), expected, rtol=0.05)


def test_a_beam_through_the_torus_is_a_ring_without_ends() -> None:
    body = np.zeros((SIDE,) * 3)
    body[:, 10:20, 10:20] = 1
    volume, area, _, euler = of(body)
    np.testing.assert_allclose(volume, SIDE * 100 * VOXEL**3)
    np.testing.assert_allclose(area, 2 / 3 * SIDE * 40 * VOXEL**2 / 6)  # voxel faces are longer by 3 / 2 in the mean
    assert euler == pytest.approx(0, abs=1e-9)


@pytest.mark.parametrize("n", [1, 5])
def test_the_euler_number_counts_bodies_apart(n: int) -> None:
    body = np.zeros((SIDE,) * 3)
    for i in range(n):
        body[4 + 8 * i : 8 + 8 * i, 3:9, 20:24] = 1
    assert label(body)[1] == n
    assert of(body)[3] == pytest.approx(n)


def test_thresholds_are_of_the_values_and_axes_are_alike() -> None:
    values = np.random.default_rng(0).normal(size=(12, 12, 12))
    thresholds = np.array([-1.0, 0.0, 2.0])
    found = functionals(values, thresholds, VOXEL)
    np.testing.assert_allclose(found[0], [(values >= one).mean() for one in thresholds])
    np.testing.assert_allclose(functionals(values.transpose(2, 0, 1), thresholds, VOXEL), found, atol=1e-9)
    np.testing.assert_allclose(functionals(np.roll(values, 5, 1), thresholds, VOXEL), found, atol=1e-9)
    opposite = functionals(-values, -thresholds[::-1], VOXEL)[:, ::-1]
    np.testing.assert_allclose(opposite[:, 1][[1, 3]], found[:, 1][[1, 3]], rtol=1e-9)
    np.testing.assert_allclose(opposite[2], -found[2], atol=1e-9)

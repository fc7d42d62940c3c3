from __future__ import annotations

import numpy as np
import pytest

from configs import Box, Cosmology, Lightcone
from sim.convergence import angles, convergence, of_plane, repeats, sampled
from sim.efficiency import sources_of
from sim.lightcone import planes

PLANCK = Cosmology(omega_m=0.3152, omega_b=0.0493, h=0.6736, n_s=0.9649, sigma8=0.81)
CONE = Lightcone(field_deg=6.0, n_pixels=40, plane_depth=32.0, plane_pixels=32, z_source=0.2)
BOX = Box(cosmology=PLANCK, box_size=64.0, n_particles=16, seed=3, lightcone=CONE)


def empty() -> list[np.ndarray]:
    return [np.zeros((32, 32), np.float32) for _ in planes(BOX)]


def test_no_contrast_no_convergence() -> None:
    kappa = convergence(BOX, empty())
    assert kappa.shape == (40, 40)
    assert (kappa == 0).all()


def test_a_constant_contrast_is_the_weight_of_its_plane() -> None:
    contrasts = empty()
    contrasts[5] += 0.7
    weight = sources_of(BOX).weight(planes(BOX)[5])
    np.testing.assert_allclose(convergence(BOX, contrasts), 0.7 * weight, rtol=1e-6)


def test_point_masses_on_two_planes_add_up() -> None:
    """A pixel of mass at (x, y) shows as a tent of its contrast at the angles x / chi, y / chi."""
    contrasts = empty()
    theta = angles(6.0, 40)
    expected = np.zeros((40, 40))
    for i, (row, column) in {2: (1, 31), 6: (30, 3)}.items():
        contrasts[i][row, column] = 100.0
        plane = planes(BOX)[i]
        tents = []
        for pixel in (row, column):
            offset = theta * plane.chi - (pixel + 0.5) * 2
            offset -= 64 * np.rint(offset / 64)
            tents.append(np.maximum(0, 1 - np.abs(offset) / 2))
        expected += sources_of(BOX).weight(plane) * 100 * np.outer(*tents)
    assert (expected > 0).sum() > 4
    np.testing.assert_allclose(convergence(BOX, contrasts), expected, atol=1e-6 * expected.max())


def test_the_sum_of_planes_is_the_map() -> None:
    rng = np.random.default_rng(1)
    contrasts = [rng.normal(size=(32, 32)).astype(np.float32) for _ in planes(BOX)]
    parts = [of_plane(BOX, plane, contrast) for plane, contrast in zip(planes(BOX), contrasts, strict=True)]
    np.testing.assert_allclose(convergence(BOX, contrasts), np.sum(parts, axis=0), rtol=1e-5, atol=1e-8)


def test_a_plane_too_few_is_refused() -> None:
    with pytest.raises(ValueError, match="shorter"):
        convergence(BOX, empty()[1:])


def test_sampling_is_exact_at_pixels_linear_between_and_periodic() -> None:
    field = np.random.default_rng(2).normal(size=(8, 8)).astype(np.float32)
    centers = (np.arange(8) + 0.5) * 2.0
    np.testing.assert_allclose(sampled(field, centers, 16.0), field, rtol=1e-6)
    np.testing.assert_allclose(sampled(field, centers - 32.0, 16.0), field, rtol=1e-6)
    middle = sampled(field, centers[:-1] + 1, 16.0)
    corners = [field[i : i + 7, j : j + 7] for i in (0, 1) for j in (0, 1)]
    np.testing.assert_allclose(middle, np.mean(corners, axis=0), atol=1e-6)


def test_angles_are_centred_and_fill_the_field() -> None:
    theta = angles(6.0, 40)
    np.testing.assert_allclose(theta, -theta[::-1])
    np.testing.assert_allclose(np.rad2deg(theta[-1] - theta[0]), 6.0 * 39 / 40)


def test_repeats_say_how_often_the_box_is_seen() -> None:
    np.testing.assert_allclose(repeats(BOX), np.deg2rad(6.0) * planes(BOX)[-1].chi / 64)

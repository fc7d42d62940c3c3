"""Rotations: proper, uniform, named alike everywhere."""

from __future__ import annotations

import numpy as np
import pytest

from sim import rotations


def many(n: int) -> np.ndarray:
    return np.array([rotations.named("box_0001", i // 10, i % 10) for i in range(n)])


def test_every_rotation_keeps_lengths_and_handedness() -> None:
    for rotation in (*many(50), *rotations.AXES):
        np.testing.assert_allclose(rotation @ rotation.T, np.eye(3), atol=1e-12)
        assert np.linalg.det(rotation) == pytest.approx(1)


def test_rotated_axes_are_uniform_on_the_sphere() -> None:
    """Second moments of each rotated axis within 3 sigma of 1/3; the variance of a squared cosine is 4/45."""
    n = 20_000
    vectors = many(n)
    sigma = np.sqrt(4 / 45 / n)
    np.testing.assert_allclose((vectors**2).mean(axis=0), 1 / 3, atol=3.5 * sigma)
    np.testing.assert_allclose(vectors.mean(axis=0), 0, atol=3.5 * np.sqrt(1 / 3 / n))


def test_the_angle_of_rotation_has_the_density_of_so3_which_uniform_euler_angles_do_not() -> None:
    """The mean of the trace is 0, and that of its square 1, over SO(3) (orthogonality of characters)."""
    trace = np.trace(many(20_000), axis1=1, axis2=2)
    assert abs(trace.mean()) < 3.5 / np.sqrt(20_000)
    assert abs((trace**2).mean() - 1) < 3.5 * np.sqrt(2 / 20_000)


def test_the_name_decides_and_nothing_else() -> None:
    np.testing.assert_array_equal(rotations.named("a", 1, 2), rotations.named("a", 1, 2))
    assert not np.allclose(rotations.named("a", 1, 12), rotations.named("a", 11, 2))
    assert not np.allclose(rotations.named("SB35_1", 0, 0), rotations.named("SB35_10", 0, 0))
    np.testing.assert_allclose(rotations.named("SB35_0", 3, 7)[0], [-0.416265, -0.310706, 0.854509], atol=1e-6)


@pytest.mark.parametrize("axis", [0, 1, 2])
def test_the_rotation_of_an_axis_carries_it_to_the_line_of_sight(axis: int) -> None:
    np.testing.assert_array_equal(rotations.AXES[axis] @ np.eye(3)[axis], [0, 0, 1])

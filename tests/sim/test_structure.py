"""Structure of halos: profiles, ellipsoids and rotations that are known."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from sim import profiles
from sim.structure import FEWEST, Members
from sim.units import GRAVITY

BOX = 10.0
CENTER = np.array([9.8, 0.1, 5.0])
Array = NDArray[Any]


def members(offset: Array, radius: float = 1.0) -> Members:
    """One halo across a corner of the box."""
    pos = np.mod(CENTER + offset, BOX)
    return Members(pos, np.array([0, len(pos)]), CENTER[None], np.array([radius]), BOX)


def directions(n: int, seed: int) -> Array:
    vector = np.random.default_rng(seed).standard_normal((n, 3))
    return np.asarray(vector / np.linalg.norm(vector, axis=1, keepdims=True))


def nfw(n: int, c: float, seed: int = 0) -> Array:
    fraction = np.random.default_rng(seed + 100).random(n)
    return np.asarray(profiles.nfw_radius(fraction, c)[:, None] * directions(n, seed))


@pytest.mark.parametrize("c", [2.0, 4.0, 8.0, 16.0, 30.0])
def test_the_concentration_of_an_nfw_sample_is_found(c: float) -> None:
    """Within three errors, which the scatter of 30 samples tells; the mean without bias."""
    found = np.array([members(nfw(1000, c, seed)).concentration()[0] for seed in range(30)])
    scatter = np.log(found).std()
    assert 0.02 < scatter < 0.25
    assert abs(np.log(found).mean() - np.log(c)) < 3 * scatter / 30**0.5
    assert np.abs(np.log(found / c)).max() < 3.5 * scatter


def test_the_concentration_stays_in_its_bounds() -> None:
    uniform = np.random.default_rng(1).random((500, 1)) ** (1 / 3) * directions(500, 2)
    steep = np.full((500, 1), 0.051) * directions(500, 2)
    np.testing.assert_allclose(members(uniform).concentration(), 1)
    np.testing.assert_allclose(members(steep).concentration(), 50)


@pytest.mark.parametrize("axes", [(1.0, 1.0, 1.0), (1.0, 0.8, 0.6), (1.0, 0.5, 0.4), (1.0, 0.4, 0.4)])
def test_an_ellipsoid_has_its_axes(axes: tuple[float, float, float]) -> None:
    """NFW along the elliptical radius, turned by a random rotation, cut by a sphere outside the ellipsoid."""
    rotation = np.linalg.qr(np.random.default_rng(3).standard_normal((3, 3)))[0]
    found = members(nfw(40000, 6.0) * axes @ rotation.T).shape()[0]
    np.testing.assert_allclose(found, axes[1:], rtol=0, atol=0.02)
    assert 0 < found[1] <= found[0] <= 1


def test_the_shape_is_that_of_the_reduced_tensor() -> None:
    """Round inside, flat outside, mirrored so that its axes are those of the box: the ratios reproduce themselves."""
    octant = np.abs(np.concatenate([0.3 * nfw(300, 6.0), nfw(300, 6.0, 1) * [1, 0.6, 0.3]]))
    signs = np.stack(np.meshgrid(*[[-1, 1]] * 3), -1).reshape(-1, 1, 3)
    offset = (signs * octant).reshape(-1, 3)
    found = np.array([1, *members(offset).shape()[0]])
    square = ((offset / found) ** 2).sum(axis=1)
    inside = square < 1
    axes = np.sqrt((offset[inside] ** 2 / square[inside, None]).sum(axis=0))
    np.testing.assert_allclose(axes / axes[0], found, rtol=0, atol=2e-3)
    assert 0.4 < found[2] < 0.9


@pytest.mark.parametrize("redshift", [0.0, 1.5])
@pytest.mark.parametrize("ball", [1.0, 0.6])
def test_a_sphere_that_turns_like_a_solid_has_its_spin(redshift: float, ball: float) -> None:
    """J = 2/5 M omega r^2 for a uniform ball of radius r; a common velocity changes nothing."""
    n, mass, omega = 200000, 1e9, np.array([100.0, -200.0, 50.0])
    offset = ball * np.random.default_rng(5).random((n, 1)) ** (1 / 3) * directions(n, 6)
    vel = np.cross(omega, offset) + np.array([500.0, 0, -300])
    found = members(offset).spin(vel, mass, redshift)
    circular = np.sqrt(GRAVITY * n * mass * (1 + redshift))
    np.testing.assert_allclose(found, 0.4 * np.linalg.norm(omega) * ball**2 / 2**0.5 / circular, rtol=0.01)


def test_radial_flows_do_not_spin() -> None:
    offset = nfw(5000, 6.0)
    assert members(offset).spin(300 * offset, 1e9, 0.0)[0] < 1e-9


def test_what_lies_outside_does_not_count() -> None:
    inside, outside = nfw(2000, 6.0), 1.5 * directions(3000, 9)
    both = np.concatenate([outside, inside])
    vel = np.random.default_rng(4).normal(0, 100, both.shape)
    a, b = members(inside), members(both)
    np.testing.assert_array_equal(a.concentration(), b.concentration())
    np.testing.assert_array_equal(a.shape(), b.shape())
    np.testing.assert_array_equal(a.spin(vel[3000:], 1e9, 0.0), b.spin(vel, 1e9, 0.0))


@pytest.mark.parametrize("radius", [1.0, 0.0])
def test_a_halo_of_few_has_zeros(radius: float) -> None:
    few = members(nfw(FEWEST - 1, 6.0), radius)
    assert (few.concentration()[0], *few.shape()[0], few.spin(few.pos, 1e9, 0.0)[0]) == (0, 0, 0, 0)

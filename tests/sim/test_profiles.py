"""Profiles: closed forms against quadrature, published relations against colossus, limits that hold by definition."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.integrate import quad

from sim import profiles

X = np.geomspace(1e-3, 8, 80)


@pytest.mark.parametrize("c", [3.0, 8.0, 20.0])
def test_the_nfw_mass_is_the_integral_of_the_nfw_density(c: float) -> None:
    def shell(x: float) -> float:
        return x**2 / (c * x * (1 + c * x) ** 2)

    expected = [quad(shell, 0, x)[0] / quad(shell, 0, 1)[0] for x in (0.01, 0.3, 1.0)]
    np.testing.assert_allclose(profiles.nfw_enclosed([0.01, 0.3, 1.0], c), expected, rtol=1e-8)


@pytest.mark.parametrize("c", [3.0, 8.0, 20.0])
def test_the_nfw_radius_inverts_the_nfw_mass(c: float) -> None:
    fraction = np.geomspace(1e-7, 1, 50)
    np.testing.assert_allclose(profiles.nfw_enclosed(profiles.nfw_radius(fraction, c), c), fraction, rtol=1e-7)


@pytest.mark.parametrize("c", [3.0, 8.0, 20.0])
def test_outside_r200c_the_halo_is_the_integral_of_a_truncated_nfw(c: float) -> None:
    e = profiles.TRUNCATION

    def shell(x: float) -> float:
        cut = ((1 + e**-2) / (1 + x**2 / e**2)) ** 2 if x > 1 else 1.0
        return x**2 / (c * x * (1 + c * x) ** 2) * cut

    expected = [1 + quad(shell, 1, x)[0] / quad(shell, 0, 1)[0] for x in (1.5, 4.0, 8.0)]
    np.testing.assert_allclose(profiles.halo_enclosed([1.5, 4.0, 8.0], c), expected, rtol=1e-8)
    np.testing.assert_array_equal(profiles.halo_enclosed([0.1, 1.0], c), profiles.nfw_enclosed([0.1, 1.0], c))


@pytest.mark.parametrize("redshift", [0.0, 1.0, 2.5])
def test_concentrations_are_those_of_colossus(redshift: float) -> None:
    cosmology = pytest.importorskip("colossus.cosmology.cosmology")
    concentration = pytest.importorskip("colossus.halo.concentration")
    cosmology.setCosmology("planck13", persistence="")
    mass = np.geomspace(1e11, 1e15, 5)
    expected = concentration.concentration(mass, "200c", redshift, model="dutton14", range_return=True)[0]
    np.testing.assert_allclose(profiles.concentration(mass, redshift), expected, rtol=1e-6)


def test_the_stellar_fraction_peaks_near_m_star_with_the_given_slopes() -> None:
    mass = np.geomspace(1e7, 1e18, 400)
    fraction = profiles.stellar_fraction(mass, 0.03, 11.4, -1.376, 0.1)
    assert 11.4 < np.log10(mass[fraction.argmax()]) < 12.5
    slope = np.gradient(np.log(fraction), np.log(mass))
    np.testing.assert_allclose(slope[[0, -1]], [1.376, -0.1], atol=2e-3)
    np.testing.assert_allclose(profiles.stellar_fraction(10**11.4, 0.03, 11.4, -1.376, 0.1), 0.015, rtol=1e-12)


def test_the_gas_slope_rises_from_0_to_3_and_is_half_way_at_m_c() -> None:
    mass = np.array([1e6, 10**13.3, 1e22])
    np.testing.assert_allclose(profiles.gas_slope(mass, 13.3, 0.6), [0, 1.5, 3], atol=2e-4)


def test_the_gas_has_a_core_and_ends_with_slope_delta() -> None:
    x = np.array([1e-6, 1e-5, 1e5, 1e6])
    density = profiles.gas_density(x, 0.0, 0.3, 4.0, 1.5, 7.0)
    slope = np.diff(np.log(density)) / np.diff(np.log(x))
    np.testing.assert_allclose(slope[[0, 2]], [0, -7], atol=1e-3)


def test_the_central_galaxy_ends_within_a_tenth_of_r200c() -> None:
    density_times_area = 2 / np.sqrt(np.pi) / profiles.CENTRAL_SIZE
    expected = quad(lambda x: density_times_area * np.exp(-((x / profiles.CENTRAL_SIZE) ** 2)), 0, 0.02)[0]
    np.testing.assert_allclose(profiles.central_enclosed(0.02), expected, rtol=1e-10)
    assert profiles.central_enclosed(0.1) > 0.999


def test_enclosed_is_the_integral_of_each_density() -> None:
    def density(x: np.ndarray) -> np.ndarray:
        return np.stack([1 / (1 + x) ** 4, np.exp(-x)])

    expected = np.stack([(X / (1 + X)) ** 3, 2 - np.exp(-X) * (X**2 + 2 * X + 2)])
    later = X > 0.01
    got = profiles.enclosed(density, X)
    np.testing.assert_allclose(got[:, later], (expected / expected[:, -1:])[:, later], rtol=1e-5)
    np.testing.assert_array_equal(got[:, -1], 1.0)


def test_dark_matter_contracts_around_a_galaxy_and_expands_where_gas_was_lost() -> None:
    halo = profiles.nfw_enclosed(X, 8.0) / profiles.nfw_enclosed(X[-1], 8.0)
    central, spread = profiles.central_enclosed(X), (X / X[-1]) ** 3
    none = profiles.relaxation(X, halo, 0 * central, 0.15 * halo, 0.0)
    galaxy = profiles.relaxation(X, halo, 0.02 * central, 0.15 * halo, 0.0)
    ejected = profiles.relaxation(X, halo, 0 * central, 0.15 * spread, 0.0)
    inner = X < 0.1
    assert np.all(galaxy[inner] > none[inner])
    assert np.all(ejected[inner] < none[inner])
    np.testing.assert_allclose([none[-1], galaxy[-1], ejected[-1]], 1.0, rtol=1e-12)


def test_the_step_of_the_relaxation_lies_where_it_is_told() -> None:
    near, far = (profiles.relaxation(X, X / X[-1], 0 * X, 0 * X, 0.0, radius) for radius in (0.1, 2.0))
    for radius, ratio in ((0.1, near), (2.0, far)):
        at = [np.interp(x, X, ratio - ratio[-1]) for x in (radius, X[-1])]
        expected = 0.075 / 2 - 0.075 / (1 + (X[-1] / radius) ** 1.5)
        np.testing.assert_allclose(at[0] - at[1], expected, atol=2e-4)


def test_inner_gas_falls_as_the_cube_within_r200c_and_ends_there() -> None:
    x = np.array([1e-5, 1e-4, 0.1, 0.11, 8.0, 9.0])
    slope = (np.diff(np.log(profiles.inner_gas_density(x))) / np.diff(np.log(x)))[[0, 2, 4]]
    np.testing.assert_allclose(slope, [0, -3 - 0.105, -3 - 8.5], atol=0.02)


def test_halos_of_high_peaks_end_close_to_r200c() -> None:
    np.testing.assert_allclose(profiles.truncation([0.0, 1.0, 4.0, 9.0]), [4.0, 3.5, 2.0, 1.0])
    assert profiles.truncation(1.0) == profiles.TRUNCATION

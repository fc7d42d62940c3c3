from __future__ import annotations

import numpy as np
import pytest
from scipy.integrate import quad

from configs import Box, Cosmology
from sim import cosmology
from sim.units import HUBBLE, SPEED_OF_LIGHT

PLANCK = Cosmology(omega_m=0.3152, omega_b=0.0493, h=0.6736, n_s=0.9649, sigma8=0.81)
EINSTEIN_DE_SITTER = PLANCK.model_copy(update={"omega_m": 1 - 1e-10})
A = np.geomspace(2e-4, 1, 40)


def test_expansion_is_one_today() -> None:
    assert cosmology.hubble_rate(PLANCK, 1.0) == 1
    assert cosmology.omega_m_of_a(PLANCK, 1.0) == PLANCK.omega_m


def test_growth_is_a_in_a_universe_of_matter() -> None:
    np.testing.assert_allclose(cosmology.growth(EINSTEIN_DE_SITTER, A), A, rtol=1e-8)
    np.testing.assert_allclose(cosmology.growth_rate(EINSTEIN_DE_SITTER, A), 1, rtol=1e-7)
    np.testing.assert_allclose(cosmology.growth2(EINSTEIN_DE_SITTER, A), -3 / 7 * A**2, rtol=1e-8)
    np.testing.assert_allclose(cosmology.growth_rate2(EINSTEIN_DE_SITTER, A), 2, rtol=1e-7)


def test_growth_is_heaths_integral() -> None:
    def integral(a: float) -> float:
        value = quad(lambda x: (x * cosmology.hubble_rate(PLANCK, x)) ** -3, 0, a, epsabs=0, epsrel=1e-10)[0]
        return cosmology.hubble_rate(PLANCK, a) * value

    expected = np.array([integral(a) for a in A]) / integral(1.0)
    np.testing.assert_allclose(cosmology.growth(PLANCK, A), expected, rtol=1e-7)


def test_growth_rates_are_logarithmic_slopes() -> None:
    step = 1e-4
    for growth, rate in (
        (cosmology.growth, cosmology.growth_rate),
        (cosmology.growth2, cosmology.growth_rate2),
    ):
        slope = (growth(PLANCK, 0.5 * np.exp(step)) / growth(PLANCK, 0.5 * np.exp(-step)) - 1) / (2 * step)
        np.testing.assert_allclose(rate(PLANCK, 0.5), slope, rtol=1e-3)


def test_second_order_growth_is_the_fit_of_bouchet() -> None:
    fit = -3 / 7 * cosmology.growth(PLANCK, A) ** 2 * cosmology.omega_m_of_a(PLANCK, A) ** (-1 / 143)
    np.testing.assert_allclose(cosmology.growth2(PLANCK, A), fit, rtol=2e-3)


def test_growth_refuses_the_future() -> None:
    with pytest.raises(ValueError, match=r"scale factors from 0.0001 to 1, got 0.5 to 1.5"):
        cosmology.growth(PLANCK, np.array([0.5, 1.5]))


def test_distance_is_the_integral_of_the_expansion() -> None:
    expected = quad(lambda z: 1 / cosmology.hubble_rate(PLANCK, 1 / (1 + z)), 0, 1.5)[0] * SPEED_OF_LIGHT / HUBBLE
    np.testing.assert_allclose(cosmology.comoving_distance(PLANCK, 1.5), expected, rtol=1e-7)


def test_astropy_expands_alike() -> None:
    z = np.linspace(0, 50, 20)
    expected = cosmology.to_astropy(PLANCK).efunc(z)
    np.testing.assert_allclose(cosmology.hubble_rate(PLANCK, 1 / (1 + z)), expected, rtol=1e-12)


def test_particles_hold_all_matter() -> None:
    box = Box(cosmology=PLANCK, box_size=50.0, n_particles=256, seed=0)
    total = cosmology.particle_mass(box) * 256**3
    np.testing.assert_allclose(total, cosmology.mean_density(PLANCK) * 50**3, rtol=1e-12)
    planck_2018 = PLANCK.model_copy(update={"omega_m": 0.3175})
    quoted = cosmology.particle_mass(box.model_copy(update={"cosmology": planck_2018}))
    np.testing.assert_allclose(quoted, 6.6e8, rtol=1e-2)

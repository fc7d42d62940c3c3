from __future__ import annotations

import numpy as np
import pytest

from configs import Cosmology
from sim.cosmology import growth
from sim.power import PowerTable, linear_power, nonlinear_power

PLANCK = Cosmology(omega_m=0.3152, omega_b=0.0493, h=0.6736, n_s=0.9649, sigma8=0.81)


def test_sigma8_comes_back() -> None:
    np.testing.assert_allclose(linear_power(PLANCK).sigma(8.0), 0.81, rtol=1e-12)


def test_linear_power_scales_with_growth() -> None:
    ratio = linear_power(PLANCK, 2.0).pk / linear_power(PLANCK).pk
    np.testing.assert_allclose(ratio, growth(PLANCK, 1 / 3) ** 2, rtol=1e-12)


def test_large_scales_have_the_primordial_slope() -> None:
    table = linear_power(PLANCK)
    slope = np.log(table(3e-4) / table(1e-4)) / np.log(3)
    np.testing.assert_allclose(slope, PLANCK.n_s, rtol=1e-2)


def test_non_linear_power_is_linear_on_large_scales_and_more_on_small() -> None:
    linear, nonlinear = linear_power(PLANCK), nonlinear_power(PLANCK)
    np.testing.assert_allclose(nonlinear(0.005) / linear(0.005), 1, rtol=1e-2)
    assert nonlinear(1.0) > 3 * linear(1.0)


def test_small_scales_go_on_smoothly() -> None:
    table = linear_power(PLANCK)
    slope = np.diff(np.log(table.pk)) / np.diff(np.log(table.k))
    beyond = table.k[1:] > 15
    assert np.abs(np.diff(slope[beyond])).max() < 5e-3
    np.testing.assert_allclose(slope[-1], PLANCK.n_s - 4 + 2 / np.log(1000 / 0.1), atol=0.05)


def test_feedback_takes_power_away() -> None:
    ratio = nonlinear_power(PLANCK, feedback=7.8)(1.0) / nonlinear_power(PLANCK)(1.0)
    np.testing.assert_allclose(ratio, 0.957, rtol=5e-3)


def test_sigma_of_a_power_law() -> None:
    k = np.geomspace(1e-5, 1e4, 20000)
    table = PowerTable(k, k**-2)
    # sigma^2 = 9 / (2 pi^2 R) * integral of (sin x - x cos x)^2 / x^6, which is pi / 15
    np.testing.assert_allclose(table.sigma(3.0) ** 2, 9 / (2 * np.pi**2 * 3) * np.pi / 15, rtol=1e-4)


def test_interpolation_is_exact_for_power_laws_and_on_the_table() -> None:
    k = np.geomspace(1e-2, 1, 7)
    np.testing.assert_allclose(PowerTable(k, 5 * k**-1.5)(0.3), 5 * 0.3**-1.5, rtol=1e-12)
    np.testing.assert_allclose(PowerTable(k, np.exp(k))(k), np.exp(k), rtol=1e-12)


def test_what_the_table_does_not_cover_is_refused() -> None:
    with pytest.raises(ValueError, match=r"k from 0.01 to 1 h/Mpc, got 0.5 to 2 h/Mpc"):
        PowerTable(np.array([0.01, 0.1, 1.0]), np.ones(3))([0.5, 2.0])

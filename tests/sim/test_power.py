from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from configs import Cosmology
from sim.cosmology import growth, omega_nu
from sim.power import PowerTable, linear_power, nonlinear_power, nonlinear_powers

PLANCK = Cosmology(omega_m=0.3152, omega_b=0.0493, h=0.6736, n_s=0.9649, sigma8=0.81)


MASSIVE = PLANCK.model_copy(update={"m_nu": 0.15})
PHANTOM = PLANCK.model_copy(update={"w0": -1.2, "wa": 0.5})


@pytest.mark.parametrize("universe", [PLANCK, MASSIVE, PHANTOM])
def test_sigma8_comes_back(universe: Cosmology) -> None:
    np.testing.assert_allclose(linear_power(universe).sigma(8.0), 0.81, rtol=1e-12)


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


def test_neutrinos_take_eight_times_their_fraction_of_small_scales() -> None:
    """Hu et al. 1998; and ten times of non-linear power near k=1 (Bird et al. 2012). Both for equal large scales."""
    fraction = omega_nu(MASSIVE) / MASSIVE.omega_m
    ratio = linear_power(MASSIVE)([2e-3, 1.0]) / linear_power(PLANCK)([2e-3, 1.0])
    np.testing.assert_allclose((ratio[1] / ratio[0] - 1) / fraction, -8, rtol=0.1)
    weaker = MASSIVE.model_copy(update={"sigma8": float(0.81 / np.sqrt(ratio[0]))})
    suppression = (nonlinear_power(weaker)(1.0) / nonlinear_power(PLANCK)(1.0) - 1) / fraction
    np.testing.assert_allclose(suppression, -9.8, rtol=0.1)


def test_dark_energy_of_camb_is_that_of_the_growth() -> None:
    """On large scales the non-linear power of two redshifts differs by growth, in which w counts for 3 %."""
    late, early = nonlinear_powers(PHANTOM, [0.0, 2.0])
    np.testing.assert_allclose(early(0.01) / late(0.01), growth(PHANTOM, 1 / 3) ** 2, rtol=3e-3)
    assert abs(growth(PHANTOM, 1 / 3) / growth(PLANCK, 1 / 3) - 1) > 0.01


@pytest.mark.parametrize("feedback", [None, 7.8])
def test_many_redshifts_at_once_are_one_after_the_other(feedback: float | None) -> None:
    tables = nonlinear_powers(PLANCK, [1.0, 0.0, 2.7, 1.0], feedback)
    np.testing.assert_array_equal(tables[0].pk, tables[3].pk)
    for z, table in zip([1.0, 0.0], tables, strict=False):
        np.testing.assert_allclose(table.pk, nonlinear_power(PLANCK, z, feedback).pk, rtol=1e-4)
        assert table.k[-1] >= 20 * (1 - 1e-6)


def test_too_many_redshifts_or_none_are_refused() -> None:
    with pytest.raises(ValueError, match="expected 1 to 256 of them, from 0, got 0 from 0"):
        nonlinear_powers(PLANCK, [])
    with pytest.raises(ValueError, match="got 257 from"):
        nonlinear_powers(PLANCK, list(np.linspace(0, 3, 257)))
    with pytest.raises(ValueError, match=r"got 2 from -0.1"):
        nonlinear_powers(PLANCK, [1.0, -0.1])


def test_non_linear_power_is_that_of_other_emulators(real_data: Path) -> None:
    """EuclidEmulator2 and Mira-Titan II, which differ from HMCode2020 and from each other by 2 %."""
    k, linear, _, hmcode, _, boost, titan, *_ = np.loadtxt(real_data / "power" / "pk_z0_planck18.txt").T
    universe = Cosmology(omega_m=0.309642, omega_b=0.048975, h=0.6766, n_s=0.9665, sigma8=0.8218)
    np.testing.assert_allclose(linear_power(universe)(k), linear, rtol=1e-3)
    np.testing.assert_allclose(nonlinear_power(universe)(k), hmcode, rtol=1e-3)
    fits = (k > 0.1) & (k < 5) & np.isfinite(boost * titan)
    np.testing.assert_allclose(nonlinear_power(universe)(k)[fits], (linear * boost)[fits], rtol=0.04)
    np.testing.assert_allclose(nonlinear_power(universe)(k)[fits], titan[fits], rtol=0.04)


def test_sigma_of_a_power_law() -> None:
    k = np.geomspace(1e-5, 1e4, 20000)
    table = PowerTable(k, k**-2)
    # sigma^2 = 9 / (2 pi^2 R) * integral of (sin x - x cos x)^2 / x^6, which is pi / 15
    np.testing.assert_allclose(table.sigma(3.0) ** 2, 9 / (2 * np.pi**2 * 3) * np.pi / 15, rtol=1e-4)


def test_interpolation_is_exact_for_power_laws_and_on_the_table() -> None:
    k = np.geomspace(1e-2, 1, 7)
    np.testing.assert_allclose(PowerTable(k, 5 * k**-1.5)(0.3), 5 * 0.3**-1.5, rtol=1e-12)
    np.testing.assert_allclose(PowerTable(k, np.exp(k))(k), np.exp(k), rtol=1e-12)


def test_dark_energy_that_does_not_dilute_is_refused_before_camb() -> None:
    with pytest.raises(ValueError, match=r"w0 \+ wa: expected below 0, got 0.1"):
        linear_power(PLANCK.model_copy(update={"w0": -0.5, "wa": 0.6}))


def test_what_the_table_does_not_cover_is_refused() -> None:
    with pytest.raises(ValueError, match=r"k from 0.01 to 1 h/Mpc, got 0.5 to 2 h/Mpc"):
        PowerTable(np.array([0.01, 0.1, 1.0]), np.ones(3))([0.5, 2.0])


def test_the_spline_is_made_once() -> None:
    table = PowerTable(np.geomspace(0.01, 1, 9), np.geomspace(5, 1, 9))
    table(0.1)
    made = table._spline
    table(0.2)
    assert table._spline is made

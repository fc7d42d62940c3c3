from __future__ import annotations

import camb
import numpy as np
import pytest
from colossus.cosmology import cosmology as colossus
from scipy.integrate import quad
from scipy.special import hyp2f1

from configs import Box, Cosmology
from sim import cosmology
from sim.units import HUBBLE, SPEED_OF_LIGHT

PLANCK = Cosmology(omega_m=0.3152, omega_b=0.0493, h=0.6736, n_s=0.9649, sigma8=0.81)
EINSTEIN_DE_SITTER = PLANCK.model_copy(update={"omega_m": 1 - 1e-10})
QUINTESSENCE = PLANCK.model_copy(update={"w0": -0.8, "wa": -0.4})
MASSIVE = PLANCK.model_copy(update={"m_nu": 0.3})
BOTH = QUINTESSENCE.model_copy(update={"m_nu": 0.15})
ALL = [PLANCK, QUINTESSENCE, MASSIVE, BOTH]
A = np.geomspace(2e-4, 1, 40)


@pytest.mark.parametrize("universe", ALL)
def test_expansion_is_one_today(universe: Cosmology) -> None:
    np.testing.assert_allclose(cosmology.hubble_rate(universe, 1.0), 1, rtol=1e-15)
    np.testing.assert_allclose(cosmology.omega_m_of_a(universe, 1.0), universe.omega_m, rtol=1e-15)


def test_expansion_without_neutrinos_is_matter_and_lambda() -> None:
    expected = np.sqrt(0.3152 * A**-3 + 1 - 0.3152)
    np.testing.assert_allclose(cosmology.hubble_rate(PLANCK, A), expected, rtol=1e-15)


@pytest.mark.parametrize("universe", ALL)
def test_expansion_is_that_of_camb_less_radiation(universe: Cosmology) -> None:
    parameters = camb.CAMBparams()
    parameters.set_dark_energy(w=universe.w0, wa=universe.wa, dark_energy_model="ppf")
    parameters.set_cosmology(
        H0=100 * universe.h,
        ombh2=universe.omega_b * universe.h**2,
        omch2=(universe.omega_m - universe.omega_b - cosmology.omega_nu(universe)) * universe.h**2,
        mnu=universe.m_nu,
        num_massive_neutrinos=3 if universe.m_nu else 0,
    )
    found = camb.get_background(parameters).get_background_densities(A)
    radiation = found["photon"] + found["neutrino"]
    # CAMB takes what radiation has today from dark energy.
    missing = radiation[-1] * found["de"] / found["de"][-1]
    expected = np.sqrt((found["tot"] - radiation + missing) / found["tot"][-1] / A**4)
    np.testing.assert_allclose(cosmology.hubble_rate(universe, A), expected, rtol=3e-6)


def test_neutrinos_are_a_part_of_matter() -> None:
    np.testing.assert_allclose(cosmology.omega_nu(MASSIVE), 0.3 / 93.03 / MASSIVE.h**2, rtol=1e-3)
    assert cosmology.omega_nu(PLANCK) == 0
    # All of them at rest: heavy neutrinos are cold matter.
    heavy = PLANCK.model_copy(update={"m_nu": 2.0})
    a = np.linspace(0.1, 1, 10)
    np.testing.assert_allclose(cosmology.hubble_rate(heavy, a), cosmology.hubble_rate(PLANCK, a), rtol=1e-5)


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
        slope = (growth(BOTH, 0.5 * np.exp(step)) / growth(BOTH, 0.5 * np.exp(-step)) - 1) / (2 * step)
        np.testing.assert_allclose(rate(BOTH, 0.5), slope, rtol=1e-3)


@pytest.mark.parametrize(("universe", "earliest"), [(PLANCK, 2e-4), (QUINTESSENCE, 2e-4), (MASSIVE, 2e-2)])
def test_second_order_growth_is_the_fit_of_bouchet(universe: Cosmology, earliest: float) -> None:
    a = A[earliest <= A]
    fit = -3 / 7 * cosmology.growth(universe, a) ** 2 * cosmology.omega_m_of_a(universe, a) ** (-1 / 143)
    np.testing.assert_allclose(cosmology.growth2(universe, a), fit, rtol=1e-2 if universe.m_nu else 2e-3)


@pytest.mark.parametrize("universe", ALL)
def test_growth_solves_its_equation(universe: Cosmology) -> None:
    """D'' + (2 + dln H / dln a) D' = 3/2 omega_m(a) D in ln a, and D2 with the source of D1^2 less, by differences."""
    log_a, step = np.log(np.geomspace(1e-3, 0.8, 30)), 0.05
    a = np.exp(log_a + step * np.arange(-2, 3)[:, None])
    first, second = np.array([1, -8, 0, 8, -1]) / 12 / step, np.array([-1, 16, -30, 16, -1]) / 12 / step**2
    drag = 2 + first @ np.log(cosmology.hubble_rate(universe, a))
    source = 1.5 * cosmology.omega_m_of_a(universe, a[2])
    d1, d2 = cosmology.growth(universe, a), cosmology.growth2(universe, a)
    np.testing.assert_allclose(second @ d1 + drag * (first @ d1), source * d1[2], rtol=1e-4)
    np.testing.assert_allclose(second @ d2 + drag * (first @ d2), source * (d2[2] - d1[2] ** 2), rtol=1e-4)


@pytest.mark.parametrize("w", [-0.5, -0.8, -1.0, -1.3])
def test_growth_is_hypergeometric_when_w_is_constant(w: float) -> None:
    """Silveira & Waga 1994."""
    universe = PLANCK.model_copy(update={"w0": w})

    def solution(a: float) -> float:
        ratio = (1 - universe.omega_m) / universe.omega_m
        return a * hyp2f1(-1 / (3 * w), (w - 1) / (2 * w), 1 - 5 / (6 * w), -ratio * a ** (-3 * w))

    a = A[A > 1e-2]
    expected = np.array([solution(x) for x in a]) / solution(1.0)
    np.testing.assert_allclose(cosmology.growth(universe, a), expected, rtol=2e-6)


def test_growth_with_changing_w_is_that_of_colossus() -> None:
    names = {"flat": True, "H0": 67.36, "Om0": 0.3152, "Ob0": 0.0493, "sigma8": 0.81, "ns": 0.9649}
    dark = {"de_model": "w0wa", "w0": -0.8, "wa": -0.4, "relspecies": False}
    theirs = colossus.Cosmology(name="other", persistence="", **names, **dark)
    z = np.array([0.0, 0.3, 1.0, 3.0, 9.0])
    np.testing.assert_allclose(cosmology.growth(QUINTESSENCE, 1 / (1 + z)), theirs.growthFactor(z), rtol=1e-4)
    np.testing.assert_allclose(cosmology.hubble_rate(QUINTESSENCE, 1 / (1 + z)), theirs.Ez(z), rtol=1e-10)


def test_growth_among_light_neutrinos_is_that_of_meszaros() -> None:
    """Matter among radiation: D = 1 + 3/2 a / a_equal."""
    light = EINSTEIN_DE_SITTER.model_copy(update={"m_nu": 1e-7})
    growth = 1 + 1.5 * A * light.omega_m / cosmology.omega_nu(light)
    np.testing.assert_allclose(cosmology.growth(light, A), growth / growth[-1], rtol=1e-3)


@pytest.mark.parametrize(("m_nu", "missing"), [(0.0, [-0.0093, -0.0001]), (0.3, [-0.0530, -0.0068])])
def test_growth_misses_of_cambs_what_its_docstring_says(m_nu: float, missing: list[float]) -> None:
    universe = PLANCK.model_copy(update={"m_nu": m_nu})
    parameters = camb.set_params(
        H0=67.36,
        ombh2=universe.omega_b * universe.h**2,
        omch2=(universe.omega_m - universe.omega_b) * universe.h**2 - m_nu / 93.03,
        mnu=m_nu,
        num_massive_neutrinos=3 if m_nu else 0,
        redshifts=[49, 1, 0],
        kmax=2.0,
        WantCls=False,
    )
    pk = camb.get_results(parameters).get_matter_power_spectrum(minkh=1, maxkh=1.1, npoints=3)[2][:, 0]
    theirs = np.sqrt(pk[[2, 1]] / pk[0])
    np.testing.assert_allclose(cosmology.growth(universe, np.array([0.02, 0.5])) / theirs - 1, missing, atol=3e-4)


def test_growth_knows_all_parameters() -> None:
    """Universes that share some of them do not share a table."""
    found = [cosmology.growth(universe, 0.1) for universe in (*ALL, MASSIVE.model_copy(update={"h": 0.8}))]
    assert len(set(found)) == len(found)


@pytest.mark.parametrize(
    ("other", "message"),
    [
        ({"w0": -0.5, "wa": 0.6}, r"w0 \+ wa: expected below 0, got 0.1"),
        ({"omega_m": 0.06, "m_nu": 2.0}, r"m_nu: expected neutrinos and baryons below omega_m=0.06, got 0.0966"),
    ],
)
def test_growth_refuses_a_universe_without_cold_matter(other: dict[str, float], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        cosmology.growth(PLANCK.model_copy(update=other), 0.5)


def test_growth_refuses_the_future() -> None:
    with pytest.raises(ValueError, match=r"scale factors from 0.0001 to 1, got 0.5 to 1.5"):
        cosmology.growth(PLANCK, np.array([0.5, 1.5]))


@pytest.mark.parametrize("universe", ALL)
def test_distance_is_the_integral_of_the_expansion(universe: Cosmology) -> None:
    def integral(z: float) -> float:
        return quad(lambda x: 1 / cosmology.hubble_rate(universe, 1 / (1 + x)), 0, z, epsrel=1e-11)[0]

    z = np.array([[0.0, 1e-3, 0.7], [1.5, 9.0, 99.0]])
    expected = np.vectorize(integral)(z) * SPEED_OF_LIGHT / HUBBLE
    np.testing.assert_allclose(cosmology.comoving_distance(universe, z), expected, rtol=1e-9)
    np.testing.assert_allclose(cosmology.comoving_distance(universe, 1.5), expected[1, 0], rtol=1e-9)


def test_distance_refuses_the_future() -> None:
    with pytest.raises(ValueError, match=r"expected redshifts from 0, got -0.5"):
        cosmology.comoving_distance(PLANCK, np.array([1.0, -0.5]))


def test_critical_density_holds_matter_over_omega_m() -> None:
    z = np.array([0.0, 1.0, 9.0])
    expected = cosmology.mean_density(BOTH) / cosmology.omega_m_of_a(BOTH, 1 / (1 + z))
    np.testing.assert_allclose(cosmology.critical_density(BOTH, z), expected, rtol=1e-12)
    np.testing.assert_allclose(cosmology.critical_density(PLANCK, 0.0), 2.775e11, rtol=1e-3)


def test_particles_hold_all_matter() -> None:
    box = Box(cosmology=PLANCK, box_size=50.0, n_particles=256, seed=0)
    total = cosmology.particle_mass(box) * 256**3
    np.testing.assert_allclose(total, cosmology.mean_density(PLANCK) * 50**3, rtol=1e-12)
    planck_2018 = PLANCK.model_copy(update={"omega_m": 0.3175})
    quoted = cosmology.particle_mass(box.model_copy(update={"cosmology": planck_2018}))
    np.testing.assert_allclose(quoted, 6.6e8, rtol=1e-2)

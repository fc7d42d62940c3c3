from __future__ import annotations

import camb
import numpy as np
import pytest

from sim import neutrinos

A = np.geomspace(1e-6, 1, 60)
MASSES = [0.02, 0.06, 0.3, 2.0]


def test_without_mass_they_are_radiation_of_n_eff_species() -> None:
    photons = neutrinos.OMEGA_PHOTONS * neutrinos.T_CMB**4 / 0.7**2
    expected = 3.044 * 7 / 8 * (4 / 11) ** (4 / 3) * photons * A**-4
    np.testing.assert_allclose(neutrinos.density(1e-9, 0.7, A), expected, rtol=1e-10)
    np.testing.assert_allclose(neutrinos.pressure(1e-9, 0.7, A), expected / 3, rtol=1e-10)
    np.testing.assert_allclose(neutrinos.relativistic_today(0.7), expected[-1], rtol=1e-12)


def test_photons_of_planck() -> None:
    np.testing.assert_allclose(neutrinos.OMEGA_PHOTONS * neutrinos.T_CMB**4, 2.473e-5, rtol=2e-4)


def test_heavy_ones_are_cold_matter_of_93_ev() -> None:
    """Mangano et al. 2005: sum of masses / omega_nu h^2 = 93.14 eV with N_eff = 3.046 by distortion, 93.03 by heat."""
    np.testing.assert_allclose(2.0 / neutrinos.density(2.0, 1.0, 1.0), 93.03, rtol=2e-4)
    np.testing.assert_allclose(neutrinos.density(2.0, 0.7, 0.5), 8 * neutrinos.density(2.0, 0.7, 1.0), rtol=1e-5)
    assert neutrinos.pressure(2.0, 0.7, 1.0) < 1e-5 * neutrinos.density(2.0, 0.7, 1.0)


@pytest.mark.parametrize("m_nu", MASSES)
def test_energy_is_conserved(m_nu: float) -> None:
    """Dln rho / dln a = -3 (1 + p / rho)."""
    step = 1e-4
    up, down = (neutrinos.density(m_nu, 0.7, A * np.exp(sign * step)) for sign in (1, -1))
    w = neutrinos.pressure(m_nu, 0.7, A) / neutrinos.density(m_nu, 0.7, A)
    np.testing.assert_allclose(np.log(up / down) / (2 * step), -3 * (1 + w), rtol=1e-7)


@pytest.mark.parametrize("m_nu", MASSES)
def test_density_is_that_of_camb(m_nu: float) -> None:
    parameters = camb.CAMBparams()
    parameters.set_cosmology(H0=70, ombh2=0.022, omch2=0.12, mnu=m_nu, num_massive_neutrinos=3)
    found = camb.get_background(parameters).get_background_densities(A)
    expected = found["nu"] / A**4 * parameters.omnuh2 / 0.7**2 / found["nu"][-1]
    np.testing.assert_allclose(neutrinos.density(m_nu, 0.7, A), expected, rtol=3e-5)


def test_shapes_come_back() -> None:
    assert np.shape(neutrinos.density(0.1, 0.7, 0.5)) == ()
    a = np.linspace(0.1, 1, 6).reshape(2, 3)
    expected = [[neutrinos.density(0.1, 0.7, x) for x in row] for row in a]
    np.testing.assert_allclose(neutrinos.density(0.1, 0.7, a), expected, rtol=1e-14)

from __future__ import annotations

import numpy as np
import pytest

from configs import Cosmology
from sim import cosmology, neutrinos
from sim.foreign import to_astropy

PLANCK = Cosmology(omega_m=0.3152, omega_b=0.0493, h=0.6736, n_s=0.9649, sigma8=0.81)
Z = np.concatenate([np.linspace(0, 3, 13), [9, 49, 99]])


@pytest.mark.parametrize("dark", [{}, {"w0": -0.8}, {"w0": -1.1, "wa": 0.3}, {"w0": -0.9, "wa": -0.4}])
def test_expansion_and_distances_are_those_of_astropy(dark: dict[str, float]) -> None:
    universe = PLANCK.model_copy(update=dark)
    theirs = to_astropy(universe)
    np.testing.assert_allclose(cosmology.hubble_rate(universe, 1 / (1 + Z)), theirs.efunc(Z), rtol=1e-12)
    expected = theirs.comoving_distance(Z).to_value("Mpc") * universe.h
    np.testing.assert_allclose(cosmology.comoving_distance(universe, Z), expected, rtol=1e-9)


@pytest.mark.parametrize(("m_nu", "fit"), [(0.06, 3e-5), (0.3, 2e-4), (1.0, 5e-4)])
def test_with_neutrinos_astropy_has_photons_too(m_nu: float, fit: float) -> None:
    """Its neutrinos are a fit, good to 0.3 % of their density, and those of Neff = 3.044 are 0.4 % fewer."""
    universe = PLANCK.model_copy(update={"m_nu": m_nu, "w0": -0.9, "wa": -0.4})
    theirs = to_astropy(universe)
    photons = theirs.Ogamma0 * ((1 + Z) ** 4 - theirs.de_density_scale(Z))
    expected = np.sqrt(theirs.efunc(Z) ** 2 - photons)
    np.testing.assert_allclose(cosmology.hubble_rate(universe, 1 / (1 + Z)), expected, rtol=fit)
    expected = theirs.comoving_distance(Z).to_value("Mpc") * universe.h
    np.testing.assert_allclose(cosmology.comoving_distance(universe, Z)[:13], expected[:13], rtol=3e-4)
    np.testing.assert_allclose(theirs.Onu0 / cosmology.omega_nu(universe), 1, rtol=5e-3)
    assert theirs.Tcmb0.value == neutrinos.T_CMB

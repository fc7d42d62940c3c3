from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from astropy import constants, units
from astropy.cosmology import FlatLambdaCDM
from scipy.integrate import quad, simpson

from configs import Box, Cosmology, Lightcone
from sim.cosmology import comoving_distance, mean_density
from sim.efficiency import Sources, sources_of
from sim.lightcone import planes, redshift_at

PLANCK = Cosmology(omega_m=0.3152, omega_b=0.0493, h=0.6736, n_s=0.9649, sigma8=0.81)
CONE = Lightcone(field_deg=3.0, n_pixels=16, plane_depth=8.0, plane_pixels=32, z_source=1.0)
BOX = Box(cosmology=PLANCK, box_size=64.0, n_particles=16, seed=3, lightcone=CONE)
PLANE, SMAIL = Sources(PLANCK, 1.0, False, 1.0), Sources(PLANCK, 0.5, True, 2.2)


def test_a_thin_sheet_is_its_surface_density_over_the_critical() -> None:
    """Kappa is Sigma / Sigma_crit with the distances of astropy, all proper."""
    plane = planes(BOX)[100]
    theirs = FlatLambdaCDM(H0=67.36, Om0=0.3152, Tcmb0=0)
    lens, source = theirs.angular_diameter_distance([plane.z, 1.0])
    between = theirs.angular_diameter_distance(plane.z, 1.0)
    critical = (constants.c**2 / (4 * np.pi * constants.G) * source / (lens * between)).to("Msun / Mpc2")
    sigma = mean_density(PLANCK) * plane.depth * PLANCK.h * (1 + plane.z) ** 2 * units.Msun / units.Mpc**2
    np.testing.assert_allclose(sources_of(BOX).weight(plane), (sigma / critical).value, rtol=3e-5)


def test_weights_of_all_planes_are_the_whole_integral() -> None:
    far = float(comoving_distance(PLANCK, 1.0))
    total = quad(lambda chi: float(PLANE.kernel(np.array(chi))), 0, far)[0]
    np.testing.assert_allclose(sum(PLANE.weight(plane) for plane in planes(BOX)), total, rtol=1e-9)
    behind = replace(planes(BOX)[-1], near=far + 1, far=far + 9)
    assert PLANE.weight(behind) == 0


def test_the_distribution_is_normalised_and_has_its_shape() -> None:
    z, n = SMAIL.distribution
    np.testing.assert_allclose(simpson(n, x=z), 1, rtol=1e-9)
    ratio = n[2000] / n[1000]
    np.testing.assert_allclose(ratio, 4 * np.exp(((z[1000]) / 0.5) ** 1.5 - (z[2000] / 0.5) ** 1.5), rtol=1e-9)
    assert [part.tolist() for part in PLANE.distribution] == [[1.0], [1.0]]


def test_efficiency_of_a_distribution_is_the_mean_of_planes() -> None:
    z, n = SMAIL.distribution
    for chi in (0.0, 300.0, 1500.0, 3000.0):
        beyond = comoving_distance(PLANCK, z)
        ratio = np.maximum(0, 1 - chi / np.maximum(beyond, 1e-9))
        np.testing.assert_allclose(SMAIL.efficiency(np.array(chi)), simpson(n * ratio, x=z), atol=2e-6)
    assert SMAIL.efficiency(np.array(SMAIL.chi + 1)) == 0


def test_efficiency_falls_from_one_to_zero() -> None:
    chi = np.linspace(0, 4000, 500)
    for sources in (PLANE, SMAIL):
        g = sources.efficiency(chi)
        assert g[0] == pytest.approx(1, abs=1e-6)
        assert (np.diff(g) <= 1e-12).all()
        assert g[chi > sources.chi].max() == 0


def test_twice_the_matter_lenses_twice() -> None:
    """Nearby, where distances do not depend on it."""
    dense = Cosmology(**(PLANCK.model_dump() | {"omega_m": 0.6304}))
    chi = np.array([10.0, 20.0])
    ratio = Sources(dense, 0.01, False, 0.01).kernel(chi) / Sources(PLANCK, 0.01, False, 0.01).kernel(chi)
    np.testing.assert_allclose(ratio, 2, rtol=5e-3)


def test_redshift_at_inverts_the_distance() -> None:
    z = np.array([0.0, 1e-4, 0.1, 1.0, 10.0, 900.0])
    np.testing.assert_allclose(redshift_at(PLANCK, comoving_distance(PLANCK, z)), z, rtol=1e-7, atol=1e-12)
    with pytest.raises(ValueError, match="distance: expected 0 to"):
        redshift_at(PLANCK, np.array([1e5]))

from __future__ import annotations

import numpy as np
import pytest
from astropy import constants, cosmology, units
from lenstronomy.Cosmo.lens_cosmo import LensCosmo

from sim.lensing.distances import Distances, cosmology_of


@pytest.mark.parametrize("name", ["Planck15", "Planck18", "WMAP9"])
def test_masses_and_distances_are_lenstronomys(name: str) -> None:
    """Their G and their Sun are those of CODATA 2010 and of before, which is 3e-4 of a mass."""
    universe = cosmology_of(name)
    assert universe is getattr(cosmology, name)
    ours, theirs = Distances.of(0.222, 0.609, universe), LensCosmo(0.222, 0.609, cosmo=universe)
    assert ours.sigma_crit.to_value("Msun / Mpc2") == pytest.approx(theirs.sigma_crit, rel=4e-4)
    assert ours.time_delay.to_value("Mpc") == pytest.approx(theirs.ddt, rel=1e-9)
    assert ours.mass(1.0, 1.38).to_value("Msun") == pytest.approx(np.pi * 1.38**2 * theirs.sigma_crit_angle, rel=4e-4)
    assert ours.dispersion(1.38).to_value("km/s") == pytest.approx(theirs.sis_theta_E2sigma_v(1.38), rel=1e-9)
    assert ours.delay(0.2).to_value("day") == pytest.approx(theirs.time_delay_units(0.2), rel=1e-7)


def test_the_mass_within_an_einstein_radius_is_its_area_at_the_critical_density() -> None:
    to = Distances.of(0.3, 1.5, cosmology_of("Planck18"))
    area = np.pi * (1.2 * units.arcsec).to_value("rad") ** 2 * to.lens**2
    assert to.mass(1.0, 1.2).to_value("Msun") == pytest.approx((area * to.sigma_crit).to_value("Msun"), rel=1e-12)
    sphere = np.pi * to.dispersion(1.2) ** 2 * to.length(1.2) / constants.G  # of an isothermal sphere, in projection
    assert to.mass(1.0, 1.2).to_value("Msun") == pytest.approx(sphere.to_value("Msun"), rel=1e-12)


def test_speed_and_radius_of_a_sphere_go_there_and_back() -> None:
    to = Distances.of(0.3, 1.5, cosmology_of("WMAP9"))
    assert to.einstein_radius(to.dispersion(1.1)).to_value("arcsec") == pytest.approx(1.1, rel=1e-12)


def test_delays_masses_and_lengths_scale_as_one_over_hubbles_constant() -> None:
    slow, fast = (Distances.of(0.3, 1.5, cosmology_of(f"FlatLambdaCDM({h0}, 0.3)")) for h0 in (50, 100))
    assert (slow.delay(1.0) / fast.delay(1.0)).to_value("") == pytest.approx(2, rel=1e-9)
    assert (slow.mass(1, 1) / fast.mass(1, 1)).to_value("") == pytest.approx(2, rel=1e-9)
    assert (slow.length(1) / fast.length(1)).to_value("") == pytest.approx(2, rel=1e-9)
    assert (slow.dispersion(1) / fast.dispersion(1)).to_value("") == pytest.approx(1, rel=1e-9)


def test_a_cosmology_is_named_or_flat() -> None:
    for name in ("FlatLambdaCDM(70, 0.3)", "FlatLambdaCDM(H0=70, Om0=0.3)"):
        universe = cosmology_of(name)
        assert universe.H0.value == 70
        assert universe.Om0 == 0.3
    with pytest.raises(ValueError, match="one of Planck15"):
        cosmology_of("WMAP7")


def test_a_lens_is_in_front_of_its_source() -> None:
    with pytest.raises(ValueError, match=r"expected 0 < z_lens < z_source, got 0.5 and 0.5"):
        Distances.of(0.5, 0.5, cosmology_of("Planck18"))

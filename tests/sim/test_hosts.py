"""Which halos host baryons, how they scatter about the mean of their mass, and that stars never exceed baryons."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from configs import Baryons, Cosmology
from sim import hosts, profiles
from sim.halos import Catalog
from sim.hosts import Hosts
from sim.units import RHO_CRITICAL

Array = NDArray[np.float64]

BOX = 500.0
COSMOLOGY = Cosmology(omega_m=0.3, omega_b=0.045, h=0.7, n_s=0.96, sigma8=0.8)
STEADY = {"scatter": 0.0, "scatter_central": 0.0, "scatter_c": 0.0}


def catalog(center: Array, mass: Array) -> Catalog:
    radius = (3 * mass / (800 * np.pi * RHO_CRITICAL)) ** (1 / 3)
    return Catalog(center, mass, np.full(len(mass), 100), mass, radius, BOX)


def halos(n: int, mass: float = 2e13) -> Catalog:
    """Halos of one mass on a lattice, none within another."""
    side = np.arange(np.ceil(n ** (1 / 3)))
    lattice = np.stack(np.meshgrid(side, side, side), axis=-1).reshape(-1, 3)[:n]
    return catalog((lattice + 0.3) * BOX / len(side), np.full(n, mass))


def selected(found: Catalog, baryons: Baryons, *, redshift: float = 0.0, seed: int = 7) -> Hosts:
    return hosts.select(found, COSMOLOGY, baryons, BOX, redshift=redshift, seed=seed)


def test_a_halo_centred_in_a_larger_one_is_no_host() -> None:
    center = np.array([[20.0, 20, 20], [20.3, 20, 20], [30, 20, 20]])
    found = selected(catalog(center, np.array([4e13, 1e12, 2e12])), Baryons(**STEADY))
    np.testing.assert_array_equal(found.center, center[[0, 2]])


def test_draws_are_normal_and_depend_on_the_seed_and_the_place_alone() -> None:
    position = np.random.default_rng(0).uniform(0, 1, (4000, 3))
    draws = hosts.normal(position, seed=7)
    np.testing.assert_allclose([draws.mean(), draws.std()], [0, 1], atol=0.05)
    np.testing.assert_array_equal(hosts.normal(position[17:18], seed=7), draws[17:18])
    for other in (hosts.normal(position, seed=8), hosts.normal(position, 7, hosts.CENTRAL)):
        assert abs(np.corrcoef(draws, other)[0, 1]) < 0.05


def test_each_property_scatters_by_its_own_width_and_independently() -> None:
    """Log-normal about the mean relation: medians stay, widths in dex are those asked for, no two are correlated."""
    steady, lively = selected(halos(3000), Baryons(**STEADY)), selected(halos(3000), Baryons())
    offsets = np.stack([
        lively.log10_m_c - steady.log10_m_c,
        np.log10(lively.central / steady.central),
        np.log10(lively.concentration / steady.concentration),
    ])  # fmt: skip
    np.testing.assert_allclose(offsets.std(axis=1), [0.15, 0.16, 0.14], rtol=0.05)
    np.testing.assert_allclose(np.median(offsets, axis=1), 0, atol=0.01)
    np.testing.assert_allclose(np.corrcoef(offsets), np.eye(3), atol=0.06)
    np.testing.assert_array_equal(lively.satellite, steady.satellite)


def test_stars_never_exceed_baryons_however_wide_the_scatter() -> None:
    found = halos(2000, 10**11.9)
    for redshift in (0.0, 4.0):
        wide = selected(found, Baryons(scatter_central=1.0, n_star=0.1), redshift=redshift)
        taken = wide.stars + wide.inner_gas
        assert taken.max() < COSMOLOGY.baryon_fraction
        assert 10 < (taken > 0.9 * COSMOLOGY.baryon_fraction).sum() < 1500
        assert np.ptp(np.log10(wide.central)) > 1


def test_a_mean_relation_with_more_stars_than_baryons_is_refused() -> None:
    with pytest.raises(ValueError, match=r"expected n_star to leave stars below omega_b / omega_m = 0.15"):
        selected(halos(10, 10**11.9), Baryons(n_star=0.2, log10_m_star=11.4, **STEADY))


def test_inner_gas_is_a_tenth_of_the_galaxy_and_more_at_early_times() -> None:
    now, then = (selected(halos(10), Baryons(), redshift=z) for z in (0.0, 1.0))
    np.testing.assert_allclose(now.inner_gas, 0.1 * now.central, rtol=1e-12)
    np.testing.assert_allclose(then.inner_gas, 0.1 * 2**1.5 * then.central, rtol=1e-12)
    assert not selected(halos(10), Baryons(inner_gas=0.0)).inner_gas.any()


@pytest.mark.parametrize("redshift", [0.0, 2.0])
def test_peak_heights_are_those_of_colossus(redshift: float) -> None:
    cosmology = pytest.importorskip("colossus.cosmology.cosmology")
    peaks = pytest.importorskip("colossus.lss.peaks")
    ours = {"flat": True, "H0": 70, "Om0": 0.3, "Ob0": 0.045, "sigma8": 0.8, "ns": 0.96, "relspecies": False}
    cosmology.setCosmology("ours", params=ours, persistence="")
    mass = np.geomspace(1e11, 1e15, 9)
    expected = peaks.peakHeight(mass, redshift)
    np.testing.assert_allclose(hosts.peak_height(mass, COSMOLOGY, redshift), expected, rtol=0.02)


def test_heavy_halos_end_closer_to_r200c() -> None:
    light, heavy = (selected(halos(1, mass), Baryons()).truncation[0] for mass in (1e12, 1e15))
    assert heavy < 2.6 < 3.4 < light < 4
    assert profiles.truncation(hosts.peak_height(np.array([1e15]), COSMOLOGY, 0.0)) == heavy

"""The effective potential: mass, symmetry, a plane wave in closed form, and less power where hydrodynamics has less."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from configs import Cosmology, Enthalpy
from sim import enthalpy, mesh, profiles, spectra
from sim.baryons import Counterpart
from sim.enthalpy import displaced

Positions = NDArray[np.float32]

BOX = 16.0
COSMOLOGY = Cosmology(omega_m=0.3, omega_b=0.045, h=0.7, n_s=0.96, sigma8=0.8)
F_B = COSMOLOGY.baryon_fraction
CONFIG = Enthalpy(cell=0.25)


def lattice(n: int) -> NDArray[np.float64]:
    side = (np.arange(n) + 0.5) * BOX / n
    return np.stack(np.meshgrid(side, side, side, indexing="ij"), axis=-1).reshape(-1, 3)


def clustered(seed: int = 1) -> Positions:
    """Eight NFW halos of r200 = 0.5 Mpc/h in a thin field."""
    rng = np.random.default_rng(seed)
    x = 0.5 * profiles.nfw_radius((np.arange(3000) + 0.5) / 3000, 6.0)[:, None]
    vectors = rng.standard_normal((8, 3000, 3))
    halos = rng.uniform(0, BOX, (8, 1, 3)) + x * vectors / np.linalg.norm(vectors, axis=2, keepdims=True)
    pos = np.concatenate([halos.reshape(-1, 3), rng.uniform(0, BOX, (12_000, 3))])
    return np.mod(pos, BOX).astype(np.float32) % np.float32(BOX)


def of(pos: Positions, config: Enthalpy = CONFIG) -> Counterpart:
    return displaced(pos, 1e10, COSMOLOGY, config, BOX)


def moved(sides: Counterpart) -> NDArray[np.float64]:
    """How far each gas particle went, the short way round."""
    return np.mod(sides.gas.pos.astype(float) - sides.dmo_pos + BOX / 2, BOX) - BOX / 2


def test_mass_is_conserved_species_by_species() -> None:
    pos = clustered()
    sides = of(pos)
    dark, gas, stars = (side.mass.sum(dtype=float) for side in (sides.dark_matter, sides.gas, sides.stars))
    total = 1e10 * len(pos)
    np.testing.assert_allclose([dark, gas + stars], [total * (1 - F_B), total * F_B], rtol=1e-6)
    assert 0.01 < stars / (gas + stars) < 0.4
    assert min(side.mass.min() for side in (sides.dark_matter, sides.gas, sides.stars)) > 0


def test_a_uniform_box_stays_as_it_is() -> None:
    pos = lattice(32).astype(np.float32)
    sides = of(pos)
    np.testing.assert_allclose(moved(sides), 0, atol=2e-6)
    assert len(sides.stars.mass) == 0


def test_without_strength_nothing_moves() -> None:
    pos = clustered()
    np.testing.assert_array_equal(of(pos, Enthalpy(cell=0.25, alpha=0.0)).gas.pos, pos)


def test_a_plane_wave_moves_as_the_formula_says() -> None:
    """Delta = eps cos k x, gamma = 1: S = alpha k eps O(k) exp(-(k R)^2 / 2) sin k x, less what clouds smear."""
    eps, k, alpha, n = 0.05, 2 * np.pi * 2 / BOX, 3.0, 64
    start = lattice(n)
    pos = start.copy()
    pos[:, 0] -= eps / k * np.sin(k * start[:, 0])
    config = Enthalpy(cell=BOX / n, alpha=alpha, gamma=1.0, k_large=0.5, k_small=2.0, smoothing=0.5)
    sides = of(np.mod(pos, BOX).astype(np.float32), config)
    window = np.sinc(k * BOX / n / 2 / np.pi) ** 4
    band = np.exp(-((k / 2.0) ** 2) - (0.5 / k) ** 2 - (k * 0.5) ** 2 / 2)
    expected = alpha * k * eps * band * window * np.sin(k * pos[:, 0])
    np.testing.assert_allclose(moved(sides)[:, 0], expected, atol=0.02 * expected.max())
    np.testing.assert_allclose(moved(sides)[:, 1:], 0, atol=1e-5)


def test_a_rolled_box_has_a_rolled_counterpart() -> None:
    pos, roll = clustered(), np.array([12 * 0.25, 40 * 0.25, 0.0], np.float32)
    rolled = np.mod(pos + roll, np.float32(BOX))
    np.testing.assert_allclose(moved(of(rolled)), moved(of(pos)), atol=1e-4)


def test_the_order_of_the_particles_is_irrelevant() -> None:
    pos = clustered()
    shuffle = np.random.default_rng(5).permutation(len(pos))
    np.testing.assert_allclose(of(pos).gas.pos[shuffle], of(pos[shuffle]).gas.pos, atol=1e-5)
    np.testing.assert_array_equal(of(pos).gas.pos, of(pos).gas.pos)


def test_gas_leaves_a_halo_and_stars_stay_in_it() -> None:
    rng = np.random.default_rng(2)
    vectors = rng.standard_normal((4000, 3))
    x = 0.5 * profiles.nfw_radius((np.arange(4000) + 0.5) / 4000, 6.0)[:, None]
    halo = 8.0 + x * vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    pos = np.concatenate([halo, rng.uniform(0, BOX, (4000, 3))]).astype(np.float32)
    sides = of(pos)
    before, after = (np.linalg.norm(where[:4000] - 8.0, axis=1) for where in (pos, sides.gas.pos))
    ring = before > 0.1
    assert np.mean(after[ring] > before[ring]) > 0.95
    assert 0.05 < np.mean(after - before) < 2
    np.testing.assert_array_equal(sides.dark_matter.pos, pos)
    assert np.linalg.norm(sides.stars.pos - 8.0, axis=1).max() < 1.0


def test_power_is_less_on_small_scales_and_the_same_on_large() -> None:
    pos = clustered()
    sides = of(pos)
    hydro = sum(
        mass * mesh.paint(np.ascontiguousarray(where), BOX, 128).astype(float)
        for where, mass in ((sides.dark_matter.pos, 1 - F_B), (sides.gas.pos, F_B))
    )
    ratio = spectra.suppression(np.asarray(hydro), mesh.paint(pos, BOX, 128), BOX, n_bins=12)
    assert np.all(ratio.value[(ratio.k > 3) & (ratio.k < 12)] < 0.97)
    assert np.all(ratio.value[ratio.k > 2] > 0.7)
    np.testing.assert_allclose(ratio.value[ratio.k < 0.8], 1, atol=0.02)


def test_stars_begin_at_a_density_and_take_no_more_than_their_share() -> None:
    share = enthalpy.stellar_share(np.array([0, 99, 101, 200, 1e9], np.float32), CONFIG)
    assert share[0] == share[1] == 0 < share[2] < share[3] < share[4] < CONFIG.star_share


def test_a_mesh_that_does_not_fit_is_refused() -> None:
    assert enthalpy.mesh_size(50.0, Enthalpy(cell=0.2)) == 250
    assert enthalpy.mesh_size(50.1, Enthalpy(cell=0.2)) == 252
    with pytest.raises(ValueError, match="expected cells that need at most 2048 a side, got 50000"):
        enthalpy.mesh_size(10_000.0, Enthalpy(cell=0.2))

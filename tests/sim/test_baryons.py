"""Baryonification: mass, order, periodicity; isolated halos against analytic profiles; the published directions."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from configs import Baryons, Cosmology
from sim import baryons, halos, profiles, snapshot
from sim.baryons import Counterpart, Hosts, displaced
from sim.halos import Catalog
from sim.units import RHO_CRITICAL

Array = NDArray[np.float64]

BOX = 24.0
COSMOLOGY = Cosmology(omega_m=0.3, omega_b=0.045, h=0.7, n_s=0.96, sigma8=0.8)
STEADY = Baryons(scatter=0.0)
MASS, N = 4e13, 20_000
PARTICLE = MASS / N
RADIUS = (3 * MASS / (800 * np.pi * RHO_CRITICAL)) ** (1 / 3)


def directions(rng: np.random.Generator, n: int) -> Array:
    vectors = rng.standard_normal((n, 3))
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


def clump(center: Array, n: int = N, *, puff: float = 0.0, seed: int = 1) -> NDArray[np.float32]:
    """Particles of an NFW halo of c = 6 inside R200c, with a core of `puff` R200c."""
    rng = np.random.default_rng(seed)
    x = profiles.nfw_radius((np.arange(n) + 0.5) / n, 6.0)
    x = np.sqrt(x**2 + puff**2) / np.sqrt(1 + puff**2) * 0.99999
    radius = RADIUS * (n / N) ** (1 / 3)
    return np.mod(center + radius * x[:, None] * directions(rng, n), BOX).astype(np.float32)


def field(n: int, seed: int = 2) -> NDArray[np.float32]:
    return np.random.default_rng(seed).uniform(0, BOX, (n, 3)).astype(np.float32)


def catalog(*halo: tuple[Array, float]) -> Catalog:
    """The halos (centre, number of particles) as a finder would list them."""
    ordered = sorted(halo, key=lambda one: -one[1])
    n = np.array([count for _, count in ordered], dtype=np.int64)
    radius = RADIUS * (n / N) ** (1 / 3)
    center = np.array([place for place, _ in ordered], dtype=np.float64).reshape(-1, 3)
    return Catalog(center=center, mass_fof=n * PARTICLE, n_particles=n, m200c=n * PARTICLE, r200c=radius, box_size=BOX)


MIDDLE = np.array([12.0, 12.0, 12.0])


def alone(config: Baryons = STEADY, *, puff: float = 0.0, redshift: float = 0.0) -> Counterpart:
    """The counterpart of one halo in an empty box."""
    found = catalog((MIDDLE, N))
    return displaced(clump(MIDDLE, puff=puff), PARTICLE, found, COSMOLOGY, config, BOX, redshift=redshift, seed=1)


def enclosed(pos: NDArray[np.float32], mass: NDArray[np.float32] | float, x: Array) -> Array:
    """Mass within radii `x` R200c of the middle, over M200c."""
    r = np.linalg.norm(pos - MIDDLE, axis=1) / RADIUS
    weights = np.broadcast_to(np.asarray(mass, float), r.shape)
    return np.array([weights[r < limit].sum() for limit in x]) / MASS


def test_mass_is_conserved_species_by_species() -> None:
    pos = np.concatenate([clump(MIDDLE), field(5000)])
    sides = displaced(pos, PARTICLE, catalog((MIDDLE, N)), COSMOLOGY, Baryons(), BOX, seed=3)
    dark, gas, stars = (side.mass.sum(dtype=float) for side in (sides.dark_matter, sides.gas, sides.stars))
    total = len(pos) * PARTICLE
    np.testing.assert_allclose(dark + gas + stars, total, rtol=1e-6)
    np.testing.assert_allclose(dark, total * (1 - COSMOLOGY.baryon_fraction), rtol=1e-6)
    assert stars > 0
    assert min(side.mass.min() for side in (sides.dark_matter, sides.gas, sides.stars)) > 0


def test_the_order_of_the_particles_is_irrelevant() -> None:
    pos = np.concatenate([clump(MIDDLE, 3000), clump(MIDDLE + 1.1, 1000), field(2000)])
    found = catalog((MIDDLE, 3000), (MIDDLE + 1.1, 1000))
    shuffle = np.random.default_rng(5).permutation(len(pos))
    first = displaced(pos, PARTICLE, found, COSMOLOGY, Baryons(), BOX, seed=3)
    second = displaced(pos[shuffle], PARTICLE, found, COSMOLOGY, Baryons(), BOX, seed=3)
    np.testing.assert_array_equal(first.dmo_pos[shuffle], second.dmo_pos)
    np.testing.assert_array_equal(first.gas.pos[shuffle], second.gas.pos)
    np.testing.assert_array_equal(first.dark_matter.pos[shuffle], second.dark_matter.pos)
    stars = [np.column_stack([side.stars.pos, side.stars.mass]) for side in (first, second)]
    np.testing.assert_array_equal(*(rows[np.lexsort(rows.T)] for rows in stars))


def test_a_halo_across_the_edge_moves_like_one_in_the_middle() -> None:
    pos = np.concatenate([clump(MIDDLE, 3000), field(2000)])
    roll = np.array([11.7, 12.2, 0.0])
    rolled = np.mod(pos + roll, BOX).astype(np.float32)
    inside = displaced(pos, PARTICLE, catalog((MIDDLE, 3000)), COSMOLOGY, STEADY, BOX, seed=3)
    across = displaced(rolled, PARTICLE, catalog((np.mod(MIDDLE + roll, BOX), 3000)), COSMOLOGY, STEADY, BOX, seed=3)
    for one, other in (
        (inside.gas, across.gas),
        (inside.stars, across.stars),
        (inside.dark_matter, across.dark_matter),
    ):
        offset = np.mod(one.pos + roll - other.pos + BOX / 2, BOX) - BOX / 2
        np.testing.assert_allclose(offset, 0, atol=2e-3)
        assert 0 <= other.pos.min() <= other.pos.max() < BOX


@pytest.mark.parametrize(("puff", "redshift"), [(0.0, 0.0), (0.3, 0.0), (0.3, 1.5)])
def test_repair_gives_an_nfw_halo_of_the_same_mass(puff: float, redshift: float) -> None:
    x = np.array([0.02, 0.05, 0.1, 0.3, 0.6, 1.0])
    expected = profiles.nfw_enclosed(x, profiles.concentration(MASS, redshift))
    got = enclosed(alone(puff=puff, redshift=redshift).dmo_pos, PARTICLE, x)
    np.testing.assert_allclose(got, expected, rtol=0.01, atol=2 / N)


def test_repair_keeps_directions_and_the_order_of_the_radii() -> None:
    before, after = clump(MIDDLE, puff=0.3) - MIDDLE, alone(puff=0.3).dmo_pos - MIDDLE
    r, s = np.linalg.norm(before, axis=1), np.linalg.norm(after, axis=1)
    order = np.argsort(r)
    assert np.all(np.diff(s[order]) > -1e-5)
    far = s > 0.05
    np.testing.assert_allclose((before / r[:, None])[far], (after / s[:, None])[far], atol=1e-3)


@pytest.mark.parametrize("redshift", [0.0, 1.0])
def test_the_gas_of_an_isolated_halo_follows_its_profile(redshift: float) -> None:
    gas = alone(redshift=redshift).gas
    beta = profiles.gas_slope(MASS, STEADY.log10_m_c, STEADY.mu)
    x = np.array([0.1, 0.3, 1.0, 2.0, 4.0, 7.0])
    fine = np.geomspace(1e-3, baryons.REACH * STEADY.theta_ej, 400)
    shape = profiles.enclosed(
        lambda r: profiles.gas_density(r, beta, STEADY.theta_co, STEADY.theta_ej, STEADY.gamma, STEADY.delta), fine
    )
    stars = profiles.stellar_fraction(MASS, STEADY.n_star, STEADY.log10_m_star, STEADY.tau, STEADY.eta)
    expected = (COSMOLOGY.baryon_fraction - stars) * np.interp(x, fine, shape)
    np.testing.assert_allclose(enclosed(gas.pos, gas.mass, x), expected, rtol=0.02)


def test_a_heavy_background_holds_the_gas_outside_r200c() -> None:
    hosts = baryons.select(catalog((MIDDLE, N)), STEADY, BOX, redshift=0.0, seed=1)
    stars = baryons.stars_of(hosts.mass, COSMOLOGY, STEADY)
    grid = baryons.radial_grid(hosts, STEADY, BOX)
    outside = grid >= 1
    tail = np.diff(profiles.halo_enclosed(grid[outside], hosts.concentration[:, None]), axis=1)
    light, heavy = (
        baryons.response(grid, weight * tail, hosts, stars, COSMOLOGY, STEADY, 0.0)[0, 1] for weight in (1, 1000)
    )
    apart = (grid > 1.5) & (grid < 6)
    assert np.all(light[apart] > 0.05)
    np.testing.assert_allclose(heavy[apart], 0, atol=0.01)
    np.testing.assert_allclose(heavy[grid < 0.3], light[grid < 0.3], rtol=0.1)


def test_the_stars_of_an_isolated_halo_are_a_galaxy_and_its_satellites() -> None:
    stars = alone().stars
    names = (STEADY.n_star, STEADY.log10_m_star, STEADY.tau)
    total = profiles.stellar_fraction(MASS, *names, STEADY.eta)
    central = profiles.stellar_fraction(MASS, *names, STEADY.eta + STEADY.eta_delta)
    got = enclosed(stars.pos, stars.mass, np.array([0.015, 0.1, 1.3]))
    np.testing.assert_allclose(got[2], total, rtol=1e-4)
    satellites = (total - central) * profiles.nfw_enclosed([0.015, 0.1], profiles.concentration(MASS, 0.0))
    np.testing.assert_allclose(got[:2], central * profiles.central_enclosed([0.015, 0.1]) + satellites, rtol=0.05)


def test_dark_matter_expands_in_a_group_that_lost_its_gas_and_contracts_in_a_galaxy() -> None:
    x = np.array([0.5])
    kept, lost = alone(Baryons(log10_m_c=11, mu=2, scatter=0.0)), alone(Baryons(log10_m_c=16, mu=2, scatter=0.0))
    starry = alone(Baryons(log10_m_c=16, mu=2, n_star=0.1, scatter=0.0))
    half = [enclosed(side.dark_matter.pos, 1.0, x)[0] for side in (lost, kept)]
    assert half[0] < half[1]
    inner = [enclosed(side.dark_matter.pos, 1.0, np.array([0.05]))[0] for side in (lost, starry)]
    assert inner[0] < inner[1]


def test_nothing_moves_without_halos_nor_beyond_their_reach() -> None:
    pos = field(3000)
    empty = displaced(pos, PARTICLE, catalog(), COSMOLOGY, STEADY, BOX, seed=1)
    assert len(empty.stars.pos) == 0
    for moved in (empty.dmo_pos, empty.gas.pos, empty.dark_matter.pos):
        np.testing.assert_array_equal(moved, pos)
    sides = displaced(pos, PARTICLE, catalog((MIDDLE, N)), COSMOLOGY, STEADY, BOX, seed=1)
    far = np.linalg.norm(pos - MIDDLE, axis=1) > baryons.REACH * STEADY.theta_ej * RADIUS
    assert 1000 < far.sum() < 2970
    np.testing.assert_array_equal(sides.gas.pos[far], pos[far])
    np.testing.assert_array_equal(sides.dark_matter.pos[far], pos[far])


def test_only_its_host_moves_a_particle_of_a_halo() -> None:
    beside = MIDDLE + np.array([1.5, 0, 0])
    pos = np.concatenate([clump(beside, 500), clump(MIDDLE)])
    pair = displaced(pos, PARTICLE, catalog((beside, 500), (MIDDLE, N)), COSMOLOGY, STEADY, BOX, seed=1)
    single = displaced(pos[:500], PARTICLE, catalog((beside, 500)), COSMOLOGY, STEADY, BOX, seed=1)
    np.testing.assert_array_equal(pair.gas.pos[:500], single.gas.pos)
    np.testing.assert_array_equal(pair.dmo_pos[:500], single.dmo_pos)


def test_a_halo_centred_in_a_larger_one_is_no_host() -> None:
    inside = MIDDLE + np.array([0.5 * RADIUS, 0, 0])
    hosts = baryons.select(catalog((inside, 500), (MIDDLE, N)), STEADY, BOX, redshift=0.0, seed=1)
    np.testing.assert_array_equal(hosts.center, [MIDDLE])


def gas_inside(config: Baryons) -> float:
    gas = alone(config).gas
    return float(enclosed(gas.pos, gas.mass, np.array([1.0]))[0])


@pytest.mark.parametrize(
    ("less", "more"),
    [
        ({"log10_m_c": 14.0}, {"log10_m_c": 13.0}),
        ({"theta_ej": 6.0}, {"theta_ej": 3.0}),
        ({"theta_co": 0.5}, {"theta_co": 0.1}),
        ({"n_star": 0.06}, {"n_star": 0.02}),
        # above m_c a steeper transition keeps gas, below it ejects more
        ({"mu": 0.3, "log10_m_c": 13.0}, {"mu": 1.0, "log10_m_c": 13.0}),
        ({"mu": 1.0, "log10_m_c": 14.5}, {"mu": 0.3, "log10_m_c": 14.5}),
    ],
)
def test_gas_is_ejected_in_the_published_direction(less: dict[str, float], more: dict[str, float]) -> None:
    def with_values(values: dict[str, float]) -> Baryons:
        return Baryons.model_validate(STEADY.model_dump() | values)

    assert gas_inside(with_values(less)) < 0.98 * gas_inside(with_values(more))


def test_scatter_is_normal_and_depends_on_the_seed_and_the_halo_alone() -> None:
    position = np.random.default_rng(0).uniform(0, 1, (4000, 3))
    draws = baryons.normal(position, seed=7)
    np.testing.assert_allclose([draws.mean(), draws.std()], [0, 1], atol=0.05)
    np.testing.assert_array_equal(baryons.normal(position[17:18], seed=7), draws[17:18])
    assert abs(np.corrcoef(draws, baryons.normal(position, seed=8))[0, 1]) < 0.05


def test_scatter_moves_the_mass_scale_of_each_halo() -> None:
    found = catalog((MIDDLE, N), (MIDDLE / 4, 500))
    hosts: Hosts = baryons.select(found, Baryons(scatter=0.2), BOX, redshift=0.0, seed=7)
    np.testing.assert_allclose(
        hosts.log10_m_c, Baryons().log10_m_c + 0.2 * baryons.normal(hosts.center / BOX, 7), rtol=1e-12
    )
    assert hosts.log10_m_c[0] != hosts.log10_m_c[1]


def test_what_does_not_fit_is_refused() -> None:
    with pytest.raises(ValueError, match=r"catalog: expected the halos of a box of 25\.0 Mpc/h, got 24\.0"):
        displaced(field(10), PARTICLE, catalog(), COSMOLOGY, STEADY, 25.0, seed=1)
    with pytest.raises(ValueError, match="n_star"):
        alone(Baryons(n_star=0.2, log10_m_star=13.0))


def test_fractions_inside_r200c_of_the_real_box(real_data: Path) -> None:
    """Gas and stars inside R200c within 5 % of the analytic input, halos above 500 particles."""
    real = snapshot.read(real_data / "nbody" / "abacus_n64" / "mini_n64_l32_z0.npz")
    matter, cosmology = real.particles["dark_matter"], COSMOLOGY.model_copy(update={"omega_m": real.omega_m})
    mass = float(np.ravel(matter.mass)[0])
    found = halos.find(matter.pos, mass, real.box_size, omega_m=real.omega_m, min_particles=50)
    sides = displaced(matter.pos, mass, found, cosmology, STEADY, real.box_size, seed=1)
    hosts = baryons.select(found, STEADY, real.box_size, redshift=0.0, seed=1)
    large = hosts.mass > 500 * mass
    central, satellite = baryons.stars_of(hosts.mass, cosmology, STEADY)
    grid = baryons.radial_grid(hosts, STEADY, real.box_size)
    inside = np.array([np.interp(1, grid, row) for row in profiles.enclosed(baryons.gas_of(hosts, STEADY), grid)])
    whole = profiles.halo_enclosed(grid[-1], hosts.concentration)
    gas = (cosmology.baryon_fraction * whole - central - satellite) * inside
    for tracer, expected in ((sides.gas, gas), (sides.stars, central + satellite)):
        got = np.array([
            within(tracer.pos, tracer.mass, place, radius, real.box_size)
            for place, radius in zip(hosts.center[large], hosts.radius[large], strict=True)
        ])  # fmt: skip
        np.testing.assert_allclose((got / hosts.mass[large]).mean(), expected[large].mean(), rtol=0.05)


def within(pos: NDArray[np.float32], mass: NDArray[np.float32], center: Array, radius: float, box_size: float) -> float:
    offset = pos - center.astype(np.float32)
    offset -= np.float32(box_size) * np.rint(offset / np.float32(box_size))
    return float(mass[(offset**2).sum(axis=1) < radius**2].sum(dtype=float))

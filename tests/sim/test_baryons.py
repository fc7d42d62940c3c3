"""Baryonification: mass, order, periodicity; isolated halos against analytic profiles; the published directions."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from configs import Baryons, Cosmology
from sim import baryons, halos, hosts, profiles, snapshot, spectra
from sim.baryons import Counterpart, displaced
from sim.halos import Catalog
from sim.hosts import Hosts
from sim.maps import project
from sim.units import RHO_CRITICAL

Array = NDArray[np.float64]

BOX = 24.0
COSMOLOGY = Cosmology(omega_m=0.3, omega_b=0.045, h=0.7, n_s=0.96, sigma8=0.8)
STEADY = Baryons(scatter=0.0, scatter_central=0.0, scatter_c=0.0)
ONE_GALAXY = Baryons(scatter=0.0, scatter_central=0.0, scatter_c=0.0, eta_delta=0.0)
"""Without satellites, whose places are random."""
MASS, N = 4e13, 20_000
PARTICLE = MASS / N
RADIUS = (3 * MASS / (800 * np.pi * RHO_CRITICAL)) ** (1 / 3)


def directions(rng: np.random.Generator, n: int) -> Array:
    vectors = rng.standard_normal((n, 3))
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


def clump(center: Array, n: int = N, *, redshift: float = 0.0, seed: int = 1) -> NDArray[np.float32]:
    """Particles of an NFW halo of the mean concentration inside R200c."""
    rng = np.random.default_rng(seed)
    x = profiles.nfw_radius((np.arange(n) + 0.5) / n, profiles.concentration(MASS * n / N, redshift)) * 0.99999
    radius = RADIUS * (n / N) ** (1 / 3)
    return np.mod(center + radius * x[:, None] * directions(rng, n), BOX).astype(np.float32)


def ball(slope: float) -> NDArray[np.float32]:
    """Particles of a halo whose enclosed mass rises with the power `slope` of the radius."""
    rng = np.random.default_rng(1)
    radius = RADIUS * ((np.arange(N) + 0.5) / N) ** (1 / slope) * 0.99999
    return (MIDDLE + radius[:, None] * directions(rng, N)).astype(np.float32)


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


def alone(config: Baryons = STEADY, *, redshift: float = 0.0) -> Counterpart:
    """The counterpart of one halo in an empty box."""
    found, pos = catalog((MIDDLE, N)), clump(MIDDLE, redshift=redshift)
    return displaced(pos, PARTICLE, found, COSMOLOGY, config, BOX, redshift=redshift, seed=1)


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
    inside = displaced(pos, PARTICLE, catalog((MIDDLE, 3000)), COSMOLOGY, ONE_GALAXY, BOX, seed=3)
    moved = catalog((np.mod(MIDDLE + roll, BOX), 3000))
    across = displaced(rolled, PARTICLE, moved, COSMOLOGY, ONE_GALAXY, BOX, seed=3)
    for one, other in (
        (inside.gas, across.gas),
        (inside.stars, across.stars),
        (inside.dark_matter, across.dark_matter),
    ):
        offset = np.mod(one.pos + roll - other.pos + BOX / 2, BOX) - BOX / 2
        np.testing.assert_allclose(offset, 0, atol=2e-3)
        assert 0 <= other.pos.min() <= other.pos.max() < BOX


def alone_selected(config: Baryons, redshift: float = 0.0) -> Hosts:
    """The lonely halo as the model sees it."""
    return hosts.select(catalog((MIDDLE, N)), COSMOLOGY, config, BOX, redshift=redshift, seed=1)


def gas_within(x: Array, config: Baryons, redshift: float) -> Array:
    """The gas mass of the lonely halo inside `x` R200c over M200c that the formulas give, by another quadrature."""
    host = alone_selected(config, redshift)
    beta = profiles.gas_slope(MASS, host.log10_m_c, config.mu)
    ejection = config.theta_ej * host.truncation / 3.5
    fine = np.linspace(0, baryons.REACH * max(1, host.truncation[0] / 3.5) * config.theta_ej, 200_001)
    hot = profiles.gas_density(fine, beta, config.theta_co, ejection, config.gamma, config.delta)
    shapes = [fine**2 * density for density in (hot, profiles.inner_gas_density(fine))]
    within = [np.interp(x, fine, np.cumsum(shape) / shape.sum()) for shape in shapes]
    share = COSMOLOGY.baryon_fraction - host.stars - host.inner_gas
    return np.asarray(share * within[0] + host.inner_gas * within[1])


X = np.array([0.1, 0.3, 1.0, 2.0, 4.0, 7.0])


@pytest.mark.parametrize("redshift", [0.0, 1.0])
def test_the_gas_of_an_isolated_halo_follows_its_profile(redshift: float) -> None:
    gas = alone(redshift=redshift).gas
    np.testing.assert_allclose(enclosed(gas.pos, gas.mass, X), gas_within(X, STEADY, redshift), rtol=0.02)


@pytest.mark.parametrize(("slope", "inner_gas"), [(None, 0.1), (2.0, 0.1), (2.7, 0.1), (None, 0.8)])
def test_the_gas_follows_its_profile_in_any_halo_and_the_input_stays(slope: float | None, inner_gas: float) -> None:
    """Of an NFW halo and of halos with a constant slope of the enclosed mass: 2, and nearly that of a ball, 2.7."""
    config = with_values({"inner_gas": inner_gas})
    pos = clump(MIDDLE) if slope is None else ball(slope)
    sides = displaced(pos, PARTICLE, catalog((MIDDLE, N)), COSMOLOGY, config, BOX, seed=1)
    np.testing.assert_array_equal(sides.dmo_pos, pos)
    np.testing.assert_allclose(enclosed(sides.gas.pos, sides.gas.mass, X), gas_within(X, config, 0.0), rtol=0.02)
    total = sum(side.mass.sum(dtype=float) for side in (sides.dark_matter, sides.gas, sides.stars))
    np.testing.assert_allclose(total, MASS, rtol=1e-6)


def test_a_heavy_background_holds_the_gas_outside_r200c() -> None:
    host = alone_selected(STEADY)
    grid, c, end = baryons.radial_grid(host, STEADY, BOX), host.concentration[:, None], host.truncation[:, None]
    hosted = profiles.nfw_enclosed(grid[grid <= 1], c)
    tail = np.diff(profiles.halo_enclosed(grid[grid >= 1], c, end), axis=1)
    light, heavy = (
        baryons.response(grid, hosted, weight * tail, host, COSMOLOGY, STEADY, 0.0)[0, 1] for weight in (1, 1000)
    )
    apart = (grid > 1.5) & (grid < 6)
    assert np.all(light[apart] > 0.05)
    np.testing.assert_allclose(heavy[apart], 0, atol=0.01)
    np.testing.assert_allclose(heavy[grid < 0.2], light[grid < 0.2], rtol=0.1)


def test_the_stars_of_an_isolated_halo_are_a_galaxy_and_its_satellites() -> None:
    stars = alone().stars
    names = (STEADY.n_star, STEADY.log10_m_star, STEADY.tau)
    total = profiles.stellar_fraction(MASS, *names, STEADY.eta)
    central = profiles.stellar_fraction(MASS, *names, STEADY.eta + STEADY.eta_delta)
    np.testing.assert_allclose(stars.mass.sum(dtype=float), total * MASS, rtol=1e-6)
    np.testing.assert_allclose(stars.mass[:N], central * PARTICLE, rtol=1e-6)
    x = np.array([0.01, 0.03, 0.1])
    got = enclosed(stars.pos[:N], stars.mass[:N], x)
    np.testing.assert_allclose(got, central * profiles.central_enclosed(x), rtol=0.03)
    assert 5 < len(stars.mass) - N < 500
    assert 0.1 < np.median(np.linalg.norm(stars.pos[N:] - MIDDLE, axis=1)) / RADIUS < 0.8


def test_satellites_follow_the_dark_matter_and_lie_in_few_places() -> None:
    """Over many seeds: the median distance of satellites is that of dark matter, and every halo has its whole mass."""
    pos, found = clump(MIDDLE, 4000), catalog((MIDDLE, 4000))
    radius, far = RADIUS * 0.2 ** (1 / 3), []
    for seed in range(40):
        sides = displaced(pos, PARTICLE, found, COSMOLOGY, STEADY, BOX, seed=seed)
        where = sides.stars.pos[4000:]
        assert 0 < len(where) < 400
        far.append(np.linalg.norm(where - MIDDLE, axis=1) / radius)
        dark = np.linalg.norm(sides.dark_matter.pos - MIDDLE, axis=1) / radius
        assert np.isin(far[-1], dark).all()
        np.testing.assert_allclose(sides.stars.mass.sum(dtype=float), stars_alone(4000), rtol=1e-6)
    n = sum(map(len, far))
    share = np.mean(np.concatenate(far) < np.median(dark))
    assert abs(share - 0.5) < 4 * 0.5 / np.sqrt(n)


def stars_alone(n: int) -> float:
    """Stellar mass of a halo of n particles [Msun/h]."""
    mass = n * PARTICLE
    return float(mass * profiles.stellar_fraction(mass, STEADY.n_star, STEADY.log10_m_star, STEADY.tau, STEADY.eta))


def test_there_are_no_stars_outside_halos() -> None:
    far = field(4000)
    far = far[np.linalg.norm(far - MIDDLE, axis=1) > 2 * RADIUS]
    pos = np.concatenate([clump(MIDDLE, 3000), far])
    stars = displaced(pos, PARTICLE, catalog((MIDDLE, 3000)), COSMOLOGY, Baryons(), BOX, seed=3).stars
    assert np.linalg.norm(stars.pos - MIDDLE, axis=1).max() < RADIUS
    assert stars.mass.min() > 0


def test_dark_matter_expands_in_a_group_that_lost_its_gas_and_contracts_in_a_galaxy() -> None:
    x = np.array([0.5])
    kept, lost, starry = (
        alone(with_values({"mu": 2.0} | values))
        for values in ({"log10_m_c": 11.0}, {"log10_m_c": 16.0}, {"log10_m_c": 16.0, "n_star": 0.1})
    )
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


def with_values(values: dict[str, float]) -> Baryons:
    return Baryons.model_validate(STEADY.model_dump() | values)


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
    assert gas_inside(with_values(less)) < 0.98 * gas_inside(with_values(more))


def groups() -> tuple[NDArray[np.float32], Catalog]:
    """A box of three halos of 1e13, two of 3e12 and three of 1e12 Msun/h in a thin field."""
    places = np.random.default_rng(4).uniform(3, BOX - 3, (8, 3))
    counts = [5000] * 3 + [1500] * 2 + [500] * 3
    halos = [clump(place, n, seed=i) for i, (place, n) in enumerate(zip(places, counts, strict=True))]
    return np.concatenate([*halos, field(10_000)]), catalog(*zip(places, counts, strict=True))


def suppression(config: Baryons) -> float:
    """Mean S(k) of the box of `groups` on maps at 1 < k < 5 h/Mpc."""
    pos, found = groups()
    sides = displaced(pos, PARTICLE, found, COSMOLOGY, config, BOX, seed=1)
    view = partial(project, box_size=BOX, n_pixels=96, axis=2)
    hydro = sum(view(side.pos, side.mass).astype(float) for side in (sides.dark_matter, sides.gas, sides.stars))
    ratio = spectra.suppression(np.asarray(hydro), view(sides.dmo_pos, PARTICLE), BOX, n_bins=16)
    return float(ratio.value[(ratio.k > 1) & (ratio.k < 5)].mean())


@pytest.mark.parametrize(
    ("weak", "strong"),
    [
        ({"log10_m_c": 12.8}, {"log10_m_c": 13.5}),
        ({"mu": 1.0, "log10_m_c": 12.6}, {"mu": 0.4, "log10_m_c": 12.6}),
        ({"theta_ej": 5.0}, {"theta_ej": 9.0}),
        ({"theta_co": 0.05}, {"theta_co": 0.3}),
        ({"gamma": 1.0}, {"gamma": 2.5}),
        ({"delta": 9.0}, {"delta": 5.0}),
        ({"n_star": 0.045}, {"n_star": 0.015}),
        ({"log10_m_star": 11.7}, {"log10_m_star": 11.1}),
        ({"eta": 0.0}, {"eta": 0.25}),
        ({"inner_gas": 0.8}, {"inner_gas": 0.0}),
    ],
    ids=lambda values: "-".join(values),
)
def test_power_is_suppressed_in_the_published_direction(weak: dict[str, float], strong: dict[str, float]) -> None:
    """Schneider et al. 2019, Giri & Schneider 2021: gas pushed out, or not turned into stars, takes power."""
    assert suppression(with_values(strong)) < suppression(with_values(weak)) - 5e-4


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
    halo = hosts.select(found, cosmology, STEADY, real.box_size, redshift=0.0, seed=1)
    large = halo.mass > 500 * mass
    grid = baryons.radial_grid(halo, STEADY, real.box_size)
    inside = np.array([np.interp(1, grid, row) for row in profiles.enclosed(baryons.gas_of(halo, STEADY), grid)])
    cold = np.interp(1, grid, profiles.enclosed(profiles.inner_gas_density, grid)) * halo.inner_gas
    whole = profiles.halo_enclosed(grid[-1], halo.concentration, halo.truncation)
    gas = (cosmology.baryon_fraction * whole - halo.stars - halo.inner_gas) * inside + cold
    for tracer, expected in ((sides.gas, gas), (sides.stars, halo.stars)):
        got = np.array([
            within(tracer.pos, tracer.mass, place, radius, real.box_size)
            for place, radius in zip(halo.center[large], halo.radius[large], strict=True)
        ])  # fmt: skip
        np.testing.assert_allclose((got / halo.mass[large]).mean(), expected[large].mean(), rtol=0.05)


def within(pos: NDArray[np.float32], mass: NDArray[np.float32], center: Array, radius: float, box_size: float) -> float:
    offset = pos - center.astype(np.float32)
    offset -= np.float32(box_size) * np.rint(offset / np.float32(box_size))
    return float(mass[(offset**2).sum(axis=1) < radius**2].sum(dtype=float))

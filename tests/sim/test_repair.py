"""Repair: an NFW halo comes back, a resolved one stays, nothing else moves; counts of a run against colossus."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from colossus.cosmology import cosmology as colossus_cosmology
from colossus.lss import mass_function
from numpy.typing import NDArray

from configs import Box, Cosmology
from sim import halos, nbody, profiles, snapshot
from sim.cosmology import particle_mass
from sim.halos import Catalog
from sim.repair import REACH, repaired, resolution_of
from sim.units import RHO_CRITICAL

Array = NDArray[Any]

BOX = 16.0
COSMOLOGY = Cosmology(omega_m=0.3, omega_b=0.045, h=0.7, n_s=0.96, sigma8=0.8)
MASS, N = 2e13, 20_000
PARTICLE = MASS / N
RADIUS = (3 * MASS / (800 * np.pi * RHO_CRITICAL)) ** (1 / 3)
C = float(profiles.concentration(MASS, 0.0))
MIDDLE = np.array([8.0, 8.0, 8.0])
CORNER = np.array([15.9, 0.05, 0.0])
CELL = 0.3
X_REACH = REACH * CELL / RADIUS


def enclosed(x: Array) -> Array:
    """Mass over M200c within x R200c: NFW and, outside, the mean density."""
    return profiles.nfw_enclosed(x, C) + 0.3 / 200 * np.maximum(x**3 - 1, 0)


def clump(center: Array, *, n: int = N, last: float = 4.0, power: float = 1.0, seed: int = 1) -> NDArray[np.float32]:
    """An NFW halo of n particles within R200c, to `last` R200c; x < 2.5 cells becomes x^power: below 1, puffy."""
    grid = np.geomspace(1e-5, last, 20000)
    rank = (np.arange(int(n * enclosed(grid)[-1])) + 0.5) / n
    x, edge = np.interp(rank, enclosed(grid), grid), 2.5 * CELL / RADIUS
    x = np.where(x < edge, edge * (x / edge) ** power, x)
    vector = np.random.default_rng(seed).standard_normal((len(x), 3))
    vector /= np.linalg.norm(vector, axis=1, keepdims=True)
    pos = np.mod(center + RADIUS * (n / N) ** (1 / 3) * x[:, None] * vector, BOX).astype(np.float32)
    return np.where(pos < BOX, pos, 0)


def catalog(*halo: tuple[Array, int], resolved: bool = False) -> Catalog:
    """Halos (centre, particles) whose groups are known and whose M200c is right or else far too low."""
    n = np.array([count for _, count in halo])
    radius = (1.0 if resolved else 0.5) * RADIUS * (n / N) ** (1 / 3)
    m200c = 800 / 3 * np.pi * RHO_CRITICAL * radius**3
    center = np.array([place for place, _ in halo])
    return Catalog(center, n * PARTICLE, n, m200c, radius, BOX, m200m=m200c, r200m=radius)


def distance(pos: Array, center: Array) -> Array:
    offset = pos.astype(float) - center
    return np.asarray(np.linalg.norm(offset - BOX * np.rint(offset / BOX), axis=1))


@pytest.mark.parametrize("center", [MIDDLE, CORNER])
def test_a_puffy_halo_becomes_nfw_again(center: Array) -> None:
    """Its mass within 1 %, the mass it encloses within 2 % for r > 0.05 r200; so does that of halos.find."""
    puffy = clump(center, power=0.6)
    before = halos.find(puffy, PARTICLE, BOX, omega_m=0.3)
    pos, found = repaired(puffy, PARTICLE, catalog((center, N)), COSMOLOGY, resolution=CELL)
    x = np.geomspace(0.05, X_REACH, 30)
    held = np.searchsorted(np.sort(distance(pos, center)), x * RADIUS) / N
    np.testing.assert_allclose(held, enclosed(x), rtol=0.02)
    np.testing.assert_allclose(found.m200c, MASS, rtol=0.01)
    np.testing.assert_allclose(found.concentration, C, rtol=1e-3)  # type: ignore[arg-type]
    again = halos.find(pos, PARTICLE, BOX, omega_m=0.3, m200m=True)
    assert before.m200c[0] < 0.7 * MASS
    np.testing.assert_allclose(again.m200c[0], found.m200c[0], rtol=0.01)
    np.testing.assert_allclose(again.m200m[0], found.m200m[0], rtol=0.01)  # type: ignore[index]


def test_at_a_redshift_the_critical_density_and_the_concentration_are_those_of_then() -> None:
    """What NFW of that time encloses within the reach, in any arrangement, gives its mass and its profile."""
    density = 200 * RHO_CRITICAL * (0.3 + 0.7 / 8)
    radius = np.cbrt(MASS / density * 0.75 / np.pi)
    c, around = float(profiles.concentration(MASS, 1.0)), 0.3 * RHO_CRITICAL / density
    grid = np.geomspace(1e-4, REACH * CELL / radius, 2000)
    inside = profiles.nfw_enclosed(grid, c) + around * np.maximum(grid**3 - 1, 0)
    vector = np.random.default_rng(4).standard_normal((round(N * inside[-1]), 3))
    vector *= np.random.default_rng(5).random((len(vector), 1)) * REACH * CELL / np.linalg.norm(vector, axis=1)[:, None]
    pos, listed = (MIDDLE + vector).astype(np.float32), catalog((MIDDLE, N))
    moved, found = repaired(pos, PARTICLE, listed, COSMOLOGY, resolution=CELL, redshift=1.0)
    np.testing.assert_allclose(found.m200c, MASS, rtol=1e-3)
    np.testing.assert_allclose(found.r200c, radius, rtol=1e-3)
    held = np.searchsorted(np.sort(distance(moved, MIDDLE)), grid[grid > 0.05] * radius) / N
    np.testing.assert_allclose(held, inside[grid > 0.05], rtol=0.01)


def test_a_halo_that_is_nfw_already_stays() -> None:
    pos = clump(MIDDLE)
    moved, found = repaired(pos, PARTICLE, catalog((MIDDLE, N)), COSMOLOGY, resolution=CELL)
    np.testing.assert_allclose(found.m200c, MASS, rtol=0.005)
    assert distance(moved - pos, np.zeros(3)).max() < 0.005 * RADIUS


def test_a_resolved_halo_keeps_its_mass() -> None:
    """Its particles take the profile within the reach, which its R200c exceeds."""
    cell, pos = 0.5 * RADIUS / REACH, clump(MIDDLE, power=0.8)
    listed = catalog((MIDDLE, N), resolved=True)
    moved, found = repaired(pos, PARTICLE, listed, COSMOLOGY, resolution=cell)
    np.testing.assert_allclose([found.m200c, found.m200m], [listed.m200c, listed.m200m], rtol=1e-12)
    inside = distance(pos, MIDDLE) < 0.5 * RADIUS
    np.testing.assert_array_equal(moved[~inside], pos[~inside])
    x = np.array([0.1, 0.3])
    held = np.searchsorted(np.sort(distance(moved, MIDDLE)), x * RADIUS) / inside.sum()
    np.testing.assert_allclose(held, enclosed(x) / enclosed(np.array(0.5)), rtol=0.02)


def test_no_resolution_limit_no_change() -> None:
    pos, listed = clump(MIDDLE, power=0.6), catalog((MIDDLE, N))
    moved, found = repaired(pos, PARTICLE, listed, COSMOLOGY, resolution=0)
    np.testing.assert_array_equal(moved, pos)
    np.testing.assert_allclose(found.m200c, listed.m200c, rtol=1e-12)


def test_without_halos_nothing_changes() -> None:
    pos = clump(MIDDLE, n=100)
    none = Catalog(np.zeros((0, 3)), np.zeros(0), np.zeros(0, np.int64), np.zeros(0), np.zeros(0), BOX)
    moved, found = repaired(pos, PARTICLE, none, COSMOLOGY, resolution=CELL)
    np.testing.assert_array_equal(moved, pos)
    assert len(found) == 0


def test_nothing_moves_outside_the_reach_or_through_it() -> None:
    """Directions stay, and the order in radius."""
    pos = clump(MIDDLE, power=0.6, last=6.0)
    moved, _ = repaired(pos, PARTICLE, catalog((MIDDLE, N)), COSMOLOGY, resolution=CELL)
    before, after = distance(pos, MIDDLE), distance(moved, MIDDLE)
    inside = before < REACH * CELL
    np.testing.assert_array_equal(moved[~inside], pos[~inside])
    assert 0.99 * REACH * CELL < after[inside].max() < (1 + 1e-6) * REACH * CELL
    assert (np.diff(after[np.argsort(before)]) > -1e-5).all()
    cosine = ((moved - MIDDLE) * (pos - MIDDLE)).sum(axis=1) / (before * after)
    assert cosine[before > 0.01].min() > 1 - 1e-4
    assert np.isclose(after[before > 0.99 * REACH * CELL], before[before > 0.99 * REACH * CELL], rtol=0.01).all()


def two() -> tuple[NDArray[np.float32], Catalog]:
    """A halo and one of a quarter of its mass that overlaps its outskirts."""
    other = MIDDLE + np.array([2.5 * RADIUS, 0, 0])
    pos = np.concatenate([clump(MIDDLE, power=0.6), clump(other, n=N // 4, power=0.6, last=3.0, seed=2)])
    return pos, catalog((MIDDLE, N), (other, N // 4))


def test_the_order_of_particles_is_irrelevant() -> None:
    """To the last bit, with particles at one place and at one distance."""
    pos, listed = two()
    shell = MIDDLE + 0.25 * np.array([[1, 0, 0], [0, 1, 0], [0, 0, 1], [1, 0, 0], [-1, 0, 0]])
    pos = np.concatenate([pos, shell.astype(np.float32)])
    order = np.random.default_rng(3).permutation(len(pos))
    moved, found = repaired(pos, PARTICLE, listed, COSMOLOGY, resolution=CELL)
    shuffled, same = repaired(pos[order], PARTICLE, listed, COSMOLOGY, resolution=CELL)
    sort = [np.lexsort(one.T) for one in (moved[order], shuffled)]
    np.testing.assert_array_equal(moved[order][sort[0]], shuffled[sort[1]])
    np.testing.assert_array_equal(found.m200c, same.m200c)


def test_neighbours_share_the_particles_between_them() -> None:
    """Each moves towards the centre nearest in units of the radii, and each halo gets about the mass that it has."""
    pos, listed = two()
    moved, found = repaired(pos, PARTICLE, listed, COSMOLOGY, resolution=CELL)
    np.testing.assert_allclose(found.m200c, [MASS, MASS / 4], rtol=0.15)
    away = np.array([distance(pos, place) for place in listed.center])
    mine = (away / np.cbrt(listed.mass_fof)[:, None]).argmin(axis=0)
    for h in (0, 1):
        rows = (mine == h) & (away[h] < REACH * CELL) & (away[h] > 0.01)
        ray = (moved[rows] - listed.center[h]) / distance(moved[rows], listed.center[h])[:, None]
        np.testing.assert_allclose(ray, (pos[rows] - listed.center[h]) / away[h, rows, None], rtol=0, atol=2e-3)


def test_a_satellite_keeps_its_mass_and_moves_nothing() -> None:
    pos, inner = clump(MIDDLE, power=0.6), MIDDLE + np.array([0.5 * RADIUS, 0, 0])
    alone = repaired(pos, PARTICLE, catalog((MIDDLE, N)), COSMOLOGY, resolution=CELL)
    both = repaired(pos, PARTICLE, catalog((MIDDLE, N), (inner, 60)), COSMOLOGY, resolution=CELL)
    np.testing.assert_array_equal(alone[0], both[0])
    np.testing.assert_allclose(both[1].m200c, [alone[1].m200c[0], catalog((inner, 60)).m200c[0]], rtol=1e-12)


def test_halos_come_back_from_the_largest_down() -> None:
    """With their rows together; the catalogue that was given is as it was."""
    light, heavy = (np.array([3.0, 8, 8]), 3000), (np.array([12.0, 8, 8]), 9000)
    pos = np.concatenate([clump(place, n=n, last=3.0) for place, n in (light, heavy)])
    listed = replace(catalog(light, heavy), vel=np.array([[1.0, 0, 0], [2, 0, 0]]))
    _, found = repaired(pos, PARTICLE, listed, COSMOLOGY, resolution=CELL)
    assert found.n_particles.tolist() == [9000, 3000]
    np.testing.assert_array_equal(found.center, [heavy[0], light[0]])
    assert found.vel is not None
    assert found.vel[:, 0].tolist() == [2, 1]
    assert listed.n_particles.tolist() == [3000, 9000]


def test_a_concentration_of_its_own() -> None:
    pos, listed = clump(MIDDLE, power=0.6), catalog((MIDDLE, N))
    _, found = repaired(pos, PARTICLE, listed, COSMOLOGY, resolution=CELL, concentration_factor=np.array([1.5]))
    assert found.concentration is not None
    np.testing.assert_allclose(found.concentration, 1.5 * profiles.concentration(found.m200c, 0.0), rtol=1e-9)
    assert found.m200c[0] > 1.02 * MASS


def test_nonsense_is_refused() -> None:
    pos, listed = clump(MIDDLE), catalog((MIDDLE, N))
    for resolution in (-0.1, BOX / 2 / REACH, np.nan):
        with pytest.raises(ValueError, match=r"a resolution from 0 to below 2\.286 Mpc/h"):
            repaired(pos, PARTICLE, listed, COSMOLOGY, resolution=resolution)
    for factor in (np.ones(2), np.zeros(1)):
        with pytest.raises(ValueError, match="1 concentration factors above 0"):
            repaired(pos, PARTICLE, listed, COSMOLOGY, resolution=CELL, concentration_factor=factor)


@pytest.mark.parametrize(("factor", "cell"), [(1, 0.5), (2, 0.25), (4, 0.25)])
def test_the_resolution_is_a_mesh_cell_or_half_a_separation(factor: int, cell: float) -> None:
    box = Box(cosmology=COSMOLOGY, box_size=16.0, n_particles=32, mesh_factor=factor, seed=1)
    assert resolution_of(box) == cell


def test_a_particle_mesh_run_has_the_halos_that_colossus_expects() -> None:
    """Of at least 100 particles, in the catalogue and in the repaired particles; as found it has a third of them."""
    box = Box(cosmology=COSMOLOGY, box_size=32.0, n_particles=64, seed=2, fixed_amplitude=True)
    for state in nbody.run(box):
        last = state.pos
    mass = particle_mass(box)
    raw = halos.find(last, mass, box.box_size, omega_m=0.3)
    pos, found = repaired(last, mass, raw, COSMOLOGY, resolution=resolution_of(box))
    again = halos.find(pos, mass, box.box_size, omega_m=0.3)
    expected = n_expected(100 * mass, box)
    counts = [np.count_nonzero(one.m200c > 100 * mass) for one in (raw, found, again)]
    assert counts[0] < 0.5 * expected
    assert np.abs(np.array(counts[1:]) / expected - 1).max() < 0.15 + expected**-0.5


def n_expected(mass: float, box: Box) -> float:
    """Halos of M200c above `mass` in a box, after Tinker et al. 2008."""
    parameters = {"flat": True, "relspecies": False, "H0": 70.0, "Om0": 0.3, "Ob0": 0.045, "sigma8": 0.8, "ns": 0.96}
    colossus_cosmology.setCosmology("", parameters, persistence="")
    log_m = np.linspace(np.log(mass), np.log(1e16), 500)
    density = mass_function.massFunction(np.exp(log_m), 0.0, mdef="200c", model="tinker08", q_out="dndlnM")
    return float(np.trapezoid(density, log_m) * box.box_size**3)


def test_a_real_box_that_is_resolved_keeps_its_masses(real_data: Path) -> None:
    """AbacusSummit's box, softened by less than 1/30 of the separation; and as if by a mesh of 5 cells a particle."""
    box = snapshot.read(real_data / "nbody" / "abacus_n64" / "mini_n64_l32_z0.npz")
    matter = box.particles["dark_matter"]
    assert isinstance(matter.mass, float)
    cosmology = Cosmology(omega_m=box.omega_m, omega_b=0.0493, h=box.h, n_s=0.9649, sigma8=0.81)
    raw = halos.find(matter.pos, matter.mass, box.box_size, omega_m=box.omega_m)
    large = raw.m200c > 100 * matter.mass
    for resolution, off, scatter in ((0.015, 1e-9, 1e-9), (0.1, 0.02, 0.15)):
        _, found = repaired(matter.pos, matter.mass, raw, cosmology, resolution=resolution)
        ratio = found.m200c[np.lexsort(found.center.T)][large[np.lexsort(raw.center.T)]]
        ratio = ratio / raw.m200c[np.lexsort(raw.center.T)][large[np.lexsort(raw.center.T)]]
        assert abs(np.median(ratio) - 1) < off
        assert ratio.std() < scatter

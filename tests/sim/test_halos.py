"""Halos: laws of masses and centres, colossus for radii, a real box and its catalogue."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from clumps import BOX, Positions, clump, clustered
from colossus.cosmology import cosmology as colossus_cosmology
from colossus.halo import mass_so
from found_halos import assert_identical, halos
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from configs import Cosmology
from sim import friends, snapshot
from sim.cosmology import critical_density
from sim.halos import Catalog, find
from sim.units import RHO_CRITICAL


def test_two_clumps_are_two_halos() -> None:
    found = halos(np.concatenate([clump((4, 4, 4), 300), clump((12, 8, 4), 500, seed=1)]))
    assert found.n_particles.tolist() == [500, 300]
    np.testing.assert_allclose(found.center, [[12, 8, 4], [4, 4, 4]], rtol=0, atol=0.1)
    np.testing.assert_allclose(found.mass_fof, [5e14, 3e14], rtol=1e-12)


def test_order_of_particles_is_irrelevant() -> None:
    """To the last bit with ids, and but for rounding without."""
    pos = clustered()
    vel = np.random.default_rng(1).normal(0, 300, pos.shape)
    order = np.random.default_rng(2).permutation(len(pos))
    found = halos(pos, vel=vel)
    assert_same(found, halos(pos[order], vel=vel[order]))
    assert_identical(found, halos(pos[order], vel=vel[order], ids=order))


@pytest.mark.parametrize("shift", [(8.0, 0.0, 0.0), (0.25, 15.5, 3.0), (-1.0, -2.0, -3.0)])
def test_a_shifted_box_has_shifted_halos(shift: tuple[float, float, float]) -> None:
    pos = clustered()
    there = halos((pos + np.array(shift, np.float32)) % np.float32(BOX))
    back = np.mod(there.center - shift, BOX)
    here = halos(pos)
    order = np.lexsort((*back.T[::-1], -there.m200c))
    np.testing.assert_array_equal(there.n_particles[order], here.n_particles)
    np.testing.assert_allclose(there.r200c[order], here.r200c, rtol=1e-9)
    np.testing.assert_allclose(periodic(back[order] - here.center), 0, rtol=0, atol=1e-9)


def test_a_clump_across_a_corner_is_one_halo() -> None:
    corner, inside = (halos(clump((x, x, x), 400)) for x in (0, 8))
    assert len(corner) == len(inside) == 1
    np.testing.assert_allclose(periodic(corner.center - inside.center + 8), 0, rtol=0, atol=1e-9)
    np.testing.assert_allclose(corner.m200c, inside.m200c, rtol=1e-9)
    assert ((corner.center >= 0) & (corner.center < BOX)).all()


def test_halos_come_from_the_largest_down() -> None:
    found = halos(clustered())
    assert len(found) > 10
    assert (np.diff(found.m200c) <= 0).all()


def test_groups_below_the_smallest_are_left_out() -> None:
    pos = np.concatenate([clump((4, 4, 4), 40, size=0.02), clump((12, 8, 4), 39, size=0.02)])
    assert halos(pos, min_particles=40).n_particles.tolist() == [40]
    assert len(halos(pos, min_particles=41)) == 0
    assert halos(pos, min_particles=41, vel=pos).vel.shape == (0, 3)  # type: ignore[union-attr]
    assert len(halos(pos[:0])) == 0


def test_velocity_is_the_mean_of_the_group() -> None:
    vel = np.repeat([[100.0, 0, -50], [-300.0, 20, 0]], [300, 500], axis=0)
    noise = np.random.default_rng(0).normal(0, 200, vel.shape)
    pos = np.concatenate([clump((4, 4, 4), 300), clump((12, 8, 4), 500, seed=1)])
    found = halos(pos, vel=vel + noise)
    expected = [(vel + noise)[300:].mean(0), (vel + noise)[:300].mean(0)]
    np.testing.assert_allclose(found.vel, expected, rtol=1e-9)  # type: ignore[arg-type]


def test_m200c_is_all_matter_within_r200c() -> None:
    pos = clustered()
    found = halos(pos)
    held = found.m200c > 0
    assert held.sum() > 10
    distance = np.linalg.norm(periodic(pos[None].astype(float) - found.center[held, None]), axis=2)
    inside = (distance < found.r200c[held, None]).sum(1)
    np.testing.assert_allclose(found.m200c[held], inside * 1e12, rtol=1e-9)
    density = found.m200c[held] / (4 / 3 * np.pi * found.r200c[held] ** 3)
    np.testing.assert_allclose(density, 200 * RHO_CRITICAL, rtol=1e-9)


def test_m200m_is_all_matter_within_200_times_the_mean_density() -> None:
    """That of a time so early that the critical density is the mean."""
    pos = clustered()
    found, early = halos(pos, m200m=True), halos(pos, redshift=1e6)
    assert halos(pos).m200m is None
    assert found.m200m is not None
    order = [np.lexsort((*catalog.center.T, catalog.n_particles)) for catalog in (found, early)]
    np.testing.assert_allclose(found.m200m[order[0]], early.m200c[order[1]], rtol=1e-9)
    assert (found.m200m > (1 - 1e-9) * found.m200c).all()
    assert found.m200m.sum() > 1.05 * found.m200c.sum()


def test_a_critical_density_that_is_given_counts() -> None:
    pos = clustered()
    cosmology = Cosmology(omega_m=0.3, omega_b=0.05, h=0.7, n_s=0.96, sigma8=0.8)
    density = critical_density(cosmology, 0.5)
    np.testing.assert_allclose(density, RHO_CRITICAL * (0.3 + 0.7 / 1.5**3), rtol=1e-12)
    found, expected = halos(pos, critical_density=density), halos(pos, redshift=0.5)
    np.testing.assert_allclose(found.m200c, expected.m200c, rtol=1e-9)
    assert halos(pos, critical_density=4 * density).m200c.sum() < 0.95 * halos(pos, redshift=0.5).m200c.sum()


def test_the_centre_of_a_bridged_group_is_that_of_its_heavier_clump() -> None:
    bridge = np.linspace([4, 8, 8], [7, 8, 8], 31)
    heavy, light = clump((4, 8, 8), 400, size=0.05), clump((7, 8, 8), 300, size=0.3)
    found = halos(np.concatenate([light, heavy, bridge.astype(np.float32)]))
    assert len(found) == 1
    np.testing.assert_allclose(found.center[0], [4, 8, 8], rtol=0, atol=0.02)


def test_the_centre_may_be_the_most_bound_member() -> None:
    """A dense clump in a heavier one: a sphere shrinks onto the first, the potential is lowest in the other."""
    pos = np.concatenate([clump((8, 8, 8), 1200, size=0.15), clump((8.5, 8, 8), 400, size=0.09, seed=1)])
    bound = halos(pos, center="most_bound").center[0]
    assert (pos == bound.astype(np.float32)).all(axis=1).any()
    assert np.linalg.norm(bound - [8, 8, 8]) < 0.15
    assert np.linalg.norm(halos(pos).center[0] - bound) > 0


def test_a_group_too_thin_has_no_radius() -> None:
    """A lattice whose spacing is below the linking length and whose density is below 200 times critical."""
    lattice = np.stack(np.meshgrid(*[np.arange(4, 6, 0.25)] * 3), -1).reshape(-1, 3).astype(np.float32)
    found = find(lattice, 1e10, BOX, omega_m=0.3, linking_length=0.2)
    assert found.n_particles.tolist() == [512]
    assert (found.m200c[0], found.r200c[0]) == (0, 0)


def test_a_puffy_core_is_looked_over() -> None:
    """Twelve particles in a ball below the density, inside a shell that lifts the mean above it."""
    rng = np.random.default_rng(3)
    direction = rng.standard_normal((506, 3))
    direction /= np.linalg.norm(direction, axis=1, keepdims=True)
    offset = np.concatenate([np.linspace(0.3, 0.6, 6), np.linspace(0.7, 0.8, 500)])[:, None] * direction
    found = halos((8 + np.concatenate([offset, -offset])).astype(np.float32))
    assert found.n_particles.tolist() == [1012]
    np.testing.assert_allclose(found.m200c, 1012e12, rtol=1e-9)


@pytest.mark.parametrize("concentration", [4.0, 10.0])
@pytest.mark.parametrize("redshift", [0.0, 1.0])
def test_an_nfw_halo_has_its_own_mass(nfw: Callable[..., Positions], concentration: float, redshift: float) -> None:
    """Against the radius that colossus gives; 20000 particles have a Poisson error of 0.7 % in mass."""
    m200c, omega_m = 2e14, 0.3
    colossus_cosmology.setCosmology(
        "", {"flat": True, "relspecies": False, "H0": 70.0, "Om0": omega_m, "Ob0": 0.05, "sigma8": 0.8, "ns": 0.96},
        persistence="",
    )  # fmt: skip
    r200c = float(mass_so.M_to_R(m200c, redshift, "200c")) / 1000 * (1 + redshift)
    pos = nfw(20000, r200c, concentration, center=(15.9, 0.05, 8))
    found = find(pos, m200c / 20000, BOX, omega_m=omega_m, redshift=redshift)
    np.testing.assert_allclose(found.m200c[0], m200c, rtol=0.02)
    np.testing.assert_allclose(found.r200c[0], r200c, rtol=0.007)
    np.testing.assert_allclose(periodic(found.center[0] - [15.9, 0.05, 8]), 0, rtol=0, atol=0.02 * r200c)


def test_properties_are_found_where_they_are_asked_for(nfw: Callable[..., Positions]) -> None:
    pos = np.concatenate([nfw(5000, 1.0, 8.0, center=(3, 4, 5)), clump((12, 12, 12), 30, size=0.02)])
    mass = 200 * RHO_CRITICAL * 4 / 3 * np.pi / 5000
    still, moving = (find(pos, mass, BOX, omega_m=0.3, properties=True, vel=vel) for vel in (None, pos))
    plain = find(pos, mass, BOX, omega_m=0.3, vel=pos)
    assert plain.concentration is plain.spin is plain.shape is still.spin is None
    for one in (moving.concentration, moving.shape, moving.spin):
        assert one is not None
        assert (one[0] > 0).all()
        assert (one[1] == 0).all()
    np.testing.assert_allclose(moving.concentration[0], 8, rtol=0.15)  # type: ignore[index]
    np.testing.assert_array_equal(still.concentration, moving.concentration)  # type: ignore[arg-type]


def test_r200c_does_not_depend_on_the_linking_length(nfw: Callable[..., Positions]) -> None:
    """A short one finds the core of a halo, whose radius lies far outside the group."""
    pos = nfw(20000, 1.0, 10.0, center=(3, 4, 5))
    short, usual = (find(pos, 1e10, BOX, omega_m=0.3, linking_length=b) for b in (0.02, 0.2))
    assert short.n_particles[0] < 0.25 * usual.n_particles[0]
    np.testing.assert_allclose(short.r200c[0], usual.r200c[0], rtol=0.01)


def test_a_real_box_has_the_halos_of_its_catalogue(real_data: Path) -> None:
    """AbacusSummit's 64^3 box beside its CompaSO halos.

    CompaSO halos are spheres of an overdensity near the virial one, which compete for particles: smaller than
    friends-of-friends groups, which bridge, and larger than M200c. So our two counts have to bracket theirs, within
    three Poisson errors; each large halo has to be there, with 0.75-1.05 of its mass.
    """
    path = real_data / "nbody" / "abacus_n64" / "mini_n64_l32_z0.npz"
    box = snapshot.read(path)
    matter = box.particles["dark_matter"]
    assert isinstance(matter.mass, float)
    found = find(matter.pos, matter.mass, box.box_size, omega_m=box.omega_m)
    with np.load(path) as data:
        n_compaso, center = data["halo_N"].astype(int), data["halo_x_unitbox"] % 1 * box.box_size
    for n in (100, 200, 500):
        theirs = (n_compaso > n).sum()
        assert (found.n_particles > n).sum() > theirs - 3 * theirs**0.5
        assert (found.m200c > n * matter.mass).sum() < theirs + 3 * theirs**0.5
        assert abs((found.n_particles > n).sum() / theirs - 1) < 0.3
    distance, nearest = cKDTree(found.center, boxsize=box.box_size).query(center)
    large = n_compaso > 300
    assert np.mean(distance[large] < 0.5 * found.r200c[nearest[large]]) > 0.8
    assert 0.75 < np.median(found.m200c[nearest[large]] / (n_compaso[large] * matter.mass)) < 1.05


def test_spheres_of_the_density_of_compaso_have_its_masses(real_data: Path) -> None:
    """116 times critical: counts within 1.5 Poisson errors above 100 particles, masses halo by halo within 5 %.

    What we miss lies inside larger groups of ours: CompaSO parts halos that friends-of-friends joins.
    """
    path = real_data / "nbody" / "abacus_n64" / "mini_n64_l32_z0.npz"
    box = snapshot.read(path)
    matter = box.particles["dark_matter"]
    assert isinstance(matter.mass, float)
    density = RHO_CRITICAL * 116.2 / 200
    found = find(matter.pos, matter.mass, box.box_size, omega_m=box.omega_m, critical_density=density)
    with np.load(path) as data:
        n_compaso, center = data["halo_N"].astype(int), data["halo_x_unitbox"] % 1 * box.box_size
    for n in (100, 150, 200, 300, 500):
        theirs = (n_compaso > n).sum()
        assert abs((found.m200c > n * matter.mass).sum() - theirs) < 1.5 * theirs**0.5
    large = n_compaso > 100
    distance, nearest = cKDTree(found.center, boxsize=box.box_size).query(center[large])
    same = distance < 0.5 * np.cbrt(n_compaso[large] * matter.mass / (800 / 3 * np.pi * RHO_CRITICAL))
    ratio = found.m200c[nearest[same]] / (n_compaso[large][same] * matter.mass)
    assert same.mean() > 0.9
    assert abs(np.median(ratio) - 1) < 0.05
    assert np.subtract(*np.percentile(ratio, [84, 16])) / 2 < 0.05
    label = friends.group_labels(matter.pos, box.box_size, 0.2 * box.box_size / len(matter.pos) ** (1 / 3))
    _, particle = cKDTree(matter.pos, boxsize=box.box_size).query(center[large][~same])
    assert (np.bincount(label)[label[particle]] > n_compaso[large][~same]).all()


def test_masses_of_a_real_box_are_those_of_brute_force(real_data: Path) -> None:
    """M200c and M200m of 60 halos of AbacusSummit's box from the distances of all particles, sorted by numpy."""
    box = snapshot.read(real_data / "nbody" / "abacus_n64" / "mini_n64_l32_z0.npz")
    matter = box.particles["dark_matter"]
    assert isinstance(matter.mass, float)
    found = find(matter.pos, matter.mass, box.box_size, omega_m=box.omega_m, m200m=True)
    assert found.m200m is not None
    volume = matter.mass / (200 * RHO_CRITICAL)
    rows = np.arange(0, len(found), len(found) // 40)
    for i in rows:
        offset = matter.pos - found.center[i]
        distance = np.sort(np.linalg.norm(offset - box.box_size * np.rint(offset / box.box_size), axis=1))
        for mass, of_one in ((found.m200c[i], volume), (found.m200m[i], volume / box.omega_m)):
            expected = n_enclosed(distance, of_one, 2 * found.n_particles[i])
            np.testing.assert_allclose(mass, expected * matter.mass, rtol=1e-9)
    assert np.count_nonzero(found.m200c[rows]) > 30


def n_enclosed(distance: NDArray[Any], volume: float, n_most: int) -> int:
    """Particles in the sphere where they first no longer fill `volume` each, once 10 to `n_most` did; 0 if none did."""
    n, sphere = np.arange(1, len(distance)), 4 / 3 * np.pi * distance**3
    dense = (n >= 10) & (n * volume >= sphere[:-1]) & (sphere[:-1] < n_most * volume)
    falls = (n * volume < sphere[1:]) & (n > np.argmax(dense))
    return int(n[np.argmax(falls)]) if dense.any() else 0


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"pos": np.zeros((4, 2))}, r"pos of shape \(n, 3\), got \(4, 2\)"),
        ({"pos": np.full((4, 3), 17.0)}, r"positions in \[0, 16.0\] Mpc/h, got 17.0 to 17.0"),
        ({"pos": np.full((4, 3), np.nan)}, "got nan"),
        ({"mass": 0.0}, "mass > 0"),
        ({"linking_length": 0.0}, "linking_length > 0"),
        ({"linking_length": 1e-6}, "a linking length above"),
        ({"critical_density": 0.0}, "critical_density > 0"),
        ({"vel": np.ones((3, 3))}, r"vel of shape \(4, 3\), got \(3, 3\)"),
        ({"ids": np.ones(4)}, "4 integer ids"),
        ({"center": "mean"}, "center densest or most_bound, got mean"),
    ],
)
def test_nonsense_is_refused(change: dict[str, Any], words: str) -> None:
    good: dict[str, Any] = {"pos": np.ones((4, 3)), "mass": 1.0, "box_size": BOX, "omega_m": 0.3}
    with pytest.raises(ValueError, match=words):
        find(**(good | change))


def periodic(offset: NDArray[Any]) -> NDArray[Any]:
    """`offset` taken to the nearest image."""
    return offset - BOX * np.rint(offset / BOX)


def assert_same(a: Catalog, b: Catalog) -> None:
    np.testing.assert_array_equal(a.n_particles, b.n_particles)
    for name in ("center", "m200c", "r200c"):
        np.testing.assert_allclose(getattr(a, name), getattr(b, name), rtol=0, atol=1e-9 * getattr(a, name).max())
    np.testing.assert_allclose(a.vel, b.vel, rtol=0, atol=1e-6)  # type: ignore[arg-type]

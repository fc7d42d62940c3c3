"""Halos: laws of groups and masses, scipy as the oracle of groups, colossus of radii, a real box with its catalogue."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from colossus.cosmology import cosmology as colossus_cosmology
from colossus.halo import mass_so
from numpy.typing import NDArray
from scipy.sparse import coo_matrix
from scipy.sparse.csgraph import connected_components
from scipy.spatial import cKDTree

from sim import snapshot
from sim.halos import Catalog, find, group_labels
from sim.units import RHO_CRITICAL

BOX = 16.0
GRID = 2.0**-14
"""Positions are multiples of this, so that shifts by others are exact in float32."""

Positions = NDArray[np.float32]


def clump(center: tuple[float, float, float], n: int, *, size: float = 0.2, seed: int = 0) -> Positions:
    """Points of a Gaussian ball, wrapped into the box."""
    pos = center + size * np.random.default_rng(seed).standard_normal((n, 3))
    return (np.round(pos / GRID) * GRID % BOX).astype(np.float32)


def field(n: int, seed: int = 5) -> Positions:
    return (np.random.default_rng(seed).integers(0, int(BOX / GRID), (n, 3)) * GRID).astype(np.float32)


def clustered() -> Positions:
    """Clumps of many sizes, some on the edges, in a sparse field."""
    rng = np.random.default_rng(11)
    clumps = [clump(tuple(rng.random(3) * BOX), 20 + 15 * i, size=0.05 + 0.02 * i, seed=i) for i in range(15)]
    edges = [clump((0, 8, 8), 200, seed=20), clump((8, 16, 0), 200, seed=21), clump((0, 0, 0), 300, seed=22)]
    return np.concatenate([*clumps, *edges, field(2000)])


def halos(pos: Positions, **options: Any) -> Catalog:
    """The halos of particles of 1e12 Msun/h."""
    return find(pos, 1e12, BOX, **({"omega_m": 0.3, "linking_length": 0.4} | options))


def oracle(pos: Positions, linking: float) -> NDArray[np.int64]:
    """Canonical labels from a periodic kd-tree and connected components."""
    n = len(pos)
    pairs = cKDTree(pos.astype(np.float64), boxsize=BOX).query_pairs(linking, output_type="ndarray")
    graph = coo_matrix((np.ones(len(pairs), bool), tuple(pairs.T)), shape=(n, n))
    n_groups, group = connected_components(graph, directed=False)
    first = np.full(n_groups, n)
    np.minimum.at(first, group, np.arange(n))
    return first[group]


@pytest.mark.parametrize("linking", [0.01, 0.1, 0.2, 0.35, 1.0, 3.0, 5.0, 9.0])
def test_groups_are_those_of_scipy(linking: float) -> None:
    pos = clustered()
    np.testing.assert_array_equal(group_labels(pos, BOX, linking), oracle(pos, linking))


def test_two_clumps_are_two_halos() -> None:
    found = halos(np.concatenate([clump((4, 4, 4), 300), clump((12, 8, 4), 500, seed=1)]))
    assert found.n_particles.tolist() == [500, 300]
    np.testing.assert_allclose(found.center, [[12, 8, 4], [4, 4, 4]], rtol=0, atol=0.1)
    np.testing.assert_allclose(found.mass_fof, [5e14, 3e14], rtol=1e-12)


def test_friends_are_at_most_the_linking_length_apart() -> None:
    pos = np.array([[1, 1, 1], [1.5, 1, 1], [2, 1, 1], [15.75, 1, 1], [3, 1, 1]], np.float32)
    np.testing.assert_array_equal(group_labels(pos, BOX, 0.5), [0, 0, 0, 3, 4])
    np.testing.assert_array_equal(group_labels(pos, BOX, 0.499), [0, 1, 2, 3, 4])
    np.testing.assert_array_equal(group_labels(pos, BOX, 1.25), [0, 0, 0, 0, 0])


def test_order_of_particles_is_irrelevant() -> None:
    pos = clustered()
    vel = np.random.default_rng(1).normal(0, 300, pos.shape)
    order = np.random.default_rng(2).permutation(len(pos))
    labels, shuffled = group_labels(pos, BOX, 0.3), group_labels(pos[order], BOX, 0.3)
    smallest = np.full(len(pos), len(pos))
    np.minimum.at(smallest, labels[order], np.arange(len(pos)))
    np.testing.assert_array_equal(smallest[labels[order]], shuffled)
    assert_same(halos(pos, vel=vel), halos(pos[order], vel=vel[order]))


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


def test_the_centre_of_a_bridged_group_is_that_of_its_heavier_clump() -> None:
    bridge = np.linspace([4, 8, 8], [7, 8, 8], 31)
    heavy, light = clump((4, 8, 8), 400, size=0.05), clump((7, 8, 8), 300, size=0.3)
    found = halos(np.concatenate([light, heavy, bridge.astype(np.float32)]))
    assert len(found) == 1
    np.testing.assert_allclose(found.center[0], [4, 8, 8], rtol=0, atol=0.02)


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


def test_r200c_does_not_depend_on_the_linking_length(nfw: Callable[..., Positions]) -> None:
    """A short one finds the core of a halo, whose radius lies far outside the group."""
    pos = nfw(20000, 1.0, 10.0, center=(3, 4, 5))
    short, usual = (find(pos, 1e10, BOX, omega_m=0.3, linking_length=b) for b in (0.02, 0.2))
    assert short.n_particles[0] < 0.25 * usual.n_particles[0]
    np.testing.assert_allclose(short.r200c[0], usual.r200c[0], rtol=0.01)


@pytest.fixture
def nfw() -> Callable[..., Positions]:
    """Samples an NFW halo, n particles within r200c, that goes on to 2 r200c."""

    def sample(n: int, r200c: float, concentration: float, center: tuple[float, float, float]) -> Positions:
        rng = np.random.default_rng(7)
        x = np.geomspace(1e-4, 2, 4000)
        enclosed = np.log1p(concentration * x) - concentration * x / (1 + concentration * x)
        n_all = round(n * enclosed[-1] / np.interp(1, x, enclosed))
        radius = r200c * np.interp(rng.random(n_all) * enclosed[-1], enclosed, x)
        direction = rng.standard_normal((n_all, 3))
        direction /= np.linalg.norm(direction, axis=1, keepdims=True)
        return np.asarray((center + radius[:, None] * direction) % BOX, np.float32) % np.float32(BOX)

    return sample


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


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"pos": np.zeros((4, 2))}, r"pos of shape \(n, 3\), got \(4, 2\)"),
        ({"pos": np.full((4, 3), 17.0)}, r"positions in \[0, 16.0\] Mpc/h, got 17.0 to 17.0"),
        ({"pos": np.full((4, 3), np.nan)}, "got nan"),
        ({"mass": 0.0}, "mass > 0"),
        ({"linking_length": 0.0}, "linking_length > 0"),
        ({"linking_length": 1e-6}, "a linking length above"),
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

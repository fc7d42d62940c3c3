"""Density and halos in cells: mass kept, one grid for both, masses in their bins, other people's boxes as they are."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from own_boxes import BOX, simulation

from configs import CataloguedBox, CataloguedHalos, Counts, FoundHalos
from sim import catalogs, count_grids, nbody
from sim.cosmology import growth
from sim.count_grids import counts_of, density_in, density_of, grids, lagrangian
from sim.spectra import correlation, power

EDGES = np.array([12.0, 13.0, 15.0])


def own(folder: Path, **changes: object) -> Counts:
    source = FoundHalos(kind="own", simulations=folder, **changes)
    return Counts(product="counts", source=source, out=folder, cell_size=2.5, log10_mass_edges=(12.5, 13.5, 15.0))


def test_the_mean_of_the_density_is_one_and_a_particle_at_a_centre_is_in_its_cell() -> None:
    rng = np.random.default_rng(0)
    density = density_of(rng.uniform(0, 10, (500, 3)), 10.0, 5)
    assert density.mean(dtype=float) == pytest.approx(1, rel=1e-6)
    alone = density_of(np.array([[4.0, 0.0, 8.0]]), 10.0, 5)
    assert alone[2, 0, 4] == pytest.approx(5**3, rel=1e-6)
    assert alone.sum() == pytest.approx(5**3, rel=1e-6)


def test_matter_and_halos_at_one_place_are_in_one_cell() -> None:
    rng = np.random.default_rng(1)
    for place in [*rng.uniform(0, 10, (40, 3)), np.array([9.99, 9.01, 0.99]), np.array([10.0, 0.0, 5.0])]:
        density = density_of(np.minimum(place, 9.9999)[None], 10.0, 5)
        counts = counts_of(place[None], np.array([1e14]), 10.0, 5, EDGES)[1]
        assert counts.sum() == 1
        # Cloud in cell gives the nearest centre the largest share.
        assert density[counts > 0][0] == pytest.approx(density.max(), rel=1e-3)


def test_every_halo_is_in_the_bin_of_its_mass_and_others_are_in_none() -> None:
    mass = np.array([0.0, 9e11, 1e12, 1e12, 9.99e12, 1e13, 9.9e14, 1e15, 1e16])
    center = np.random.default_rng(2).uniform(0, 10, (len(mass), 3))
    counts = counts_of(center, mass, 10.0, 4, EDGES)
    assert counts.shape == (2, 4, 4, 4)
    assert counts.dtype == np.uint16
    assert counts.sum(axis=(1, 2, 3)).tolist() == [3, 2]
    shuffled = np.random.default_rng(3).permutation(len(mass))
    np.testing.assert_array_equal(counts_of(center[shuffled], mass[shuffled], 10.0, 4, EDGES), counts)
    moved = counts_of((center + np.array([2.5, 0, 0])) % 10, mass, 10.0, 4, EDGES)
    np.testing.assert_array_equal(moved, np.roll(counts, 1, 1))
    assert counts_of(np.empty((0, 3)), np.empty(0), 10.0, 4, EDGES).sum() == 0


def test_centres_outside_the_box_are_refused() -> None:
    with pytest.raises(ValueError, match=r"expected centres in \[0, 10\] Mpc/h"):
        counts_of(np.array([[11.0, 0, 0]]), np.array([1e13]), 10.0, 4, EDGES)
    with pytest.raises(ValueError, match="at most 65535 halos a cell, got 70000"):
        counts_of(np.zeros((70_000, 3)), np.full(70_000, 1e13), 10.0, 4, EDGES)


def test_the_halo_of_one_of_our_boxes_is_where_its_matter_is(tmp_path: Path) -> None:
    simulation(tmp_path / "box_0003", seed=5)
    found = grids("box_0003", own(tmp_path))
    assert found.params == (0.3, 0.8, 0.0)
    assert (found.box_size, found.density.shape, found.counts.shape) == (12.5, (5, 5, 5), (2, 5, 5, 5))
    assert found.density.mean(dtype=float) == pytest.approx(1, rel=1e-6)
    assert found.counts[1].sum() == 1
    peak = found.density[found.counts[1] > 0][0]
    assert peak > 0.5 * found.density.max()
    assert count_grids.names(own(tmp_path)) == ["box_0003"]


def test_masses_are_repaired_unless_told_otherwise(tmp_path: Path) -> None:
    simulation(tmp_path / "box_0003", seed=5)
    edges = tuple(np.linspace(12.5, 15, 33).tolist())
    bins = []
    for repair in (True, False):
        config = own(tmp_path, repair=repair).model_copy(update={"log10_mass_edges": edges})
        counts = grids("box_0003", config).counts
        bins.append(np.flatnonzero(counts.sum(axis=(1, 2, 3))).max())
    assert bins[0] != bins[1]


def test_the_density_is_that_of_the_particles_that_are_asked_for(tmp_path: Path) -> None:
    simulation(tmp_path / "box_0003", seed=5)
    found = {kind: grids("box_0003", own(tmp_path, density=kind)) for kind in ("particles", "repaired", "lpt")}
    assert [own(tmp_path, density=kind).input_channel for kind in found] == [
        "density",
        "density_repaired",
        "density_lpt",
    ]
    for kind, one in found.items():
        assert one.density.mean(dtype=float) == pytest.approx(1, rel=1e-6)
        np.testing.assert_array_equal(one.counts, found["particles"].counts)
        source = FoundHalos(kind="own", simulations=tmp_path, density=kind)
        np.testing.assert_array_equal(density_in(tmp_path / "box_0003", source, 2.5), one.density)
    densities = [one.density for one in found.values()]
    assert all(np.abs(a - b).max() > 1e-3 for a, b in ((densities[0], densities[1]), (densities[0], densities[2])))
    with pytest.raises(ValueError, match="repair: true with density=repaired"):
        own(tmp_path, density="repaired", repair=False)


def test_what_does_not_fit_is_refused_by_name(tmp_path: Path) -> None:
    simulation(tmp_path / "box_0003", seed=5)
    fine = own(tmp_path)
    with pytest.raises(ValueError, match=r"box_0003: expected a cell_size of which 2 to 2048 fill 12.5 Mpc/h, got 3"):
        grids("box_0003", fine.model_copy(update={"cell_size": 3.0}))
    with pytest.raises(ValueError, match=r"expected log10_mass_edges from 12.3., the smallest halo, got 11"):
        grids("box_0003", fine.model_copy(update={"log10_mass_edges": (11.0, 13.0)}))
    with pytest.raises(ValueError, match="expected an output at redshift 3"):
        grids("box_0003", own(tmp_path, redshift=3.0))
    with pytest.raises(FileNotFoundError, match=r"expected folders with a box.json"):
        count_grids.names(own(tmp_path / "nowhere"))


def test_lagrangian_particles_grow_as_linear_theory_and_share_the_white_noise() -> None:
    box = BOX.model_copy(update={"box_size": 400.0, "n_particles": 32, "redshifts": (0.0,)})
    early, late = (density_of(lagrangian(box, z), 400.0, 16) for z in (19.0, 9.0))
    ratio = power(late, 400.0).pk[:3] / power(early, 400.0).pk[:3]
    expected = (growth(box.cosmology, 1 / 10) / growth(box.cosmology, 1 / 20)) ** 2
    np.testing.assert_allclose(ratio, expected, rtol=0.03)
    begun = density_of(nbody.start(box).pos, 400.0, 16)
    assert correlation(density_of(lagrangian(box, 0.0), 400.0, 16), begun, 400.0).value[:3].min() > 0.95


def test_a_box_of_given_initial_conditions_has_no_lagrangian_density(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="density=lpt: expected a box of a seed"):
        lagrangian(BOX.model_copy(update={"initial_conditions": tmp_path}), 0.0)


def test_the_real_box_has_its_halos_where_its_matter_is(real_data: Path) -> None:
    path = real_data / "nbody/abacus_n64/mini_n64_l32_z0.npz"
    box = CataloguedBox(name="abacus", snapshot=path, catalog=path, sigma8=0.808)
    source = CataloguedHalos(kind="catalogs", boxes=(box,))
    config = Counts(product="counts", source=source, out=path, cell_size=2.0, log10_mass_edges=(11.7, 12.5, 15.5))
    assert count_grids.names(config) == ["abacus"]
    found = grids("abacus", config)
    assert found.params == pytest.approx((0.315192, 0.808, 0.0), rel=1e-4)
    masses = catalogs.read(path, box_size=32.0, redshift=0.0).m200c
    expected = [np.sum((masses >= 10**low) & (masses < 10**high)) for low, high in ((11.7, 12.5), (12.5, 15.5))]
    assert found.counts.sum(axis=(1, 2, 3)).tolist() == expected
    assert sum(expected) > 150
    r = [np.corrcoef(found.density.ravel(), np.roll(found.counts[1], by, 0).ravel())[0, 1] for by in (0, 1, 8)]
    assert r[0] > 0.45
    assert r[0] > r[1] > r[2] - 0.1
    missing = source.model_copy(update={"boxes": (box.model_copy(update={"catalog": path.with_name("none.npz")}),)})
    with pytest.raises(FileNotFoundError, match="expected a snapshot or a catalogue, found none"):
        count_grids.source_hash("abacus", config.model_copy(update={"source": missing}))

"""Boxes to be bound, from every source: what they say of themselves, which halos they have, what is refused."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from camels_like import write_suite
from own_boxes import BOX, simulation

from configs import Bind, CamelsBox, HaloCutouts, OwnBox, Profile, SnapshotBox
from sim import host_box
from sim.camels import Suite

SAMPLER = Profile(kind="mean_profile", data=HaloCutouts(kind="halos", folder=Path("nowhere"), targets="components"))


@pytest.fixture(scope="module")
def suite(tmp_path_factory: pytest.TempPathFactory) -> Suite:
    return write_suite(tmp_path_factory.mktemp("suite"), n_sims=2)


@pytest.fixture(scope="module")
def boxes(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("boxes")
    simulation(folder / "box_0000", seed=1)
    return folder


def asked(source: Any, out: Path, **changes: Any) -> Bind:
    return Bind(**({"source": source, "sampler": SAMPLER, "out": out} | changes))


def camels(suite: Suite, **changes: Any) -> CamelsBox:
    roots = {"dmo": suite.dmo, "hydro": suite.hydro, "catalogs": suite.catalogs, "parameters": suite.parameters}
    return CamelsBox(**({"kind": "camels", "simulation": "SB35_1"} | roots | changes))


def test_one_of_our_boxes_has_both_sides_its_halos_and_its_parameters(boxes: Path, tmp_path: Path) -> None:
    source = OwnBox(kind="own", simulations=boxes, simulation="box_0000")
    found = host_box.load(asked(source, tmp_path, min_mass=1e12))
    assert len(found.halos) >= 1
    assert set(found.hydro) == {"dark_matter", "gas", "stars"}
    assert (found.box_size, found.params["redshift"]) == (12.5, 0.0)
    assert found.params["omega_m"] == pytest.approx(BOX.cosmology.omega_m, rel=1e-6)
    assert found.baryon_fraction == pytest.approx(0.15)
    assert len(host_box.load(asked(source, tmp_path, min_mass=1e16)).halos) == 0


def test_a_pair_of_camels_has_our_names_of_its_parameters(suite: Suite, tmp_path: Path) -> None:
    found = host_box.load(asked(camels(suite), tmp_path, parameters={"sigma8": 0.5}))
    assert found.params["sigma8"] == 0.5
    assert found.baryon_fraction == pytest.approx(found.params["omega_b"] / found.params["omega_m"])
    assert len(found.halos) == 4


def test_a_snapshot_without_a_catalogue_goes_through_our_finder(suite: Suite, tmp_path: Path) -> None:
    listed = host_box.load(asked(camels(suite), tmp_path))
    box = SnapshotBox(kind="file", path=suite.dmo / "SB35_1" / "snapdir_090", min_particles=20)
    found = host_box.load(asked(box, tmp_path, min_mass=1e14))
    assert not found.hydro
    away = found.halos.center[:, None] - listed.halos.center
    away -= 50 * np.rint(away / 50)
    nearest = np.linalg.norm(away, axis=-1).min(axis=0)
    assert (nearest < 0.5).sum() >= 2


def test_halos_are_found_as_the_configuration_says(suite: Suite, tmp_path: Path) -> None:
    box = SnapshotBox(kind="file", path=suite.dmo / "SB35_1" / "snapdir_090", min_particles=20)
    assert len(host_box.load(asked(box, tmp_path, min_mass=1e16)).halos) == 0
    largest = box.model_copy(update={"min_particles": 10_000})
    assert len(host_box.load(asked(largest, tmp_path, min_mass=1e10)).halos) == 0
    tight = box.model_copy(update={"linking_length": 1e-4})
    assert len(host_box.load(asked(tight, tmp_path, min_mass=1e10)).halos) == 0


def test_our_finder_wants_particles_of_one_mass(suite: Suite, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def unequal(*arguments: Any, **keys: Any) -> Any:
        read = original(*arguments, **keys)
        matter = read["dark_matter"]
        mass = np.linspace(1, 2, len(matter), dtype=np.float32) * float(np.ravel(matter.mass)[0])
        return replace(read, particles={"dark_matter": replace(matter, mass=mass)})

    original = host_box.snapshot.read_tracers
    monkeypatch.setattr(host_box.snapshot, "read_tracers", unequal)
    box = SnapshotBox(kind="file", path=suite.dmo / "SB35_1" / "snapdir_090")
    with pytest.raises(ValueError, match="expected a catalogue, or particles of one mass to find halos, got"):
        host_box.load(asked(box, tmp_path))
    catalog = suite.catalogs / "SB35_1" / "fof_subhalo_tab_090.hdf5"
    assert len(host_box.load(asked(box, tmp_path, catalog=catalog)).halos) == 4


def test_wind_is_left_out_unless_it_is_to_count_as_stars(suite: Suite, tmp_path: Path) -> None:
    path, hydro = (side / "SB35_1" / "snapdir_090" for side in (suite.dmo, suite.hydro))
    catalog = suite.catalogs / "SB35_1" / "fof_subhalo_tab_090.hdf5"
    n = {}
    for keep_wind in (False, True):
        both = SnapshotBox(kind="file", path=path, hydro=hydro, keep_wind=keep_wind)
        n[keep_wind] = len(host_box.load(asked(both, tmp_path, catalog=catalog)).hydro["stars"])
    assert n[False] == pytest.approx(0.8 * n[True], rel=0.05)


def test_the_other_side_must_be_of_the_same_box(suite: Suite, tmp_path: Path) -> None:
    path = suite.dmo / "SB35_1" / "snapdir_090"
    both = SnapshotBox(kind="file", path=path, hydro=suite.hydro / "SB35_1" / "snapdir_090")
    catalog = suite.catalogs / "SB35_1" / "fof_subhalo_tab_090.hdf5"
    found = host_box.load(asked(both, tmp_path, catalog=catalog))
    assert set(found.hydro) == {"dark_matter", "gas", "stars"}
    small = write_suite(tmp_path / "small", n_sims=1, box_size=25.0)
    other = both.model_copy(update={"hydro": small.hydro / "SB35_0" / "snapdir_090"})
    with pytest.raises(ValueError, match=r"expected box_size of .* 50, got 25"):
        host_box.load(asked(other, tmp_path, catalog=catalog))


def test_a_catalogue_of_any_format_takes_the_place_of_the_halos(suite: Suite, tmp_path: Path) -> None:
    table = tmp_path / "halos.csv"
    table.write_text("x,y,z,m200c\n1,2,3,2e13\n4,5,6,9e12\n7,8,9,3e14\n")
    found = host_box.load(asked(camels(suite), tmp_path, catalog=table))
    np.testing.assert_array_equal(found.halos.center, [[1, 2, 3], [7, 8, 9]])
    np.testing.assert_array_equal(found.halos.number, [0, 2])


def test_what_is_missing_is_named(suite: Suite, boxes: Path, tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="box_0009"):
        host_box.load(asked(OwnBox(kind="own", simulations=boxes, simulation="box_0009"), tmp_path))
    found = host_box.load(asked(camels(suite), tmp_path))
    with pytest.raises(ValueError, match="expected theta_ej, which SB35_1 does not say; it says omega_m"):
        found.parameter("theta_ej")

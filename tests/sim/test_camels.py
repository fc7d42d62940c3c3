"""CAMELS suites: each simulation is found under the names of its files, and what does not belong together is named."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import camels_like
import h5py
import numpy as np
import pytest

from sim import camels, catalogs, parameter_table, snapshot
from sim.camels import Suite


@pytest.fixture
def suite(tmp_path: Path) -> Suite:
    return camels_like.write_suite(tmp_path, 3)


def test_pairs_are_found_and_of_one_box(suite: Suite) -> None:
    assert suite.names() == ("SB35_0", "SB35_1", "SB35_2")
    for i, name in enumerate(suite.names()):
        pair = suite.pair(name)
        camels.check(pair)
        assert pair.dmo.name == ("snap_090.hdf5", "snapdir_090")[i % 2]
        assert (pair.hydro.name, pair.catalog.name) == ("snapdir_090", "fof_subhalo_tab_090.hdf5")
        assert (pair.name, pair.seed) == (name, 25000 + i)


def test_parameters_are_those_of_the_table_in_its_order(suite: Suite) -> None:
    pair = suite.pair("SB35_2")
    expected = camels_like.draw(0, 2)
    assert pair.param_names == camels_like.PARAMETERS
    np.testing.assert_array_equal(pair.params, list(expected.values()))
    assert pair.cosmology == {
        own: expected[name]
        for own, name in zip(("omega_m", "h", "omega_b"), ("Omega0", "HubbleParam", "OmegaBaryon"), strict=True)
    }
    assert suite.pair("SB35_1").cosmology != pair.cosmology


@pytest.mark.parametrize("n_files", [1, 2, 5])
def test_names_of_2024_are_found(tmp_path: Path, n_files: int) -> None:
    suite = camels_like.write_suite(tmp_path, 2, stem="snapshot", n_files=n_files)
    for name in suite.names():
        pair = suite.pair(name)
        camels.check(pair)
        assert pair.catalog.name == "groups_090.hdf5"
        assert len(snapshot.read_tracers(pair.hydro)["dark_matter"]) == 16**3


def test_a_catalogue_in_a_folder_is_found(suite: Suite) -> None:
    place = suite.catalogs / "SB35_0"
    (place / "groups_090").mkdir()
    shutil.move(place / "fof_subhalo_tab_090.hdf5", place / "groups_090" / "fof_subhalo_tab_090.0.hdf5")
    pair = suite.pair("SB35_0")
    assert pair.catalog == place / "groups_090"
    camels.check(pair)
    assert len(catalogs.read(pair.catalog, box_size=50.0, redshift=0.0)) == 5


def test_a_list_of_rockstar_is_found(suite: Suite) -> None:
    place = suite.catalogs / "SB35_0"
    (place / "fof_subhalo_tab_090.hdf5").unlink()
    (place / "out_90.list").write_text("#ID M200c X Y Z\n#Box size: 50.0 Mpc/h\n1 1e13 2 3 4\n")
    camels.check(suite.pair("SB35_0"))
    (place / "out_90.list").write_text("#ID M200c X Y Z\n#Box size: 25.0 Mpc/h\n1 1e13 2 3 4\n")
    with pytest.raises(ValueError, match=r"SB35_0: box_size: .*snap_090\.hdf5 says 50, .*out_90\.list says 25"):
        camels.check(suite.pair("SB35_0"))


def test_the_same_seed_is_the_same_suite(tmp_path: Path) -> None:
    first, second = (camels_like.write_suite(tmp_path / name, 1) for name in "ab")
    for path in sorted(first.dmo.parent.rglob("*.*")):
        assert path.read_bytes() == (second.dmo.parent / path.relative_to(first.dmo.parent)).read_bytes()
    other = camels_like.write_suite(tmp_path / "c", 1, seed=1)
    assert not np.array_equal(other.pair("SB35_0").params, first.pair("SB35_0").params)


def test_what_is_missing_is_named(suite: Suite) -> None:
    shutil.rmtree(suite.hydro / "SB35_1")
    with pytest.raises(FileNotFoundError, match=r"SB35_1: no hydrodynamic snapshot: expected .*SB35_1/snap_090\.hdf5"):
        suite.pair("SB35_1")
    shutil.rmtree(suite.dmo / "SB35_1")
    with pytest.raises(FileNotFoundError, match="SB35_1: no DMO snapshot"):
        suite.pair("SB35_1")
    (suite.catalogs / "SB35_2" / "fof_subhalo_tab_090.hdf5").unlink()
    with pytest.raises(FileNotFoundError, match="SB35_2: no halo catalogue"):
        suite.pair("SB35_2")
    with pytest.raises(FileNotFoundError, match="SB35_0: no DMO snapshot"):
        replace(suite, snapshot=33).pair("SB35_0")
    with pytest.raises(ValueError, match=r"params\.txt: expected a row of SB35_7, got none among 3"):
        suite.pair("SB35_7")


def test_names_are_of_the_table_and_present_of_the_disk(suite: Suite) -> None:
    shutil.rmtree(suite.dmo / "SB35_1")
    assert suite.names() == ("SB35_0", "SB35_1", "SB35_2")
    assert suite.names(present=True) == ("SB35_0", "SB35_2")


# What does not belong together


def said(side: str, name: str, value: float) -> Callable[[Suite], object]:
    """Every file of one side of SB35_1 says another value."""

    def apply(suite: Suite) -> None:
        for path in (getattr(suite, side) / "SB35_1").rglob("*.hdf5"):
            with h5py.File(path, "a") as file:
                file["Header"].attrs[name] = value

    return apply


def masses(side: str, factor: float) -> Callable[[Suite], object]:
    def apply(suite: Suite) -> None:
        for path in (getattr(suite, side) / "SB35_1").rglob("*.hdf5"):
            with h5py.File(path, "a") as file:
                file["Header"].attrs["MassTable"] *= factor

    return apply


def swapped(suite: Suite) -> None:
    for name in ("SB35_1", "SB35_0"):
        shutil.rmtree(suite.hydro / name)
        shutil.copytree(suite.dmo / name, suite.hydro / name)


def exchanged(suite: Suite) -> None:
    (suite.dmo / "SB35_1").rename(suite.dmo / "other")
    (suite.hydro / "SB35_1").rename(suite.dmo / "SB35_1")
    (suite.dmo / "other").rename(suite.hydro / "SB35_1")


def other_dmo(suite: Suite) -> None:
    shutil.rmtree(suite.dmo / "SB35_1")
    shutil.copytree(suite.dmo / "SB35_0", suite.dmo / "SB35_1")


def table(text: str, by: str) -> Callable[[Suite], object]:
    def apply(suite: Suite) -> None:
        content = suite.parameters.read_text()
        assert text in content
        suite.parameters.write_text(content.replace(text, by))

    return apply


OMEGA, HUBBLE = (f"{camels_like.draw(0, 1)[name]:.9g}" for name in ("Omega0", "HubbleParam"))


@pytest.mark.parametrize(
    ("damage", "words"),
    [
        (said("hydro", "BoxSize", 50100.0), "SB35_1: box_size: .*DMO.* says 50, .*hydro.* says 50.1"),
        (said("catalogs", "BoxSize", 25000.0), "SB35_1: box_size: .*DMO.* says 50, .*FOF.* says 25"),
        (said("hydro", "HubbleParam", 0.7123), "SB35_1: h: .*DMO.* says .*hydro.* says 0.7123"),
        (said("catalogs", "Omega0", 0.1234), "SB35_1: omega_m: .*DMO.* says .*FOF.* says 0.1234"),
        (said("catalogs", "Redshift", 0.01), "SB35_1: redshift: .*DMO.* says .*FOF.* says 0.01"),
        (table(f"SB35_1 {OMEGA}", "SB35_1 0.4321"), "SB35_1: omega_m: .*DMO.* says .*the parameter table says 0.4321"),
        (table(f" {HUBBLE} ", " 0.4321 "), "SB35_1: h: .*DMO.* says .*the parameter table says 0.4321"),
        (other_dmo, "SB35_1: omega_m: .*DMO.* says .*hydro.* says"),
        (swapped, "SB35_1: .*hydro.*: expected gas and dark_matter, got dark_matter"),
        (exchanged, "SB35_1: .*DMO.*: expected dark_matter alone, got gas, dark_matter, stars, black_holes"),
        (masses("dmo", 0.985), "SB35_1: .*DMO.*: expected a mass of .* within 1 %"),
        (masses("hydro", 1.015), "SB35_1: .*hydro.*: expected a mass of .* within 1 %"),
    ],
)
def test_what_does_not_belong_together_is_named(suite: Suite, damage: Callable[[Suite], object], words: str) -> None:
    damage(suite)
    with pytest.raises(ValueError, match=words):
        camels.check(suite.pair("SB35_1"))
    if damage is not swapped:
        camels.check(suite.pair("SB35_0"))


def test_sides_that_drift_apart_are_named(suite: Suite) -> None:
    """Each within 1 % of Omega_m, but not of the other."""
    masses("dmo", 0.993)(suite)
    masses("hydro", 1.008)(suite)
    with pytest.raises(ValueError, match=r"SB35_1: .*hydro.*: expected a mass of .* within 1 %"):
        camels.check(suite.pair("SB35_1"))


# Tables


def test_the_real_table_of_sb35(real_data: Path) -> None:
    found = parameter_table.read(real_data / "camels" / "CosmoAstroSeed_IllustrisTNG_L50n512_SB35.txt", "SB35")
    assert found.names == tuple(f"SB35_{i}" for i in range(2048))
    assert found.param_names == camels_like.PARAMETERS
    assert found.values.shape == (2048, 35)
    assert found.seeds is not None
    np.testing.assert_array_equal(found.seeds, 25000 + np.arange(2048))
    assert found.cosmology(0) == {"omega_m": 0.49484, "h": 0.5934, "omega_b": 0.030145}
    assert found.values[1, -1] == 2.953


@pytest.mark.parametrize(
    "text",
    [
        "#Name Omega0 sigma8 seed\nLH_0 0.3 0.8 5\nLH_1 0.2 0.9 6\n",
        "Omega0,sigma8,seed\n0.3,0.8,5\n0.2,0.9,6\n",
        ",Omega0,sigma8,seed\n0,0.3,0.8,5\n1,0.2,0.9,6\n",
        'Omega0,sigma8,seed,"name"\n0.3,0.8,5,"LH_0"\n0.2,0.9,6,"LH_1"\n',
        "Omega0 sigma8 seed\n0.3 0.8 5\n# a comment\n\n0.2 0.9 6\n",
        "name Omega0 sigma8 seed\nCV_0 0.3 0.8 1\nLH_0 0.3 0.8 5\nLH_1 0.2 0.9 6\n",
    ],
)
def test_every_form_of_table_is_the_same(tmp_path: Path, text: str) -> None:
    (tmp_path / "params.csv").write_text(text)
    found = parameter_table.read(tmp_path / "params.csv", "LH")
    assert (found.names, found.param_names) == (("LH_0", "LH_1"), ("Omega0", "sigma8"))
    assert found.values.tolist() == [[0.3, 0.8], [0.2, 0.9]]
    assert found.seeds is not None
    assert found.seeds.tolist() == [5, 6]


def test_names_of_other_sets_are_kept(tmp_path: Path) -> None:
    names = ("1P_p1_n2", "1P_p1_0", "1P_p10_2")
    rows = [f"{name} 0.{i + 1} 0.8 0.7" for i, name in enumerate(names)]
    (tmp_path / "params.txt").write_text("\n".join(["#Name Omega_m Omega_b h", *rows]))
    found = parameter_table.read(tmp_path / "params.txt", "1P")
    assert (found.names, found.seeds) == (names, None)
    assert found.cosmology(1) == {"omega_m": 0.2, "h": 0.7, "omega_b": 0.8}


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("0.3 0.8\n0.2 0.9\n", "a first line with the names of columns"),
        ("#Name Omega0 seed\nLH_0 0.3 5\nLH_0 0.2 6\n", "each name once"),
        ("#Name Omega0 seed\nLH_0 nan 5\n", "finite numbers"),
        ("#Name Omega0 seed\nLH_0 much 5\n", "could not convert string 'much'"),
        ("#Name Omega0 seed\nLH_0 0.3\n", "column"),
        ("#Name Omega0 seed\nLH_0 0.3 5 7\n", "expected 3 columns, got 4"),
        ("#Name Omega0 seed\nCV_0 0.3 5\n", "expected simulations called LH_0 and so on, got CV_0"),
        ("#Name Omega0 seed\n", "expected simulations called LH_0"),
    ],
)
def test_broken_tables_are_refused_by_name(tmp_path: Path, text: str, words: str) -> None:
    (tmp_path / "params.txt").write_text(text)
    with pytest.raises(ValueError, match=words) as error:
        parameter_table.read(tmp_path / "params.txt", "LH")
    assert "params.txt" in str(error.value)
    with pytest.raises(FileNotFoundError, match="none"):
        parameter_table.read(tmp_path / "none.txt", "LH")

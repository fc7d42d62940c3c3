"""Halo catalogues in HDF5: ours, of many files, of CAMELS; what is broken, foreign or of another box is named."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import camels_like
import h5py
import numpy as np
import pytest
from halo_lists import BOX, catalog, check_same

from sim import catalogs, halos, snapshot
from sim.halos import Catalog


@pytest.fixture
def written(tmp_path: Path) -> Path:
    path = tmp_path / "fof_subhalo_tab_090.hdf5"
    catalogs.write(path, catalog(), 0.0, omega_m=0.3, h=0.7)
    return path


@pytest.mark.parametrize("redshift", [0.0, 1.5])
def test_ours_comes_back(tmp_path: Path, redshift: float) -> None:
    ours = catalog(redshift=redshift)
    catalogs.write(tmp_path / "halos.hdf5", ours, redshift, omega_m=0.3, h=0.7)
    found = catalogs.read(tmp_path / "halos.hdf5", box_size=BOX, redshift=redshift)
    check_same(found, ours, rtol=1e-15)
    assert (found.box_size, found.redshift) == (BOX, redshift)
    said = catalogs.stated(tmp_path / "halos.hdf5")
    assert said == pytest.approx({"box_size": BOX, "redshift": redshift, "omega_m": 0.3, "h": 0.7}, rel=1e-15)


def test_no_halos_come_back(tmp_path: Path) -> None:
    none = Catalog(np.empty((0, 3)), np.empty(0), np.empty(0, np.int64), np.empty(0), np.empty(0), BOX)
    catalogs.write(tmp_path / "none.hdf5", none, 0.0, omega_m=0.3, h=0.7)
    found = catalogs.read(tmp_path / "none.hdf5", box_size=BOX, redshift=0.0)
    assert (len(found), found.center.shape) == (0, (0, 3))


def test_units_on_disk_are_those_of_camels(tmp_path: Path) -> None:
    ours = catalog(redshift=1.0)
    shape = np.arange(14.0).reshape(7, 2)
    catalogs.write(tmp_path / "halos.hdf5", ours, 1.0, omega_m=0.3, h=0.7, columns={"Shape": shape})
    with h5py.File(tmp_path / "halos.hdf5") as file:
        group = file["Group"]
        np.testing.assert_allclose(group["GroupPos"], ours.center * 1000)
        np.testing.assert_allclose(group["Group_M_Crit200"], ours.m200c / 1e10)
        np.testing.assert_allclose(group["Group_R_Crit200"], ours.r200c * 1000)
        np.testing.assert_allclose(group["GroupMass"], ours.mass_fof / 1e10)
        assert ours.vel is not None
        np.testing.assert_allclose(group["GroupVel"], ours.vel / 2)
        np.testing.assert_array_equal(group["GroupLen"], ours.n_particles)
        np.testing.assert_array_equal(group["Shape"], shape)
        assert file["Header"].attrs["BoxSize"] == 50000
        assert file["Header"].attrs["Ngroups_Total"] == 7


def test_equal_content_is_equal_bytes(tmp_path: Path) -> None:
    columns = {"Spin": np.arange(7.0), "Concentration": np.ones(7)}
    turned = dict(reversed(columns.items()))
    for name, extra in (("a", columns), ("b", turned)):
        catalogs.write(tmp_path / name / "halos.hdf5", catalog(), 0.0, omega_m=0.3, h=0.7, columns=extra)
    hashes = {hashlib.sha256((tmp_path / name / "halos.hdf5").read_bytes()).hexdigest() for name in "ab"}
    assert len(hashes) == 1


@pytest.mark.parametrize(
    "columns", [{"GroupPos": np.ones((7, 3))}, {"Spin": np.ones(6)}, {"a/b": np.ones(7)}, {"Name": np.array(["a"] * 7)}]
)
def test_columns_that_do_not_fit_are_refused(tmp_path: Path, columns: dict[str, np.ndarray]) -> None:
    with pytest.raises(ValueError, match="a new column of 7 numbers"):
        catalogs.write(tmp_path / "halos.hdf5", catalog(), 0.0, omega_m=0.3, h=0.7, columns=columns)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.filterwarnings("ignore::DeprecationWarning:yt")
def test_yt_opens_ours(tmp_path: Path) -> None:
    yt = pytest.importorskip("yt")
    yt.set_log_level("error")
    path = tmp_path / "fof_subhalo_tab_090.0.hdf5"
    catalogs.write(path, catalog(), 0.0, omega_m=0.3, h=0.7)
    # yt takes the lengths of such files for Mpc/h unless it is told, whatever the header says.
    data = yt.load(path, unit_base={"length": (1.0, "kpccm/h"), "mass": (1e10, "Msun/h")}).all_data()
    np.testing.assert_allclose(data["Group", "Group_M_Crit200"].to_value("Msun/h"), catalog().m200c, rtol=2e-4)
    pos = np.stack([data["Group", f"GroupPos_{axis}"].to_value("Mpccm/h") for axis in range(3)], axis=1)
    np.testing.assert_allclose(pos, catalog().center, rtol=1e-6)


def split(path: Path, counts: Sequence[int]) -> list[Path]:
    """The catalogue as files name.0.hdf5... of these many groups in a folder of their own."""
    files = []
    with h5py.File(path) as source:
        for j, count in enumerate(counts):
            files.append(path.parent / "groups_090" / f"fof_subhalo_tab_090.{j}.hdf5")
            files[-1].parent.mkdir(exist_ok=True)
            with h5py.File(files[-1], "w") as file:
                file.create_group("Header").attrs.update(source["Header"].attrs)
                file["Header"].attrs.update({"Ngroups_ThisFile": count, "NumFiles": len(counts)})
                start = sum(counts[:j])
                for name, values in source["Group"].items() if count else ():
                    file[f"Group/{name}"] = values[start : start + count]
    return files


def test_many_files_are_one_catalogue(written: Path) -> None:
    files = split(written, [3, 0, 4])
    for path in (files[0].parent, files[1], files[0].with_name("fof_subhalo_tab_090.hdf5")):
        check_same(catalogs.read(path, box_size=BOX, redshift=0.0), catalog(), rtol=1e-15)
    files[1].unlink()
    with pytest.raises(FileNotFoundError, match=r"tab_090\.1\.hdf5: part 1 of a catalogue in 3 files is missing"):
        catalogs.read(files[0].parent, box_size=BOX, redshift=0.0)


def test_a_part_of_another_catalogue_is_named(written: Path) -> None:
    files = split(written, [3, 4])
    with h5py.File(files[1], "a") as file:
        file["Header"].attrs["HubbleParam"] = 0.6
    with pytest.raises(ValueError, match=r"tab_090\.1\.hdf5: expected a part of the catalogue of"):
        catalogs.read(files[0], box_size=BOX, redshift=0.0)


def test_the_units_of_the_file_are_used(written: Path) -> None:
    """Mpc/h and Msun/h, said in Parameters, where Gadget-4 has them."""
    with h5py.File(written, "a") as file:
        header, parameters = file["Header"].attrs, file.create_group("Parameters").attrs
        header["BoxSize"] /= 1000
        for name, factor in {"UnitLength_in_cm": 1e3, "UnitMass_in_g": 1e-10, "Omega0": 1, "HubbleParam": 1}.items():
            parameters[name] = header[name] * factor
            del header[name]
        for name, factor in {"GroupPos": 1e-3, "Group_R_Crit200": 1e-3, "Group_M_Crit200": 1e10}.items():
            file["Group"][name][...] *= factor
    check_same(catalogs.read(written, box_size=BOX, redshift=0.0), catalog(), rtol=1e-12)


def test_groups_of_camels_are_read(tmp_path: Path) -> None:
    suite = camels_like.write_suite(tmp_path, 2)
    for i in range(2):
        said = catalogs.stated(suite.pair(f"SB35_{i}").catalog)
        found = catalogs.read(suite.pair(f"SB35_{i}").catalog, box_size=BOX, redshift=0.0, omega_m=said["omega_m"])
        world = camels_like.universe(camels_like.draw(0, i), 16, BOX, 4, i)
        mass, radius = camels_like.spheres(world)
        order = np.argsort(-mass, kind="stable")
        np.testing.assert_allclose(found.m200c, np.append(mass[order], 0), rtol=1e-6)
        np.testing.assert_allclose(found.r200c, np.append(radius[order], 0), rtol=1e-6)
        np.testing.assert_allclose(found.center[:-1], world.centers[order], rtol=1e-6)
        assert (found.above(1e13).number == np.arange(4)).all()


def test_halos_found_in_a_camels_box_are_those_of_its_catalogue(tmp_path: Path) -> None:
    """The synthetic suite is what it says it is: our finder on its particles finds what its catalogue lists."""
    suite = camels_like.write_suite(tmp_path, 1)
    pair = suite.pair("SB35_0")
    dmo = snapshot.read_tracers(pair.dmo)
    mass = dmo["dark_matter"].total_mass / len(dmo["dark_matter"])
    found = halos.find(dmo["dark_matter"].pos, mass, BOX, omega_m=dmo.omega_m)
    listed = catalogs.read(pair.catalog, box_size=BOX, redshift=0.0).above(1e13)
    for center, expected in zip(listed.center, listed.m200c, strict=True):
        nearest = np.argmin(camels_like.distance(found.center, center, BOX))
        assert camels_like.distance(found.center, center, BOX)[nearest] < 0.2
        assert found.m200c[nearest] == pytest.approx(expected, rel=0.1)


def test_above_keeps_numbers_and_order(written: Path) -> None:
    found = catalogs.read(written, box_size=BOX, redshift=0.0)
    cut = float(found.m200c[3])
    above = found.above(cut)
    assert above.number.tolist() == [0, 1, 2]
    np.testing.assert_array_equal(above.center, found.center[:3])
    assert above.above(0.0).number.tolist() == [0, 1, 2]
    assert found.above(0.0).number.tolist() == [0, 1, 2, 3, 4, 5]


def test_centres_are_wrapped(tmp_path: Path) -> None:
    ours = replace(catalog(3), center=np.array([[50.0, -1e-9, -1e-17], [49.999, -0.5, 50.5], [1.0, 2.0, 3.0]]))
    catalogs.write(tmp_path / "halos.hdf5", ours, 0.0, omega_m=0.3, h=0.7)
    found = catalogs.read(tmp_path / "halos.hdf5", box_size=BOX, redshift=0.0)
    np.testing.assert_allclose(found.center, [[0, BOX, 0], [49.999, 49.5, 0.5], [1, 2, 3]], atol=1e-8)
    assert (found.center < BOX).all()


def attribute(name: str, value: float) -> Callable[[Path], object]:
    def apply(path: Path) -> None:
        with h5py.File(path, "a") as file:
            file["Header"].attrs[name] = value

    return apply


def column(name: str, change: Callable[[np.ndarray], np.ndarray] | None) -> Callable[[Path], object]:
    def apply(path: Path) -> None:
        with h5py.File(path, "a") as file:
            values = file["Group"].pop(name)[...]
            if change is not None:
                file[f"Group/{name}"] = change(values)

    return apply


def lie(path: Path) -> None:
    """Declare 10^12 groups that are not there."""
    n = 10**12
    with h5py.File(path, "a") as file:
        file["Header"].attrs.update({"Ngroups_ThisFile": n, "Ngroups_Total": n})
        del file["Group"]
        for name, shape in {"GroupPos": (n, 3), "Group_M_Crit200": (n,), "Group_R_Crit200": (n,)}.items():
            file.create_dataset(f"Group/{name}", shape, "f4", chunks=True)


def remove_header(path: Path) -> None:
    with h5py.File(path, "a") as file:
        del file["Header"]


@pytest.mark.parametrize(
    ("damage", "words"),
    [
        (lambda path: path.write_bytes(path.read_bytes()[:-2000]), "whole HDF5 file"),
        (lambda path: path.write_bytes(b"SIMPLE" * 99), "whole HDF5 file"),
        (remove_header, "expected a group Header, got Group, Subhalo"),
        (attribute("Ngroups_Total", 8), "expected Ngroups_Total 8, got 7"),
        (attribute("Ngroups_ThisFile", -1), "0 <= Ngroups_ThisFile"),
        (attribute("NumFiles", 2), "of one of 2 files"),
        (attribute("Redshift", np.nan), "Header/Redshift, got nan"),
        (attribute("Redshift", 0.5), "expected redshift 0, got 0.5"),
        (attribute("BoxSize", 25000.0), "expected box_size 50, got 25"),
        (attribute("Omega0", 0.31), "expected omega_m 0.3, got 0.31"),
        (attribute("UnitLength_in_cm", 3.085678e24), "expected box_size 50, got 50000"),
        (attribute("UnitMass_in_g", 1.989e33), "M200c of the sphere of R200c"),
        (column("Group_M_Crit200", None), "Group/Group_M_Crit200: expected numbers of shape"),
        (column("GroupPos", lambda values: values[:-1]), "Group/GroupPos: expected numbers of shape"),
        (column("GroupPos", lambda values: values * 1000), "finite centres"),
        (column("Group_R_Crit200", lambda values: values * 0.7), "M200c of the sphere of R200c"),
        (column("Group_M_Crit200", lambda values: values * np.nan), "finite M200c"),
        (lie, "bytes, at most 0 are there"),
    ],
)
def test_a_broken_file_is_refused_by_name(written: Path, damage: Callable[[Path], object], words: str) -> None:
    damage(written)
    with pytest.raises(ValueError, match=words) as error:
        catalogs.read(written, box_size=BOX, redshift=0.0, omega_m=0.3)
    assert str(written) in str(error.value)


def test_a_snapshot_is_no_catalogue(tmp_path: Path) -> None:
    dmo = camels_like.write_suite(tmp_path, 1).pair("SB35_0").dmo
    with pytest.raises(ValueError, match=r"snap_090\.hdf5: expected a catalogue with Header/Ngroups_Total"):
        catalogs.read(dmo, box_size=BOX, redshift=0.0)


def test_nothing_is_not_found(tmp_path: Path) -> None:
    for path in (tmp_path / "none.hdf5", tmp_path / "none.csv"):
        with pytest.raises(FileNotFoundError, match=r"none\.(hdf5|csv): expected a catalogue"):
            catalogs.read(path, box_size=BOX, redshift=0.0)
    with pytest.raises(ValueError, match="expected a halo catalogue"):
        catalogs.read(tmp_path, box_size=BOX, redshift=0.0)

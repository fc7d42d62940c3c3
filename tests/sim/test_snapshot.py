"""Snapshots: what is written comes back, others can read it, and what is broken or foreign is refused by name."""

from __future__ import annotations

import hashlib
import zipfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
import yt
from laws import check_same_snapshot

from sim import gadget, snapshot
from sim.snapshot import Particles, Snapshot, Species
from sim.units import RHO_CRITICAL

BOX = 50.0


def particles(n: int, seed: int, *, mass: float | None = None) -> Particles:
    rng = np.random.default_rng(seed)
    return Particles(
        pos=(rng.random((n, 3)) * BOX).astype(np.float32) % np.float32(BOX),
        vel=rng.normal(0, 300, (n, 3)).astype(np.float32),
        mass=rng.lognormal(20, 1, n).astype(np.float32) if mass is None else mass,
        ids=rng.permutation(n).astype(np.uint64) + np.uint64(2**40),
    )


@pytest.fixture
def hydro() -> Snapshot:
    """All four species; dark matter has one mass."""
    parts: dict[Species, Particles] = {
        "gas": particles(401, 1),
        "dark_matter": particles(500, 2, mass=6.5e8),
        "stars": particles(37, 3),
        "black_holes": particles(2, 4),
    }
    return Snapshot(parts, BOX, redshift=0.5, omega_m=0.3, h=0.6711, omega_b=0.049)


@pytest.fixture
def written(tmp_path: Path, hydro: Snapshot) -> Path:
    path = tmp_path / "snap_090.hdf5"
    snapshot.write(path, hydro)
    return path


def test_round_trip(written: Path, hydro: Snapshot) -> None:
    check_same_snapshot(snapshot.read(written), hydro)


def test_velocities_at_redshift_zero_come_back_bit_for_bit(tmp_path: Path, hydro: Snapshot) -> None:
    now = replace(hydro, redshift=0.0, omega_b=None)
    snapshot.write(tmp_path / "a.h5", now)
    found = snapshot.read(tmp_path / "a.h5")
    assert found.omega_b is None
    np.testing.assert_array_equal(found.particles["gas"].vel, now.particles["gas"].vel)


@pytest.mark.parametrize("n_files", [2, 3, 7])
def test_many_files_are_one_snapshot(tmp_path: Path, hydro: Snapshot, n_files: int) -> None:
    files = snapshot.write(tmp_path / "snapdir_090" / "snap_090.hdf5", hydro, n_files=n_files)
    assert [file.name for file in files] == [f"snap_090.{i}.hdf5" for i in range(n_files)]
    for path in (*files[-2:], files[0].parent, files[0].with_name("snap_090.hdf5")):
        check_same_snapshot(snapshot.read(path), hydro)


def test_layout_is_that_of_camels(written: Path) -> None:
    with h5py.File(written) as file:
        header = dict(file["Header"].attrs)
        assert sorted(file) == ["Header", "PartType0", "PartType1", "PartType4", "PartType5"]
        assert sorted(file["PartType1"]) == ["Coordinates", "ParticleIDs", "Velocities"]
        assert sorted(file["PartType4"]) == ["Coordinates", "Masses", "ParticleIDs", "Velocities"]
        assert file["PartType1/Coordinates"].dtype == np.float64
    assert header["NumPart_ThisFile"].tolist() == header["NumPart_Total"].tolist() == [401, 500, 0, 0, 37, 2]
    assert header["MassTable"].tolist() == [0, 6.5e8 / 1e10, 0, 0, 0, 0]
    assert (header["BoxSize"], header["Time"], header["Redshift"]) == (50000, 1 / 1.5, 0.5)
    assert (header["Omega0"], header["OmegaLambda"], header["HubbleParam"]) == (0.3, 0.7, 0.6711)


def test_units_on_disk(tmp_path: Path) -> None:
    one = Particles(np.full((1, 3), 2, np.float32), np.full((1, 3), 100, np.float32), 3e10, np.ones(1, np.uint64))
    path = tmp_path / "snap.hdf5"
    snapshot.write(path, Snapshot({"dark_matter": one}, BOX, redshift=3.0, omega_m=0.3, h=0.7))
    with h5py.File(path) as file:
        assert file["PartType1/Coordinates"][0, 0] == 2000  # kpc/h
        assert file["PartType1/Velocities"][0, 0] == 200  # sqrt(a) = 1/2
        assert file["Header"].attrs["MassTable"][1] == 3


def test_equal_content_is_equal_bytes(tmp_path: Path, hydro: Snapshot) -> None:
    paths = [tmp_path / name / "snap.hdf5" for name in "ab"]
    for path in paths:
        snapshot.write(path, hydro, attributes={"seed": 3, "commit": "abc"})
    assert len({hashlib.sha256(path.read_bytes()).hexdigest() for path in paths}) == 1
    with h5py.File(paths[0]) as file:
        assert dict(file["Darkglass"].attrs) == {"commit": "abc", "seed": 3}


@pytest.mark.parametrize("n_files", [1, 3])
@pytest.mark.filterwarnings("ignore::DeprecationWarning:yt")
def test_yt_finds_the_same(tmp_path: Path, hydro: Snapshot, n_files: int) -> None:
    yt.set_log_level("error")
    files = snapshot.write(tmp_path / "snap_090.hdf5", hydro, n_files=n_files)
    data = yt.load(files[0]).all_data()
    for name, i_type in gadget.PART_TYPES.items():
        part, kind = hydro.particles[name], f"PartType{i_type}"
        ours, theirs = np.argsort(part.ids), np.argsort(data[kind, "ParticleIDs"].v.astype(np.uint64))
        pos = data[kind, "Coordinates"].to_value("Mpccm/h")
        np.testing.assert_allclose(pos[theirs], part.pos[ours], rtol=1e-6, atol=0)
        mass = data[kind, "Masses"].to_value("Msun/h")
        np.testing.assert_allclose(mass[theirs], np.broadcast_to(part.mass, len(part))[ours], rtol=1e-6)
        vel = data[kind, "Velocities"].to_value("km/s")
        np.testing.assert_allclose(vel[theirs], part.vel[ours], rtol=1e-6, atol=0)


def test_the_units_of_the_file_are_used(written: Path, hydro: Snapshot) -> None:
    """The same snapshot in Mpc/h, Msun/h and m/s, float32, compressed, without what is optional."""
    with h5py.File(written, "a") as file:
        header = file["Header"].attrs
        del header["NumPart_Total_HighWord"], header["OmegaBaryon"]
        header["BoxSize"] /= 1000
        header["MassTable"] *= 1e10
        units = file.create_group("Units").attrs
        for name, factor in {"UnitLength_in_cm": 1e3, "UnitMass_in_g": 1e-10, "UnitVelocity_in_cm_per_s": 1e-3}.items():
            units[name] = header[name] * factor
            del header[name]
        for i in gadget.PART_TYPES.values():
            for name, factor in {"Coordinates": 1e-3, "Velocities": 1e3, "Masses": 1e10}.items():
                if name in file[f"PartType{i}"]:
                    data = (file[f"PartType{i}"].pop(name)[...] * factor).astype(np.float32)
                    file[f"PartType{i}"].create_dataset(name, data=data, compression="gzip")
    found = snapshot.read(written)
    assert found.box_size == pytest.approx(BOX, rel=1e-12)
    assert found.omega_b is None
    for name, part in found.particles.items():
        np.testing.assert_allclose(part.pos, hydro.particles[name].pos, rtol=3e-7)
        np.testing.assert_allclose(part.vel, hydro.particles[name].vel, rtol=5e-7)
        np.testing.assert_allclose(part.mass, hydro.particles[name].mass, rtol=5e-7)


def test_positions_are_wrapped(written: Path) -> None:
    with h5py.File(written, "a") as file:
        file["PartType4/Coordinates"][:3] = [[50000, 50000 - 1e-5, -1e-7], [-1, 0, 50001], [1, 2, 3]]
    pos = snapshot.read(written).particles["stars"].pos
    np.testing.assert_allclose(pos[:3], [[0, 0, 0], [49.999, 0, 0.001], [0.001, 0.002, 0.003]], rtol=0, atol=2e-6)
    assert all(part.pos.max() < BOX for part in snapshot.read(written).particles.values())


def test_total_mass(hydro: Snapshot) -> None:
    assert hydro.particles["dark_matter"].total_mass == 500 * 6.5e8
    gas = hydro.particles["gas"]
    assert isinstance(gas.mass, np.ndarray)
    assert gas.total_mass == gas.mass.astype(float).sum()


def test_particles_that_do_not_fit_are_refused(hydro: Snapshot) -> None:
    with pytest.raises(ValueError, match=r"vel of shape \(401, 3\) beside 401 ids, got \(500, 3\)"):
        replace(hydro.particles["gas"], vel=hydro.particles["dark_matter"].vel)


Damage = Callable[[Path], Any]


def change(attribute: str, value: Any) -> Damage:
    def apply(path: Path) -> None:
        with h5py.File(path, "a") as file:
            file["Header"].attrs[attribute] = value

    return apply


def drop(name: str) -> Damage:
    def apply(path: Path) -> None:
        with h5py.File(path, "a") as file:
            group, _, key = name.rpartition("/")
            del (file[group].attrs if group == "Header" else file[group or "/"])[key]

    return apply


def lie(path: Path) -> None:
    """Declare 10^12 particles: a data set of 12 TB that holds nothing."""
    with h5py.File(path, "a") as file:
        n = 10**12
        counts = np.array([0, n, 0, 0, 0, 0], np.int64)
        for i in (0, 4, 5):
            del file[f"PartType{i}"]
        file["Header"].attrs["NumPart_ThisFile"] = counts
        file["Header"].attrs["NumPart_Total"] = counts & 0xFFFFFFFF
        file["Header"].attrs["NumPart_Total_HighWord"] = counts >> 32
        del file["PartType1"]
        for name in ("Coordinates", "Velocities", "ParticleIDs"):
            shape = (n,) if name == "ParticleIDs" else (n, 3)
            file.create_dataset(f"PartType1/{name}", shape, "f4", chunks=(1024, *shape[1:]), compression="gzip")


def move_away(path: Path) -> None:
    with h5py.File(path, "a") as file:
        file["PartType0/Coordinates"][7, 1] = np.nan


def add_type_2(path: Path) -> None:
    with h5py.File(path, "a") as file:
        file["PartType2/Masses"] = np.ones(3)


def replace_by_a_catalogue(path: Path) -> None:
    with h5py.File(path, "w") as file:
        file["Group/GroupPos"] = np.ones(3)


@pytest.mark.parametrize(
    ("damage", "words"),
    [
        (lambda path: path.write_bytes(path.read_bytes()[:-3000]), "whole HDF5 file"),
        (lambda path: path.write_bytes(b"SIMPLE  =  T" * 300), "whole HDF5 file"),
        (replace_by_a_catalogue, "Gadget snapshot with a Header, got Group"),
        (drop("Header/Omega0"), "Header/Omega0, got None"),
        (change("NumPart_ThisFile", np.zeros(4)), "6 number"),
        (change("Redshift", np.nan), "Header/Redshift, got nan"),
        (change("Redshift", 2.0), r"Time = 1 / \(1 \+ Redshift\)"),
        (change("BoxSize", 0.0), "BoxSize > 0"),
        (change("BoxSize", 100.0), "finite positions in a box of 0.1 Mpc/h"),
        (change("NumFilesPerSnapshot", 2), "a name like snap_090.0.hdf5"),
        (change("NumPart_Total", np.array([401, 501, 0, 0, 37, 2])), "NumPart_Total"),
        (change("NumPart_ThisFile", np.array([401, 499, 0, 0, 37, 2])), "NumPart_Total"),
        (change("NumPart_ThisFile", np.array([401, -1, 0, 0, 37, 2])), "from 0 to NumPart_Total"),
        (drop("PartType0/Masses"), r"PartType0/Masses: expected numbers of shape \(401,\), got None"),
        (drop("PartType5"), "PartType5/Coordinates"),
        (move_away, "PartType0: expected finite positions"),
        (add_type_2, "types 0, 1, 4 and 5 only, got PartType2"),
        (lie, "bytes, at most 0 are there"),
    ],
)
def test_a_broken_file_is_refused_by_name(written: Path, damage: Damage, words: str) -> None:
    damage(written)
    with pytest.raises(ValueError, match=words) as error:
        snapshot.read(written)
    assert str(written) in str(error.value)


def test_data_shorter_than_declared_is_refused(written: Path) -> None:
    with h5py.File(written, "a") as file:
        short = file["PartType0"].pop("Velocities")[:-1]
        file["PartType0/Velocities"] = short
    with pytest.raises(ValueError, match=r"PartType0/Velocities: expected numbers of shape \(401, 3\)"):
        snapshot.read(written)


def test_a_missing_part_is_named(tmp_path: Path, hydro: Snapshot) -> None:
    files = snapshot.write(tmp_path / "snap_090.hdf5", hydro, n_files=3)
    files[1].unlink()
    with pytest.raises(FileNotFoundError, match=r"snap_090\.1\.hdf5: part 1 of a snapshot in 3 files is missing"):
        snapshot.read(files[0])


def test_a_part_of_another_snapshot_is_named(tmp_path: Path, hydro: Snapshot) -> None:
    files = snapshot.write(tmp_path / "snap_090.hdf5", hydro, n_files=2)
    others = snapshot.write(tmp_path / "other" / "snap_090.hdf5", replace(hydro, redshift=1.0), n_files=2)
    others[1].replace(files[1])
    with pytest.raises(ValueError, match=r"snap_090\.1\.hdf5: expected a part of the snapshot of snap_090\.0\.hdf5"):
        snapshot.read(files[0])


def test_what_is_not_there_or_not_known_is_named(tmp_path: Path, hydro: Snapshot) -> None:
    with pytest.raises(FileNotFoundError, match=r"snap_090\.hdf5"):
        snapshot.read(tmp_path / "snap_090.hdf5")
    with pytest.raises(FileNotFoundError, match="found none"):
        snapshot.read(tmp_path)
    with pytest.raises(ValueError, match=r"ending in \.hdf5, \.h5, \.npz or a folder of them, got '\.fits'"):
        snapshot.read(tmp_path / "map.fits")
    for name in ("a.hdf5", "b.hdf5"):
        snapshot.write(tmp_path / name, hydro)
    with pytest.raises(ValueError, match="files of one snapshot, got a, b"):
        snapshot.read(tmp_path)
    with pytest.raises(ValueError, match=r"ending in \.hdf5 or \.h5"):
        snapshot.write(tmp_path / "snap.npz", hydro)


def test_a_failed_write_leaves_nothing(written: Path, hydro: Snapshot, monkeypatch: pytest.MonkeyPatch) -> None:
    before = written.read_bytes()

    def fail(*arguments: object) -> None:
        raise RuntimeError("disk full")

    monkeypatch.setattr(gadget, "_write_particles", fail)
    with pytest.raises(RuntimeError, match="disk full"):
        snapshot.write(written, hydro)
    assert written.read_bytes() == before
    assert list(written.parent.iterdir()) == [written]


# Abacus


def extract(path: Path, **changes: Any) -> Path:
    pos = np.array([[-16, 16.000002, 0], [3, -1e-9, 15.999999]], np.float32)
    arrays = {
        "pos_mpch": pos, "vel_kms": pos, "boxsize_mpch": 32.0, "mpart_hmsun": 1e10, "omega_m": 0.3, "h0": 70.0,
    } | changes  # fmt: skip
    np.savez(path, **{name: value for name, value in arrays.items() if value is not None})
    return path


def test_an_abacus_extract_is_wrapped(tmp_path: Path) -> None:
    found = snapshot.read(extract(tmp_path / "box.npz"))
    part = found.particles["dark_matter"]
    np.testing.assert_allclose(part.pos, [[16, 16.000002, 0], [3, 0, 15.999999]], rtol=1e-7)
    assert (found.box_size, found.redshift, found.h, part.mass) == (32.0, 0.0, 0.7, 1e10)
    assert snapshot.read(extract(tmp_path / "high.npz", redshift=2.0)).redshift == 2.0


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"vel_kms": None}, "a key vel_kms, got"),
        ({"vel_kms": np.ones((3, 3))}, r"vel_kms of shape \(2, 3\), got \(3, 3\)"),
        ({"pos_mpch": np.ones(3)}, r"pos_mpch of shape \(3, 3\), got \(3,\)"),
        ({"pos_mpch": np.full((2, 3), 99.0)}, "finite positions in a box of 32.0"),
        ({"h0": np.array(None)}, "h0.npy holds objects"),
    ],
)
def test_another_npz_is_refused_by_name(tmp_path: Path, changes: dict[str, Any], words: str) -> None:
    path = extract(tmp_path / "box.npz", **changes)
    with pytest.raises(ValueError, match=words) as error:
        snapshot.read(path)
    assert str(path) in str(error.value)


def test_a_truncated_or_lying_npz_is_refused(tmp_path: Path) -> None:
    path = extract(tmp_path / "box.npz")
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(ValueError, match=r"box\.npz: expected an Abacus extract"):
        snapshot.read(path)
    with zipfile.ZipFile(path, "w") as archive, archive.open("pos_mpch.npy", "w") as stream:
        np.lib.format.write_array_header_1_0(stream, {"descr": "<f4", "fortran_order": False, "shape": (10**12, 3)})
    with pytest.raises(ValueError, match=r"pos_mpch\.npy declares 12000000000128 bytes, 128 are there"):
        snapshot.read(path)
    with pytest.raises(FileNotFoundError, match="none"):
        snapshot.read(tmp_path / "none.npz")


def test_the_real_abacus_box(real_data: Path) -> None:
    found = snapshot.read(real_data / "nbody" / "abacus_n64" / "mini_n64_l32_z0.npz")
    part = found.particles["dark_matter"]
    assert (len(part), found.box_size, found.omega_m) == (64**3, 32.0, 0.315192)
    assert part.pos.min() >= 0
    assert part.pos.max() < 32
    # omega_m counts neutrinos, which this box has not: half a percent.
    np.testing.assert_allclose(part.total_mass / 32**3, 0.315192 * RHO_CRITICAL, rtol=6e-3)

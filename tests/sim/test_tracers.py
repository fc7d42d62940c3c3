"""Tracers: what a cutout needs of a snapshot, from any number of files, with wind that is no stars."""

from __future__ import annotations

import tracemalloc
from collections.abc import Callable
from pathlib import Path

import camels_like
import h5py
import numpy as np
import pytest

from sim import gadget, snapshot
from sim.particles import Particles, Snapshot, Species, Tracer


@pytest.fixture(scope="module")
def hydro(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The snapdir of three files of a small hydrodynamic box."""
    suite = camels_like.write_suite(tmp_path_factory.mktemp("suite"), 1, n_files=3)
    return suite.hydro / "SB35_0" / "snapdir_090"


def world() -> camels_like.Universe:
    return camels_like.universe(camels_like.draw(0, 0), 16, 50.0, 4, 0)


def same(found: Tracer, expected: Tracer) -> bool:
    return np.array_equal(found.pos, expected.pos) and np.array_equal(found.mass, expected.mass)


def test_tracers_are_the_particles_without_the_rest(hydro: Path) -> None:
    whole, found = snapshot.read(hydro), snapshot.read_tracers(hydro, keep_wind=True)
    assert list(found) == list(whole.particles) == ["gas", "dark_matter", "stars", "black_holes"]
    for name, part in whole.particles.items():
        assert same(found[name], Tracer(part.pos, part.mass))
        assert found[name].total_mass == part.total_mass
        assert found[name].pos.dtype == np.float32
    said = ("box_size", "redshift", "omega_m", "h", "omega_b")
    assert [getattr(found, name) for name in said] == [getattr(whole, name) for name in said]


def test_wind_is_excluded_and_counted(hydro: Path) -> None:
    expected = camels_like.hydro_species(world(), 0)[4]
    real = expected["GFM_StellarFormationTime"] > 0
    assert 0 < real.sum() < len(real)
    found = snapshot.read_tracers(hydro)
    assert found.n_excluded == (~real).sum()
    np.testing.assert_allclose(found["stars"].pos, expected["pos"][real], rtol=1e-6)
    np.testing.assert_allclose(found["stars"].mass, expected["mass"][real], rtol=1e-6)
    kept = snapshot.read_tracers(hydro, keep_wind=True)
    assert (kept.n_excluded, len(kept["stars"])) == (0, len(real))


def test_a_time_of_zero_is_wind(tmp_path: Path) -> None:
    path = written(tmp_path)
    with h5py.File(path, "a") as file:
        file["PartType4/GFM_StellarFormationTime"] = np.array([0.5, 0.0, -0.0, 1e-3, -2.0], np.float32)
    found = snapshot.read_tracers(path)
    assert (len(found["stars"]), found.n_excluded) == (2, 3)


def test_stars_of_codes_without_wind_are_all_stars(tmp_path: Path) -> None:
    path = written(tmp_path)
    with h5py.File(path, "a") as file:
        file["PartType4/StellarFormationTime"] = np.full(5, -1, np.float32)
    assert len(snapshot.read_tracers(path)["stars"]) == 5


def test_black_holes_weigh_what_they_bind_not_what_they_are(hydro: Path) -> None:
    found = snapshot.read_tracers(hydro, ["black_holes"])["black_holes"]
    np.testing.assert_allclose(found.mass, camels_like.hydro_species(world(), 0)[5]["mass"], rtol=1e-6)


def test_many_files_are_one(tmp_path: Path, hydro: Path) -> None:
    one = camels_like.write_suite(tmp_path, 1, n_files=1).hydro / "SB35_0" / "snap_090.hdf5"
    expected = snapshot.read_tracers(one)
    for path in (hydro, hydro / "snap_090.2.hdf5", hydro / "snap_090.hdf5", hydro.parent / "snap_090.hdf5"):
        found = snapshot.read_tracers(path)
        assert all(same(found[name], expected[name]) for name in expected)
        assert found.n_excluded == expected.n_excluded


def test_names_of_2024(tmp_path: Path, hydro: Path) -> None:
    suite = camels_like.write_suite(tmp_path, 1, n_files=3, stem="snapshot")
    folder = suite.hydro / "SB35_0"
    assert (folder / "snapdir_090" / "snapshot_090.1.hdf5").is_file()
    for path in (folder / "snapdir_090", folder / "snapshot_090.hdf5"):
        assert same(snapshot.read_tracers(path)["gas"], snapshot.read_tracers(hydro)["gas"])
    assert len(snapshot.read_tracers(suite.dmo / "SB35_0" / "snapshot_090.hdf5")["dark_matter"]) == 4096


def test_both_sides_weigh_what_the_mean_density_says(tmp_path: Path) -> None:
    suite = camels_like.write_suite(tmp_path, 2)
    for name in ("SB35_0", "SB35_1"):
        dmo = snapshot.read_tracers(suite.pair(name).dmo)["dark_matter"].total_mass
        tracers = snapshot.read_tracers(suite.pair(name).hydro, keep_wind=True)
        hydro = sum(tracer.total_mass for tracer in tracers.values())
        assert hydro == pytest.approx(dmo, rel=1e-6)
        assert gadget.total_mass(suite.pair(name).hydro) == pytest.approx(hydro, rel=1e-12)
        assert gadget.total_mass(suite.pair(name).dmo) == pytest.approx(dmo, rel=1e-12)


def test_what_is_asked_for_is_there_if_empty(tmp_path: Path, hydro: Path) -> None:
    dmo = camels_like.write_suite(tmp_path, 1).dmo / "SB35_0" / "snap_090.hdf5"
    found = snapshot.read_tracers(dmo, ["stars", "dark_matter"])
    assert (len(found), len(found["stars"]), len(found["dark_matter"])) == (2, 0, 4096)
    assert list(snapshot.read_tracers(hydro, ["gas"])) == ["gas"]
    with pytest.raises(ValueError, match="species: expected some of gas, dark_matter"):
        snapshot.read_tracers(dmo, ["wind"])  # type: ignore[list-item]


def test_blocks_do_not_show(hydro: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    expected = snapshot.read_tracers(hydro)
    monkeypatch.setattr(gadget, "N_CONVERTED", 37)
    found = snapshot.read_tracers(hydro)
    assert all(same(found[name], expected[name]) for name in expected)


def test_memory_is_that_of_the_result(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A single file is not read whole before it is converted."""
    suite = camels_like.write_suite(tmp_path, 1, n_particles=48, n_files=1)
    path = suite.hydro / "SB35_0" / "snap_090.hdf5"
    monkeypatch.setattr(gadget, "N_CONVERTED", 2048)
    tracemalloc.start()
    try:
        found = snapshot.read_tracers(path)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    held = sum(tracer.pos.nbytes + np.asarray(tracer.mass).nbytes for tracer in found.values())
    assert held > 2e6
    assert peak < 1.2 * held


def test_units_of_the_file_are_used(tmp_path: Path) -> None:
    path = written(tmp_path)
    expected = snapshot.read_tracers(path)
    with h5py.File(path, "a") as file:
        file["Header"].attrs["BoxSize"] /= 1000
        file["Header"].attrs["UnitLength_in_cm"] *= 1000
        file["PartType4/Coordinates"][...] /= 1000
    found = snapshot.read_tracers(path)
    assert found.box_size == pytest.approx(50, rel=1e-12)
    np.testing.assert_allclose(found["stars"].pos, expected["stars"].pos, rtol=3e-7)


def test_other_formats_come_through_their_readers(real_data: Path) -> None:
    abacus = snapshot.read_tracers(real_data / "nbody" / "abacus_n64" / "mini_n64_l32_z0.npz")
    assert [(name, len(tracer)) for name, tracer in abacus.items()] == [("dark_matter", 64**3)]
    binary = real_data / "nbody" / "arepo_l50n32" / "L50n32_ics"
    found = snapshot.read_tracers(binary, ["dark_matter", "gas"])
    assert same(found["dark_matter"], tracer_of(snapshot.read(binary).particles["dark_matter"]))
    assert len(found["gas"]) == 0


def tracer_of(part: Particles) -> Tracer:
    return Tracer(part.pos, part.mass)


def written(folder: Path) -> Path:
    """Five stars."""
    rng = np.random.default_rng(4)
    stars = Particles(
        rng.random((5, 3)).astype("f4") * 50,
        np.zeros((5, 3), "f4"),
        np.arange(1, 6, dtype="f4"),
        np.arange(5, dtype="u8"),
    )
    parts: dict[Species, Particles] = {"stars": stars}
    snapshot.write(folder / "snap.hdf5", Snapshot(parts, 50.0, 0.0, omega_m=0.3, h=0.7))
    return folder / "snap.hdf5"


def test_shapes_that_do_not_fit_are_refused() -> None:
    with pytest.raises(ValueError, match=r"pos \(n, 3\) and one mass or \(n,\), got \(4, 3\) and \(3,\)"):
        Tracer(np.zeros((4, 3), np.float32), np.zeros(3, np.float32))


Damage = Callable[[h5py.File], object]


def without(name: str) -> Damage:
    def apply(file: h5py.File) -> None:
        del file[name]

    return apply


def put(name: str, value: float) -> Damage:
    def apply(file: h5py.File) -> None:
        file[name][3, ...] = value

    return apply


def header(name: str, value: object) -> Damage:
    def apply(file: h5py.File) -> None:
        file["Header"].attrs[name] = value

    return apply


def shorter(name: str) -> Damage:
    def apply(file: h5py.File) -> None:
        short = file[name][:-1]
        del file[name]
        file[name] = short

    return apply


@pytest.mark.parametrize(
    ("damage", "words"),
    [
        (without("PartType0/Masses"), r"PartType0/Masses: expected numbers of shape"),
        (without("PartType4/GFM_StellarFormationTime"), "PartType4/GFM_StellarFormationTime: expected numbers"),
        (
            shorter("PartType4/GFM_StellarFormationTime"),
            "PartType4/GFM_StellarFormationTime: expected numbers of shape",
        ),
        (shorter("PartType0/Coordinates"), "PartType0/Coordinates: expected numbers of shape"),
        (put("PartType4/GFM_StellarFormationTime", np.nan), "expected finite times"),
        (put("PartType0/Coordinates", np.inf), "PartType0: expected finite positions"),
        (put("PartType0/Masses", -1.0), "expected finite Masses >= 0"),
        (put("PartType0/Masses", np.nan), "expected finite Masses >= 0"),
        (put("PartType0/Masses", np.inf), "expected finite Masses >= 0"),
        (header("Omega0", 0.0), "0 < Omega0 <= 1"),
        (header("HubbleParam", 67.1), "HubbleParam from 0.1 to 2"),
        (header("MassTable", np.full(6, -1.0)), "masses >= 0"),
        (header("HubbleParam", 0.66), "expected a part of the snapshot of snap_090.0.hdf5"),
    ],
)
def test_a_broken_part_is_refused_by_name(tmp_path: Path, damage: Damage, words: str) -> None:
    folder = camels_like.write_suite(tmp_path, 1, n_files=2).hydro / "SB35_0" / "snapdir_090"
    with h5py.File(folder / "snap_090.1.hdf5", "a") as file:
        damage(file)
    with pytest.raises(ValueError, match=words) as error:
        snapshot.read_tracers(folder)
    assert str(folder / "snap_090.1.hdf5") in str(error.value)


@pytest.mark.parametrize("read", [snapshot.read, snapshot.read_tracers, gadget.total_mass])
def test_bytes_that_no_longer_unpack_are_refused_by_name(tmp_path: Path, read: Callable[[Path], object]) -> None:
    folder = camels_like.write_suite(tmp_path, 1, n_files=2).hydro / "SB35_0" / "snapdir_090"
    path = folder / "snap_090.1.hdf5"
    with h5py.File(path) as file:
        data = file["PartType0/Masses"]
        start, size = data.id.get_chunk_info(0).byte_offset, data.id.get_chunk_info(0).size
    content = bytearray(path.read_bytes())
    content[start : start + size] = bytes(reversed(content[start : start + size]))
    path.write_bytes(content)
    with pytest.raises(ValueError, match="whole HDF5 file") as error:
        read(folder)
    assert str(path) in str(error.value)


def test_a_missing_part_is_named(tmp_path: Path) -> None:
    folder = camels_like.write_suite(tmp_path, 1, n_files=3).hydro / "SB35_0" / "snapdir_090"
    (folder / "snap_090.1.hdf5").unlink()
    with pytest.raises(FileNotFoundError, match=r"snap_090\.1\.hdf5: part 1 of a snapshot in 3 files is missing"):
        snapshot.read_tracers(folder)


@pytest.mark.filterwarnings("ignore::DeprecationWarning:yt")
def test_yt_weighs_the_same(hydro: Path) -> None:
    yt = pytest.importorskip("yt")
    yt.set_log_level("error")
    data, found = yt.load(hydro / "snap_090.0.hdf5").all_data(), snapshot.read_tracers(hydro, keep_wind=True)
    for name, i_type in gadget.PART_TYPES.items():
        theirs = data[f"PartType{i_type}", "Masses"].to_value("Msun/h")
        assert len(theirs) == len(found[name])
        assert theirs.sum() == pytest.approx(found[name].total_mass, rel=1e-4)

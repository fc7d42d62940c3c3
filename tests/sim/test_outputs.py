from __future__ import annotations

from pathlib import Path

import h5py
import numpy as np
import pytest

from configs import Box, Cosmology, Lightcone
from sim import nbody, outputs, spectra
from sim.convergence import convergence
from sim.cosmology import particle_mass
from sim.lightcone import contrast, due, planes
from sim.maps import project
from sim.mesh import paint
from sim.nbody import State
from sim.parallel import Comm, ThreadComm

PLANCK = Cosmology(omega_m=0.3152, omega_b=0.0493, h=0.6736, n_s=0.9649, sigma8=0.81)
CONE = Lightcone(field_deg=5.0, n_pixels=24, plane_depth=32.0, plane_pixels=32, z_source=0.2, seed=5)
BOX = Box(
    cosmology=PLANCK,
    box_size=64.0,
    n_particles=32,
    seed=3,
    n_steps=5,
    redshifts=(1.0, 0.0),
    spectra=True,
    map_pixels=16,
    lightcone=CONE,
)


def run(box: Box, folder: Path, comm: Comm | None = None) -> None:
    """A run with its outputs, as an ensemble makes it."""
    comm = comm or nbody.SERIAL
    for state in nbody.run(box, comm):
        outputs.record(state, folder, comm)
    if comm.rank == 0:
        outputs.finish(box, folder)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("box")
    run(BOX, folder)
    return folder


@pytest.fixture(scope="module")
def states() -> list[State]:
    """All states of the run, each with its own arrays."""
    kept = []
    for s in nbody.run(BOX):
        kept.append(State(s.box, s.a, s.step, s.output, s.pos.copy(), s.mom.copy(), s.ids.copy()))
    return kept


def test_every_file_is_there_and_nothing_else(made: Path) -> None:
    expected = {f"plane_{i:03d}.hdf5" for i in range(len(planes(BOX)))} | {"convergence.hdf5"}
    expected |= {f"{kind}_{i:03d}.{end}" for kind, end in (("spectrum", "txt"), ("maps", "hdf5")) for i in range(2)}
    assert {path.name for path in made.iterdir()} == expected


def test_a_run_without_outputs_writes_nothing(tmp_path: Path) -> None:
    bare = BOX.model_copy(update={"spectra": False, "map_pixels": None, "lightcone": None})
    run(bare, tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_the_spectrum_is_that_of_the_painted_particles(made: Path, states: list[State]) -> None:
    """On large scales, where interlacing changes nothing."""
    for number, step in ((0, next(s.step for s in states if s.output == 1.0)), (1, 5)):
        found = outputs.read_spectrum(outputs.spectrum_path(made, number))
        field = paint(states[step].pos, 64.0, BOX.n_mesh)
        theirs = spectra.power(field, 64.0, window="cic")
        np.testing.assert_allclose(found.k, theirs.k, rtol=1e-6)
        np.testing.assert_array_equal(found.n_modes, theirs.n_modes)
        np.testing.assert_allclose(found.pk[:8], theirs.pk[:8], rtol=5e-3)


def test_the_header_of_a_spectrum_says_what_it_is(made: Path) -> None:
    header = [line for line in (made / "spectrum_000.txt").read_text().splitlines() if line.startswith("#")]
    for words in ("redshift 1", "64^3 cells", "shot noise not subtracted: V/N = 8 (Mpc/h)^3", "k [h/Mpc]", "commit"):
        assert any(words in line for line in header)
    assert any(line == f"# box {BOX.model_dump_json()}" for line in header)


def test_maps_are_projections_of_the_box(made: Path, states: list[State]) -> None:
    with h5py.File(made / "maps_001.hdf5") as file:
        assert file["surface_density"].attrs["unit"] == "Msun/h / (Mpc/h)^2"
        assert file.attrs["redshift"] == 0.0
        assert file.attrs["pixel_size"] == 4.0
        assert file.attrs["box"] == BOX.model_dump_json()
        images = file["surface_density"][:]
    for axis in range(3):
        np.testing.assert_allclose(images[axis], project(states[-1].pos, particle_mass(BOX), 64.0, 16, axis), rtol=1e-6)
    np.testing.assert_allclose(images.sum(axis=(1, 2)) * 16, particle_mass(BOX) * 32**3, rtol=1e-6)


def test_planes_say_where_they_are_and_come_back(made: Path, states: list[State]) -> None:
    count = 0
    for state in states:
        for plane in due(BOX, state.step):
            expected = contrast(state, plane)
            assert expected is not None
            path = outputs.plane_path(made, plane)
            np.testing.assert_array_equal(outputs.read_plane(path, plane, BOX), expected[0])
            with h5py.File(path) as file:
                about = dict(file.attrs)
                assert file["contrast"].attrs["unit"] == "1"
            assert (about["chi"], about["redshift"], about["repetition"]) == (plane.chi, plane.z, plane.repetition)
            assert about["n_particles"] == expected[1]
            weight = about["mean_surface_density"] * 64.0**2 * (1 + expected[0].mean(dtype=np.float64))
            np.testing.assert_allclose(weight, expected[1] * particle_mass(BOX), rtol=1e-6)
            count += 1
    assert count == len(planes(BOX))


def test_the_convergence_is_the_sum_of_the_planes(made: Path) -> None:
    contrasts = [outputs.read_plane(outputs.plane_path(made, plane), plane, BOX) for plane in planes(BOX)]
    with h5py.File(made / "convergence.hdf5") as file:
        kappa = file["kappa"][:]
        np.testing.assert_array_equal(kappa, convergence(BOX, contrasts))
        np.testing.assert_allclose(file.attrs["pixel_arcsec"], 750)
        assert file["sources/z"][:].tolist() == [0.2]
        assert len(file["planes/chi"]) == len(file["planes/weight"]) == len(contrasts)
    assert kappa.shape == (24, 24)
    assert kappa.std() > 1e-4


def test_the_same_state_gives_the_same_bytes(states: list[State], made: Path, tmp_path: Path) -> None:
    """What a run that resumes relies on."""
    for state in (*states, *states[2:]):
        outputs.record(state, tmp_path)
    outputs.finish(BOX, tmp_path)
    for path in made.iterdir():
        assert (tmp_path / path.name).read_bytes() == path.read_bytes(), path.name


@pytest.mark.parametrize("size", [2, 3, 4])
def test_ranks_write_what_one_writes(size: int, made: Path, tmp_path: Path) -> None:
    ThreadComm.run(size, lambda comm: run(BOX, tmp_path, comm))
    assert {path.name for path in tmp_path.iterdir()} == {path.name for path in made.iterdir()}
    for number in range(2):
        ours, theirs = (outputs.read_spectrum(outputs.spectrum_path(folder, number)) for folder in (tmp_path, made))
        np.testing.assert_array_equal(ours.n_modes, theirs.n_modes)
        np.testing.assert_allclose(ours.pk, theirs.pk, rtol=2e-4)
    for name, key in (("maps_001", "surface_density"), ("convergence", "kappa")):
        with h5py.File(tmp_path / f"{name}.hdf5") as one, h5py.File(made / f"{name}.hdf5") as other:
            difference = np.abs(one[key][:] - other[key][:])
            assert difference.mean() < 1e-4 * np.abs(other[key][:]).mean()


def test_a_smail_distribution_is_written(tmp_path: Path) -> None:
    cone = CONE.model_copy(update={"distribution": "smail", "z_source": 0.05})
    box = BOX.model_copy(update={"lightcone": cone, "n_particles": 8, "n_steps": 2})
    run(box, tmp_path)
    with h5py.File(tmp_path / "convergence.hdf5") as file:
        z, n = file["sources/z"][:], file["sources/n"][:]
    np.testing.assert_allclose(np.trapezoid(n, z), 1, rtol=1e-5)


def test_a_plane_that_is_missing_or_of_another_box_is_named(made: Path, tmp_path: Path) -> None:
    for plane in planes(BOX):
        path = outputs.plane_path(tmp_path, plane)
        path.write_bytes(outputs.plane_path(made, plane).read_bytes())
    other = BOX.model_copy(update={"seed": 4})
    with pytest.raises(ValueError, match=r"plane_000.hdf5: expected the plane at 16 Mpc/h of this box, got another"):
        outputs.finish(other, tmp_path)
    outputs.plane_path(tmp_path, planes(BOX)[3]).unlink()
    with pytest.raises(FileNotFoundError, match=r"plane_003.hdf5: expected the mass plane at z=0.0\d+, found none"):
        outputs.finish(BOX, tmp_path)
    assert not (tmp_path / "convergence.hdf5").exists()
    with pytest.raises(FileNotFoundError, match="expected a power spectrum"):
        outputs.read_spectrum(tmp_path / "spectrum_000.txt")


def test_sources_before_the_start_are_refused_before_the_run() -> None:
    box = BOX.model_copy(update={"lightcone": CONE.model_copy(update={"z_source": 9.5}), "z_initial": 9.0})
    with pytest.raises(ValueError, match=r"lightcone.z_source: expected less than z_initial=9.0, got 9.5"):
        outputs.check(box)
    outputs.check(BOX.model_copy(update={"lightcone": None}))

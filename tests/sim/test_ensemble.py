from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import h5py
import numpy as np
import pytest
import yt

from configs import Box, Cosmology, Ensemble
from sim import designs, ensemble, nbody, snapshot
from sim.ensemble import Member
from sim.nbody import State
from sim.parallel import SERIAL, Comm, ThreadComm
from sim.snapshot import Particles, write_output

PLANCK = Cosmology(omega_m=0.3152, omega_b=0.0493, h=0.6736, n_s=0.9649, sigma8=0.81)
BOX = Box(cosmology=PLANCK, box_size=32.0, n_particles=8, seed=3, n_steps=4, redshifts=(1.0, 0.0))
VARY = {"omega_m": (0.25, 0.37), "sigma8": (0.7, 0.92)}


def design(n_boxes: int, **fields: object) -> list[Member]:
    return ensemble.members(Ensemble(box=BOX, n_boxes=n_boxes, seed=1, out=Path("out"), **{"vary": VARY, **fields}))


@pytest.fixture
def member() -> Member:
    return Member("box_0000", BOX)


def test_members_fill_the_intervals_and_differ() -> None:
    boxes = [member.box for member in design(16)]
    for name, (low, high) in VARY.items():
        values = np.sort([getattr(box.cosmology, name) for box in boxes])
        cells = np.floor((values - low) / (high - low) * 16)
        np.testing.assert_array_equal(cells, np.arange(16))  # a Sobol sequence puts one point in each sixteenth
    assert len({box.seed for box in boxes}) == 16
    assert all(box.cosmology.h == PLANCK.h for box in boxes)


def test_a_longer_ensemble_begins_with_the_shorter() -> None:
    assert design(20)[:5] == design(5)
    assert [member.id for member in design(5)][-1] == "box_0004"


def test_without_variation_only_seeds_differ() -> None:
    one, two = design(2, vary={})
    assert one.box.cosmology == two.box.cosmology == PLANCK
    assert one.box.seed != two.box.seed


def test_a_cosmology_that_cannot_be_is_refused() -> None:
    with pytest.raises(ValueError, match="omega_b below omega_m"):
        design(8, vary={"omega_m": (0.06, 0.3), "omega_b": (0.1, 0.2)})


def test_members_of_a_camels_set_have_its_names_cosmologies_and_parameters() -> None:
    members = design(6, vary={}, camels="1P")
    assert [member.id for member in members[:3]] == ["1P_p1_0", "1P_p1_n2", "1P_p1_n1"]
    assert len({member.box.seed for member in members}) == 1
    assert [member.box.cosmology.omega_m for member in members[:3]] == pytest.approx([0.3, 0.1, 0.2])
    cv = design(3, vary={}, camels="CV")
    assert len({member.box.seed for member in cv}) == 3
    assert {member.camels for member in cv} == {tuple(designs.FIDUCIAL.tolist())}
    fiducial = {"omega_m": 0.3, "sigma8": 0.8, "omega_b": 0.049, "h": 0.6711, "n_s": 0.9624}
    assert cv[0].box.cosmology == PLANCK.model_copy(update=fiducial)
    assert design(9, vary={}, camels="SB35")[:4] == design(4, vary={}, camels="SB35")
    with pytest.raises(ValueError, match="1P: expected at most its 141 simulations, got n_boxes=142"):
        design(142, vary={}, camels="1P")


def test_members_of_a_published_table_are_its_rows(real_data: Path) -> None:
    table = real_data / "camels" / "CosmoAstroSeed_IllustrisTNG_L50n512_SB35.txt"
    members = design(1024, vary={}, camels="SB35", camels_table=table)
    assert [member.id for member in members] == [f"SB35_{i}" for i in range(1024)]
    first, camels = members[0].box, members[0].camels
    assert (first.seed, first.cosmology.omega_m, first.cosmology.h) == (25000, 0.49484, 0.5934)
    assert camels is not None
    assert camels[-1] == 1.8553


def test_the_camels_parameters_are_on_disk_and_another_set_is_refused(tmp_path: Path) -> None:
    (member,) = design(1, vary={}, camels="CV")
    record = json.loads((ensemble.simulate(member, tmp_path) / "box.json").read_text())
    assert record["camels"] == dict(zip(designs.NAMES, designs.FIDUCIAL.tolist(), strict=True))
    assert ensemble.is_complete(member, tmp_path)
    with pytest.raises(ValueError, match="expected the CAMELS parameters of CV_0, got others"):
        ensemble.is_complete(Member("CV_0", member.box), tmp_path)


def test_a_camels_set_is_varied_by_nothing_else() -> None:
    with pytest.raises(ValueError, match="vary: nothing beside camels=CV, got omega_m, sigma8"):
        design(2, camels="CV")
    with pytest.raises(ValueError, match=r"camels: the set that camels_table=table\.txt is of"):
        design(2, camels_table=Path("table.txt"))


def test_a_simulation_is_what_the_run_gave(member: Member, tmp_path: Path) -> None:
    folder = ensemble.simulate(member, tmp_path)
    assert sorted(path.name for path in folder.iterdir()) == ["box.json", "snap_000.hdf5", "snap_001.hdf5"]
    assert list(tmp_path.iterdir()) == [folder]
    *_, state = nbody.run(BOX)
    found = snapshot.read(folder / "snap_001.hdf5")
    matter = found.particles["dark_matter"]
    assert (found.redshift, found.box_size, found.omega_m) == (0.0, 32.0, PLANCK.omega_m)
    np.testing.assert_array_equal(matter.ids, np.arange(512))
    order = np.argsort(state.ids)
    np.testing.assert_array_equal(matter.pos, state.pos[order])
    np.testing.assert_allclose(matter.vel, state.vel[order], rtol=1e-6)
    np.testing.assert_allclose(matter.total_mass, PLANCK.omega_m * 2.775e11 * 32**3, rtol=1e-3)


def matter_of(path: Path) -> Particles:
    """The dark matter of a snapshot by rising id."""
    part = snapshot.read(path).particles["dark_matter"]
    order = np.argsort(part.ids)
    return Particles(part.pos[order], part.vel[order], part.mass, part.ids[order])


@pytest.mark.parametrize("size", [2, 3])
def test_each_rank_writes_its_own_file_of_the_same_simulation(member: Member, tmp_path: Path, size: int) -> None:
    serial = matter_of(ensemble.simulate(member, tmp_path / "serial") / "snap_001.hdf5")
    folder = ThreadComm.run(size, lambda comm: ensemble.simulate(member, tmp_path / "ranks", comm))[0]
    assert sorted(path.name for path in folder.iterdir()) == ["box.json", "snapdir_000", "snapdir_001"]
    files = sorted((folder / "snapdir_001").iterdir())
    assert [file.name for file in files] == [f"snap_001.{rank}.hdf5" for rank in range(size)]
    for rank, file in enumerate(files):
        with h5py.File(file) as part:
            header, x = part["Header"].attrs, part["PartType1/Coordinates"][:, 0]
            assert (header["NumFilesPerSnapshot"], header["NumPart_Total"][1]) == (size, 512)
            assert header["NumPart_ThisFile"][1] == len(x) < 512
            low, high = (16 * (rank + i) // size * 2000.0 for i in (0, 1))
            assert low <= x.min() <= x.max() < high  # the planes of its slab: 2 Mpc/h each, in kpc/h
    ranks = matter_of(folder / "snapdir_001")
    offset = np.abs(serial.pos - ranks.pos)
    assert np.minimum(offset, 32 - offset).max() < 1e-3
    np.testing.assert_array_equal(serial.ids, ranks.ids)
    np.testing.assert_array_equal(matter_of(folder / "snap_001.hdf5").pos, ranks.pos)


@pytest.mark.parametrize("size", [1, 2, 3, 4])
def test_slabs_of_unequal_width_are_serial_to_rounding(size: int) -> None:
    """22 planes over 3 and 4 ranks, 10 steps: the worst particle is off by a few units in the last place of the box."""
    box = BOX.model_copy(update={"n_particles": 11, "n_steps": 10})

    def last(comm: Comm) -> State:
        *_, state = nbody.run(box, comm)
        return state

    (serial,), parts = ThreadComm.run(1, last), ThreadComm.run(size, last)
    ids, pos = (np.concatenate([getattr(part, name) for part in parts]) for name in ("ids", "pos"))
    np.testing.assert_array_equal(np.sort(ids), np.arange(11**3))
    offset = np.abs(pos[np.argsort(ids)].astype(float) - serial.pos[np.argsort(serial.ids)])
    assert np.minimum(offset, 32 - offset).max() < 2e-6 * 32


@pytest.mark.parametrize(("n_mesh", "most"), [(32, 10), (8, 2)])
def test_ranks_that_can_share_a_box_can(n_mesh: int, most: int) -> None:
    box = BOX.model_copy(update={"n_particles": n_mesh // 2})
    assert ensemble.most_ranks(box) == most
    assert ThreadComm.run(most, lambda comm: ensemble.refuse(box, comm)) == [None] * most
    with pytest.raises(ValueError, match=f"over {most + 1} ranks: expected at least 3 planes a rank, got"):
        ThreadComm.run(most + 1, lambda comm: ensemble.refuse(box, comm))


@pytest.mark.filterwarnings("ignore::DeprecationWarning:yt")
def test_yt_opens_what_ranks_wrote(member: Member, tmp_path: Path) -> None:
    yt.set_log_level("error")
    folder = ThreadComm.run(3, lambda comm: ensemble.simulate(member, tmp_path, comm))[0] / "snapdir_001"
    ours, data = matter_of(folder), yt.load(folder / "snap_001.0.hdf5").all_data()
    order = np.argsort(data["PartType1", "ParticleIDs"].v.astype(np.uint64))
    pos = data["PartType1", "Coordinates"].to_value("Mpccm/h")[order]
    np.testing.assert_allclose(pos, ours.pos, rtol=1e-6, atol=0)
    np.testing.assert_allclose(data["PartType1", "Velocities"].to_value("km/s")[order], ours.vel, rtol=1e-6, atol=0)


def test_no_rank_sees_all_particles(member: Member, tmp_path: Path) -> None:
    class Weighed(ThreadComm):
        """Notes the largest array that arrives."""

        def alltoall(self, blocks: Sequence[np.ndarray]) -> list[np.ndarray]:
            arrived = super().alltoall(blocks)
            largest.append(max(block.nbytes for block in arrived))
            return arrived

    largest: list[int] = []
    Weighed.run(4, lambda comm: write_output(tmp_path, 0, ensemble.snapshot_of(nbody.start(BOX, SERIAL)), comm))
    assert max(largest) <= 8  # one count


def test_snapshots_are_not_written_unasked(tmp_path: Path) -> None:
    folder = ensemble.simulate(Member("box", BOX.model_copy(update={"snapshots": False, "spectra": True})), tmp_path)
    assert sorted(path.name for path in folder.iterdir()) == ["box.json", "spectrum_000.txt", "spectrum_001.txt"]


def test_a_complete_simulation_is_not_run_again(member: Member, tmp_path: Path) -> None:
    folder = ensemble.simulate(member, tmp_path)
    before = (folder / "snap_000.hdf5").stat().st_mtime_ns
    assert ensemble.is_complete(member, tmp_path)
    assert list(ensemble.simulate_steps(member, tmp_path)) == []
    assert ensemble.simulate(member, tmp_path) == folder
    assert (folder / "snap_000.hdf5").stat().st_mtime_ns == before


def test_a_folder_of_another_box_is_refused(member: Member, tmp_path: Path) -> None:
    ensemble.simulate(member, tmp_path)
    other = BOX.model_copy(update={"cosmology": PLANCK.model_copy(update={"h": 0.7})})
    with pytest.raises(ValueError, match=r"box_0000: expected the output of cosmology.h=0.7, got 0.6736"):
        ensemble.simulate(Member("box_0000", other), tmp_path)
    (tmp_path / "box_0001").mkdir()
    with pytest.raises(ValueError, match=r"box_0001: expected a simulation with box.json"):
        ensemble.is_complete(Member("box_0001", BOX), tmp_path)


def test_an_interrupted_simulation_leaves_nothing_that_could_be_read(member: Member, tmp_path: Path) -> None:
    steps = ensemble.simulate_steps(member, tmp_path)
    for state in steps:
        if state.output is not None:
            break
    steps.close()
    assert not ensemble.is_complete(member, tmp_path)
    assert list(tmp_path.glob("*/box.json")) == []
    ensemble.simulate(member, tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["box_0000"]

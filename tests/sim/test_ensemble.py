from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from configs import Box, Cosmology, Ensemble
from sim import ensemble, nbody, snapshot
from sim.ensemble import Member
from sim.parallel import ThreadComm

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


def test_a_simulation_is_what_the_run_gave(member: Member, tmp_path: Path) -> None:
    folder = ensemble.simulate(member, tmp_path)
    assert sorted(path.name for path in folder.iterdir()) == ["box.json", "snap_000.hdf5", "snap_001.hdf5"]
    assert list(tmp_path.iterdir()) == [folder]
    *_, state = nbody.run(BOX)
    found = snapshot.read(folder / "snap_001.hdf5")
    matter = found.particles["dark_matter"]
    assert (found.redshift, found.box_size, found.omega_m) == (0.0, 32.0, PLANCK.omega_m)
    np.testing.assert_array_equal(matter.ids, np.arange(512))
    np.testing.assert_array_equal(matter.pos, state.pos)
    np.testing.assert_allclose(matter.vel, state.vel, rtol=1e-6)
    np.testing.assert_allclose(matter.total_mass, PLANCK.omega_m * 2.775e11 * 32**3, rtol=1e-3)


def test_ranks_write_the_same_simulation(member: Member, tmp_path: Path) -> None:
    serial = snapshot.read(ensemble.simulate(member, tmp_path / "serial") / "snap_001.hdf5")
    ThreadComm.run(3, lambda comm: ensemble.simulate(member, tmp_path / "ranks", comm))
    ranks = snapshot.read(tmp_path / "ranks" / "box_0000" / "snap_001.hdf5")
    offset = np.abs(serial.particles["dark_matter"].pos - ranks.particles["dark_matter"].pos)
    assert np.minimum(offset, 32 - offset).max() < 1e-3
    np.testing.assert_array_equal(serial.particles["dark_matter"].ids, ranks.particles["dark_matter"].ids)


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

"""A box that starts from given initial conditions: its own give the same run, another code's the right universe."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from configs import Box, Cosmology
from sim import binary, halos, ics, nbody, snapshot
from sim.cosmology import growth, particle_mass
from sim.nbody import State
from sim.parallel import SERIAL, Comm, ThreadComm
from sim.particles import Particles, Snapshot
from sim.slab import Slab

PLANCK = Cosmology(omega_m=0.3152, omega_b=0.0493, h=0.6736, n_s=0.9649, sigma8=0.81)
BOX = Box(cosmology=PLANCK, box_size=32.0, n_particles=12, seed=3, n_steps=5)
AREPO = Box(
    cosmology=Cosmology(omega_m=0.3089, omega_b=0.0486, h=0.6774, n_s=0.9645, sigma8=0.831),
    box_size=50.0,
    n_particles=32,
    seed=0,
    z_initial=127.0,
    redshifts=(1.0,),
    n_steps=40,
)


def snapshot_of(state: State) -> Snapshot:
    box = state.box
    matter = Particles(state.pos.copy(), state.vel, particle_mass(box), state.ids.copy())
    return Snapshot({"dark_matter": matter}, box.box_size, state.redshift, box.cosmology.omega_m, box.cosmology.h)


def matter(found: Snapshot, **changes: Any) -> Snapshot:
    """The same with other particles."""
    return replace(found, particles={"dark_matter": replace(found.particles["dark_matter"], **changes)})


@pytest.fixture(scope="module")
def own() -> Snapshot:
    """Our own initial conditions, which any other code could have written."""
    return snapshot_of(nbody.start(BOX))


@pytest.fixture
def arepo(real_data: Path) -> Snapshot:
    return binary.read(real_data / "nbody" / "arepo_l50n32" / "L50n32_ics")


def last(state: State, comm: Comm = SERIAL) -> State:
    *_, end = nbody.evolve(state, comm)
    order = np.argsort(end.ids)
    return replace(end, pos=end.pos[order], mom=end.mom[order], ids=end.ids[order])


def distance(a: np.ndarray, b: np.ndarray, box_size: float) -> float:
    """Largest, through the edges of the box."""
    return float(np.abs((a.astype(np.float64) - b + box_size / 2) % box_size - box_size / 2).max())


def test_our_own_initial_conditions_give_our_own_run(own: Snapshot) -> None:
    state, expected = ics.state_of(own, BOX), nbody.start(BOX)
    assert (state.a, state.step, state.output) == (expected.a, 0, None)
    np.testing.assert_array_equal(state.pos, expected.pos)
    np.testing.assert_array_equal(state.ids, expected.ids)
    np.testing.assert_allclose(state.mom, expected.mom, rtol=3e-7, atol=0)
    found, wanted = last(state), last(expected)
    assert distance(found.pos, wanted.pos, BOX.box_size) < 2e-4


def test_the_snapshot_is_left_as_it_was(own: Snapshot) -> None:
    before = own.particles["dark_matter"].pos.copy()
    last(ics.state_of(own, BOX))
    np.testing.assert_array_equal(own.particles["dark_matter"].pos, before)


@pytest.mark.parametrize("size", [1, 2, 3])
def test_ranks_share_what_they_read(tmp_path: Path, own: Snapshot, size: int) -> None:
    """Each particle once, on the rank of its plane, and the run is that of one rank."""
    path, part = tmp_path / "ics.hdf5", own.particles["dark_matter"]
    order = np.random.default_rng(2).permutation(len(part))
    snapshot.write(path, matter(own, pos=part.pos[order], vel=part.vel[order], ids=part.ids[order]))

    def run(comm: Comm) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        state = ics.start(path, BOX, comm)
        assert (Slab(BOX.n_mesh, BOX.box_size, comm).owners(state.pos) == comm.rank).all()
        begun = state.ids.copy()
        *_, end = nbody.evolve(state, comm)
        return begun, end.ids, end.pos

    parts = [run(SERIAL)] if size == 1 else ThreadComm.run(size, run)
    begun, ids, pos = (np.concatenate(column) for column in zip(*parts, strict=True))
    np.testing.assert_array_equal(np.sort(begun), np.arange(BOX.n_particles**3))
    expected = last(nbody.start(BOX))
    assert distance(pos[np.argsort(ids)], expected.pos, BOX.box_size) < 2e-4


@pytest.mark.parametrize("factor", [1, 2, 3, 4])
@pytest.mark.parametrize("offset", [0.0, 0.07, -0.9])
def test_a_lattice_is_brought_to_the_centres_of_cells(own: Snapshot, factor: int, offset: float) -> None:
    box = BOX.model_copy(update={"mesh_factor": factor})
    cell, pos = box.box_size / box.n_mesh, own.particles["dark_matter"].pos
    moved = ((pos + offset) % box.box_size).astype(np.float32)
    shift = ics.lattice_shift(moved, box)
    assert np.abs(shift).max() <= 0.501 * cell
    centre = (0.25 * box.box_size / box.n_particles + offset + shift) / cell % 1  # of a 2x mesh, where `own` is
    np.testing.assert_allclose(centre, 0.5, rtol=0, atol=0.05)
    state = ics.state_of(matter(own, pos=moved), box)
    assert distance(state.pos, moved + shift, box.box_size) < 1e-5
    assert state.pos.min() >= 0
    assert state.pos.max() < box.box_size
    fixed = ics.state_of(matter(own, pos=moved), box, recentre=False)
    np.testing.assert_array_equal(fixed.pos, moved)


def test_what_is_no_lattice_is_not_moved(own: Snapshot) -> None:
    pos = np.random.default_rng(1).random((BOX.n_particles**3, 3)).astype(np.float32) * np.float32(31.9)
    assert not ics.lattice_shift(pos, BOX).any()
    np.testing.assert_array_equal(ics.state_of(matter(own, pos=pos), BOX).pos, pos)
    assert not ics.lattice_shift(own.particles["dark_matter"].pos, BOX).any()


def grown(state: State, box: Box) -> float:
    """How displacements from AREPO's lattice have grown at the end, over linear theory."""
    order = np.argsort(state.ids)
    begun = displaced(state.pos[order], state.ids[order], box)
    end = last(state)
    now = displaced(end.pos, end.ids, box)
    amplitude = float((now * begun).sum() / (begun**2).sum())
    return amplitude / (growth(box.cosmology, end.a) / growth(box.cosmology, 1 / (1 + box.z_initial)))


def displaced(pos: np.ndarray, ids: np.ndarray, box: Box) -> np.ndarray:
    """Displacements from lattice points, less their mean."""
    n = box.n_particles
    index = (ids.astype(np.int64) - 1)[:, None] // [n * n, n, 1] % n
    half = box.box_size / 2
    off = pos.astype(np.float64) - index * (box.box_size / n)
    off = (off + half) % box.box_size - half
    return off - off.mean(axis=0)


@pytest.mark.parametrize("factor", [2, 3, 4])
def test_another_codes_initial_conditions_grow_as_linear_theory(arepo: Snapshot, factor: int) -> None:
    """From z = 127 to 15: a velocity in other units than km/s would show as 1 - 0.6 (1 - sqrt(a)) or more."""
    box = AREPO.model_copy(update={"mesh_factor": factor, "redshifts": (15.0,), "n_steps": 15})
    assert abs(grown(ics.state_of(arepo, box), box) - 1) < 0.04


def test_halo_masses_are_those_of_arepo(arepo: Snapshot, real_data: Path) -> None:
    """The ten largest at z = 1 by rank: a particle mesh is coarser than a tree."""
    box = AREPO.model_copy(update={"mesh_factor": 3, "n_steps": 30})
    end = last(ics.state_of(arepo, box))
    found = halos.find(end.pos, particle_mass(box), 50.0, omega_m=0.3089, redshift=1.0, min_particles=32).mass_fof
    expected = np.loadtxt(real_data / "nbody" / "arepo_l50n32" / "Masses_L50n32_z1.txt")
    ratio = np.sort(found)[::-1][:10] / expected[:10]
    assert abs(ratio.mean() - 1) < 0.1
    assert np.abs(ratio - 1).max() < 0.25
    assert abs(len(found) - len(expected)) <= 6


Change = Callable[[Snapshot], Snapshot]


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda s: replace(s, particles={}), "dark matter only, got none"),
        (
            lambda s: replace(s, particles={**s.particles, "gas": s.particles["dark_matter"]}),
            "only, got dark_matter, gas",
        ),
        (lambda s: replace(s, box_size=33.0), "box_size = 32 of the box, got 33"),
        (lambda s: replace(s, omega_m=0.3), "cosmology.omega_m = 0.3152 of the box, got 0.3"),
        (lambda s: replace(s, h=0.7), "cosmology.h = 0.6736 of the box, got 0.7"),
        (lambda s: replace(s, redshift=127.0), r"1 \+ z_initial = 50 of the box, got 128"),
        (lambda s: matter(s, mass=s.particles["dark_matter"].mass * 0.84), "particle mass"),
        (lambda s: matter(s, mass=np.geomspace(1.6e12, 1.7e12, 1728, dtype=np.float32)), "particle mass"),
        (lambda s: matter(s, ids=s.particles["dark_matter"].ids // np.uint64(2)), "every id once, got 0 again"),
        (lambda s: matter(s, ids=s.particles["dark_matter"].ids % np.uint64(1727)), "every id once, got 0 again"),
    ],
)
@pytest.mark.parametrize("size", [1, 2])
def test_a_snapshot_of_another_box_is_refused(own: Snapshot, change: Change, words: str, size: int) -> None:
    """In the same words on every rank."""

    def refused(comm: Comm) -> bool:
        part = change(own)
        for name, whole in part.particles.items():
            rows = slice(comm.rank * len(whole) // comm.size, (comm.rank + 1) * len(whole) // comm.size)
            mass = whole.mass[rows] if isinstance(whole.mass, np.ndarray) else whole.mass
            parts = {**part.particles, name: Particles(whole.pos[rows], whole.vel[rows], mass, whole.ids[rows])}
            part = replace(part, particles=parts)
        with pytest.raises(ValueError, match=words):
            ics.state_of(part, BOX, comm)
        return True

    assert all([refused(SERIAL)] if size == 1 else ThreadComm.run(size, refused))


def test_another_number_of_particles_is_refused(own: Snapshot) -> None:
    with pytest.raises(ValueError, match=r"n_particles\^3 = 2197 of the box, got 1728"):
        ics.state_of(own, BOX.model_copy(update={"n_particles": 13}))


def test_what_cannot_be_read_is_refused_on_every_rank(tmp_path: Path) -> None:
    def refused(comm: Comm) -> bool:
        with pytest.raises(ValueError, match=r"ics\.hdf5: expected"):
            ics.start(tmp_path / "ics.hdf5", BOX, comm)
        return True

    (tmp_path / "ics.hdf5").write_bytes(b"nothing")
    assert all(ThreadComm.run(2, refused))


def test_ranks_share_a_binary_file_whose_unit_can_be_given(real_data: Path) -> None:
    path = real_data / "nbody" / "arepo_l50n32" / "L50n32_ics"
    parts = ThreadComm.run(2, lambda comm: ics.start(path, AREPO, comm).ids)
    np.testing.assert_array_equal(np.sort(np.concatenate(parts)), ics.start(path, AREPO).ids)
    with pytest.raises(ValueError, match="box_size = 50 of the box, got 50000"):
        ics.start(path, AREPO, length_unit="Mpc/h")

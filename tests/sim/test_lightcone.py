from __future__ import annotations

from dataclasses import replace
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from scipy.integrate import quad

from configs import Box, Cosmology, Lightcone
from sim import lightcone, nbody
from sim.cosmology import comoving_distance, growth, particle_mass
from sim.lightcone import Plane, as_seen, contrast, contrast_of, due, farthest_source, planes, seen, turned
from sim.nbody import State
from sim.parallel import Comm, ThreadComm
from sim.stepping import momentum_growth, schedule

PLANCK = Cosmology(omega_m=0.3152, omega_b=0.0493, h=0.6736, n_s=0.9649, sigma8=0.81)
CONE = Lightcone(field_deg=5.0, n_pixels=16, plane_depth=16.0, plane_pixels=32, z_source=0.2, seed=5)
BOX = Box(cosmology=PLANCK, box_size=64.0, n_particles=32, seed=3, n_steps=6, lightcone=CONE)


def changed(box: Box, **update: Any) -> Box:
    """The box with some fields of its light cone replaced."""
    assert box.lightcone is not None
    return box.model_copy(update={"lightcone": box.lightcone.model_copy(update=update)})


def random_state(box: Box = BOX, a: float = 0.9) -> State:
    rng = np.random.default_rng(0)
    n = box.n_particles**3
    pos = (rng.random((n, 3)) * box.box_size).astype(np.float32)
    return State(box, a, 4, None, pos, rng.normal(size=(n, 3)).astype(np.float32), np.arange(n, dtype=np.uint64))


def repetition(box: Box, a: float, number: int = 1) -> list[Plane]:
    """The planes of one repetition, all of them at `a`."""
    return [replace(plane, a=a) for plane in planes(box) if plane.repetition == number]


def test_shells_are_contiguous_and_reach_the_sources() -> None:
    found, far = planes(BOX), comoving_distance(PLANCK, 0.2)
    assert found[0].near == 0
    assert [plane.index for plane in found] == list(range(len(found)))
    assert all(inner.far == outer.near for inner, outer in pairwise(found))
    assert found[-1].near < far <= found[-1].far
    np.testing.assert_allclose([plane.depth for plane in found], 16.0)
    assert [plane.repetition for plane in found[:6]] == [0, 0, 0, 0, 1, 1]
    assert [plane.layer for plane in found[:6]] == [0, 1, 2, 3, 0, 1]


def test_a_plane_is_seen_when_light_left_its_middle() -> None:
    found = planes(BOX)
    distance = comoving_distance(PLANCK, np.array([plane.z for plane in found]))
    np.testing.assert_allclose(distance, [plane.chi for plane in found], rtol=1e-9)


def test_planes_reach_the_tail_of_a_distribution_but_not_the_time_before_the_start() -> None:
    box = changed(BOX, distribution="smail", z_source=0.2)
    total, below = (quad(lambda z: z**2 * np.exp(-((z / 0.2) ** 1.5)), 0, end)[0] for end in (5, farthest_source(box)))
    np.testing.assert_allclose(below / total, 0.999, atol=1e-9)
    late = box.model_copy(update={"z_initial": 0.3})
    assert farthest_source(late) == 0.3
    assert max(plane.z for plane in planes(late)) <= 0.3 < planes(box)[-1].z
    with pytest.raises(ValueError, match=r"lightcone.z_source: expected less than z_initial=0.1, got 0.2"):
        planes(BOX.model_copy(update={"z_initial": 0.1}))


def test_a_box_without_a_cone_is_refused() -> None:
    with pytest.raises(ValueError, match="expected a box with a light cone"):
        planes(BOX.model_copy(update={"lightcone": None}))


def test_every_plane_is_made_once_from_the_nearest_state() -> None:
    box = BOX.model_copy(update={"n_steps": 40})
    a = np.array([1 / 50] + [step.a for step in schedule(box)])
    made = [(step, plane) for step in range(len(a)) for plane in due(box, step)]
    assert sorted(plane.index for _, plane in made) == [plane.index for plane in planes(box)]
    assert all(step == np.argmin(np.abs(a - plane.a)) for step, plane in made)
    assert len({step for step, _ in made}) > 3


def test_a_turn_is_a_function_of_seed_and_repetition() -> None:
    assert turned(5, 3) == turned(5, 3)
    turns = [turned(seed, number) for seed in range(8) for number in range(8)]
    assert len(set(turns)) == 64
    assert len({turn.axes for turn in turns}) == 6
    assert len({turn.flips for turn in turns}) == 8
    assert planes(BOX)[4].turn == turned(5, 1)


@pytest.mark.parametrize("number", range(6))
def test_turning_keeps_distances_through_the_edges(number: int) -> None:
    def distances(pos: np.ndarray) -> np.ndarray:
        offset = pos[::2].astype(np.float64) - pos[1::2]
        return np.sqrt(((offset - 64 * np.rint(offset / 64)) ** 2).sum(axis=1))

    pos = random_state().pos[:1000]
    there = as_seen(pos, turned(1, number), 64.0)
    assert there.min() >= 0
    assert there.max() < 64
    np.testing.assert_allclose(distances(there), distances(pos), atol=2e-5)


def test_each_particle_is_in_one_plane_of_a_repetition() -> None:
    state = random_state()
    found = [seen(state, plane) for plane in repetition(BOX, state.a)]
    for layer, pos in enumerate(found):
        assert pos[:, 0].min() >= 16 * layer - 1e-5
        assert pos[:, 0].max() <= 16 * (layer + 1) + 1e-5
    everything = as_seen(state.pos, turned(5, 1), 64.0)
    together = np.concatenate(found)
    assert len(together) == len(everything)
    np.testing.assert_array_equal(np.sort(together, axis=0), np.sort(everything, axis=0))


def test_planes_conserve_mass() -> None:
    """The mean contrast over a repetition is zero, and every particle is counted once."""
    made = [contrast(random_state(), plane) for plane in repetition(BOX, 0.8)]
    maps, counts = zip(*(each for each in made if each is not None), strict=True)
    assert sum(counts) == 32**3
    np.testing.assert_allclose(np.mean(maps, dtype=np.float64), 0, atol=1e-7)
    assert np.abs([m.mean() for m in maps]).max() > 1e-3
    np.testing.assert_allclose([m.mean(dtype=np.float64) + 1 for m in maps], np.array(counts) * 4 / 32**3, rtol=1e-6)


def test_a_lattice_has_no_contrast() -> None:
    """CIC on pixels as wide as the lattice is uniform wherever the lattice lies."""
    state = random_state()
    grid = np.stack(np.meshgrid(*[np.arange(32.0)] * 3, indexing="ij"), axis=-1).reshape(-1, 3)
    state.pos, state.mom = ((grid + 0.3) * 2).astype(np.float32), np.zeros_like(state.mom)
    for plane in planes(BOX):
        made = contrast(state, plane)
        assert made is not None
        np.testing.assert_allclose(made[0], 0, atol=2e-5)


def test_a_zeldovich_wave_is_moved_to_the_time_of_the_plane_exactly() -> None:
    box = changed(BOX, plane_depth=64.0)
    grid = np.stack(np.meshgrid(*[np.arange(32.0)] * 3, indexing="ij"), axis=-1).reshape(-1, 3) * 2 + 1
    k = 2 * np.pi / 64
    psi = -np.sin(k * grid) / k
    pos = ((grid + growth(PLANCK, 0.5) * psi) % 64).astype(np.float32)
    mom = (momentum_growth(PLANCK, np.array([0.5])) * psi).astype(np.float32)
    state = State(box, 0.5, 3, None, pos, mom, np.arange(32**3, dtype=np.uint64))
    for a in (0.3, 0.45, 0.62):
        plane = replace(planes(box)[1], a=a)
        exact = as_seen((grid + growth(PLANCK, a) * psi).astype(np.float32), plane.turn, 64.0)
        offset = seen(state, plane) - exact
        np.testing.assert_allclose(offset - 64 * np.rint(offset / 64), 0, atol=5e-5)


def test_error_of_the_move_falls_as_its_square() -> None:
    """Against the same run: from 1 and from 2 steps of 0.0125 in a later."""
    box = changed(BOX.model_copy(update={"z_initial": 1.0, "n_steps": 40, "n_particles": 16}), plane_depth=64.0)
    states = []
    for state in nbody.run(box):
        if state.step in (36, 37, 38):
            order = np.argsort(state.ids)
            states.append(replace(state, pos=state.pos[order], mom=state.mom[order]))
    plane = replace(planes(box)[0], a=states[0].a)
    exact, near, far = (seen(state, plane) for state in states)
    errors = []
    for moved in (near, far):
        offset = moved - exact
        errors.append(np.sqrt(((offset - 64 * np.rint(offset / 64)) ** 2).sum(axis=1).mean()))
    np.testing.assert_allclose(errors[1] / errors[0], 4, rtol=0.15)
    # one of these steps is about half a step of a run of 40 from z=49
    assert errors[0] < 0.01


@pytest.mark.parametrize("size", [2, 3])
def test_slabs_make_the_same_planes(size: int) -> None:
    box = BOX.model_copy(update={"n_steps": 3})

    def made(comm: Comm) -> list[tuple[np.ndarray, int]]:
        found = []
        for state in nbody.run(box, comm):
            for plane in due(box, state.step):
                found.append(contrast(state, plane, comm))
        return [each for each in found if each is not None]

    serial = made(lightcone.SERIAL)
    first, *others = ThreadComm.run(size, made)
    assert len(serial) == len(planes(box))
    assert others == [[]] * (size - 1)
    for (ours, n), (theirs, m) in zip(first, serial, strict=True):
        assert abs(n - m) <= 2  # a particle on the edge of a shell may round to either side
        assert np.abs(ours - theirs).mean() < 1e-4


def test_tracers_with_masses_are_the_particles() -> None:
    state = random_state()
    mass = particle_mass(BOX)
    halves = [(state.pos, 0.25 * mass), (state.pos, np.full(len(state.pos), 0.75 * mass, np.float32))]
    for plane in repetition(BOX, state.a):
        made = contrast(state, plane)
        assert made is not None
        np.testing.assert_allclose(contrast_of(halves, plane, BOX), made[0], atol=1e-5)

"""Spheres against brute force over all pairs, across the edges of the box."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from sim.spheres import Spheres, outermost

BOX = 10.0
RNG = np.random.default_rng(4)
POS = RNG.uniform(0, BOX, (3000, 3)).astype(np.float32)
CENTER = np.concatenate([RNG.uniform(0, BOX, (20, 3)), [[0.0, 0.0, 9.999]]])
RADIUS = np.sort(RNG.uniform(0.3, 1.5, 21))[::-1].copy()


def offsets() -> NDArray[np.float64]:
    """Nearest images: (h, n, 3)."""
    offset = POS[None].astype(float) - CENTER[:, None]
    return offset - BOX * np.rint(offset / BOX)


DISTANCE = np.linalg.norm(offsets(), axis=2)
INSIDE = np.less(DISTANCE, RADIUS[:, None])
OWNER = np.where(INSIDE.any(axis=0), INSIDE.argmax(axis=0), -1)


def test_a_particle_belongs_to_the_first_sphere_that_contains_it() -> None:
    owner, distance = Spheres.of(POS, BOX).owners(CENTER, RADIUS)
    np.testing.assert_array_equal(owner, OWNER)
    owned = OWNER >= 0
    np.testing.assert_allclose(distance[owned], DISTANCE[OWNER[owned], owned.nonzero()[0]], rtol=1e-9)
    np.testing.assert_array_equal(distance[~owned], 0)


def test_a_particle_goes_to_the_centre_nearest_in_units_of_its_size() -> None:
    reach = 2.0
    near = np.less(DISTANCE, reach)
    scaled = np.where(near, DISTANCE / RADIUS[:, None], np.inf)
    expected = np.where(near.any(axis=0), scaled.argmin(axis=0), -1)
    owner, distance = Spheres.of(POS, BOX).nearest(CENTER, RADIUS, reach)
    np.testing.assert_array_equal(owner, expected)
    away = np.where(expected >= 0, DISTANCE[expected, np.arange(len(POS))], 0)
    np.testing.assert_allclose(distance, away, rtol=1e-9)
    assert np.count_nonzero(near.sum(axis=0) > 1) > 100


@pytest.mark.parametrize("slab", [(0.0, BOX), (0.0, 3.0), (4.1, 4.2), (6.5, BOX), (2.0, 2.0)])
def test_squares_are_the_distances_within_reach(slab: tuple[float, float]) -> None:
    """Of the particles at hand: all of the box, or a slab of it, whose spheres reach through the edges of the box."""
    mine = (POS[:, 0] >= slab[0]) & (POS[:, 0] < slab[1])
    start, squares = Spheres.of(POS[mine], BOX, len(POS)).squares(CENTER, RADIUS)
    for i, row in enumerate(DISTANCE[:, mine]):
        found = np.sqrt(np.sort(squares[start[i] : start[i + 1]]))
        np.testing.assert_allclose(found, np.sort(row[row < RADIUS[i]]), rtol=1e-9)


def test_a_slab_lists_the_cells_of_its_own_planes() -> None:
    whole, slab = Spheres.of(POS, BOX), Spheres.of(POS[POS[:, 0] < 2], BOX, len(POS))
    assert slab.n_cells == whole.n_cells
    assert len(slab.start) < 0.4 * len(whole.start)


@pytest.mark.parametrize("last", [2.0, 5.0 / RADIUS.max()])
def test_shells_count_the_particles_that_nobody_owns(last: float) -> None:
    edges = np.geomspace(1, last, 9)
    expected = [np.histogram(row[OWNER < 0] / r, edges)[0] for row, r in zip(DISTANCE, RADIUS, strict=True)]
    np.testing.assert_array_equal(Spheres.of(POS, BOX).shells(CENTER, RADIUS, edges, OWNER), expected)


def test_shifts_are_those_of_the_owner_or_the_sum_over_all_in_reach() -> None:
    log_grid = np.log([0.01, 1.0, 2.0])
    ratio = np.stack([np.linspace(0.1, 0.3, 21), np.linspace(-0.2, 0.1, 21)], axis=1)[:, :, None] * [1, 1, 0]
    shift = Spheres.of(POS, BOX).shifts(CENTER, RADIUS, OWNER, log_grid, ratio)
    offset, x = offsets(), DISTANCE / RADIUS[:, None]
    expected = np.zeros((2, len(POS), 3))
    for p, owner in enumerate(OWNER):
        for h in [owner] if owner >= 0 else np.flatnonzero(x[:, p] < 2):
            moves = np.exp([np.interp(np.log(x[h, p]), log_grid, ratio[h, s]) for s in range(2)])
            expected[:, p] += (moves[:, None] - 1) * offset[h, p]
    np.testing.assert_allclose(shift, expected, rtol=1e-4, atol=1e-5)


def test_a_particle_at_a_centre_stays() -> None:
    pos = np.array([[1, 1, 1]], np.float32)
    shift = Spheres.of(pos, BOX).shifts(
        pos.astype(float), np.ones(1), np.zeros(1, int), np.log([0.1, 1.0]), np.ones((1, 2, 2))
    )
    np.testing.assert_array_equal(shift, 0)


def test_outermost_drops_a_centre_inside_an_earlier_sphere_that_is_kept() -> None:
    center = np.array([[0.1, 5, 5], [9.5, 5, 5], [8.8, 5, 5], [4, 4, 4.0]])
    keep = outermost(center, np.array([1.0, 0.8, 0.5, 0.5]), BOX)
    np.testing.assert_array_equal(keep, [True, False, True, True])

"""Centres of groups: brute force for the potential, clumps of known places, across the edge of the box."""

from __future__ import annotations

import numpy as np
import pytest
from clumps import BOX, Positions, clump
from numpy.typing import NDArray

from sim import centers
from sim.centers import densest, most_bound

SOFTENING = 0.02


def lowest(pos: Positions) -> NDArray[np.float64]:
    """The position with the lowest potential of all pairs."""
    offset = pos[:, None].astype(float) - pos
    square = ((offset - BOX * np.rint(offset / BOX)) ** 2).sum(axis=2)
    potential = -((square + SOFTENING**2) ** -0.5)
    np.fill_diagonal(potential, 0)
    return pos[np.argmin(potential.sum(axis=1))].astype(float)


def groups() -> list[Positions]:
    return [clump((0, 8, 16), 300, size=0.1), clump((4, 4, 4), 500, seed=1), clump((9, 9, 9), 30, seed=2)]


@pytest.mark.parametrize("limit", [centers.LIMIT, 150])
def test_the_most_bound_member_is_that_of_brute_force(limit: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of groups around the edges too, and where only some members are candidates."""
    monkeypatch.setattr(centers, "LIMIT", limit)
    start = np.cumsum([0, *map(len, groups())])
    found = most_bound(np.concatenate(groups()), start, BOX, SOFTENING)
    np.testing.assert_array_equal(found, [lowest(group) for group in groups()])


def test_the_most_bound_member_is_in_the_heavier_of_two_clumps_that_overlap() -> None:
    """Though the lighter one has the higher density."""
    heavy, light = clump((7, 8, 8), 1200, size=0.15), clump((7.5, 8, 8), 400, size=0.09, seed=1)
    bound = most_bound(np.concatenate([light, heavy]), np.array([0, 1600]), BOX, SOFTENING)[0]
    assert np.linalg.norm(bound - [7, 8, 8]) < 0.15
    assert (np.all(heavy == bound.astype(np.float32), axis=1)).any()


def test_of_members_equally_bound_the_first_is_the_centre() -> None:
    pair = np.array([[7.5, 8, 8], [8.5, 8, 8]], np.float32)
    for order in ([0, 1], [1, 0]):
        found = most_bound(pair[order], np.array([0, 2]), BOX, SOFTENING)
        np.testing.assert_array_equal(found[0], pair[order][0])


def test_no_groups_have_no_centres() -> None:
    nothing, start = np.empty((0, 3), np.float32), np.zeros(1, np.int64)
    assert densest(nothing, start, BOX).shape == most_bound(nothing, start, BOX, SOFTENING).shape == (0, 3)

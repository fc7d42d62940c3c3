"""What ranks hold along x, and who is near it, by hand and by brute force."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from sim.extents import Extents
from sim.parallel import Comm, ThreadComm

BOX = 10.0


def extents(*x: list[float]) -> Extents:
    """Of ranks with particles at x, gathered by them."""

    def one_rank(comm: Comm) -> Extents:
        mine = np.array(x[comm.rank], np.float32)
        return Extents.of(np.stack([mine] * 3, axis=1), BOX, comm)

    found = ThreadComm.run(len(x), one_rank)
    for other in found[1:]:
        np.testing.assert_array_equal((other.low, other.high), (found[0].low, found[0].high))
    return found[0]


def test_every_rank_knows_all_ends() -> None:
    found = extents([1, 2, 0.5], [], [9, 3])
    np.testing.assert_array_equal(found.low, [0.5, np.nan, 3])
    np.testing.assert_array_equal(found.high, [2, np.nan, 9])


@pytest.mark.parametrize(
    ("held", "reach", "inside"),
    [
        ([3, 5], 1.0, [2, 2.5, 3, 4, 5, 6]),
        ([3, 5], 0.0, [3, 4, 5]),
        ([0.5, 1], 2.0, [0, 0.25, 1, 2, 2.5, 3, 8.5, 9, 9.75]),
        ([9, 9.75], 0.5, [0, 0.25, 8.5, 9, 9.75]),
        ([0, 9.75], 0.25, [0, 0.25, 1, 2, 2.5, 3, 4, 5, 6, 7, 8, 8.5, 9, 9.75]),
        ([], 9.0, []),
    ],
)
def test_near_is_inside_or_at_most_the_reach_away_round_the_box(
    held: list[float], reach: float, inside: list[float]
) -> None:
    x = np.array([0, 0.25, 1, 2, 2.5, 3, 4, 5, 6, 7, 8, 8.5, 9, 9.75], np.float32)
    found = extents([5], held)
    np.testing.assert_array_equal(x[found.within(1, x, reach)], inside)
    np.testing.assert_array_equal(x[found.within(1, x, np.full(len(x), reach))], inside)


def test_each_point_has_its_own_reach() -> None:
    found = extents([4, 5])
    np.testing.assert_array_equal(found.within(0, np.array([3.0, 3.0, 7.0, 7.0]), np.array([1, 0.9, 2, 1.9])), [0, 2])


def test_ranks_touch_when_one_holds_what_is_near_the_other() -> None:
    """Every pair of intervals of a coarse grid, beside the gaps of their own points."""
    grid = np.arange(0, BOX, 1.0)
    pairs = [(a, b) for a in grid for b in grid if a <= b]
    found = extents(*([*np.arange(a, b + 0.5)] for a, b in pairs[::3]))
    held = [np.arange(a, b + 0.5) for a, b in pairs[::3]]
    for i, mine in enumerate(held):
        for j, other in enumerate(held):
            assert found.touch(i, j, 1.5) == (nearest(mine, other) <= 1.5)


def nearest(a: NDArray[np.float64], b: NDArray[np.float64]) -> float:
    gap = np.abs(a[:, None] - b[None])
    return float(np.minimum(gap, BOX - gap).min())


def test_nobody_touches_a_rank_without_particles() -> None:
    found = extents([1, 2], [])
    assert not found.touch(0, 1, 9.0)
    assert not found.touch(1, 0, 9.0)

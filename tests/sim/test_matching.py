"""Counterparts: one to one, across the edge, of similar mass, or none."""

from __future__ import annotations

import numpy as np
import pytest

from sim.halo_list import Halos
from sim.matching import matched

BOX = 50.0


def halos(center: list[list[float]], mass: list[float]) -> Halos:
    m = np.array(mass)
    return Halos(np.arange(len(m)), np.array(center).reshape(-1, 3) % BOX, m, 0.75 * (m / 1e14) ** (1 / 3), BOX, 0.0)


def test_the_same_halos_in_another_order_match_each_other() -> None:
    rng = np.random.default_rng(1)
    one = halos(rng.uniform(0, BOX, (200, 3)).tolist(), (10 ** rng.uniform(12, 14.5, 200)).tolist())
    shuffle = rng.permutation(200)
    moved = halos((one.center[shuffle] + rng.normal(0, 0.01, (200, 3))).tolist(), one.m200c[shuffle].tolist())
    there = matched(one, moved)
    assert (there >= 0).mean() > 0.95
    np.testing.assert_array_equal(shuffle[there[there >= 0]], np.flatnonzero(there >= 0))
    back = matched(moved, one)
    np.testing.assert_array_equal(back[there[there >= 0]], np.flatnonzero(there >= 0))


def test_of_two_that_want_one_only_the_nearer_gets_it() -> None:
    one = halos([[10, 10, 10], [10.3, 10, 10]], [1e14, 1e14])
    np.testing.assert_array_equal(matched(one, halos([[10.05, 10, 10]], [1e14])), [0, -1])


def test_across_the_edge_of_the_box() -> None:
    np.testing.assert_array_equal(matched(halos([[0.05, 25, 25]], [1e14]), halos([[-0.05, 25, 25]], [1e14])), [0])


@pytest.mark.parametrize(("place", "mass"), [(11.0, 1e14), (10.0, 2.5e14), (10.0, 3e13)])
def test_neither_far_nor_of_another_mass(place: float, mass: float) -> None:
    assert matched(halos([[10, 10, 10]], [1e14]), halos([[place, 10, 10]], [mass])).tolist() == [-1]


def test_nothing_matches_nothing_and_boxes_must_be_alike() -> None:
    none = halos([], [])
    assert len(matched(none, none)) == 0
    assert matched(halos([[1, 1, 1]], [1e13]), none).tolist() == [-1]
    with pytest.raises(ValueError, match="boxes of one size"):
        matched(none, Halos(*(none.number, none.center, none.m200c, none.r200c), 25.0, 0.0))

"""Groups: scipy as the oracle, and the same groups on any number of threads and ranks."""

from __future__ import annotations

import numpy as np
import pytest
from clumps import BOX, Counted, Integers, Positions, clump, clustered, field, filament, on_ranks, slab_owners
from numpy.typing import NDArray
from scipy.sparse import coo_matrix
from scipy.sparse.csgraph import connected_components
from scipy.spatial import cKDTree

from sim import friends
from sim.friends import group_labels
from sim.parallel import Comm

LINKINGS = [0.01, 0.1, 0.2, 0.35, 1.0, 3.0, 5.0, 9.0]


def oracle(pos: Positions, linking: float) -> Integers:
    """Canonical labels from a periodic kd-tree and connected components."""
    n = len(pos)
    pairs = cKDTree(pos.astype(np.float64), boxsize=BOX).query_pairs(linking, output_type="ndarray")
    graph = coo_matrix((np.ones(len(pairs), bool), tuple(pairs.T)), shape=(n, n))
    n_groups, group = connected_components(graph, directed=False)
    first = np.full(n_groups, n)
    np.minimum.at(first, group, np.arange(n))
    return first[group]


def labels_on_ranks(pos: Positions, linking: float, owner: Integers, size: int) -> Integers:
    """Labels in the order of `pos`, with the index as id, from `size` ranks."""
    ids = np.arange(len(pos), dtype=np.uint64)

    def labels(comm: Comm, pos: Positions, ids: NDArray[np.uint64]) -> Integers:
        return group_labels(pos, BOX, linking, ids=ids, comm=comm)

    out = np.empty(len(pos), np.int64)
    out[np.argsort(owner, kind="stable")] = np.concatenate(on_ranks(owner, size, labels, pos, ids))
    return out


@pytest.mark.parametrize("linking", LINKINGS)
def test_groups_are_those_of_scipy(linking: float) -> None:
    pos = clustered()
    np.testing.assert_array_equal(group_labels(pos, BOX, linking), oracle(pos, linking))


@pytest.mark.parametrize("n_threads", [2, 3, 7, 40])
@pytest.mark.parametrize("linking", [0.05, 0.35, 1.0, 5.0])
def test_groups_do_not_depend_on_the_threads(linking: float, n_threads: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """More threads than planes of cells, too: their shares of the work are what counts, not who does it."""
    pos = np.concatenate([clustered(), filament(400)])
    expected = group_labels(pos, BOX, linking)
    monkeypatch.setattr(friends, "n_threads_of_rank", lambda: n_threads)
    assert len(np.unique(expected)) < len(pos)
    np.testing.assert_array_equal(group_labels(pos, BOX, linking), expected)


@pytest.mark.parametrize("size", [2, 3, 4, 8])
@pytest.mark.parametrize("linking", LINKINGS)
def test_groups_do_not_depend_on_the_ranks(linking: float, size: int) -> None:
    """Slabs thinner than the linking length among them."""
    pos = np.concatenate([clustered(), filament(300)])
    found = labels_on_ranks(pos, linking, slab_owners(pos, size), size)
    np.testing.assert_array_equal(found, group_labels(pos, BOX, linking))


@pytest.mark.parametrize("size", [2, 5])
def test_ranks_may_hold_any_particles(size: int) -> None:
    pos = clustered()
    owner = np.random.default_rng(0).integers(0, size, len(pos))
    np.testing.assert_array_equal(labels_on_ranks(pos, 0.35, owner, size), oracle(pos, 0.35))


def test_ranks_may_hold_nothing() -> None:
    pos = clustered()
    owner = 1 + slab_owners(pos, 3)
    np.testing.assert_array_equal(labels_on_ranks(pos, 0.35, owner, 6), oracle(pos, 0.35))
    assert labels_on_ranks(pos[:0], 0.35, owner[:0], 3).shape == (0,)


@pytest.mark.parametrize("cut", [0.0, 0.01, 7.99, 8.0])
def test_a_clump_across_an_edge_of_slabs_is_one_group(cut: float) -> None:
    pos = clump((cut, 8, 8), 500)
    owner = (np.mod(pos[:, 0] - cut, BOX) < BOX / 2).astype(np.int64)
    assert 100 < owner.sum() < 400
    labels = labels_on_ranks(pos, 0.4, owner, 2)
    assert np.bincount(labels)[0] == np.bincount(labels).max() > 480
    np.testing.assert_array_equal(labels, oracle(pos, 0.4))


@pytest.mark.parametrize("size", [1, 2, 3, 4, 8])
def test_a_filament_round_the_box_is_one_group(size: int) -> None:
    """Its smallest id is on one rank; cut once it is still one group, cut twice it is two."""
    pos = filament(1000)[np.random.default_rng(1).permutation(1000)]
    x = pos[:, 0]
    for gaps, n_groups in (([], 1), ([3.0], 1), ([3.0, 12.0], 2)):
        kept = pos[np.all([abs(x - gap) > 0.5 for gap in gaps] + [x >= 0], axis=0)]
        labels = labels_on_ranks(kept, 0.2, slab_owners(kept, size), size)
        assert len(np.unique(labels)) == n_groups
        np.testing.assert_array_equal(labels, oracle(kept, 0.2))


def test_a_meander_through_all_ranks_is_one_group() -> None:
    """It crosses every edge twelve times, and ids fall from its one end to the other: labels must come all the way."""
    t = np.linspace(0, 1, 6000)
    x = 8 + 7 * np.cos(12 * np.pi * t)
    pos = np.stack([x, 1 + 14 * t, np.full_like(t, 8)], axis=1).astype(np.float32)
    for order in (slice(None), slice(None, None, -1)):
        labels = labels_on_ranks(pos[order], 0.1, slab_owners(pos[order], 5), 5)
        np.testing.assert_array_equal(labels, 0)


def test_a_label_is_the_smallest_id() -> None:
    pos = np.concatenate([clump((4, 8, 8), 50, size=0.02), clump((12, 8, 8), 50, size=0.02)])
    ids = np.random.default_rng(0).permutation(np.arange(1000, 1100)).astype(np.uint64)
    expected = np.repeat([ids[:50].min(), ids[50:].min()], 50)
    np.testing.assert_array_equal(group_labels(pos, BOX, 0.2, ids=ids), expected)


def test_without_ids_particles_count_from_rank_to_rank() -> None:
    pos = clustered()
    pos = pos[np.argsort(slab_owners(pos, 3), kind="stable")]
    found = on_ranks(slab_owners(pos, 3), 3, lambda comm, mine: group_labels(mine, BOX, 0.35, comm=comm), pos)
    np.testing.assert_array_equal(np.concatenate(found), oracle(pos, 0.35))


def test_friends_are_at_most_the_linking_length_apart() -> None:
    pos = np.array([[1, 1, 1], [1.5, 1, 1], [2, 1, 1], [15.75, 1, 1], [3, 1, 1]], np.float32)
    for size in (1, 2, 3):
        owner = np.array([0, 1, 0, 1, 2]) % size
        np.testing.assert_array_equal(labels_on_ranks(pos, 0.5, owner, size), [0, 0, 0, 3, 4])
        np.testing.assert_array_equal(labels_on_ranks(pos, 0.499, owner, size), [0, 1, 2, 3, 4])
        np.testing.assert_array_equal(labels_on_ranks(pos, 1.25, owner, size), [0, 0, 0, 0, 0])


def test_groups_do_not_depend_on_the_order_of_the_particles() -> None:
    pos = clustered()
    order = np.random.default_rng(2).permutation(len(pos))
    labels, shuffled = group_labels(pos, BOX, 0.3), group_labels(pos[order], BOX, 0.3, ids=order)
    np.testing.assert_array_equal(shuffled, labels[order])


def test_every_particle_is_in_one_group_and_those_on_several_ranks_are_shared() -> None:
    pos = np.concatenate([clump((4, 8, 8), 50), clump((8, 8, 8), 60), clump((12, 8, 8), 70)])
    owner = (pos[:, 0] > 8).astype(np.int64)
    found = on_ranks(owner, 2, lambda comm, mine: friends.groups(mine, BOX, 1.0, comm=comm), pos)
    for groups, mine in zip(found, (pos[owner == 0], pos[owner == 1]), strict=True):
        np.testing.assert_array_equal(np.sort(groups.members), np.arange(len(mine)))
        assert groups.size.sum() == len(mine)
        across = [(abs(mine[rows, 0] - 8) < 2).all() for rows in np.split(groups.members, groups.start[1:-1])]
        np.testing.assert_array_equal(groups.shared, across)


def test_ranks_send_the_strips_at_their_edges() -> None:
    """Positions and, in few rounds, labels of what lies within a linking length of an edge: not the particles."""
    pos, linking, size = field(40000), 0.05, 4
    owner = (pos[:, 0] * (size / BOX)).astype(np.int64)

    def sent(comm: Comm, mine: Positions) -> int:
        counted = Counted(comm)
        group_labels(mine, BOX, linking, comm=counted)
        return counted.sent

    strip = 2 * linking / BOX * len(pos)
    for n_bytes in on_ranks(owner, size, sent, pos):
        assert 12 * 0.8 * strip < n_bytes < (12 + 4 * 8) * 1.2 * strip + 500


@pytest.mark.parametrize(
    ("pos", "ids", "words"),
    [
        (np.zeros((4, 2)), None, r"pos of shape \(n, 3\), got \(4, 2\)"),
        (np.full((4, 3), 17.0), None, r"positions in \[0, 16.0\] Mpc/h, got 17.0 to 17.0"),
        (np.ones((4, 3)), np.arange(3), r"4 integer ids, one a particle, got int64 of shape \(3,\)"),
        (np.ones((4, 3)), np.ones(4), r"4 integer ids, one a particle, got float64 of shape \(4,\)"),
    ],
)
def test_nonsense_is_refused(pos: NDArray[np.float64], ids: Integers | None, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        group_labels(pos, BOX, 0.2, ids=ids)


def test_all_ranks_refuse_what_one_rank_must_not_hold() -> None:
    def refused(comm: Comm) -> str:
        with pytest.raises(ValueError, match="positions in") as error:
            group_labels(np.full((2, 3), 15.5 + comm.rank), BOX, 0.2, comm=comm)
        return str(error.value)

    words = on_ranks(np.empty(0), 3, refused)
    assert words == [f"halos: expected positions in [0, {BOX}] Mpc/h, got 15.5 to 17.5"] * 3

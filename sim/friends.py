"""Friends-of-friends groups of the particles of a periodic box, on any number of threads and ranks.

Knows nothing of halos. Two particles of a cell small enough are always friends, so cells are linked and not particles.
Threads link within their own planes of cells, then the planes where two of them meet; ranks do the same with strips of
particles along their edges, and then agree on labels. No group depends on the order of the particles, the threads or
the ranks; positions are used as float32.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numba import njit, prange
from numpy.typing import NDArray
from scipy.sparse import coo_matrix
from scipy.sparse.csgraph import connected_components

from sim.cells import Indices, Integers, Positions, by_cell, runs, taken
from sim.extents import Extents
from sim.parallel import SERIAL, Comm, n_threads_of_rank

_MAX_CELLS = 1 << 20
_EMPTY = 4
"""Cells that hold nothing after every row and every plane: two cells past the end of one are not in the next."""
_NONE = np.iinfo(np.int64).max
"""Label of a group that holds no particle of this rank."""


@dataclass(frozen=True)
class Groups:
    """The particles of this rank by group: the g groups hold members[start[i] : start[i + 1]], in any order.

    `label` (g,) is the smallest id in the group on all ranks; `shared` (g,) says that other ranks hold some of it.
    """

    members: Indices
    start: Integers
    label: Integers
    shared: NDArray[np.bool_]

    @property
    def size(self) -> Integers:
        """How many particles of each group are on this rank (g,)."""
        return np.diff(self.start)


def group_labels(
    pos: NDArray[np.floating[Any]],
    box_size: float,
    linking: float,
    *,
    ids: NDArray[np.integer[Any]] | None = None,
    comm: Comm = SERIAL,
) -> Integers:
    """The friends-of-friends group of each particle (n,): the smallest id in it. Arguments as in `groups`."""
    found = groups(pos, box_size, linking, ids=ids, comm=comm)
    labels = np.empty(len(pos), np.int64)
    labels[found.members] = np.repeat(found.label, found.size)
    return labels


def groups(
    pos: NDArray[np.floating[Any]],
    box_size: float,
    linking: float,
    *,
    ids: NDArray[np.integer[Any]] | None = None,
    comm: Comm = SERIAL,
) -> Groups:
    """Groups of pos (n, 3) in [0, box_size]; two particles at most `linking` apart, also round the box, are friends.

    `ids` (n,) are unique; without them they count the particles, from rank to rank. Ranks may hold any particles, but
    slabs along x make the strips that they exchange thin. ValueError for positions outside the box, on all ranks.
    """
    n_cells = int(np.sqrt(3) * box_size / linking) + 1
    if n_cells > _MAX_CELLS:
        raise ValueError(f"halos: expected a linking length above {2 * box_size / _MAX_CELLS} Mpc/h, got {linking}")
    pos, ids = checked(pos, box_size, comm), identities(ids, len(pos), comm)
    strips = _strips(pos, linking, box_size, comm)
    ghosts = comm.alltoall([pos[strip] for strip in strips]) if comm.size > 1 else []
    members, start = _components(np.concatenate([pos, *ghosts]) if ghosts else pos, n_cells, box_size, linking)
    label = np.asarray(_smallest(ids, members, start))
    if not ghosts:
        return Groups(members, start, label, np.zeros(len(label), np.bool_))
    return _agreed(Groups(members, start, label, np.ones(len(label), np.bool_)), len(pos), strips, comm)


def checked(pos: NDArray[np.floating[Any]], box_size: float, comm: Comm = SERIAL) -> Positions:
    """`pos` as contiguous float32; ValueError on every rank when one of them holds positions outside the box."""
    if pos.ndim != 2 or pos.shape[1] != 3:
        raise ValueError(f"halos: expected pos of shape (n, 3), got {pos.shape}")
    own = np.array([pos.min(), pos.max()] if len(pos) else [0.0, 0.0], np.float64)
    ends = np.array(comm.allgather(own))
    low, high = ends[:, 0].min(), ends[:, 1].max()
    if not (low >= 0 and high <= box_size):
        raise ValueError(f"halos: expected positions in [0, {box_size}] Mpc/h, got {low} to {high}")
    return np.ascontiguousarray(pos, np.float32)


def identities(ids: NDArray[np.integer[Any]] | None, n: int, comm: Comm = SERIAL) -> Integers:
    """`ids` (n,) as int64, or, without them, the number of the particle, counted from rank to rank."""
    if ids is None:
        before = sum(int(other[0]) for other in comm.allgather(np.array([n]))[: comm.rank])
        return np.arange(before, before + n)
    if ids.shape != (n,) or not np.issubdtype(ids.dtype, np.integer):
        raise ValueError(f"halos: expected {n} integer ids, one a particle, got {ids.dtype} of shape {ids.shape}")
    return ids.astype(np.int64, copy=False)


def _strips(pos: Positions, reach: float, box_size: float, comm: Comm) -> list[Integers]:
    """For every rank the particles of this one that may have friends there."""
    if comm.size == 1:
        return []
    extents, nobody = Extents.of(pos, box_size, comm), np.empty(0, np.int64)
    others = [rank != comm.rank and extents.touch(comm.rank, rank, reach) for rank in range(comm.size)]
    return [extents.within(rank, pos[:, 0], reach) if near else nobody for rank, near in enumerate(others)]


def _agreed(seen: Groups, n_own: int, strips: Sequence[Integers], comm: Comm) -> Groups:
    """`seen`, groups of own particles and, after these, of ghosts, without the ghosts and with labels all agree on.

    Every round tells the neighbours the labels in the strips, and joins groups that share a particle with the same
    group of a neighbour. A label crosses one rank a round at least, and a round costs as much as the strips.
    """
    group = np.empty(len(seen.members), np.int32)
    group[seen.members] = np.repeat(np.arange(len(seen.label), dtype=np.int32), seen.size)
    label, changed = seen.label, True
    while changed:
        theirs = np.concatenate(comm.alltoall([label[group[strip]] for strip in strips]))
        joined = _joined(label, group[n_own:], theirs)
        changed = bool(comm.allreduce(np.array([(joined != label).any()], np.int64))[0])
        label = joined
    shared = np.zeros(len(label), np.bool_)
    shared[group[n_own:]] = True
    return _owned(Groups(seen.members, seen.start, label, shared), n_own)


def _joined(label: Integers, group: Indices, theirs: Integers) -> Integers:
    """The smallest label of the groups that are one because neighbours call their ghosts the same.

    Ghost i is in group[i] here and in the group labelled theirs[i] on its own rank.
    """
    (here, i), (there, j) = (np.unique(ends, return_inverse=True) for ends in (group, theirs))
    n = len(here) + len(there)
    links = coo_matrix((np.ones(len(i), np.bool_), (i, len(here) + j)), (n, n))
    n_parts, part = connected_components(links, directed=False)
    smallest = np.full(n_parts, _NONE)
    np.minimum.at(smallest, part, np.concatenate([label[here], there]))
    joined = label.copy()
    joined[here] = smallest[part[: len(here)]]
    return joined


def _owned(seen: Groups, n_own: int) -> Groups:
    """`seen` without the particles from n_own on, and without groups that hold nothing else."""
    own = seen.members < n_own
    size = np.add.reduceat(own, seen.start[:-1], dtype=np.int64) if len(own) else np.empty(0, np.int64)
    start = np.concatenate([[0], np.cumsum(size[size > 0])])
    return Groups(seen.members[own], start, seen.label[size > 0], seen.shared[size > 0])


def _components(pos: Positions, n_cells: int, box_size: float, linking: float) -> tuple[Indices, Integers]:
    """Particles group after group, and where each group starts (g + 1,)."""
    order, keys = by_cell(pos, box_size, n_cells, n_cells + _EMPTY)
    first = runs(keys)
    cells = keys[first[:-1]]
    del keys
    root = _linked(cells, _edges(cells, first, n_cells), first, taken(pos, order), n_cells, box_size, linking**2)
    members, start = _by_root(root, first, order)
    return members, start


def _edges(cells: Integers, first: Integers, n_cells: int) -> Integers:
    """Where the cells of each thread begin and end: whole planes, of about as many particles."""
    plane = runs(cells // (n_cells + _EMPTY) ** 2)
    shares = first[-1] * np.arange(n_threads_of_rank() + 1) / n_threads_of_rank()
    return plane[np.searchsorted(first[plane], shares)]


@njit(cache=True, nogil=True)
def _root(parent, i):  # type: ignore[no-untyped-def]
    while parent[i] != i:
        parent[i] = parent[parent[i]]
        i = parent[i]
    return i


@njit(cache=True, nogil=True)
def _link_cells(a, b, pos, first, parent, box_size, square):  # type: ignore[no-untyped-def]
    """Join the groups of cells `a` and `b` if one pair of their particles are friends."""
    if parent[a] == parent[b]:
        return
    root_a, root_b = _root(parent, a), _root(parent, b)
    if root_a == root_b:
        return
    for p in range(first[a], first[a + 1]):
        for q in range(first[b], first[b + 1]):
            distance = 0.0
            for axis in range(3):
                d = abs(np.float64(pos[p, axis]) - np.float64(pos[q, axis]))
                d = min(d, box_size - d)
                distance += d * d
            if distance <= square:
                parent[max(root_a, root_b)] = min(root_a, root_b)
                return


@njit(cache=True, nogil=True)
def _link_range(begin, end, lo, hi, cells, stride, pos, first, parent, box_size, square):  # type: ignore[no-untyped-def]
    """Link cells begin to end with those after them at most two away along each axis, among cells lo to hi."""
    for dx in range(3):
        for dy in range(0 if dx == 0 else -2, 3):
            shift = (dx * stride + dy) * stride
            low = max(lo, np.searchsorted(cells, cells[begin] + shift - 2))
            for a in range(begin, end):
                target = cells[a] + shift
                while low < hi and cells[low] < target - 2:
                    low += 1
                b = max(low, a + 1)
                while b < hi and cells[b] <= target + 2:
                    _link_cells(a, b, pos, first, parent, box_size, square)
                    b += 1


@njit(cache=True, nogil=True)
def _link_images(a, n_cells, cells, pos, first, parent, box_size, square):  # type: ignore[no-untyped-def]
    """Link cell `a` with those that are after it only round the box."""
    stride = n_cells + _EMPTY
    x, y, z = cells[a] // stride**2, cells[a] // stride % stride, cells[a] % stride
    for dx in range(3):
        for dy in range(0 if dx == 0 else -2, 3):
            around = x + dx >= n_cells or not 0 <= y + dy < n_cells
            row = ((x + dx) % n_cells * stride + (y + dy) % n_cells) * stride
            for turn in (-n_cells, 0, n_cells):
                low, high = max(z - 2 + turn, 0), min(z + 2 + turn, n_cells - 1)
                if low > high or (turn == 0 and not around):
                    continue
                b = np.searchsorted(cells, row + low)
                while b < len(cells) and cells[b] <= row + high:
                    _link_cells(a, b, pos, first, parent, box_size, square)
                    b += 1


@njit(cache=True, nogil=True, parallel=True)
def _linked(cells, edges, first, pos, n_cells, box_size, square):  # type: ignore[no-untyped-def]
    """The first cell of the group of each cell: union-find among cells edges[i] to edges[i + 1], then across these."""
    parent, stride = np.arange(len(cells), dtype=np.int32), n_cells + _EMPTY
    at_edge = np.empty(len(cells), np.bool_)
    for a in prange(len(cells)):
        x, y, z = cells[a] // stride**2, cells[a] // stride % stride, cells[a] % stride
        at_edge[a] = not (x < n_cells - 2 and 2 <= y < n_cells - 2 and 2 <= z < n_cells - 2)
    for chunk in prange(len(edges) - 1):
        begin, end = edges[chunk], edges[chunk + 1]
        while begin < end:
            # Plane by plane, so that the three planes at hand stay in the cache.
            last = np.searchsorted(cells, (cells[begin] // stride**2 + 1) * stride**2)
            _link_range(begin, last, begin, end, cells, stride, pos, first, parent, box_size, square)
            begin = last
    for edge in edges[1:-1]:
        if 0 < edge < len(cells):
            low = np.searchsorted(cells, (cells[edge - 1] // stride**2 - 1) * stride**2)
            high = np.searchsorted(cells, (cells[edge] // stride**2 + 2) * stride**2)
            _link_range(low, edge, edge, high, cells, stride, pos, first, parent, box_size, square)
    for border in np.flatnonzero(at_edge):
        _link_images(border, n_cells, cells, pos, first, parent, box_size, square)
    for cell in range(len(parent)):
        parent[cell] = parent[parent[cell]]
    return parent


@njit(cache=True, nogil=True)
def _by_root(root, first, order):  # type: ignore[no-untyped-def]
    """Particles group after group, and where each group starts: groups in the order of their first cells."""
    group = np.empty(len(root), np.int32)
    start = np.zeros(len(root) + 1, np.int64)
    n = 0
    for cell in range(len(root)):
        if root[cell] == cell:
            group[cell] = n
            n += 1
        group[cell] = group[root[cell]]
        start[group[cell] + 1] += first[cell + 1] - first[cell]
    start = np.cumsum(start[: n + 1])
    cursor, members = start.copy(), np.empty_like(order)
    for cell in range(len(root)):
        place = cursor[group[cell]]
        for p in range(first[cell], first[cell + 1]):
            members[place] = order[p]
            place += 1
        cursor[group[cell]] = place
    return members, start


@njit(cache=True, nogil=True)
def _smallest(ids, members, start):  # type: ignore[no-untyped-def]
    """Smallest id of each group; members beyond `ids` are ghosts and do not count."""
    label = np.full(len(start) - 1, _NONE)
    for group in range(len(start) - 1):
        for i in range(start[group], start[group + 1]):
            if members[i] < len(ids):
                label[group] = min(label[group], ids[members[i]])
    return label

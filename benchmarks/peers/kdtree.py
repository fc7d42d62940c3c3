"""Friends-of-friends as a few lines of scipy: pairs of a periodic kd-tree, then connected components."""

from __future__ import annotations

import time
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components
from scipy.spatial import cKDTree

from benchmarks.peers.worker import Particles, memory, peak_memory, serve


def labels(particles: Particles, linking: float) -> NDArray[np.int32]:
    """The group of each particle (n,), as a number."""
    n = len(particles.pos)
    tree = cKDTree(particles.pos, boxsize=particles.box_size)
    pairs = tree.query_pairs(linking, output_type="ndarray")
    graph = coo_array((np.ones(len(pairs), np.bool_), (pairs[:, 0], pairs[:, 1])), shape=(n, n))
    return np.asarray(connected_components(graph, directed=False)[1])


def friends(folder: str, linking: float, n_timed: int, out: str) -> dict[str, Any]:
    """Seconds of each search, and what one holds beyond the particles.

    The index of the first particle of each particle's group is written to `out`.
    """
    particles = Particles.load(folder)
    before, found = memory(), []
    for _ in range(n_timed):
        begin = time.perf_counter()
        group = labels(particles, linking)
        found.append(time.perf_counter() - begin)
    held = peak_memory() - before
    _, first, inverse = np.unique(group, return_index=True, return_inverse=True)
    np.save(out, first[inverse])
    return {"seconds": found, "held_bytes": held}


if __name__ == "__main__":
    serve({"friends": friends})

"""Friends-of-friends as a few lines of scipy: pairs of a periodic kd-tree, then connected components."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components
from scipy.spatial import cKDTree

from benchmarks.peers.worker import Particles, searched, serve


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
    return searched(lambda: labels(particles, linking), n_timed, out)


if __name__ == "__main__":
    serve({"friends": friends})

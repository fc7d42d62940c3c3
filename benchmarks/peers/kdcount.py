"""Friends-of-friends by kdcount, the kd-tree in C behind nbodykit, run by its own interpreter."""

from __future__ import annotations

import time
from typing import Any

import numpy as np
from kdcount import cluster, models

from benchmarks.peers.worker import Particles, memory, peak_memory, serve


def friends(folder: str, linking: float, n_timed: int, out: str) -> dict[str, Any]:
    """Seconds of each search; the index of the first particle of each particle's group is written to `out`."""
    particles = Particles.load(folder)
    pos = particles.pos.astype(np.float64)
    before, found = memory(), []
    for _ in range(n_timed):
        begin = time.perf_counter()
        labels = cluster.fof(models.points(pos, boxsize=particles.box_size), linking, np=0).labels
        found.append(time.perf_counter() - begin)
    held = peak_memory() - before
    _, first, inverse = np.unique(labels, return_index=True, return_inverse=True)
    np.save(out, first[inverse])
    return {"seconds": found, "held_bytes": held}


if __name__ == "__main__":
    serve({"friends": friends})

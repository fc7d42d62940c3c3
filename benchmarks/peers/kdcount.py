"""Friends-of-friends by kdcount, the kd-tree in C behind nbodykit, run by its own interpreter."""

from __future__ import annotations

from typing import Any

import numpy as np
from kdcount import cluster, models
from numpy.typing import NDArray

from benchmarks.peers.worker import Particles, searched, serve


def friends(folder: str, linking: float, n_timed: int, out: str) -> dict[str, Any]:
    """As `searched`."""
    particles = Particles.load(folder)
    pos = particles.pos.astype(np.float64)

    def search() -> NDArray[Any]:
        return np.asarray(cluster.fof(models.points(pos, boxsize=particles.box_size), linking, np=0).labels)

    return searched(search, n_timed, out)


if __name__ == "__main__":
    serve({"friends": friends})

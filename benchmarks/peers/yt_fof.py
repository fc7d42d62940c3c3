"""Friends-of-friends by the C code of Enzo in yt_astro_analysis, run by its own interpreter. It drops small groups."""

from __future__ import annotations

import time
from typing import Any

import numpy as np
from yt_astro_analysis.halo_analysis.halo_finding.fof import EnzoFOF

from benchmarks.peers.worker import Particles, memory, peak_memory, serve


def friends(folder: str, linking: float, n_timed: int, out: str) -> dict[str, Any]:
    """Seconds of each search; the first particle of each group of 8 or more is written to `out`, -1 in smaller ones."""
    particles = Particles.load(folder)
    x, y, z = (np.ascontiguousarray(axis, np.float64) for axis in particles.pos.T / particles.box_size)
    before, found = memory(), []
    for _ in range(n_timed):
        begin = time.perf_counter()
        labels = EnzoFOF.RunFOF(x, y, z, linking / particles.box_size)
        found.append(time.perf_counter() - begin)
    held = peak_memory() - before
    _, first, inverse = np.unique(labels, return_index=True, return_inverse=True)
    np.save(out, np.where(labels >= 0, first[inverse], -1))
    return {"seconds": found, "held_bytes": held}


if __name__ == "__main__":
    serve({"friends": friends})

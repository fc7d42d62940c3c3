"""Friends-of-friends by the C code of Enzo in yt_astro_analysis, run by its own interpreter. It drops small groups."""

from __future__ import annotations

from typing import Any

import numpy as np
from yt_astro_analysis.halo_analysis.halo_finding.fof import EnzoFOF

from benchmarks.peers.worker import Particles, searched, serve


def friends(folder: str, linking: float, n_timed: int, out: str) -> dict[str, Any]:
    """As `searched`, of groups of 8 or more."""
    particles = Particles.load(folder)
    x, y, z = (np.ascontiguousarray(axis, np.float64) for axis in particles.pos.T / particles.box_size)
    return searched(lambda: EnzoFOF.RunFOF(x, y, z, linking / particles.box_size), n_timed, out)


if __name__ == "__main__":
    serve({"friends": friends})

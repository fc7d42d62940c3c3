"""Jobs for Pylians, run by its own interpreter: the CIC deposit and the power spectrum with its FFT."""

from __future__ import annotations

from typing import Any

import MAS_library
import numpy as np
import Pk_library

from benchmarks.peers.worker import Particles, Vectors, seconds, serve


def painted(particles: Particles, n_mesh: int) -> Vectors:
    """Particles in each cell (n_mesh, n_mesh, n_mesh)."""
    mesh = np.zeros((n_mesh, n_mesh, n_mesh), np.float32)
    MAS_library.MA(particles.pos, mesh, particles.box_size, "CIC", verbose=False)
    return mesh


def deposit(folder: str, n_mesh: int, n_timed: int) -> dict[str, Any]:
    """Seconds of each deposit of particles in lattice order."""
    particles = Particles.load(folder)
    total = float(painted(particles, n_mesh).sum(dtype=np.float64))
    return {"seconds": seconds(lambda: painted(particles, n_mesh), n_timed), "total": total}


def power(folder: str, n_mesh: int, n_timed: int, n_threads: int) -> dict[str, Any]:
    """Seconds of each P(k) of a painted field, its window compensated."""
    particles = Particles.load(folder)
    mesh = painted(particles, n_mesh)

    def measure() -> Any:
        delta = mesh / mesh.mean(dtype=np.float64, keepdims=True).astype(np.float32) - np.float32(1)
        return Pk_library.Pk(delta, particles.box_size, 0, "CIC", n_threads, False)

    found = measure()
    spent = seconds(measure, n_timed)
    return {"seconds": spent, "k": found.k3D.tolist(), "pk": found.Pk[:, 0].tolist()}


if __name__ == "__main__":
    serve({"deposit": deposit, "power": power})

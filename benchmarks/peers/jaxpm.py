"""Jobs for JaxPM, run by its own interpreter: its forces, CIC on one cell a particle, a step compiled as a whole."""

from __future__ import annotations

import time
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
from jax import Array
from jaxpm.pm import pm_forces

from benchmarks.peers.worker import Particles, serve


@partial(jax.jit, static_argnames=("n_mesh",))
def force(pos: Array, n_mesh: int, omega_m: float) -> Array:
    return pm_forces(pos, mesh_shape=(n_mesh,) * 3) * (1.5 * omega_m)


@partial(jax.jit, static_argnames=("n_mesh",))
def kick_drift_kick(
    pos: Array, mom: Array, acc: Array, coefficients: Array, n_mesh: int, omega_m: float
) -> tuple[Array, Array, Array]:
    """One step; the coefficients are those of the two kicks and of the drift."""
    mom = mom + coefficients[0] * acc
    pos = (pos + coefficients[1] * mom) % n_mesh
    acc = force(pos, n_mesh, omega_m)
    return pos, mom + coefficients[2] * acc, acc


def step(folder: str, n_mesh: int, scheme: str, n_timed: int) -> dict[str, Any]:
    """Seconds of a step: the mean of n_timed, after one that is not counted. ValueError for a mesh it does not have."""
    particles = Particles.load(folder)
    if scheme != "cic" or n_mesh != particles.n:
        raise ValueError(f"jaxpm: expected cic on {particles.n}^3, got {scheme} on {n_mesh}^3")
    scale = n_mesh / particles.box_size
    pos, mom = jnp.asarray(particles.pos * scale), jnp.asarray(particles.mom * scale)
    coefficients = jnp.array([0.01, 0.01, 0.01], jnp.float32)
    acc = force(pos, n_mesh, particles.omega_m)
    found = []
    for _ in range(n_timed + 1):
        begin = time.perf_counter()
        state = kick_drift_kick(pos, mom, acc, coefficients, n_mesh, particles.omega_m)
        pos, mom, acc = jax.block_until_ready(state)
        found.append(time.perf_counter() - begin)
    return {"seconds": [sum(found[1:]) / n_timed]}


if __name__ == "__main__":
    serve({"step": step})

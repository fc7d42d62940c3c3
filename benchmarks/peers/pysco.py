"""Jobs for PySCo, run by its own interpreter: its FFT solver, four-point gradient, leapfrog and choice of steps.

PySCo keeps positions in units of the box and velocities in supercomoving units, v = a^2 dx/dt / H0 with x in boxes:
our momentum over the side of the box. Its cells are centred half a cell off ours, so that is where the particles go.
"""

from __future__ import annotations

import logging
import tempfile
import time
from pathlib import Path
from typing import Any

import numba
import numpy as np
import pandas as pd
import pysco
from pysco.main import cosmotable, integration, solver, utils

from benchmarks.peers.worker import Particles, serve, wrapped

TODAY = np.float32(0)
"""Supercomoving time at z=0."""


def parameters(particles: Particles, n_mesh: int, scheme: str, base: str) -> pd.Series:
    """What its modules read; radiation is left out, as in our runs."""
    param = {
        "nthreads": numba.get_num_threads(),
        "theory": "newton",
        "H0": 100 * particles.h,
        "Om_m": particles.omega_m,
        "T_cmb": 0.0,
        "N_eff": 0.0,
        "w0": -1.0,
        "wa": 0.0,
        "boxlen": particles.box_size,
        "ncoarse": n_mesh.bit_length() - 1,
        "npart": particles.n**3,
        "z_start": 1 / particles.a - 1,
        "base": base,
        "extra": "darkglass",
        "save_power_spectrum": "no",
        "integrator": "leapfrog",
        "n_reorder": 50,
        "mass_scheme": scheme,
        "Courant_factor": 1.0,
        "max_aexp_stepping": 10,
        "linear_newton_solver": "fft",
        "gradient_stencil_order": 5,
        "aexp": particles.a,
        "nsteps": 0,
    }
    return pd.Series(param)


class Simulation:
    """The loop of its `main.run` between reading the initial conditions and writing the result."""

    def __init__(self, folder: str, n_mesh: int, scheme: str, *, reordered: bool) -> None:
        particles = Particles.load(folder)
        with tempfile.TemporaryDirectory() as base:
            self.param = parameters(particles, n_mesh, scheme.upper(), base)
            self.tables = cosmotable.generate(self.param)
        utils.set_units(self.param)
        self.param["t"] = self.tables[1](np.log(self.param["aexp"]))
        self.shift = particles.shift(n_mesh) + np.float32(particles.box_size / 2 / n_mesh)
        scale = np.float32(1 / particles.box_size)
        pos, vel = (particles.pos + self.shift) * scale, particles.mom * scale
        utils.periodic_wrap(pos)
        if reordered:
            pos, vel = utils.reorder_particles(pos, vel)
        self.particles = pos, vel
        self.fields: tuple[Any, ...] = ()

    def begin(self) -> None:
        """The first force."""
        self.fields = solver.pm(self.particles[0], self.param)

    def step(self) -> None:
        """Kick, drift, force, kick, and the particles in Morton order now and then."""
        self.param["nsteps"] += 1
        found = integration.integrate(*self.particles, *self.fields, self.tables, self.param, TODAY)
        self.particles, self.fields = found[:2], found[2:]
        if self.param["nsteps"] % self.param["n_reorder"] == 0:
            pos, vel, acc = utils.reorder_particles(*self.particles, self.fields[0])
            self.particles, self.fields = (pos, vel), (acc, *self.fields[1:])


def step(folder: str, n_mesh: int, scheme: str, n_timed: int, reordered: bool) -> dict[str, Any]:
    """Seconds of a step: the mean of n_timed, after one that is not counted."""
    simulation = Simulation(folder, n_mesh, scheme, reordered=reordered)
    simulation.param["max_aexp_stepping"] = 1  # so that they do not end at z=0
    simulation.begin()
    simulation.step()
    begin = time.perf_counter()
    for _ in range(n_timed):
        simulation.step()
    return {"seconds": [(time.perf_counter() - begin) / n_timed]}


def run(folder: str, n_mesh: int, scheme: str, out: str, solver: str = "fft") -> dict[str, Any]:
    """Seconds of a run to z=0 from the particles in memory; its final positions are written to `out`.

    Particles stay in the order they came in until its own reordering.
    """
    simulation = Simulation(folder, n_mesh, scheme, reordered=False)
    simulation.param["linear_newton_solver"] = solver
    begin = time.perf_counter()
    simulation.begin()
    while simulation.param["aexp"] < 1 - 1e-7:
        simulation.step()
    spent = time.perf_counter() - begin
    box_size = simulation.param["boxlen"]
    np.save(out, wrapped(simulation.particles[0] * np.float32(box_size) - simulation.shift, box_size))
    return {"seconds": [spent], "n_steps": int(simulation.param["nsteps"])}


def cold(n: int, n_mesh: int, box_size: float, omega_m: float, h: float, table: str) -> dict[str, Any]:
    """A whole run as its README shows it: initial conditions from a table of P(k), z=49 to 0, snapshots."""
    particles = Particles(np.empty((0, 3)), np.empty((0, 3)), n, n_mesh, box_size, omega_m, h, 0.02, 0, 0, 49.0)
    with tempfile.TemporaryDirectory() as base:
        param = parameters(particles, n_mesh, "TSC", base).drop(["aexp", "nsteps", "extra"])
        fixed = {"fixed_ICS": False, "paired_ICS": False, "dealiased_ICS": False, "position_ICS": "center"}
        files = {"initial_conditions": "2LPT", "power_spectrum_file": table, "output_snapshot_format": "HDF5"}
        more = pd.Series({**fixed, **files, "seed": 1, "z_out": "[0]", "verbose": 0})
        pysco.run(pd.concat([param, more]))
        if not list(Path(base).glob("output_00001/*.h5")):
            raise RuntimeError(f"{base}: expected a snapshot at z=0, got none")
    return {}


if __name__ == "__main__":
    logging.disable(logging.CRITICAL)
    serve({"step": step, "run": run, "cold": cold})

"""What single precision costs in accuracy, and what a torch device gains in time.

python -m benchmarks.device [--quick] [--device cuda]. One universe is run in single precision by numba and by torch and
in double precision by torch, from the same initial conditions: distances between the same particles, and P(k), at four
redshifts. Beside them the error of the time steps, which is that of the same run with as many steps and with twice as
many. Then a step is timed, stage by stage, beside numba on the host's cores; the bytes of a stage are the least that
it can move, positions, meshes and modes once each. On CUDA: 512^3 particles on 512^3 and 1024^3 cells.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from configs import Box, Cosmology, provenance
from sim import device, nbody, spectra, tensors
from sim.nbody import State
from sim.parallel import n_threads_of_rank

PLANCK = Cosmology(omega_m=0.3152, omega_b=0.0493, h=0.6736, n_s=0.9649, sigma8=0.81)
REDSHIFTS = (9.0, 3.0, 1.0, 0.0)
BANDS = (0.0, 0.1, 0.25, 0.5, 0.75, 1.0)
"""Edges of bands in k over the Nyquist frequency of the particles."""
HOST = "numba float32"
STEPS = "numba float32, twice the steps"
Array = NDArray[Any]


@dataclass(frozen=True)
class Kept:
    """What is compared at one redshift: positions by id (n, 3), and the P(k) of them."""

    pos: Array
    pk: Array


@dataclass(frozen=True)
class Difference:
    """Of a run from the one in double precision: distances [mesh cells] and the largest |P ratio - 1| in each band."""

    rms: float
    worst: float
    power: Array


def accuracy_box(quick: bool) -> Box:
    n, steps = (32, 16) if quick else (64, 40)
    return Box(cosmology=PLANCK, box_size=2.0 * n, n_particles=n, seed=7, redshifts=REDSHIFTS, n_steps=steps)


def compared(box: Box) -> dict[str, dict[float, Difference]]:
    """Differences by run and redshift."""
    start = nbody.start(box)
    finer = dataclasses.replace(copied(start), box=box.model_copy(update={"n_steps": 2 * box.n_steps}))
    runs = {
        "torch float64": device.evolve(start, device="cpu", dtype=torch.float64),
        "torch float32": device.evolve(start, device="cpu"),
        HOST: nbody.evolve(copied(start)),
        STEPS: nbody.evolve(finer),
    }
    kept = {name: {s.output: keep(s) for s in states if s.output is not None} for name, states in runs.items()}
    exact = kept.pop("torch float64")
    return {name: {z: difference(box, at[z], exact[z]) for z in box.redshifts} for name, at in kept.items()}


def copied(state: State) -> State:
    """A state whose arrays `nbody.evolve` may change."""
    return dataclasses.replace(state, pos=state.pos.copy(), mom=state.mom.copy(), ids=state.ids.copy())


def keep(state: State) -> Kept:
    """P(k) is measured in double precision, of CIC, up to the Nyquist frequency of the particles."""
    pos = state.pos[np.argsort(state.ids)].astype(np.float64)
    mesh = tensors.paint(torch.from_numpy(pos).T.contiguous(), state.box.box_size, state.box.n_mesh).numpy()
    edges = spectra.linear_edges(state.box.box_size, state.box.n_particles)
    return Kept(pos, spectra.power(mesh, state.box.box_size, edges=edges, window="cic").pk)


def difference(box: Box, one: Kept, exact: Kept) -> Difference:
    offset = one.pos - exact.pos
    offset -= box.box_size * np.rint(offset / box.box_size)
    cells = np.linalg.norm(offset, axis=1) * (box.n_mesh / box.box_size)
    ratio = np.abs(one.pk / exact.pk - 1)
    k = np.arange(1, len(ratio) + 1) / (box.n_particles / 2)
    power = [ratio[(k > low) & (k <= high)].max() for low, high in pairwise(BANDS)]
    return Difference(float(np.sqrt((cells**2).mean())), float(cells.max()), np.array(power))


def print_accuracy(box: Box, found: dict[str, dict[float, Difference]]) -> None:
    bands = " ".join(f"<{high:.2f} kN" for high in BANDS[1:])
    size = f"{box.n_particles}^3 particles, {box.n_mesh}^3 cells, {box.box_size:g} Mpc/h"
    print(f"{size}, {box.n_steps} steps; each run's distance from torch float64")
    print(f"{'':<63} max |P ratio - 1|, kN the Nyquist frequency of the particles")
    print(f"{'run':<32}{'z':>3}  rms [cells]  max [cells]  {bands}")
    for name, at in found.items():
        for z, d in at.items():
            power = " ".join(f"{p:>8.1e}" for p in d.power)
            print(f"{name:<32}{z:>3g}  {d.rms:>11.2e}  {d.worst:>11.2e}  {power}")


def accuracy_rows(found: dict[str, dict[float, Difference]]) -> list[dict[str, Any]]:
    """Single precision beside the error of the time steps at z=0."""
    steps = found[STEPS][0.0]
    rows = []
    for name in (HOST, "torch float32"):
        d = found[name][0.0]
        rows.append(row(f"{name}: rms distance from float64", d.rms, steps.rms, "error of the time steps", "cells"))
        worst, allowed = float(d.power.max()), float(steps.power.max())
        rows.append(row(f"{name}: P(k) over float64", worst, allowed, "error of the time steps", "relative deviation"))
    return rows


def timing_boxes(where: str, quick: bool) -> list[Box]:
    n = (32 if quick else 64) if where == "cpu" else (128 if quick else 512)
    box = Box(cosmology=PLANCK, box_size=2.0 * n, n_particles=n, seed=7, n_steps=10)
    return [box.model_copy(update={"mesh_factor": factor}) for factor in (1, 2)]


def timed(box: Box, where: str) -> dict[str, Any]:
    """The steps of a run on a device beside the first of numba from the same start, and its stages at the end."""
    start = nbody.start(box)
    host = float(np.median(list(seconds_a_step(nbody.evolve(copied(start)), "cpu"))[:3]))
    if where != "cpu":
        torch.cuda.reset_peak_memory_stats()
    states = device.evolve(start, device=where)
    ours = list(seconds_a_step(states, where))
    median, name = float(np.median(ours)), f"{box.n_particles}^3 on {box.n_mesh}^3"
    threads = f"numba, {n_threads_of_rank()} threads"
    print(f"\n{name}, {where}: {median:.4f} s a step, first {ours[0]:.4f}, last {ours[-1]:.4f}; {threads}: {host:.4f}")
    if where != "cpu":
        peak, estimate = torch.cuda.max_memory_allocated() / 2**30, device.memory_bytes(box) / 2**30
        print(f"peak {peak:.2f} GiB, estimated {estimate:.2f}")
    print_stages(box, torch.device(where))
    return row(f"step {name}, {where}", median, host, threads, "s")


def seconds_a_step(states: Iterator[State], where: str) -> Iterator[float]:
    """The second and later steps, of which the last state is the caller's."""
    next(states)
    next(states)
    begin = now(where)
    for _ in states:
        end = now(where)
        yield end - begin
        begin = end


def now(where: str) -> float:
    """The time when all that was asked of the device is done."""
    if where != "cpu":
        torch.cuda.synchronize()
    return time.perf_counter()


def print_stages(box: Box, where: torch.device) -> None:
    """Best of three of each stage, on the particles of the first step that is halfway."""
    middle = box.n_steps // 2
    state = next(state for state in device.evolve(nbody.start(box), device=str(where)) if state.step == middle)
    print(f"{'stage, z = ' + format(state.redshift, '.2f'):<24}{'times':>6}{'ms':>10}{'GB':>8}{'GB/s':>8}")
    for name, times, n_bytes, work in stages(box, device.Particles.of(state, where, torch.float32)):
        seconds = min(best_of(work, str(where)))
        size = n_bytes / 1e9
        print(f"{name:<24}{times:>6}{1e3 * seconds:>10.2f}{size:>8.3f}{size / seconds:>8.1f}")


def stages(box: Box, particles: device.Particles) -> Iterator[tuple[str, int, int, Callable[[], object]]]:
    """Name, how often a step does it, the least bytes that it moves, and the work; of a four-point kick."""
    pos, mom = particles.pos, particles.mom
    poisson = tensors.Poisson.of(box, pos.device, torch.float32)
    shape, length, scheme = (box.n_mesh,) * 3, box.box_size, box.assignment
    points, cells = 4 * pos.shape[1], 4 * box.n_mesh**3
    mesh = tensors.paint(pos, length, box.n_mesh, scheme)
    modes = torch.fft.rfftn(mesh)
    yield "paint", 1, 3 * points + cells, lambda: tensors.paint(pos, length, box.n_mesh, scheme)
    yield "transform", 1, 2 * cells, lambda: torch.fft.rfftn(mesh)
    yield "divide by k^2", 1, 2 * cells, lambda: poisson.solve(modes, 1.0)
    yield "transform back", 1, 2 * cells, lambda: torch.fft.irfftn(modes, shape)
    yield "difference", 3, 2 * cells, lambda: tensors.difference(mesh, 2, 1.0)
    yield "read", 3, 4 * points + cells, lambda: tensors.read(mesh, pos, length, scheme)
    yield "kick", 2, 9 * points, lambda: mom.mul_(1.0).add_(mom, alpha=0.0)
    yield "drift", 1, 9 * points, lambda: tensors.drift(pos, mom, 0.0, length)


def best_of(work: Callable[[], object], where: str) -> Iterator[float]:
    """Seconds of three calls, after one that warms up."""
    work()
    for _ in range(3):
        begin = now(where)
        work()
        yield now(where) - begin


def row(name: str, ours: float, peer: float, peer_name: str, unit: str) -> dict[str, Any]:
    """One line of the result: a ratio above 1 says that ours is less."""
    rounded = {"ours": float(f"{ours:.4g}"), "peer": float(f"{peer:.4g}"), "ratio": round(peer / ours, 3)}
    return {"name": name, **rounded, "peer_name": peer_name, "unit": unit}


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.device", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="32^3 particles; a GPU times 128^3")
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu", help="what is timed")
    arguments = parser.parse_args()
    torch.set_num_threads(n_threads_of_rank())
    box = accuracy_box(arguments.quick)
    found = compared(box)
    print_accuracy(box, found)
    rows = accuracy_rows(found)
    rows += [timed(box, arguments.device) for box in timing_boxes(arguments.device, arguments.quick)]
    print(json.dumps({"benchmark": "device", "commit": provenance()["commit"], "rows": rows}))


if __name__ == "__main__":
    main()

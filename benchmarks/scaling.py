"""Does one box over more ranks get faster, does a larger box over more ranks take as long, and what must travel?

    python -m benchmarks.scaling [--quick] [--ranks 1 2 4] [--rounds 3]

Ranks are processes under mpiexec with one thread each, at most one a core; rounds take turns and the fastest counts. A
step is the mean of eight on clustered particles, so that ordering and migration are in it; its time is that of the
slowest rank. Strong: the same box on 1 rank over that on R (ratio: speed-up). Weak: as many particles a rank (ratio:
efficiency). Work: processor seconds of a step outside the exchange, which a busy machine hardly changes. Volume: bytes
that a rank sends in a step, counted by a Comm that wraps another, beside what the transposes and ghost planes should
send (the rest is particles that change rank). In the end the 2048^3 box on 64 nodes is extrapolated from these numbers;
docs/scaling.md says with which assumptions.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from configs import Box, Cosmology, provenance
from sim import gradient, nbody
from sim.memory import in_words
from sim.mesh import ghosts
from sim.parallel import Array, Comm, MpiComm, SerialComm, ThreadComm

PLANCK = Cosmology(omega_m=0.3152, omega_b=0.0493, h=0.6736, n_s=0.9649, sigma8=0.81)
N_STEPS, N_TIMED = 10, 8
REPOSITORY = Path(__file__).resolve().parents[1]
VOLUME_RANKS = (2, 3, 4, 8)

GOAL = (2048, 64)
"""Particles along a side and nodes of the extrapolation."""
CORES, BANDWIDTHS = 32, (1.25e9, 12.5e9, 25e9)
"""Cores a node; bytes a second that a node sends while it receives as many: 10, 100 and 200 Gbit/s."""


class Counted(Comm):
    """Another Comm, and what went through it: bytes sent to others by kind, seconds and processor seconds in it."""

    def __init__(self, inner: Comm) -> None:
        self._inner = inner
        self.rank, self.size = inner.rank, inner.size
        self.sent: Counter[str] = Counter()
        self.seconds = self.work = 0.0

    @contextmanager
    def _timed(self) -> Iterator[None]:
        begin, work = time.perf_counter(), time.process_time()
        yield
        self.seconds += time.perf_counter() - begin
        self.work += time.process_time() - work

    def alltoall(self, blocks: Sequence[Array]) -> list[Array]:
        away = sum(block.nbytes for other, block in enumerate(blocks) if other != self.rank)
        self.sent["transposes" if np.iscomplexobj(blocks[0]) else "particles"] += away
        with self._timed():
            return self._inner.alltoall(blocks)

    def shift(self, array: Array, by: int) -> Array:
        self.sent["ghost planes"] += array.nbytes if by % self.size else 0
        with self._timed():
            return self._inner.shift(array, by)


@dataclass(frozen=True)
class Measured:
    """A step: seconds of the slowest rank, of which it exchanged; most processor seconds of a rank outside of that;
    bytes a rank by kind; most over mean particles.
    """

    seconds: float
    exchange: float
    work: float
    sent: dict[str, float]
    imbalance: float


def box_of(n_particles: int) -> Box:
    """A box of 1 Mpc/h a particle from z=9 to 0: clustered for most of the steps."""
    return Box(
        cosmology=PLANCK,
        box_size=float(n_particles),
        n_particles=n_particles,
        seed=1,
        z_initial=9.0,
        n_steps=N_STEPS,
    )


def measured(box: Box, comm: Comm) -> Measured:
    """The mean over the last N_TIMED steps; the same on every rank."""
    counted = Counted(comm)
    states = nbody.run(box, counted)
    for _ in range(1 + N_STEPS - N_TIMED):
        state = next(states)
    counted.sent.clear()
    comm.allreduce(np.zeros(1))
    counted.seconds = counted.work = 0.0
    begin, work = time.perf_counter(), time.process_time()
    for state in states:  # noqa: B007
        pass
    used = time.process_time() - work - counted.work
    mine = np.array([time.perf_counter() - begin, counted.seconds, used, len(state.ids)])
    seconds, exchange, works, counts = np.stack(comm.allgather(mine)).T
    kinds = ("transposes", "ghost planes", "particles")
    sent = comm.allreduce(np.array([counted.sent[kind] for kind in kinds], np.float64)) / comm.size / N_TIMED
    slowest = seconds.argmax()
    return Measured(
        seconds[slowest] / N_TIMED,
        exchange[slowest] / N_TIMED,
        works.max() / N_TIMED,
        dict(zip(kinds, sent.tolist(), strict=True)),
        float(counts.max() / counts.mean()),
    )


def under_mpi(n_particles: int, size: int) -> Measured:
    """`measured` on `size` processes of one thread."""
    mpiexec = str(Path(sys.executable).with_name("mpiexec"))
    command = [mpiexec, "-n", str(size), sys.executable, "-m", "benchmarks.scaling", "--worker", str(n_particles)]
    one = {"OMP_NUM_THREADS": "1", "NUMBA_NUM_THREADS": "1", "PYTHONPATH": str(REPOSITORY)}
    run = subprocess.run(command, env={**os.environ, **one}, stdout=subprocess.PIPE, text=True, check=True)
    return Measured(**json.loads(run.stdout.splitlines()[-1]))


def worker(n_particles: int) -> None:
    """One rank of `under_mpi`: compiles on a small box, then measures."""
    size = int(os.environ.get("PMI_SIZE", os.environ.get("OMPI_COMM_WORLD_SIZE", 1)))
    comm: Comm = MpiComm() if size > 1 else SerialComm()
    measured(box_of(6 * size), comm)
    found = measured(box_of(n_particles), comm)
    if comm.rank == 0:
        print(json.dumps(vars(found)))


def expected_bytes(box: Box, size: int) -> float:
    """What a rank sends in a step with one force: two transposes of a half-complex mesh, and ghost planes.

    A transpose moves all but 1/size of 8 bytes a mode; a deposit sends the planes its clouds touch to the neighbours
    and a four-point force fetches those it reaches.
    """
    n = box.n_mesh
    transpose = 8 * n * n * (n // 2 + 1) / size * (1 - 1 / size)
    planes = sum(ghosts(box.assignment)) + sum(gradient.planes(box.assignment))
    return 2 * transpose + 4 * planes * n * (n + 2)


def row(name: str, ours: float, peer: float, peer_name: str, ratio: float, unit: str) -> dict[str, Any]:
    return {"name": name, "ours": ours, "peer": peer, "peer_name": peer_name, "ratio": ratio, "unit": unit}


def timed(cases: Sequence[tuple[int, int]], n_rounds: int) -> dict[tuple[int, int], Measured]:
    """The fastest of `n_rounds` of every (particles along a side, ranks), in turns."""
    found: dict[tuple[int, int], Measured] = {}
    for _ in range(n_rounds):
        for case in cases:
            once = under_mpi(*case)
            if case not in found or once.seconds < found[case].seconds:
                found[case] = once
    return found


def weak_side(n_particles: int, size: int) -> int:
    """Particles along the side of a box with n_particles^3 a rank, even so that the mesh has small factors."""
    return 4 * round(n_particles * size ** (1 / 3) / 4)


def scaling_rows(n_strong: int, n_weak: int, ranks: Sequence[int], n_rounds: int) -> tuple[list[dict[str, Any]], float]:
    """Rows of strong and weak scaling, and the processor seconds of a particle and step on most ranks."""
    strong = [(n_strong, size) for size in ranks if size > 1]
    weak = [(weak_side(n_weak, size), size) for size in ranks if size > 1]
    found = timed(list(dict.fromkeys([(n_strong, 1), (n_weak, 1), *strong, *weak])), n_rounds)
    rows = []
    print_case(f"{n_strong}^3 on {2 * n_strong}^3, 1 rank", found[n_strong, 1], 1.0)
    for case in strong:
        one, here = found[n_strong, 1], found[case]
        name = f"strong {n_strong}^3 on {2 * n_strong}^3, {case[1]} ranks"
        rows.append(row(name, here.seconds, one.seconds, "1 rank", one.seconds / here.seconds, "s/step"))
        print_case(name, here, one.seconds / here.seconds)
    for n, size in weak:
        one, here = found[n_weak, 1], found[n, size]
        work = (n / n_weak) ** 3 / size
        name = f"weak {n_weak}^3 a rank, {n}^3 on {size} ranks"
        rows.append(row(name, here.seconds, work * one.seconds, "1 rank", work * one.seconds / here.seconds, "s/step"))
        print_case(name, here, work * one.seconds / here.seconds)
    most = max(ranks)
    return rows, most * found[n_strong, most].work / n_strong**3


def print_case(name: str, here: Measured, ratio: float) -> None:
    share = here.exchange / here.seconds
    times = f"{here.seconds:>9.3f} s{ratio:>7.2f}x{share:>7.0%} exchange{here.work:>9.3f} s work"
    print(f"{name:<44}{times}  imbalance {here.imbalance:.2f}")


def volume_rows(n_particles: int) -> list[dict[str, Any]]:
    """Bytes a rank sends in a step, counted, over what they should be; on threads, which send the same."""
    rows = []
    for size in VOLUME_RANKS:
        box = box_of(n_particles)
        sent = ThreadComm.run(size, lambda comm, box=box: measured(box, comm))[0].sent  # type: ignore[misc]
        total, should = sum(sent.values()), expected_bytes(box, size)
        kinds = ", ".join(f"{kind} {value / 1e6:.2f}" for kind, value in sent.items())
        name = f"volume {n_particles}^3 on {box.n_mesh}^3, {size} ranks"
        print(f"{name:<44}{total / 1e6:>9.2f} MB a rank and step ({kinds}); formula {should / 1e6:.2f}")
        rows.append(row(name, total / 1e6, should / 1e6, "formula", should / total, "MB"))
    return rows


def extrapolated(seconds_a_particle: float) -> None:
    """Print what a step of the goal takes: computing that scales with cores, then the bytes over the network."""
    n, nodes = GOAL
    box = box_of(n)
    compute = seconds_a_particle * n**3 / nodes / CORES
    sent = expected_bytes(box, nodes)
    print(f"\n{n}^3 particles on {box.n_mesh}^3 over {nodes} nodes, {box.n_mesh / nodes:g} planes each, {CORES} cores:")
    print(f"  arrays {in_words(nbody.memory_bytes(box, nodes))}, checkpoint {in_words(32 * n**3 // nodes)} a node")
    print(f"  a node computes {compute:.2f} s a step and sends {in_words(int(sent))}:")
    for bandwidth in BANDWIDTHS:
        network = sent / bandwidth
        step = compute + network
        print(f"  {bandwidth * 8e-9:>5.0f} Gbit/s: network {network:.2f} s of {step:.2f} s, {network / step:.0%}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="smaller boxes, one round")
    parser.add_argument("--ranks", type=int, nargs="+", help="1, 2, 4... to the number of cores, if not given")
    parser.add_argument("--rounds", type=int, help="3, or 1 with --quick, if not given")
    parser.add_argument("--worker", type=int, help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.worker is not None:
        worker(asked.worker)
        return
    cores = len(os.sched_getaffinity(0))
    ranks = asked.ranks or [2**i for i in range(cores.bit_length()) if 2**i <= cores]
    n_strong, n_weak = (64, 48) if asked.quick else (128, 96)
    rows, seconds_a_particle = scaling_rows(n_strong, n_weak, ranks, asked.rounds or (1 if asked.quick else 3))
    rows += volume_rows(32 if asked.quick else 64)
    extrapolated(seconds_a_particle)
    print(json.dumps({"benchmark": "scaling", "commit": provenance()["commit"], "rows": rows}))


if __name__ == "__main__":
    main()

"""Is the N-body code fast? Steps, runs, memory, deposits, spectra and groups beside those who do the same.

    python -m benchmarks.nbody [--quick] [--threads 2] [--only "pysco step" jaxpm ...]

Every side is a process of its own with the same threads and the same particles, at 1 Mpc/h a particle; peers have
virtual environments of their own (.venv-peers, made when missing). Sides take turns, several rounds each, both warmed
up; a time is the MINIMUM over the rounds, for both. A step is the mean over several, so that ordering particles every
few steps is in it: from lattice order and from their own order (ours by rows of cells, PySCo's Morton's), and the
faster counts. ratio > 1: ours is better; `wanted` is what the ratio should be. A peer that cannot be installed is
named, its rows are left out, and the exit code is 1.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.peers.environment import python_of
from benchmarks.peers.process import Process, Side
from benchmarks.peers.roofline import bytes_of_step
from configs import provenance

Row = dict[str, Any]
Ask = Callable[[int], Row]
N_STEPS, CLUSTERED = 40, 32
"""The particles of most rows are those after 32 of 40 steps from z=49 to 0: z=0.24, well clustered."""
LINKING = 0.2
"""Friends-of-friends, Mpc/h: particles are 1 Mpc/h apart on average."""
MEGABYTE = 1e6


@dataclass(frozen=True)
class Plan:
    """What is measured: (particles, mesh cells) along one side, how many rounds, and steps timed in each."""

    n_rounds: int
    n_timed: int
    steps: tuple[tuple[int, int], ...]
    memory: tuple[tuple[int, int], ...]
    run: tuple[int, int]
    cold: tuple[int, int] | None
    jaxpm: tuple[tuple[int, float], ...]
    deposits: tuple[int, ...]
    deposit_mesh: int
    friends: int


FULL = Plan(
    n_rounds=4,
    n_timed=3,
    steps=((128, 128), (128, 256), (256, 256), (256, 512)),
    memory=((128, 256), (256, 256)),
    run=(128, 256),
    cold=(64, 128),
    jaxpm=((128, 6.0), (256, 10.0)),
    deposits=(128, 256),
    deposit_mesh=256,
    friends=128,
)
QUICK = Plan(
    n_rounds=2,
    n_timed=3,
    steps=((64, 64), (64, 128)),
    memory=((64, 128),),
    run=(32, 64),
    cold=None,
    jaxpm=((64, 6.0),),
    deposits=(64,),
    deposit_mesh=128,
    friends=64,
)


@dataclass
class Bench:
    """The sides, and a folder of the particles that they share."""

    plan: Plan
    folder: Path
    n_threads: int
    made: set[str] = field(default_factory=set)

    @property
    def ours(self) -> Side:
        return Side("darkglass", "ours", self.n_threads)

    def peer(self, name: str) -> Side:
        """A peer in its own environment; MissingPeer."""
        return Side(name, name, self.n_threads, python_of(name))

    def particles(self, n: int, step: int = CLUSTERED, mesh_factor: int = 1) -> str:
        """The folder of n^3 particles after `step` steps, made by us when first asked for."""
        folder = str(self.folder / f"{n}-{step}")
        if folder not in self.made:
            size = {"n": n, "mesh_factor": mesh_factor, "box_size": float(n)}
            self.ours.once("particles", folder=folder, **size, n_steps=N_STEPS, step=step)
            self.made.add(folder)
        return folder


Section = Callable[[Bench], Iterator[Row]]


def row(name: str, sides: Sequence[float], peer_name: str, unit: str, wanted: float, **more: Any) -> Row:
    """One line of the result, from our number and the peer's: the smaller is the better one."""
    ours, peer = sides
    numbers = {"ours": float(f"{ours:.4g}"), "peer": float(f"{peer:.4g}")}
    ratio = round(peer / ours, 3)
    return {"name": name, **numbers, "peer_name": peer_name, "ratio": ratio, "unit": unit, "wanted": wanted, **more}


def in_turns(n_rounds: int, *asks: Ask) -> list[float]:
    """Call each of `asks` with the round, one after the other, n_rounds times: the fewest seconds that each answers."""
    answers = [[ask(i)["seconds"] for ask in asks] for i in range(n_rounds)]
    return [min(np.concatenate(of_one)) for of_one in zip(*answers, strict=True)]


def step_of(bench: Bench, process: Process, n: int, n_mesh: int, scheme: str) -> Ask:
    """A step of a side, in each round; in every second from its own order of particles, if it has one."""
    work: dict[str, Any] = {"folder": bench.particles(n), "n_mesh": n_mesh, "scheme": scheme}
    if process.side.name != "darkglass":
        work["n_timed"] = bench.plan.n_timed

    def ask(i: int) -> Row:
        order = {"reordered": i % 2 == 1} if process.side.name in ("darkglass", "pysco") else {}
        return process.ask("step", **work, **order)

    return ask


def pysco_step(bench: Bench) -> Iterator[Row]:
    """One kick-drift-kick step with its force."""
    with Process(bench.ours) as ours, Process(bench.peer("pysco")) as peer:
        for n, n_mesh in bench.plan.steps:
            for scheme in ("tsc", "cic"):
                asks = step_of(bench, ours, n, n_mesh, scheme), step_of(bench, peer, n, n_mesh, scheme)
                wanted = 3.5 if n_mesh > n else 2.5
                name = f"pysco step {n}^3 on {n_mesh}^3 {scheme.upper()}"
                yield row(name, in_turns(bench.plan.n_rounds, *asks), "PySCo", "s", wanted)


def pysco_run(bench: Bench) -> Iterator[Row]:
    """z=49 to 0 from the same particles, both with their default steps, and how far they are from a finer run of ours.

    PySCo's "fft" divides by the windows of TSC, which sharpens its force; its "fft_7pt" does not.
    """
    n, n_mesh = bench.plan.run
    fine, files = str(bench.folder / "fine.npy"), [str(bench.folder / f"{name}.npy") for name in ("ours", "peer")]
    work = {"folder": bench.particles(n, 0, n_mesh // n), "n_mesh": n_mesh}
    label = f"pysco run {n}^3 on {n_mesh}^3"
    with Process(bench.ours) as ours, Process(bench.peer("pysco")) as peer:
        ours.ask("run", **work, out=files[0], n_steps=2)
        n_steps = ours.ask("run", **work, out=files[0])["n_steps"]
        ours.ask("run", **work | {"n_mesh": 4 * n}, out=fine, n_steps=2 * n_steps)
        for solver in ("fft", "fft_7pt"):
            peer.ask("step", **work, scheme="tsc", n_timed=1, reordered=False)
            asks = (
                partial(ask_for, ours, "run", work | {"out": files[0]}),
                partial(ask_for, peer, "run", work | {"out": files[1], "scheme": "tsc", "solver": solver}),
            )
            spent = in_turns(max(1, bench.plan.n_rounds // 2), *asks)
            yield row(f"{label}, {solver}", spent, "PySCo", "s", 4.0, n_steps=n_steps)
            common = {"reference": fine, "box_size": float(n), "n_mesh": n_mesh}
            yield from accuracy(f"{label}, {solver}", [ours.ask("compare", path=path, **common) for path in files])


def accuracy(label: str, sides: list[Row]) -> Iterator[Row]:
    """Largest deviation of P(k) and of r(k) from the finer run, below a share of the particle Nyquist frequency."""
    k = np.array(sides[0]["k"])
    for name, share in (("ratio", 0.3), ("ratio", 0.6), ("r", 0.6)):
        below = k < share * np.pi
        worst = [float(np.abs(np.array(side[name]) - 1)[below].max()) for side in sides]
        what = {"ratio": "P(k) error", "r": "1 - r(k)"}[name]
        yield row(f"{label}, {what} to {share} Nyquist", worst, "PySCo", "", 1.0)


def pysco_memory(bench: Bench) -> Iterator[Row]:
    """Peak of the whole process over a few steps, libraries included."""
    peer = bench.peer("pysco")
    for n, n_mesh in bench.plan.memory:
        work = {"folder": bench.particles(n), "n_mesh": n_mesh, "scheme": "tsc"}
        peaks = bench.ours.once("step", **work), peer.once("step", **work, n_timed=2, reordered=False)
        name = f"pysco memory {n}^3 on {n_mesh}^3"
        yield row(name, [peak["peak_bytes"] / MEGABYTE for peak in peaks], "PySCo", "MB", 1.3)


def pysco_cold(bench: Bench) -> Iterator[Row]:
    """The first run ever: no compiled kernel, no compiled module; start of the process to its end."""
    if bench.plan.cold is None:
        return
    n, n_mesh = bench.plan.cold
    table = str(bench.folder / "linear.txt")
    parameters = bench.ours.once("table", path=table)
    sides = bench.ours, bench.peer("pysco")
    work: Row = {"n": n, "mesh_factor": n_mesh // n, "box_size": float(n)}
    peers: Row = {"n": n, "n_mesh": n_mesh, "box_size": float(n), "table": table}
    peers |= {name: parameters[name] for name in ("omega_m", "h")}
    spent = [cold(bench, side).once("cold", **job)["wall"] for side, job in zip(sides, (work, peers), strict=True)]
    yield row(f"pysco cold {n}^3 on {n_mesh}^3", spent, "PySCo", "s", 5.0)


def cold(bench: Bench, side: Side) -> Side:
    """The same side with nothing compiled."""
    empty = tempfile.mkdtemp(dir=bench.folder)
    caches = {"NUMBA_CACHE_DIR": f"{empty}/numba", "PYTHONPYCACHEPREFIX": f"{empty}/python"}
    return Side(side.name, side.module, side.n_threads, side.python, caches)


def jaxpm(bench: Bench) -> Iterator[Row]:
    """One kick-drift-kick step with its force, CIC, one cell a particle."""
    with Process(bench.ours) as ours, Process(bench.peer("jaxpm")) as peer:
        for n, wanted in bench.plan.jaxpm:
            asks = [step_of(bench, side, n, n, "cic") for side in (ours, peer)]
            yield row(f"jaxpm step {n}^3 on {n}^3", in_turns(bench.plan.n_rounds, *asks), "JaxPM", "s", wanted)


def ask_for(process: Process, job: str, work: dict[str, Any], _: int) -> Row:
    return process.ask(job, **work)


def pylians(bench: Bench) -> Iterator[Row]:
    """The CIC deposit of particles in lattice order, and the power spectrum of what comes out."""
    n_mesh, n_rounds = bench.plan.deposit_mesh, bench.plan.n_rounds
    with Process(bench.ours) as ours, Process(bench.peer("pylians")) as peer:
        for n in bench.plan.deposits:
            work = {"folder": bench.particles(n), "n_mesh": n_mesh, "n_timed": 5}
            asks = [partial(ask_for, side, "deposit", work) for side in (ours, peer)]
            name = f"pylians deposit {n**3 / 1e6:.1f} M on {n_mesh}^3"
            yield row(name, in_turns(n_rounds, *asks), "Pylians", "s", 1.7)
        work = {"folder": bench.particles(bench.plan.deposits[0]), "n_mesh": n_mesh, "n_timed": 3}
        threads = {"n_threads": bench.n_threads}
        asks = [partial(ask_for, ours, "power", work), partial(ask_for, peer, "power", work | threads)]
        yield row(f"pylians power {n_mesh}^3", in_turns(n_rounds, *asks), "Pylians", "s", 4.0)


def kdtree(bench: Bench) -> Iterator[Row]:
    """Friends-of-friends groups; RuntimeError when the two find others. Memory is what a search holds at most."""
    n = bench.plan.friends
    files = [str(bench.folder / f"{name}.npy") for name in ("friends", "kdtree")]
    work = {"folder": bench.particles(n), "linking": LINKING, "n_timed": 1}
    sides = bench.ours, Side("kdtree", "kdtree", bench.n_threads)
    held: dict[str, float] = {}

    def search(_: int, side: Side, out: str) -> dict[str, Any]:
        found = side.once("friends", **work, out=out)
        held[side.name] = found["held_bytes"] / MEGABYTE
        return found

    asks = [partial(search, side=side, out=out) for side, out in zip(sides, files, strict=True)]
    spent = in_turns(bench.plan.n_rounds, *asks)
    ours, theirs = (np.load(path) for path in files)
    if not np.array_equal(ours, theirs):
        raise RuntimeError(f"kdtree: expected the same groups, got {(ours != theirs).sum()} of {n**3} particles astray")
    yield row(f"kdtree groups {n}^3", spent, "scipy", "s", 2.5, n_groups=int((np.bincount(ours) >= 20).sum()))
    yield row(f"kdtree memory {n}^3", (held["darkglass"], held["kdtree"]), "scipy", "MB", 2.0)


def roofline(bench: Bench) -> Iterator[Row]:
    """A step beside the bytes it must move and its FFT (benchmarks/peers/roofline.py), and arrays beside a budget."""
    with Process(bench.ours) as ours, Process(Side("roofline", "roofline", bench.n_threads)) as machine:
        for n, n_mesh in bench.plan.steps:
            asks = (
                step_of(bench, ours, n, n_mesh, "cic"),
                partial(ask_for, machine, "bandwidth", {"n_timed": 3}),
                partial(ask_for, machine, "transform", {"n_mesh": n_mesh, "n_timed": 3}),
            )
            step, per_byte, transform = in_turns(bench.plan.n_rounds, *asks)
            stages = {stage: size * per_byte for stage, size in bytes_of_step(n, n_mesh).items()}
            stages["FFT"] = transform
            label = f"roofline, triad {1e-9 / per_byte:.1f} GB/s"
            more = {"stages": {stage: float(f"{spent:.4g}") for stage, spent in stages.items()}}
            yield row(f"roofline step {n}^3 on {n_mesh}^3", (step, sum(stages.values())), label, "s", 0.5, **more)
    yield from budget(bench)


def budget(bench: Bench) -> Iterator[Row]:
    """What a step holds beyond what the process held before: 60 bytes a particle and three meshes are allowed."""
    for n, n_mesh in bench.plan.memory:
        answer = bench.ours.once("hold", folder=bench.particles(n), n_mesh=n_mesh, scheme="cic")
        held = (answer["peak_bytes"] - answer["bytes_before"]) / MEGABYTE
        allowed = (60 * n**3 + 12 * n_mesh**3) / MEGABYTE
        yield row(f"roofline memory {n}^3 on {n_mesh}^3", (held, allowed), "60 B + 3 meshes", "MB", 1.0)


SECTIONS: dict[str, Section] = {
    "pysco step": pysco_step,
    "pysco run": pysco_run,
    "pysco memory": pysco_memory,
    "pysco cold": pysco_cold,
    "jaxpm": jaxpm,
    "pylians": pylians,
    "kdtree": kdtree,
    "roofline": roofline,
}


def printed(row: Row) -> str:
    """A row as a line of the table."""
    ours, peer = f"{row['ours']:>9.4g} {row['unit']:<4}", f"{row['peer_name']:<25}{row['peer']:>9.4g}"
    enough = "" if row["ratio"] >= row["wanted"] else "  below"
    return f"{row['name']:<58}{ours}{peer}{row['ratio']:>8.2f}x  wanted {row['wanted']:g}x{enough}"


def measured(bench: Bench, sections: Mapping[str, Section]) -> tuple[list[Row], list[str]]:
    """Rows, printed as they come, and what went wrong: a section that fails does not stop the next."""
    rows: list[Row] = []
    failures: list[str] = []
    for name, section in sections.items():
        try:
            for found in section(bench):
                rows.append(found)
                print(printed(found), flush=True)
        except RuntimeError as error:
            failures.append(f"{name}: {error}")
            print(f"{name}: left out: {error}", file=sys.stderr, flush=True)
    return rows, failures


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="small cases only, and no cold run")
    parser.add_argument("--threads", type=int, default=2, help="threads of every side")
    parser.add_argument("--only", nargs="+", default=[""], metavar="NAME", help=f"of {', '.join(SECTIONS)}")
    arguments = parser.parse_args()
    cores = sorted(os.sched_getaffinity(0))
    if not 1 <= arguments.threads <= len(cores):
        parser.error(f"--threads: expected 1 to {len(cores)}, got {arguments.threads}")
    os.sched_setaffinity(0, cores[: arguments.threads])
    chosen = {name: section for name, section in SECTIONS.items() if name.startswith(tuple(arguments.only))}
    with tempfile.TemporaryDirectory(prefix="nbody-") as folder:
        bench = Bench(QUICK if arguments.quick else FULL, Path(folder), arguments.threads)
        rows, failures = measured(bench, chosen)
    facts = {"benchmark": "nbody", "commit": provenance()["commit"], "quick": arguments.quick, "time": "minimum"}
    print(json.dumps({**facts, "threads": arguments.threads, "rows": rows, "failures": failures}))
    sys.exit(1 if failures else 0)


if __name__ == "__main__":
    main()

"""Are halo cutouts fast? Beside the predecessor's tiled box, beside the bytes they move; and friends-of-friends.

    python -m benchmarks.cutouts [--quick] [--only tiled fof ...] [--figures docs]

Rows `tiled ...`: one thread each, the same four species (dark matter only; dark matter, gas and stars) of 128^3
particles in 50 Mpc/h on 512^2 fine pixels, the same halos and rotations; `tiled` is benchmarks/peers/tiled.py, numpy
and Pylians' CIC. Both give the narrowest window of every species and the wider ones of the first, or all windows of
all. Memory is what a process holds beyond the particles it read, over the size of these. Rows `fof ...`: groups of
128^3 particles, the same threads; the groups must be the same. Times are the MINIMUM over rounds in turns; ratio > 1:
ours is better. The other rows show how the cost grows, and the triad of this machine beside
the bytes that a cutout reads.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import matplotlib
import numpy as np

from benchmarks.nbody import FULL, LINKING, QUICK, Bench, Row, Section, ask_for, in_turns, measured, row
from benchmarks.peers.process import Process, Side
from configs import provenance

matplotlib.use("agg")
from matplotlib import pyplot as plt

BOX_SIZE, STEPS = 50.0, 20
N_PIXELS, FACTORS = 128, [1, 2, 4]
N_CUTOUTS = 4
BYTES_A_PARTICLE = 16
"""Three offsets and a mass, float32: what a cutout of the whole box reads of each particle."""


def prepared(bench: Bench, n: int, n_cutouts: int) -> str:
    """The folder of both sides of a box of n^3 particles, made when first asked for."""
    folder = str(bench.folder / f"cutouts-{n}")
    if folder not in bench.made:
        size: dict[str, Any] = {"n": n, "mesh_factor": 2, "box_size": BOX_SIZE, "n_steps": STEPS, "step": STEPS}
        bench.ours.once("particles", folder=folder, **size)
        bench.ours.once("species", folder=folder, n_cutouts=n_cutouts)
        bench.made.add(folder)
    return folder


def one_thread(bench: Bench) -> tuple[Side, Side]:
    return Side("darkglass", "ours", 1), Side("tiled", "tiled", 1, bench.peer("pylians").python)


def tiled(bench: Bench) -> Iterator[Row]:
    """A cutout of four species: as a training sample, and in all windows; RuntimeError when the two show other maps."""
    n = bench.plan.friends
    folder = prepared(bench, n, 200)
    for name, n_target in (("sample", 1), ("all windows", len(FACTORS))):
        work = {"folder": folder, "factors": FACTORS, "n_pixels": N_PIXELS, "n_target": n_target, "n_timed": N_CUTOUTS}
        held: dict[str, float] = {}
        own: dict[str, float] = {}

        def cut(_: int, side: Side, work: dict[str, Any] = work, held: Any = held, own: Any = own) -> dict[str, Any]:
            found = side.once("cut", **work, out=str(bench.folder / f"{side.name}.npy"))
            held[side.name], own[side.name] = found["held_bytes"], found["own_bytes"]
            return found

        sides = one_thread(bench)
        spent = in_turns(bench.plan.n_rounds, *(partial(cut, side=side) for side in sides))
        refuse_other_maps(*(np.load(bench.folder / f"{side.name}.npy") for side in sides))
        yield row(f"tiled {name} {n}^3, {N_PIXELS * FACTORS[-1]}^2", spent, "numpy + Pylians, tiled", "s", 15.0)
        memory = [held[side.name] / own[side.name] for side in sides]
        yield row(f"tiled memory {name} {n}^3", memory, "numpy + Pylians, tiled", "x own", 1.0, limit=3.0)


def refuse_other_maps(ours: Any, theirs: Any) -> None:
    """RuntimeError unless the middles of the innermost windows agree: there the copied faces miss nothing.

    To 2 %, because Pylians' clouds sit on grid points and ours on pixel centres, half a pixel away.
    """
    middle = slice(N_PIXELS // 4, -N_PIXELS // 4)
    mine, other = (maps[:, middle, middle].sum(axis=(1, 2), dtype=float) for maps in (ours, theirs))
    if not np.allclose(mine, other, rtol=2e-2):
        raise RuntimeError(f"tiled: expected the mass of each species in the middle, {other}, got {mine}")


def growth(bench: Bench) -> Iterator[Row]:
    """Seconds a sample as particles grow, beside what reading them once at the triad's bandwidth would take."""
    triad = Side("roofline", "roofline", 1)
    for n in (bench.plan.friends // 2, bench.plan.friends, bench.plan.friends * 3 // 2):
        folder, out = prepared(bench, n, 200), str(bench.folder / "grown.npy")
        work = {
            "folder": folder,
            "factors": FACTORS,
            "n_pixels": N_PIXELS,
            "n_target": 1,
            "n_timed": N_CUTOUTS,
            "out": out,
        }
        with Process(Side("darkglass", "ours", 1)) as ours, Process(triad) as machine:
            asks = (partial(ask_for, ours, "cut", work), partial(ask_for, machine, "bandwidth", {"n_timed": 3}))
            sample, per_byte = in_turns(bench.plan.n_rounds, *asks)
        bound = BYTES_A_PARTICLE * n**3 * per_byte
        yield row(f"bytes sample {n}^3", (sample, bound), f"triad {1e-9 / per_byte:.1f} GB/s", "s", 0.0)


def halos_and_rotations(bench: Bench) -> Iterator[Row]:
    """Seconds a sample when one, and when many, are cut in one call: the particles are sorted once for all."""
    n = bench.plan.friends
    folder, out = prepared(bench, n, 200), str(bench.folder / "many.npy")
    work = {"folder": folder, "factors": FACTORS, "n_pixels": N_PIXELS, "n_target": 1, "out": out}
    for n_timed in (1, 20, 100):
        found = Side("darkglass", "ours", 1).once("cut", **work, n_timed=n_timed)
        total = (found["sorting"] + sum(found["seconds"])) / n_timed
        first = found["sorting"] + found["seconds"][0]
        yield row(f"samples {n_timed} of {n}^3, sorting included", (total, first), "the first alone", "s", 0.0)


def fof(bench: Bench) -> Iterator[Row]:
    """Friends-of-friends groups beside the fastest packages that PyPI installs here; the same groups."""
    n = bench.plan.friends
    work = {"folder": bench.particles(n), "linking": LINKING, "n_timed": 1}
    for name, smallest, threads in (("kdcount", 1, bench.n_threads), ("yt_fof", 8, 1)):
        sides = Side("darkglass", "ours", threads), Side(name, name, threads, bench.peer(name).python)
        files = {side.name: str(bench.folder / f"{side.name}-groups.npy") for side in sides}
        asks = [partial(search, side=side, work=work, out=files[side.name]) for side in sides]
        spent = in_turns(bench.plan.n_rounds, *asks)
        ours, theirs = (np.load(files[side.name]) for side in sides)
        size = np.bincount(ours, minlength=len(ours))[ours]
        astray = (np.where(size >= smallest, ours, -1) != theirs).sum()
        if astray:
            raise RuntimeError(f"{name}: expected the same groups, got {astray} of {n**3} particles astray")
        plural = "threads" if threads > 1 else "thread"
        yield row(f"fof groups {n}^3, {threads} {plural}", spent, name, "s", 1.0, smallest=smallest)


def search(_: int, side: Side, work: dict[str, Any], out: str) -> dict[str, Any]:
    return side.once("friends", **work, out=out)


SECTIONS: dict[str, Section] = {
    "tiled": tiled,
    "bytes": growth,
    "samples": halos_and_rotations,
    "fof": fof,
}


def figure(rows: Sequence[Row], path: Path) -> None:
    """Seconds a sample against particles, beside the bound, and against how many samples are cut at once."""
    fig, (left, right) = plt.subplots(1, 2, figsize=(10, 3.8), layout="constrained")
    grown = [one for one in rows if one["name"].startswith("bytes")]
    sides = [int(one["name"].split()[2].split("^")[0]) for one in grown]
    left.loglog(sides, [one["ours"] for one in grown], "o-", label="a sample: four species, 512² fine pixels")
    left.loglog(sides, [one["peer"] for one in grown], "s--", label="reading the dark matter once, by the triad")
    left.set(xlabel="particles of a species", ylabel="seconds, one thread", ylim=(5e-5, 3))
    left.set_xticks(sides, labels=[f"{n}³" for n in sides])
    left.minorticks_off()
    left.legend(frameon=False, loc="upper left", fontsize=9)
    many = [one for one in rows if one["name"].startswith("samples")]
    counts = [int(one["name"].split()[1]) for one in many]
    right.semilogx(counts, [one["ours"] for one in many], "o-")
    right.set(xlabel="halos × rotations of one simulation", ylabel="seconds a sample, sorting included", ylim=(0, None))
    right.set_xticks(counts, labels=[str(n) for n in counts])
    right.minorticks_off()
    fig.savefig(path, dpi=130)
    plt.close(fig)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="64^3 particles instead of 128^3")
    parser.add_argument("--threads", type=int, default=2, help="threads of friends-of-friends")
    parser.add_argument("--only", nargs="+", default=[""], metavar="NAME", help=f"of {', '.join(SECTIONS)}")
    parser.add_argument("--figures", type=Path, help="folder of cutouts_cost.png")
    arguments = parser.parse_args()
    chosen = {name: section for name, section in SECTIONS.items() if name.startswith(tuple(arguments.only))}
    with tempfile.TemporaryDirectory(prefix="cutouts-") as folder:
        bench = Bench(QUICK if arguments.quick else FULL, Path(folder), arguments.threads)
        rows, failures = measured(bench, chosen)
    if arguments.figures:
        figure(rows, arguments.figures / "cutouts_cost.png")
    facts = {"benchmark": "cutouts", "commit": provenance()["commit"], "quick": arguments.quick, "time": "minimum"}
    print(json.dumps({**facts, "threads": arguments.threads, "rows": rows, "failures": failures}))
    sys.exit(1 if failures else 0)


if __name__ == "__main__":
    main()

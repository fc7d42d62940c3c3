"""Does an independent code find the same universe? Our run and PySCo's from the same displacement, mode by mode.

    python -m benchmarks.crosscheck [--quick] [--threads 2] [--figures docs]

128 Mpc/h, 128^3 particles, a mesh of 256^3, z=49 to 0 from the same positions and momenta, both with their default
steps. r(k) is the cross-correlation coefficient of the two density fields at z=0, the ratio P(k) of PySCo over ours.
The reference is PySCo with TSC, FFT and the seven-point Laplacian. Its other FFT solver, which divides by the windows
of TSC, is shown beside it: on a mesh finer than the particles that force resonates with their lattice, and the run
drifts away from all others, PySCo's own included (LOG.md).
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
from numpy.typing import NDArray

from benchmarks.peers.environment import MissingPeer, python_of
from benchmarks.peers.process import Side
from configs import provenance
from sim import spectra
from sim.mesh import paint

Array = NDArray[np.float64]
MESH_FACTOR = 2
SOLVERS = {"fft_7pt": "seven-point Laplacian", "fft": "divided by the windows"}
"""PySCo's solvers, the reference first, and what they do."""
SAME_BELOW = 1.0
"""h/Mpc: to here the two must agree."""
LEAST_R = 0.99


@dataclass(frozen=True)
class Agreement:
    """r(k), and P(k) of the peer over ours, in bins of k [h/Mpc]."""

    k: Array
    r: Array
    ratio: Array


def compared(n: int, n_threads: int, folder: Path) -> dict[str, Agreement]:
    """Our run in a box of n Mpc/h with PySCo's, for each of its solvers."""
    ours, peer = Side("darkglass", "ours", n_threads), Side("pysco", "pysco", n_threads, python_of("pysco"))
    begin, files = str(folder / "begin"), [str(folder / f"{name}.npy") for name in ("ours", "peer")]
    size = {"n": n, "mesh_factor": MESH_FACTOR, "box_size": float(n)}
    ours.once("particles", folder=begin, **size, n_steps=1, step=0)
    work = {"folder": begin, "n_mesh": MESH_FACTOR * n}
    print(f"ours: {ours.once('run', **work, out=files[0])['n_steps']} steps", flush=True)
    found = {}
    for solver in SOLVERS:
        n_steps = peer.once("run", **work, out=files[1], scheme="tsc", solver=solver)["n_steps"]
        print(f"PySCo, {solver}: {n_steps} steps", flush=True)
        found[solver] = agreement(n, [np.load(path) for path in files])
    return found


def agreement(n: int, pos: list[NDArray[np.float32]]) -> Agreement:
    """Compare two sets of positions up to the Nyquist frequency of the particles; SAME_BELOW ends a bin."""
    box_size, n_mesh = float(n), MESH_FACTOR * n
    fields = [paint(of_one, box_size, n_mesh) for of_one in pos]
    fundamental = 2 * np.pi / box_size
    fine = np.geomspace(0.99 * fundamental, SAME_BELOW, 20)
    edges = np.concatenate([fine, np.geomspace(SAME_BELOW, n / 2 * fundamental, 8)[1:]])
    correlation = spectra.correlation(fields[0], fields[1], box_size, edges=edges)
    ratio = spectra.suppression(fields[1], fields[0], box_size, edges=edges)
    return Agreement(correlation.k, correlation.value, ratio.value)


def rows(found: Agreement) -> list[dict[str, Any]]:
    """How far the coefficient is from 1 beside what it may be, and how far P(k) is."""
    below = found.k < SAME_BELOW
    allowed = 1 - LEAST_R
    decorrelated, off = 1 - found.r[below].min(), np.abs(found.ratio[below] - 1).max()
    return [
        row("crosscheck 1 - r(k), k < 1 h/Mpc", decorrelated, allowed),
        row("crosscheck P(k) ratio - 1, k < 1 h/Mpc", off, 0.05),
    ]


def row(name: str, worst: float, allowed: float) -> dict[str, Any]:
    """One line of the result: above 1 the deviation is smaller than allowed."""
    numbers = {"ours": float(f"{worst:.4g}"), "peer": round(allowed, 4), "peer_name": "allowed"}
    return {"name": name, **numbers, "ratio": round(allowed / max(worst, 1e-6), 3), "unit": "deviation", "wanted": 1.0}


def draw(found: dict[str, Agreement], n: int, path: Path) -> None:
    """r(k) above, the ratio of P(k) below."""
    figure, (above, below) = plt.subplots(2, 1, figsize=(5.5, 5), sharex=True)
    above.axhline(LEAST_R, color="0.6", lw=0.8, ls="--")
    above.axvline(SAME_BELOW, color="0.6", lw=0.8, ls="--")
    below.axhspan(0.95, 1.05, color="0.92")
    for solver, of_one in found.items():
        above.semilogx(of_one.k, of_one.r, "o-", ms=3, label=f"PySCo, TSC, {SOLVERS[solver]}")
        below.semilogx(of_one.k, of_one.ratio, "o-", ms=3)
    above.legend(fontsize=7)
    above.set_ylabel("r(k)")
    above.set_title(f"PySCo and Darkglass, z = 0, {n}$^3$ particles, {MESH_FACTOR * n}$^3$ mesh", fontsize=9)
    below.set_ylabel("P(k), PySCo / Darkglass")
    below.set_xlabel("k [h/Mpc]")
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=150, bbox_inches="tight")
    plt.close(figure)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="64^3 particles in 64 Mpc/h")
    parser.add_argument("--threads", type=int, default=2, help="threads of both sides")
    parser.add_argument("--figures", type=Path, help="folder of crosscheck.png")
    arguments = parser.parse_args()
    n = 64 if arguments.quick else 128
    try:
        with tempfile.TemporaryDirectory(prefix="crosscheck-") as folder:
            found = compared(n, arguments.threads, Path(folder))
    except MissingPeer as error:
        sys.exit(f"crosscheck: expected PySCo, got {error}")
    for solver, of_one in found.items():
        print(f"\nPySCo, {solver}\nk [h/Mpc]     r(k)   P(k), PySCo / ours")
        for k, r, ratio in zip(of_one.k, of_one.r, of_one.ratio, strict=True):
            print(f"{k:9.3f} {r:8.4f} {ratio:10.4f}")
    if arguments.figures is not None:
        draw(found, n, arguments.figures / "crosscheck.png")
    print(json.dumps({"benchmark": "crosscheck", "commit": provenance()["commit"], "rows": rows(found["fft_7pt"])}))


if __name__ == "__main__":
    main()

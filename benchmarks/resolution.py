"""What does the force mesh lose? P(k) of every force option over that of a mesh four times finer than the particles.

python -m benchmarks.resolution [--quick] [--figures docs]. All runs are of one universe; the reference takes 4 cells a
particle along each side and twice the steps. Ratios are given in units of the particle Nyquist frequency.
"""

from __future__ import annotations

import argparse
import json
import time
from pathlib import Path
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
from numpy.typing import NDArray

from configs import Box, Cosmology, provenance
from sim import nbody, spectra
from sim.mesh import paint

Array = NDArray[np.float64]
PLANCK = Cosmology(omega_m=0.3152, omega_b=0.0493, h=0.6736, n_s=0.9649, sigma8=0.81)
SPECTRAL = {"gradient": "spectral"}
SEVEN = {"laplacian": "seven_point"}
SHARP = {"deconvolve": True}
OPTIONS: dict[str, dict[str, Any]] = {
    "1x": {"mesh_factor": 1},
    "1x, window divided out": {"mesh_factor": 1, **SHARP},
    "2x": {},
    "2x, seven-point": SEVEN,
    "2x, seven-point, window divided out": {**SEVEN, **SHARP},
    "2x, window divided out": SHARP,
    "2x, spectral gradient": SPECTRAL,
    "2x, spectral gradient, window divided out": {**SPECTRAL, **SHARP},
    "2x, TSC": {"assignment": "tsc"},
    "2x, TSC, window divided out": {"assignment": "tsc", **SHARP},
    "3x": {"mesh_factor": 3},
    "3x, seven-point": {"mesh_factor": 3, **SEVEN},
    "3x, window divided out": {"mesh_factor": 3, **SHARP},
}
LIMITS = {0.3: 0.01, 0.6: 0.05}
"""How far P(k) may be off up to these shares of the particle Nyquist frequency, with default settings."""


def template(quick: bool) -> Box:
    n = 64 if quick else 128
    return Box(cosmology=PLANCK, box_size=2.0 * n, n_particles=n, seed=5, fixed_amplitude=True)


def power(box: Box, n_mesh: int) -> tuple[Array, Array]:
    """Share of the particle Nyquist frequency, and P(k), of a run measured on one mesh for all."""
    begin = time.perf_counter()
    *_, state = nbody.run(box)
    seconds = (time.perf_counter() - begin) / box.n_steps
    measured = spectra.power(paint(state.pos, box.box_size, n_mesh, "tsc"), box.box_size, window="tsc", n_bins=24)
    print(f"  {box.n_steps} steps of {seconds:.3f} s", flush=True)
    return measured.k * box.box_size / (np.pi * box.n_particles), measured.pk


def ratios(box: Box, options: dict[str, dict[str, Any]]) -> tuple[Array, dict[str, Array]]:
    """P(k) of each option over the reference, up to the particle Nyquist frequency."""
    n_mesh = 4 * box.n_particles
    share, exact = power(box.model_copy(update={"mesh_factor": 4, "n_steps": 2 * box.n_steps}), n_mesh)
    inside = share < 1
    found = {}
    for name, update in options.items():
        found[name] = (power(box.model_copy(update=update), n_mesh)[1] / exact)[inside]
        shown = "".join(
            f"  {x:.2f}: {np.interp(x, share[inside], found[name]):.3f}" for x in (0.1, 0.2, 0.3, 0.45, 0.6, 0.9)
        )
        print(f"{name:42s}{shown}", flush=True)
    return share[inside], found


def row(name: str, worst: float, allowed: float) -> dict[str, Any]:
    return {
        "name": name,
        "ours": round(worst, 4),
        "peer": allowed,
        "peer_name": "allowed",
        "ratio": round(allowed / max(worst, 1e-4), 3),
        "unit": "relative deviation",
    }


def rows(share: Array, found: dict[str, Array]) -> list[dict[str, Any]]:
    return [
        row(f"{name}: P(k) over the 4x mesh to {limit} of k_N", float(np.abs(r[share < limit] - 1).max()), allowed)
        for name, r in found.items()
        for limit, allowed in LIMITS.items()
    ]


def draw(share: Array, found: dict[str, Array], path: Path) -> None:
    """One panel a mesh factor."""
    figure, axes = plt.subplots(1, 3, figsize=(11, 3.8), sharey=True, layout="constrained")
    for axis, factor in zip(axes, ("1x", "2x", "3x"), strict=True):
        for limit, allowed in LIMITS.items():
            axis.fill_between([0, limit], 1 - allowed, 1 + allowed, color="0.85", zorder=0, lw=0)
        for name, r in found.items():
            if name.startswith(factor):
                axis.plot(share, r, "o-", ms=3, label=name)
        axis.set_xlabel("k / particle Nyquist frequency")
        axis.set_ylim(0.6, 1.3)
        axis.legend(fontsize=6.5)
    axes[0].set_ylabel("P(k) at z=0 over the 4x mesh")
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=150)
    plt.close(figure)


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.resolution", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="64^3 particles")
    parser.add_argument("--figures", type=Path, help="folder of resolution.png")
    arguments = parser.parse_args()
    share, found = ratios(template(arguments.quick), OPTIONS)
    if arguments.figures is not None:
        draw(share, found, arguments.figures / "resolution.png")
    print(json.dumps({"benchmark": "resolution", "commit": provenance()["commit"], "rows": rows(share, found)}))


if __name__ == "__main__":
    main()

"""How many steps does a run need? Error of P(k) and of positions against the number of force evaluations.

python -m benchmarks.steps [--quick] [--figures docs]. Every run starts from the same particles at z=49 and ends at z=0;
each integrator and spacing of steps is compared with 500 steps of the same scheme's limit (BullFrog, uniform in a), so
mesh and particle noise cancel and what is left is the error of stepping.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.ticker import NullFormatter
from numpy.typing import NDArray

from configs import Box, Cosmology, provenance
from sim import nbody, spectra
from sim.mesh import paint

Array = NDArray[np.float64]
PLANCK = Cosmology(omega_m=0.3152, omega_b=0.0493, h=0.6736, n_s=0.9649, sigma8=0.81)
INTEGRATORS = ("fastpm", "bullfrog")
SPACINGS = ("a", "log_a", "growth")
K_LARGEST = 1.0
"""Errors of P(k) are the largest up to here [h/Mpc]."""
WANTED = 0.01


@dataclass(frozen=True)
class Point:
    """One run: force evaluations, largest error of P(k), rms error of positions [Mpc/h]."""

    integrator: str
    spacing: str
    n_steps: int
    n_forces: int
    power: float
    position: float


def template(quick: bool) -> Box:
    n = 64 if quick else 128
    return Box(cosmology=PLANCK, box_size=float(n), n_particles=n, seed=5, fixed_amplitude=True)


def end(box: Box) -> NDArray[np.float32]:
    """Positions at z=0 by id."""
    *_, state = nbody.run(box)
    return state.pos[np.argsort(state.ids)]


def power(box: Box, pos: NDArray[np.float32]) -> tuple[Array, Array]:
    """Wavenumbers up to K_LARGEST and P there."""
    measured = spectra.power(paint(pos, box.box_size, box.n_mesh), box.box_size, window="cic", n_bins=30)
    inside = measured.k < K_LARGEST
    return measured.k[inside], measured.pk[inside]


def points(box: Box, counts: tuple[int, ...], n_reference: int) -> Iterator[Point]:
    """Run every scheme at every count beside the reference."""
    begin = time.perf_counter()
    exact = end(box.model_copy(update={"integrator": "bullfrog", "spacing": "a", "n_steps": n_reference}))
    k, pk = power(box, exact)
    print(f"reference: {n_reference} steps, {time.perf_counter() - begin:.0f} s", flush=True)
    print("integrator  spacing   steps  forces   P(k) error   at k    rms dx [Mpc/h]", flush=True)
    for integrator in INTEGRATORS:
        for spacing in SPACINGS:
            for n_steps in counts:
                pos = end(box.model_copy(update={"integrator": integrator, "spacing": spacing, "n_steps": n_steps}))
                yield compared(box, pos, exact, (k, pk), Point(integrator, spacing, n_steps, 0, 0, 0))


def compared(box: Box, pos: NDArray[np.float32], exact: NDArray[np.float32], reference: Any, scheme: Point) -> Point:
    """The errors of a run, printed."""
    k, pk = reference
    offset = pos.astype(np.float64) - exact
    offset -= box.box_size * np.rint(offset / box.box_size)
    error = np.abs(power(box, pos)[1] / pk - 1)
    n_forces = scheme.n_steps + (scheme.integrator == "fastpm")
    rms = float(np.sqrt((offset**2).sum(axis=1).mean()))
    found = Point(scheme.integrator, scheme.spacing, scheme.n_steps, n_forces, float(error.max()), rms)
    name = f"{found.integrator:10s}  {found.spacing:8s} {found.n_steps:6d} {found.n_forces:7d}"
    print(f"{name} {found.power:12.4f} {k[error.argmax()]:6.2f} {found.position:17.4f}", flush=True)
    return found


def fewest(found: list[Point], integrator: str, spacing: str) -> int | None:
    """Force evaluations from which on every run of a scheme is within WANTED."""
    scheme = sorted((p.n_forces, p.power) for p in found if (p.integrator, p.spacing) == (integrator, spacing))
    good = [n for i, (n, _) in enumerate(scheme) if all(error <= WANTED for _, error in scheme[i:])]
    return good[0] if good else None


def rows(found: list[Point]) -> list[dict[str, Any]]:
    """Force evaluations to WANTED in P(k), each scheme beside FastPM uniform in a."""
    base = fewest(found, "fastpm", "a")
    result = []
    for integrator in INTEGRATORS:
        for spacing in SPACINGS:
            ours = fewest(found, integrator, spacing)
            ratio = None if ours is None or base is None else round(base / ours, 3)
            row = {"name": f"forces to 1 % in P(k < 1): {integrator}, {spacing}", "ours": ours, "peer": base}
            result.append({**row, "peer_name": "fastpm, a", "ratio": ratio, "unit": "force evaluations"})
    return result


def draw(found: list[Point], path: Path) -> None:
    """Both errors against the number of force evaluations."""
    figure, axes = plt.subplots(1, 2, figsize=(9, 3.8), layout="constrained")
    for axis, name, label in zip(
        axes, ("power", "position"), ("largest error of P(k < 1 h/Mpc)", "rms position error [Mpc/h]"), strict=True
    ):
        for color, integrator in enumerate(INTEGRATORS):
            for spacing, style in zip(SPACINGS, ("o-", "s--", "^:"), strict=True):
                scheme = [p for p in found if (p.integrator, p.spacing) == (integrator, spacing)]
                errors = [getattr(p, name) for p in scheme]
                label_ = f"{integrator}, uniform in {spacing}"
                axis.loglog([p.n_forces for p in scheme], errors, style, color=f"C{color}", ms=4, label=label_)
        axis.set_xticks([5, 10, 20, 40, 80], ["5", "10", "20", "40", "80"])
        axis.xaxis.set_minor_formatter(NullFormatter())
        axis.set_xlabel("force evaluations, z = 49 to 0")
        axis.set_ylabel(label)
        axis.grid(alpha=0.3, which="both")
    axes[0].axhline(WANTED, color="0.4", lw=1)
    axes[1].legend(fontsize=7)
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=150)
    plt.close(figure)


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.steps", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="64^3 particles and fewer steps")
    parser.add_argument("--figures", type=Path, help="folder of steps.png")
    arguments = parser.parse_args()
    counts, n_reference = ((5, 10, 20, 40), 160) if arguments.quick else ((5, 7, 10, 14, 20, 28, 40, 56, 80), 500)
    found = list(points(template(arguments.quick), counts, n_reference))
    if arguments.figures is not None:
        draw(found, arguments.figures / "steps.png")
    print(json.dumps({"benchmark": "steps", "commit": provenance()["commit"], "rows": rows(found)}))


if __name__ == "__main__":
    main()

"""How far are our halo masses from those of a tree code that starts from the same particles?

python -m benchmarks.arepo [--quick] [--figures docs] [--data ../shared/data]. AREPO's cosmological example (Weinberger
et al. 2020): 32^3 particles, 50 Mpc/h, from z=127. Its TreePM with a softening of 40 kpc/h found 27 friends-of-friends
groups of 32 particles or more (b = 0.2) at z=1 and 61 at z=0. Only their masses are kept, from the largest down, so its
own test compares two runs by rank, and allows 1 % in the mean and 5 % in the scatter. So do we. A mesh that is 4 times
finer than the particles has cells of 390 kpc/h.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
from numpy.typing import NDArray

from configs import Box, Cosmology, provenance
from sim import binary, halos, ics, nbody
from sim.cosmology import growth, particle_mass
from sim.nbody import State
from sim.particles import Snapshot

Array = NDArray[np.float64]
REPOSITORY = Path(__file__).resolve().parents[1]
PLANCK = Cosmology(omega_m=0.3089, omega_b=0.0486, h=0.6774, n_s=0.9645, sigma8=0.831)
BOX = Box(
    cosmology=PLANCK, box_size=50.0, n_particles=32, seed=0, z_initial=127.0, redshifts=(1.0, 0.0), n_steps=100
)  # fmt: skip
MESH_FACTORS = (2, 3, 4)
LAPLACIANS = ("spectral", "seven_point")
SMALLEST = 32
"""Particles in the smallest group that AREPO kept."""
MEAN_ALLOWED, SCATTER_ALLOWED = 0.01, 0.05
SIZES = (32, 64, 128, 256)
LINEAR_REDSHIFT = 15.0
"""Where the displacements are still small, and particles still near the points of their lattice."""


@dataclass(frozen=True)
class Comparison:
    """Masses of our groups [Msun/h] beside AREPO's at one redshift, both from the largest down."""

    redshift: float
    ours: Array
    theirs: Array

    @property
    def n(self) -> int:
        """Ranks that both have."""
        return min(len(self.ours), len(self.theirs))

    @property
    def ratio(self) -> Array:
        """Ours over theirs of the same rank."""
        return self.ours[: self.n] / self.theirs[: self.n]

    def within(self, tolerance: float) -> int:
        """Ranks at which the masses differ by less."""
        return int((np.abs(self.ratio - 1) < tolerance).sum())

    def above(self, size: int, mass: float) -> tuple[int, int]:
        """Groups of at least `size` particles of `mass`, ours and theirs."""
        limit = (size - 0.5) * mass
        return int((self.ours > limit).sum()), int((self.theirs > limit).sum())


@dataclass(frozen=True)
class Run:
    """One setting of the force, and what came out."""

    box: Box
    seconds: float
    found: tuple[Comparison, ...]

    @property
    def name(self) -> str:
        return f"mesh {self.box.mesh_factor}x, {self.box.laplacian}"


def masses(state: State) -> Array:
    """Groups as AREPO finds them, from the largest down [Msun/h]."""
    box = state.box
    mass, omega_m = particle_mass(box), box.cosmology.omega_m
    catalog = halos.find(
        state.pos, mass, box.box_size, omega_m=omega_m, redshift=state.redshift, min_particles=SMALLEST
    )
    return np.sort(catalog.mass_fof)[::-1].astype(np.float64)


def run(start: Snapshot, box: Box, expected: dict[float, Array]) -> Run:
    """From the initial conditions to z=0."""
    begin, found = time.process_time(), []
    for state in nbody.evolve(ics.state_of(start, box)):
        if state.output is not None:
            found.append(Comparison(state.output, masses(state), expected[state.output]))
    return Run(box, time.process_time() - begin, tuple(found))


def runs(start: Snapshot, expected: dict[float, Array], factors: Sequence[int], n_steps: int) -> Iterator[Run]:
    """Every mesh factor with every Laplacian."""
    for factor in factors:
        for laplacian in LAPLACIANS:
            update = {"mesh_factor": factor, "laplacian": laplacian, "n_steps": n_steps}
            result = run(start, BOX.model_copy(update=update), expected)
            print(f"  {result.name}: {result.seconds:.0f} CPU-s", flush=True)
            yield result


def linear_growth(start: Snapshot, box: Box, *, recentre: bool) -> float:
    """How much displacements from the lattice have grown by LINEAR_REDSHIFT, over linear theory."""
    box = box.model_copy(update={"redshifts": (LINEAR_REDSHIFT,), "n_steps": 15})
    states = nbody.evolve(ics.state_of(start, box, recentre=recentre))
    begun = displacements(next(states))
    *_, state = states
    amplitude = (displacements(state) * begun).sum() / (begun**2).sum()
    theory = growth(PLANCK, state.a) / growth(PLANCK, 1 / (1 + box.z_initial))
    return float(amplitude / theory)


def displacements(state: State) -> Array:
    """From the points of the lattice, less their mean, by id from 1, x slowest: (n, 3) Mpc/h."""
    n, size = state.box.n_particles, state.box.box_size
    order = np.argsort(state.ids)
    points = np.stack(np.meshgrid(*[np.arange(n) * size / n] * 3, indexing="ij"), axis=-1).reshape(-1, 3)
    off = (state.pos[order] - points + size / 2) % size - size / 2
    return np.asarray(off - off.mean(axis=0))


def print_runs(found: Sequence[Run]) -> None:
    print("\ngroups by rank: found, AREPO's, within 10 %, mean ratio, scatter, the ten largest, the largest")
    for result in found:
        for part in result.found:
            r = part.ratio
            counts = f"{len(part.ours):4d} {len(part.theirs):4d} {part.within(0.1):4d}"
            print(
                f"{result.name:24s} z={part.redshift:.0f} {counts}  {r.mean():6.3f} {r.std():6.3f} "
                f"{r[:10].mean():7.3f} {r[0]:7.3f}"
            )


def print_counts(found: Sequence[Run]) -> None:
    print("\ngroups of at least N particles: ours / AREPO's")
    print(" " * 28 + "".join(f"{f'N={size}':>10s}" for size in SIZES))
    for result in found:
        for part in result.found:
            cells = [part.above(size, particle_mass(BOX)) for size in SIZES]
            print(f"{result.name:24s} z={part.redshift:.0f} " + "".join(f"{f'{a} / {b}':>10s}" for a, b in cells))


def print_growth(start: Snapshot, factors: Sequence[int]) -> None:
    """The lattice of the file is at mesh points; state_of moves it to the centres of cells."""
    print(f"\ndisplacements at z={LINEAR_REDSHIFT:.0f} over linear theory: lattice at centres of cells, at mesh points")
    for factor in factors:
        for laplacian in LAPLACIANS:
            box = BOX.model_copy(update={"mesh_factor": factor, "laplacian": laplacian})
            centred, as_given = (linear_growth(start, box, recentre=recentre) for recentre in (True, False))
            print(f"mesh {factor}x, {laplacian:12s} {centred:7.3f} {as_given:7.3f}", flush=True)


def rows(found: Sequence[Run]) -> list[dict[str, Any]]:
    lines = []
    for result in found:
        for part in result.found:
            where, r = f"z={part.redshift:.0f}, {result.name}", part.ratio
            deviation, scatter = abs(float(r.mean()) - 1), float(r.std())
            lines.append(
                row(f"mean mass by rank, {where}", deviation, MEAN_ALLOWED, MEAN_ALLOWED / max(deviation, 1e-4))
            )
            lines.append(
                row(f"scatter by rank, {where}", scatter, SCATTER_ALLOWED, SCATTER_ALLOWED / max(scatter, 1e-4))
            )
            ours, theirs = len(part.ours), len(part.theirs)
            missed = min(ours, theirs) / max(ours, theirs)
            lines.append(row(f"groups, {where}", ours, theirs, missed, "AREPO", "groups"))
    return lines


def row(
    name: str,
    ours: float,
    peer: float,
    ratio: float,
    peer_name: str = "allowed between two AREPO runs",
    unit: str = "relative deviation",
) -> dict[str, Any]:
    values = {"name": name, "ours": round(ours, 4), "peer": peer, "peer_name": peer_name}
    return {**values, "ratio": round(ratio, 3), "unit": unit}


def draw(found: Sequence[Run], path: Path) -> None:
    """Ratios by rank above, cumulative counts below; one column a redshift."""
    figure, axes = plt.subplots(2, 2, figsize=(9, 6), sharex="col", sharey="row", layout="constrained")
    for (top, bottom), i in zip(axes.T, range(2), strict=True):
        theirs = found[0].found[i].theirs
        top.axhspan(1 - SCATTER_ALLOWED, 1 + SCATTER_ALLOWED, color="0.9", lw=0)
        bottom.plot(theirs, 1 + np.arange(len(theirs)), "k-", lw=2.5, label="AREPO")
        for result in found:
            part = result.found[i]
            style = {
                "color": f"C{result.box.mesh_factor - 2}",
                "ls": "-" if result.box.laplacian == LAPLACIANS[0] else ":",
            }
            top.plot(theirs[: part.n], part.ratio, **style, lw=1.2, label=result.name)
            bottom.plot(part.ours, 1 + np.arange(len(part.ours)), **style, lw=1.2)
        top.set_title(f"z = {found[0].found[i].redshift:.0f}", fontsize=10)
        bottom.set(xscale="log", yscale="log", xlabel="M [Msun/h]")
    axes[0, 0].set(ylabel="mass of the same rank over AREPO's", ylim=(0.6, 1.4))
    axes[1, 0].set_ylabel("groups above M")
    axes[0, 1].legend(fontsize=6.5, ncols=2)
    axes[1, 1].legend(fontsize=7)
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=150)
    plt.close(figure)


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.arepo", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="meshes 2x and 3x, 40 steps")
    parser.add_argument("--figures", type=Path, help="folder of arepo_masses.png")
    parser.add_argument("--data", type=Path, default=REPOSITORY.parent / "shared" / "data", help="folder of real data")
    arguments = parser.parse_args()
    folder = arguments.data / "nbody" / "arepo_l50n32"
    start = binary.read(folder / "L50n32_ics")
    expected = {z: np.loadtxt(folder / f"Masses_L50n32_z{z:.0f}.txt") for z in BOX.redshifts}
    factors = MESH_FACTORS[:2] if arguments.quick else MESH_FACTORS
    found = list(runs(start, expected, factors, 40 if arguments.quick else BOX.n_steps))
    print_runs(found)
    print_counts(found)
    print_growth(start, factors)
    if arguments.figures is not None:
        draw(found, arguments.figures / "arepo_masses.png")
    print(json.dumps({"benchmark": "arepo", "commit": provenance()["commit"], "rows": rows(found)}))


if __name__ == "__main__":
    main()

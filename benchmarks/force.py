"""How exact is the force of the mesh? The pair force of every scheme beside that of Ewald's sum, over separation.

python -m benchmarks.force [--quick] [--figures docs]. One particle attracts test particles at random directions from
random places in a cell; what they feel from each other is measured without it and taken away. The exact force solves
the same equation in the same periodic box: the Laplacian of phi is the density contrast. A scheme is named by its
assignment, its gradient (four_point or spectral), its Laplacian (spectral, seven_point or thirteen_point) and by
`deconvolved` if the windows of assignment and interpolation are divided out.
"""

from __future__ import annotations

import argparse
import json
import math
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from numba import njit, prange
from numpy.typing import NDArray

from configs import Box, Cosmology, provenance
from sim.mesh import sort
from sim.poisson import Poisson
from sim.slab import Slab

Array = NDArray[np.float64]
PLANCK = Cosmology(omega_m=0.3152, omega_b=0.0493, h=0.6736, n_s=0.9649, sigma8=0.81)
REACH = 4
"""Images of the box, and waves, that Ewald's sums run over on either side."""
FAR = 5.0
"""Cells beyond which a force of a mesh should be exact."""
ALLOWED = 0.02
MESH_FACTORS = (1, 2, 3)
HALO_SIZES = (20, 200, 1000)


@dataclass(frozen=True)
class Scheme:
    """What decides the force of a mesh."""

    assignment: str = "cic"
    gradient: str = "four_point"
    laplacian: str = "spectral"
    deconvolve: bool = False

    @property
    def name(self) -> str:
        return f"{self.assignment} {self.short}"

    @property
    def short(self) -> str:
        return f"{self.gradient} {self.laplacian}{' deconvolved' if self.deconvolve else ''}"


DEFAULT = Scheme()
SOLVERS = [
    ("four_point", "spectral"),
    ("four_point", "seven_point"),
    ("four_point", "thirteen_point"),
    ("spectral", "spectral"),
]
SCHEMES = [
    Scheme(assignment, *solver, deconvolve)
    for assignment, solver, deconvolve in product(("cic", "tsc"), SOLVERS, (False, True))
]


@dataclass(frozen=True)
class Errors:
    """Radial force over the exact one and tangential force over it, (separations, pairs), at r (separations,)."""

    r: Array
    radial: Array
    tangential: Array

    @property
    def median(self) -> Array:
        return np.median(self.radial, axis=1)

    @property
    def rms(self) -> Array:
        """Of the vector of the error."""
        return np.sqrt(((self.radial - 1) ** 2 + self.tangential**2).mean(axis=1))

    def reaches(self, share: float) -> float:
        """Separation from which on the median is at least `share` of the exact force."""
        i = int(np.flatnonzero(self.median < share)[-1])
        return float(np.exp(np.interp(share, self.median[i : i + 2], np.log(self.r[i : i + 2]))))


def ewald(separation: Array, alpha: float = 2.0) -> tuple[Array, Array]:
    """Potential 1/r of a unit charge, its images and a neutral background in a box of side 1, and its gradient.

    separation (n, 3) from the charge; potential (n,) of mean zero, gradient (n, 3). Ewald (1921) in the form of
    Hernquist, Bouchet & Suto (1991), eq. 2.14; the result does not depend on alpha.
    """
    potential, gradient = np.empty(len(separation)), np.empty((len(separation), 3))
    _ewald(potential, gradient, separation - np.rint(separation), alpha)
    return potential, gradient


def exact(separation: Array, box_size: float, volume: float) -> Array:
    """Force on particles at `separation` (n, 3) from one that stands for `volume`: minus grad of inverse Laplacian."""
    return volume / (4 * np.pi * box_size**2) * ewald(separation / box_size)[1]


def box_of(scheme: Scheme, n_particles: int, mesh_factor: int = 1) -> Box:
    """A box whose particle spacing is 1 Mpc/h."""
    options = {"gradient": scheme.gradient, "laplacian": scheme.laplacian, "assignment": scheme.assignment}
    shape = {"box_size": float(n_particles), "n_particles": n_particles, "mesh_factor": mesh_factor, "seed": 0}
    return Box(cosmology=PLANCK, deconvolve=scheme.deconvolve, **options, **shape)  # type: ignore[arg-type]


@dataclass(frozen=True)
class Engine:
    """The force solver of the N-body engine, at any positions."""

    solver: Poisson

    @classmethod
    def of(cls, box: Box) -> Engine:
        return cls(Poisson(box, Slab(box.n_mesh, box.box_size)))

    def force(self, pos: Array) -> Array:
        """Force at pos (n, 3) of these particles, each the n_particles^3-th part of the box."""
        slab = self.solver.slab
        wrapped = (pos % slab.box_size).astype(np.float32) % np.float32(slab.box_size)
        out = np.zeros_like(wrapped)
        self.solver.kick(out, sort(wrapped, slab, self.solver.box.assignment), 0.0, 1.0)
        return out.astype(np.float64)


def measure(box: Box, r: Array, *, n_sources: int, n_tests: int, seed: int = 0) -> Errors:
    """The force of one particle on `n_tests` at each separation r [Mpc/h], from `n_sources` places.

    Separations well below half the box: there the exact force vanishes in some directions.
    """
    engine, rng = Engine.of(box), np.random.default_rng(seed)
    volume = (box.box_size / box.n_particles) ** 3
    radial, tangential = [], []
    for _ in range(n_sources):
        source = rng.random(3) * box.box_size
        direction = rng.standard_normal((len(r), n_tests, 3))
        direction /= np.linalg.norm(direction, axis=-1, keepdims=True)
        tests = (source + r[:, None, None] * direction).reshape(-1, 3)
        # The engine sees float32: the separations are those of what it sees.
        source, tests = (_rounded(each, box.box_size) for each in (source, tests))
        found = engine.force(np.vstack([tests, source]))[:-1] - engine.force(tests)
        expected = exact(tests - source, box.box_size, volume)
        size = np.linalg.norm(expected, axis=1)
        along = (found * expected).sum(axis=1) / size**2
        across = np.linalg.norm(found - along[:, None] * expected, axis=1) / size
        radial.append(along.reshape(len(r), n_tests))
        tangential.append(across.reshape(len(r), n_tests))
    return Errors(r, np.hstack(radial), np.hstack(tangential))


def _rounded(pos: Array, box_size: float) -> Array:
    return (pos % box_size).astype(np.float32).astype(np.float64)


def of_schemes(n_mesh: int, n_sources: int, n_tests: int) -> dict[Scheme, Errors]:
    """Every scheme on a mesh with cells of 1 Mpc/h."""
    r = np.geomspace(0.1, n_mesh / 4, 26)
    return {scheme: measure(box_of(scheme, n_mesh), r, n_sources=n_sources, n_tests=n_tests) for scheme in SCHEMES}


def of_factors(n_particles: int, n_sources: int, n_tests: int) -> dict[tuple[str, int], Errors]:
    """CIC and TSC on meshes of 1, 2 and 3 cells a particle spacing, over separation in particle spacings."""
    r = np.geomspace(0.1, n_particles / 4, 26)
    return {
        (assignment, factor): measure(
            box_of(Scheme(assignment), n_particles, factor), r, n_sources=n_sources, n_tests=n_tests
        )
        for assignment in ("cic", "tsc")
        for factor in MESH_FACTORS
    }


def print_schemes(found: dict[Scheme, Errors]) -> None:
    shown = [0.5, 1.0, 2.0, 3.0, 5.0, 10.0]
    print("\nforce over Ewald's: median at r cells; where it reaches 50, 95 %; rms of radial and tangential error")
    print(f"{'scheme':42s}" + "".join(f"{r:7g}" for r in shown) + "    50%    95%   rad 3   tan 3   rad 5   tan 5")
    for scheme, errors in found.items():
        near = [int(np.abs(np.log(errors.r / r)).argmin()) for r in shown]
        deviations = [part[i] for i in near[3:5] for part in (errors.radial - 1, errors.tangential)]
        medians = "".join(f"{errors.median[i]:7.3f}" for i in near)
        where = "".join(f"{errors.reaches(share):7.2f}" for share in (0.5, 0.95))
        print(f"{scheme.name:42s}{medians}{where}" + "".join(f"{np.sqrt((d**2).mean()):8.4f}" for d in deviations))


def print_factors(found: dict[tuple[str, int], Errors]) -> None:
    print("\ndefault scheme: separation in particle spacings where the median reaches a share of the exact force")
    print("          mesh    50 %    80 %    95 %    99 %")
    for (assignment, factor), errors in found.items():
        cells = "".join(f"{errors.reaches(share):8.2f}" for share in (0.5, 0.8, 0.95, 0.99))
        print(f"   {assignment}     {factor}x {cells}")


def rows(found: dict[Scheme, Errors]) -> list[dict[str, Any]]:
    """Worst rms error at FAR cells and beyond, beside what it may be."""
    return [
        {
            "name": f"{scheme.name}: rms force error beyond {FAR:g} cells",
            "ours": round(worst, 5),
            "peer": ALLOWED,
            "peer_name": "allowed",
            "ratio": round(ALLOWED / worst, 3),
            "unit": "relative deviation",
        }
        for scheme, errors in found.items()
        for worst in [float(errors.rms[errors.r > FAR].max())]
    ]


def draw_schemes(found: dict[Scheme, Errors], path: Path) -> None:
    """Force ratio, with the scatter of 16 to 84 %, and rms error; one row an assignment."""
    _, panels = plt.subplots(2, 2, figsize=(10, 7), sharex=True, layout="constrained")
    colors = {scheme.short: f"C{i}" for i, scheme in enumerate(s for s in SCHEMES if s.assignment == "cic")}
    for scheme, errors in found.items():
        row = panels[("cic", "tsc").index(scheme.assignment)]
        low, high = np.percentile(errors.radial, [16, 84], axis=1)
        style = {"color": colors[scheme.short], "lw": 2 if scheme.short == DEFAULT.short else 1}
        row[0].fill_between(errors.r, low, high, color=colors[scheme.short], alpha=0.15, lw=0)
        row[0].plot(errors.r, errors.median, label=scheme.short, **style)
        row[1].loglog(errors.r, errors.rms, **style)
    for assignment, row in zip(("CIC", "TSC"), panels, strict=True):
        _frame(row[0], f"{assignment}: radial force over Ewald's")
        row[1].set_ylabel(f"{assignment}: rms force error")
        row[1].axhline(ALLOWED, color="0.7", lw=1)
    panels[0, 0].legend(fontsize=7)
    for panel in panels[1]:
        panel.set_xlabel("separation [mesh cells]")
    _save(path)


def draw_factors(found: dict[tuple[str, int], Errors], path: Path) -> None:
    """Force ratio over separation in particle spacings, beside R200m of halos of some numbers of particles."""
    _, panel = plt.subplots(figsize=(5.5, 3.8))
    for (assignment, factor), errors in found.items():
        low, high = np.percentile(errors.radial, [16, 84], axis=1)
        color, style = f"C{factor - 1}", "-" if assignment == "cic" else "--"
        if assignment == "cic":
            panel.fill_between(errors.r, low, high, color=color, alpha=0.2, lw=0)
        panel.plot(errors.r, errors.median, style, color=color, label=f"{assignment.upper()}, mesh {factor}x")
    for size in HALO_SIZES:
        radius = (size / (200 * 4 / 3 * np.pi)) ** (1 / 3)
        panel.axvline(radius, color="0.8", lw=1, zorder=0)
        panel.text(radius, 1.2, f" {size}", fontsize=6, color="0.4", va="bottom")
    _frame(panel, "radial force over Ewald's")
    panel.set_xlabel("separation [particle spacings]; grey: $R_{200m}$ of halos of so many particles")
    panel.xaxis.label.set_size(8)
    panel.legend(fontsize=7, loc="lower right")
    _save(path)


def _frame(panel: Axes, label: str) -> None:
    panel.axhspan(1 - ALLOWED, 1 + ALLOWED, color="0.92", zorder=0)
    panel.set(xscale="log", ylim=(0, 1.3), ylabel=label)


def _save(path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    plt.savefig(path, dpi=150, bbox_inches="tight")
    plt.close()


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.force", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="a mesh of 64^3 and fewer pairs")
    parser.add_argument("--figures", type=Path, help="folder of force_ewald.png and force_particle.png")
    arguments = parser.parse_args()
    n_mesh, n_particles, n_sources, n_tests = (64, 16, 4, 20) if arguments.quick else (128, 32, 16, 40)
    schemes = of_schemes(n_mesh, n_sources, n_tests)
    print_schemes(schemes)
    factors = of_factors(n_particles, n_sources, n_tests)
    print_factors(factors)
    if arguments.figures is not None:
        draw_schemes(schemes, arguments.figures / "force_ewald.png")
        draw_factors(factors, arguments.figures / "force_particle.png")
    print(json.dumps({"benchmark": "force", "commit": provenance()["commit"], "rows": rows(schemes)}))


@njit(cache=True, parallel=True)
def _ewald(potential, gradient, separation, alpha):  # type: ignore[no-untyped-def]
    """One charge each: images with a screened charge, and the waves of what screens it."""
    for p in prange(len(separation)):
        phi, gx, gy, gz = -np.pi / alpha**2, 0.0, 0.0, 0.0
        for i in range(-REACH, REACH + 1):
            for j in range(-REACH, REACH + 1):
                for k in range(-REACH, REACH + 1):
                    x, y, z = separation[p, 0] - i, separation[p, 1] - j, separation[p, 2] - k
                    d = math.sqrt(x * x + y * y + z * z)
                    screened = math.erfc(alpha * d) / d
                    slope = screened + 2 * alpha / math.sqrt(math.pi) * math.exp(-((alpha * d) ** 2))
                    phi += screened
                    gx -= x * slope / d**2
                    gy -= y * slope / d**2
                    gz -= z * slope / d**2
                    h2 = i * i + j * j + k * k
                    if h2 > 0:
                        size = math.exp(-((math.pi / alpha) ** 2) * h2) / h2
                        phase = 2 * math.pi * (i * separation[p, 0] + j * separation[p, 1] + k * separation[p, 2])
                        phi += size / math.pi * math.cos(phase)
                        wave = 2 * size * math.sin(phase)
                        gx -= i * wave
                        gy -= j * wave
                        gz -= k * wave
        potential[p] = phi
        gradient[p, 0], gradient[p, 1], gradient[p, 2] = gx, gy, gz


if __name__ == "__main__":
    main()

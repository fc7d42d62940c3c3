"""Is the gravity right? Linear growth, P(k) and halo counts of our N-body runs beside theory.

python -m benchmarks.gravity [--quick] [--figures docs]. Every P(k) is that of the particles painted with CIC on the
force mesh, divided by the window; shot noise is left in (`V/N`, the last column says how much it is).
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
from colossus.cosmology import cosmology as colossus
from colossus.lss import mass_function
from numpy.typing import NDArray
from scipy.integrate import cumulative_trapezoid

from configs import Box, Cosmology, provenance
from sim import halos, nbody, spectra
from sim.cosmology import growth, particle_mass
from sim.mesh import paint
from sim.power import nonlinear_power

Array = NDArray[np.float64]
PLANCK = Cosmology(omega_m=0.3152, omega_b=0.0493, h=0.6736, n_s=0.9649, sigma8=0.81)
K_EDGES = np.array([0.03, 0.07, 0.13, 0.17, 0.23, 0.27, 0.33, 0.37, 0.43, 0.5, 0.6, 0.75, 0.9, 1.1])
HALO_SIZES = np.array([20, 30, 50, 80, 120, 200, 300, 500, 700, 1000])
MATTER_ONLY = 1e6
"""A redshift where the critical density is the mean: spheres of 200 times it give M200m."""
LIMITS = {"growth": 0.01, "power": 0.05, "halos": 0.15}


@dataclass(frozen=True)
class Growth:
    """Amplitude of our modes over linear theory, at scale factors a, in shells of k [h/Mpc]."""

    a: Array
    k: Array
    ratio: Array


@dataclass(frozen=True)
class Power:
    """P(k) over HMCode2020: (runs, bins)."""

    k: Array
    ratio: Array
    shot_share: Array


@dataclass(frozen=True)
class Counts:
    """Halos of all boxes with at least `size` particles: by definition of mass, found and of Tinker et al. (2008)."""

    size: Array
    found: dict[str, Array]
    expected: dict[str, Array]


def growth_box(quick: bool) -> Box:
    """A box so large that its largest modes stay linear."""
    n = 64 if quick else 128
    return Box(cosmology=PLANCK, box_size=4000.0, n_particles=n, seed=1, fixed_amplitude=True)


def linear_growth(box: Box) -> Growth:
    """Project every state on the initial modes of the same run."""
    fundamental = 2 * np.pi / box.box_size
    shells = np.arange(0.5, 8)
    index = np.stack(np.meshgrid(*[np.arange(8)] * 3, indexing="ij"))
    radius = np.sqrt((index**2).sum(axis=0))
    rows, first = [], None
    for state in nbody.run(box):
        contrast = paint(state.pos, box.box_size, box.n_mesh) * np.float32(box.mesh_factor**3) - 1
        field = np.fft.rfftn(contrast)[:8, :8, :8].astype(complex) / growth(PLANCK, state.a)
        first = field if first is None else first
        share = (field * first.conj()).real, np.abs(first) ** 2
        sums = [np.histogram(radius, shells, weights=part)[0] for part in share]
        rows.append((state.a, sums[0] / sums[1]))
    a, ratio = zip(*rows, strict=True)
    return Growth(np.array(a), fundamental * np.arange(1, 8), np.array(ratio))


def pair_boxes(quick: bool) -> list[Box]:
    """Pairs of opposite phases with fixed amplitudes: 256 Mpc/h, 128^3 particles, 256^3 mesh."""
    n, size, n_pairs = (64, 128.0, 1) if quick else (128, 256.0, 4)
    template = Box(cosmology=PLANCK, box_size=size, n_particles=n, seed=0, fixed_amplitude=True)
    updates = [{"seed": seed, "paired_phase": paired} for seed in range(n_pairs) for paired in (False, True)]
    return [template.model_copy(update=update) for update in updates]


def final_positions(boxes: list[Box]) -> Iterator[tuple[Box, NDArray[np.float32]]]:
    """Run each box to its end."""
    for box in boxes:
        begin = time.perf_counter()
        *_, state = nbody.run(box)
        seconds = time.perf_counter() - begin
        print(
            f"  seed {box.seed} paired {box.paired_phase}: {seconds:.0f} s, {seconds / box.n_steps:.3f} a step",
            flush=True,
        )
        yield box, state.pos


def power_ratio(box: Box, pos: NDArray[np.float32]) -> tuple[Array, Array, Array]:
    """k, P over HMCode2020 averaged over the same modes, and the share of shot noise in it."""
    field = paint(pos, box.box_size, box.n_mesh)
    measured = spectra.power(field, box.box_size, edges=K_EDGES, window="cic")
    fine = spectra.power(field, box.box_size, window="cic")
    theory = rebinned(fine.k, nonlinear_power(box.cosmology)(fine.k), fine.n_modes)
    return measured.k, measured.pk / theory, (box.box_size / box.n_particles) ** 3 / measured.pk


def rebinned(k: Array, values: Array, weights: NDArray[np.int64]) -> Array:
    """Weighted means in the bins of K_EDGES that hold modes."""
    sums = [np.histogram(k, K_EDGES, weights=w)[0] for w in (values * weights, weights)]
    return sums[0][sums[1] > 0] / sums[1][sums[1] > 0]


def halo_counts(box: Box, pos: NDArray[np.float32]) -> dict[str, Array]:
    """Halos of at least HALO_SIZES particles, by friends-of-friends (b = 0.2), M200m and M200c."""
    mass = particle_mass(box)

    def found(redshift: float) -> halos.Catalog:
        return halos.find(pos, mass, box.box_size, omega_m=PLANCK.omega_m, min_particles=10, redshift=redshift)

    today, early = found(0.0), found(MATTER_ONLY)
    sizes = {"FOF": today.n_particles, "200m": early.m200c / mass, "200c": today.m200c / mass}
    return {name: (n[:, None] >= HALO_SIZES).sum(axis=0).astype(np.float64) for name, n in sizes.items()}


def tinker_counts(box: Box, definition: str) -> Array:
    """Expected number of halos of at least HALO_SIZES particles in a box."""
    parameters = {"flat": True, "H0": 100 * PLANCK.h, "Om0": PLANCK.omega_m, "Ob0": PLANCK.omega_b}
    colossus.setCosmology("here", **parameters, sigma8=PLANCK.sigma8, ns=PLANCK.n_s, relspecies=False, persistence="")
    log_m = np.linspace(np.log(HALO_SIZES[0] * particle_mass(box)), np.log(3e16), 2000)
    density = mass_function.massFunction(np.exp(log_m), 0.0, mdef=definition, model="tinker08", q_out="dndlnM")
    above = cumulative_trapezoid(density[::-1], -log_m[::-1], initial=0)[::-1]
    return np.interp(np.log(HALO_SIZES * particle_mass(box)), log_m, above) * box.box_size**3


def pairs(boxes: list[Box]) -> tuple[Power, Counts]:
    """Measure every box as it ends."""
    ratios, counts = [], []
    for box, pos in final_positions(boxes):
        k, ratio, shot_share = power_ratio(box, pos)
        ratios.append(ratio)
        counts.append(halo_counts(box, pos))
    expected = {name: len(boxes) * tinker_counts(boxes[0], name) for name in ("200m", "200c")}
    found = {name: np.sum([count[name] for count in counts], axis=0) for name in counts[0]}
    return Power(k, np.array(ratios), shot_share), Counts(HALO_SIZES, found, {"FOF": expected["200m"], **expected})


def print_growth(result: Growth) -> None:
    print("\nlinear growth: amplitude over theory, projected on the initial modes")
    print("      z " + "".join(f"  k={k:.4f}" for k in result.k))
    for i in np.unique(np.linspace(0, len(result.a) - 1, 9).astype(int)):
        print(f"{1 / result.a[i] - 1:7.2f} " + "".join(f"{r:10.4f}" for r in result.ratio[i]))


def print_power(result: Power) -> None:
    print(f"\nP(k) at z=0 over HMCode2020, {len(result.ratio)} runs (fixed amplitudes, opposite pairs)")
    print("      k     mean  scatter of pairs  shot share")
    pairs_mean = result.ratio.reshape(-1, 2, len(result.k)).mean(axis=1)
    for k, mean, scatter, shot in zip(
        result.k, pairs_mean.mean(axis=0), pairs_mean.std(axis=0), result.shot_share, strict=True
    ):
        print(f"{k:7.3f}  {mean:7.3f}  {scatter:16.3f}  {shot:10.4f}")


def print_counts(result: Counts) -> None:
    print("\nhalos of at least N particles at z=0 over Tinker08 (FOF beside 200m)")
    print("      N " + "".join(f"{name:>8s} found expected ratio   " for name in result.found))
    for i, size in enumerate(result.size):
        cells = [(result.found[name][i], result.expected[name][i]) for name in result.found]
        print(f"{size:7.0f} " + "".join(f"{n:14.0f} {e:8.0f} {n / e:5.2f}   " for n, e in cells))


def rows(grown: Growth, measured: Power, counted: Counts) -> list[dict[str, Any]]:
    """Worst deviation of each test beside what it may be; Poisson error is allowed on top for halos."""
    i = int(np.searchsorted(counted.size, 500))
    found, expected = counted.found["FOF"][i], counted.expected["FOF"][i]
    worst = {
        "growth": np.abs(grown.ratio[:, :3] - 1).max(),
        "power": np.abs(measured.ratio.mean(axis=0)[measured.k < 0.5] - 1).max(),
        "halos": max(0.0, abs(found / expected - 1) - expected**-0.5),
    }
    names = {
        "growth": "linear growth z=49 to 0, largest scales",
        "power": "P(k) at z=0 over HMCode2020, k < 0.5 h/Mpc",
        "halos": "FOF halos of 500 particles or more over Tinker08 200m, beyond Poisson error",
    }
    return [
        {
            "name": names[key],
            "ours": round(float(worst[key]), 4),
            "peer": LIMITS[key],
            "peer_name": "allowed",
            "ratio": round(LIMITS[key] / max(float(worst[key]), 1e-4), 3),
            "unit": "worst relative deviation",
        }
        for key in LIMITS
    ]


def draw(grown: Growth, measured: Power, counted: Counts, folder: Path) -> None:
    """One figure a test."""
    panel("k [h/Mpc]", "amplitude at z=0 over linear theory", LIMITS["growth"])
    plt.semilogx(grown.k, grown.ratio[-1], "o-")
    save(folder / "gravity_growth.png")
    panel("k [h/Mpc]", "P(k) at z=0 over HMCode2020", LIMITS["power"])
    plt.semilogx(measured.k, measured.ratio.T, color="0.75", lw=0.8)
    plt.semilogx(measured.k, measured.ratio.mean(axis=0), "o-")
    save(folder / "gravity_power.png")
    panel("particles in a halo, at least", "halos over Tinker08", LIMITS["halos"])
    for name, found in counted.found.items():
        ratio = found / counted.expected[name]
        plt.errorbar(counted.size, ratio, ratio / np.sqrt(np.maximum(found, 1)), marker="o", label=name)
    plt.xscale("log")
    plt.ylim(0, 1.5)
    plt.legend()
    save(folder / "gravity_halos.png")


def panel(x: str, y: str, limit: float) -> None:
    """An empty figure with a band of what is allowed."""
    plt.figure(figsize=(5, 3.5))
    plt.axhspan(1 - limit, 1 + limit, color="0.92")
    plt.xlabel(x)
    plt.ylabel(y)


def save(path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    plt.savefig(path, dpi=150, bbox_inches="tight")
    plt.close()


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.gravity", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="one pair of 64^3 particles")
    parser.add_argument("--figures", type=Path, help="folder of gravity_*.png")
    arguments = parser.parse_args()
    grown = linear_growth(growth_box(arguments.quick))
    print_growth(grown)
    measured, counted = pairs(pair_boxes(arguments.quick))
    print_power(measured)
    print_counts(counted)
    if arguments.figures is not None:
        draw(grown, measured, counted, arguments.figures)
    commit = provenance()["commit"]
    print(json.dumps({"benchmark": "gravity", "commit": commit, "rows": rows(grown, measured, counted)}))


if __name__ == "__main__":
    main()

"""Is the gravity right? Linear growth, P(k) and halo counts of our N-body runs beside theory.

python -m benchmarks.gravity [--quick] [--figures docs]. P(k) is that of 4 pairs of boxes with fixed amplitudes and
opposite phases, 256^3 particles in 256 Mpc/h on a 512^3 mesh, painted with TSC, interlaced and divided by the window;
shot noise is left in (V/N: the last column says how much it is). Halos are those of 2 such pairs, on meshes of 1, 2
and 3 cells a particle, and are counted by friends-of-friends, as found and with the masses of few particles corrected
by 1 - N^-0.6 (Warren et al. 2006, eq. 2), and by spheres of 200 times the mean and the critical density, which a mesh
makes puffy. Friends-of-friends counts exceed those of spheres at the massive end in any simulation: Bhattacharya et al.
2011 fit them.
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
COLUMNS = {
    "FOF / Tinker08 200m": ("FOF", "200m", "tinker08"),
    "corrected FOF / Tinker08": ("corrected FOF", "200m", "tinker08"),
    "corrected FOF / Bhattacharya11": ("corrected FOF", "fof", "bhattacharya11"),
    "M200m / Tinker08": ("200m", "200m", "tinker08"),
    "M200c / Tinker08": ("200c", "200c", "tinker08"),
}
"""What is counted, and the definition and model of the mass function it is compared with."""
MESH_FACTORS = (1, 2, 3)
POWER_LIMITS = {0.5: 0.03, 1.0: 0.05}
"""How far P(k) may be off HMCode2020 below these k [h/Mpc]."""


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
    """Halos of all boxes with at least `size` particles, found and expected, by column of COLUMNS."""

    size: Array
    found: dict[str, Array]
    expected: dict[str, Array]

    def beyond_poisson(self, column: str, size: int) -> float:
        """How much more than its Poisson error the ratio of found to expected is off, 0 if it is not."""
        i = int(np.searchsorted(self.size, size))
        found, expected = self.found[column][i], self.expected[column][i]
        return max(0.0, float(abs(found / expected - 1) - expected**-0.5))


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


def pair_boxes(quick: bool, n_pairs: int, mesh_factor: int) -> list[Box]:
    """Pairs of opposite phases with fixed amplitudes, 1 Mpc/h a particle."""
    n, size, n_pairs = (64, 64.0, 1) if quick else (256, 256.0, n_pairs)
    template = Box(
        cosmology=PLANCK, box_size=size, n_particles=n, mesh_factor=mesh_factor, seed=0, fixed_amplitude=True
    )
    updates = [{"seed": seed, "paired_phase": paired} for seed in range(n_pairs) for paired in (False, True)]
    return [template.model_copy(update=update) for update in updates]


def final_positions(boxes: list[Box]) -> Iterator[tuple[Box, NDArray[np.float32]]]:
    """Run each box to its end."""
    for box in boxes:
        begin = time.perf_counter()
        *_, state = nbody.run(box)
        seconds = time.perf_counter() - begin
        what = f"mesh {box.mesh_factor}x, seed {box.seed}, paired {box.paired_phase}"
        print(f"  {what}: {seconds:.0f} s, {seconds / box.n_steps:.3f} a step", flush=True)
        yield box, state.pos


def power_ratio(box: Box, pos: NDArray[np.float32]) -> tuple[Array, Array, Array]:
    """Wavenumbers, P over HMCode2020 of the same modes, and the share of shot noise, in the bins of K_EDGES."""
    shells = spectra.particle_power(pos, box.box_size, box.n_mesh)
    theory, shot = nonlinear_power(box.cosmology)(shells.k), (box.box_size / box.n_particles) ** 3
    sums = [np.histogram(shells.k, K_EDGES, weights=w * shells.n_modes)[0] for w in (shells.k, shells.pk, theory, 1)]
    k, measured, expected, n_modes = (part[sums[3] > 0] for part in sums)
    return k / n_modes, measured / expected, shot * n_modes / measured


def halo_counts(box: Box, pos: NDArray[np.float32]) -> dict[str, Array]:
    """Halos of at least HALO_SIZES particles, by friends-of-friends (b = 0.2), as found and corrected, M200m, M200c."""
    mass = particle_mass(box)
    found = halos.find(pos, mass, box.box_size, omega_m=PLANCK.omega_m, min_particles=10, m200m=True)
    fof = found.n_particles
    sizes = {"FOF": fof, "corrected FOF": fof * (1 - fof**-0.6), "200m": found.m200m / mass, "200c": found.m200c / mass}
    return {name: (n[:, None] >= HALO_SIZES).sum(axis=0).astype(np.float64) for name, n in sizes.items()}


def expected_counts(box: Box, definition: str, model: str) -> Array:
    """Expected number of halos of at least HALO_SIZES particles in a box."""
    parameters = {"flat": True, "H0": 100 * PLANCK.h, "Om0": PLANCK.omega_m, "Ob0": PLANCK.omega_b}
    colossus.setCosmology("here", **parameters, sigma8=PLANCK.sigma8, ns=PLANCK.n_s, relspecies=False, persistence="")
    log_m = np.linspace(np.log(HALO_SIZES[0] * particle_mass(box)), np.log(3e16), 2000)
    density = mass_function.massFunction(np.exp(log_m), 0.0, mdef=definition, model=model, q_out="dndlnM")
    above = cumulative_trapezoid(density[::-1], -log_m[::-1], initial=0)[::-1]
    return np.interp(np.log(HALO_SIZES * particle_mass(box)), log_m, above) * box.box_size**3


def power_of(boxes: list[Box]) -> Power:
    """Measure every box as it ends."""
    measured = [power_ratio(box, pos) for box, pos in final_positions(boxes)]
    k, _, shot_share = measured[-1]
    return Power(k, np.array([ratio for _, ratio, _ in measured]), shot_share)


def counts_of(boxes: list[Box]) -> Counts:
    """Count the halos of every box as it ends."""
    counts = [halo_counts(box, pos) for box, pos in final_positions(boxes)]
    found, expected = {}, {}
    for column, (kind, definition, model) in COLUMNS.items():
        found[column] = np.sum([count[kind] for count in counts], axis=0)
        expected[column] = len(boxes) * expected_counts(boxes[0], definition, model)
    return Counts(HALO_SIZES, found, expected)


def print_growth(result: Growth) -> None:
    print("\nlinear growth: amplitude over theory, projected on the initial modes")
    print("      z " + "".join(f"  k={k:.4f}" for k in result.k))
    for i in np.unique(np.linspace(0, len(result.a) - 1, 9).astype(int)):
        print(f"{1 / result.a[i] - 1:7.2f} " + "".join(f"{r:10.4f}" for r in result.ratio[i]))


def print_power(result: Power) -> None:
    print(f"\nP(k) at z=0 over HMCode2020, mesh 2x, {len(result.ratio)} runs (fixed amplitudes, opposite pairs)")
    print("      k     mean  scatter of pairs  shot share")
    of_pairs = result.ratio.reshape(-1, 2, len(result.k)).mean(axis=1)
    columns = result.k, of_pairs.mean(axis=0), of_pairs.std(axis=0), result.shot_share
    for k, mean, scatter, shot in zip(*columns, strict=True):
        print(f"{k:7.3f}  {mean:7.3f}  {scatter:16.3f}  {shot:10.4f}")


def print_counts(factor: int, result: Counts) -> None:
    print(f"\nhalos of at least N particles at z=0, mesh {factor}x: found, expected, ratio")
    print("      N " + "".join(f"{name:>32s}" for name in result.found))
    for i, size in enumerate(result.size):
        cells = [(result.found[name][i], result.expected[name][i]) for name in result.found]
        print(f"{size:7.0f} " + "".join(f"{n:14.0f} {e:10.0f} {n / e:6.3f}" for n, e in cells))


def rows(grown: Growth, power: Power, counted: dict[int, Counts]) -> list[dict[str, Any]]:
    """Worst deviation of each test beside what it may be; Poisson error is allowed on top for halos."""
    mean = power.ratio.mean(axis=0)
    return [
        row("linear growth z=49 to 0, largest scales", np.abs(grown.ratio[:, :3] - 1).max(), 0.01),
        *(
            row(f"P(k) at z=0 over HMCode2020, k < {k} h/Mpc, mesh 2x", np.abs(mean[power.k < k] - 1).max(), limit)
            for k, limit in POWER_LIMITS.items()
        ),
        *(
            row(f"halos of 300 particles, {column}, mesh {factor}x", counts.beyond_poisson(column, 300), 0.1)
            for factor, counts in counted.items()
            for column in list(COLUMNS)[:4]
        ),
    ]


def row(name: str, worst: float, allowed: float) -> dict[str, Any]:
    """One line of the result: above 1 the deviation is smaller than allowed."""
    return {
        "name": name,
        "ours": round(float(worst), 4),
        "peer": allowed,
        "peer_name": "allowed",
        "ratio": round(allowed / max(float(worst), 1e-3), 3),
        "unit": "relative deviation",
    }


def draw(grown: Growth, power: Power, counted: dict[int, Counts], folder: Path) -> None:
    """One figure a test."""
    panel("k [h/Mpc]", "amplitude at z=0 over linear theory", 0.01)
    plt.semilogx(grown.k, grown.ratio[-1], "o-")
    save(folder / "gravity_growth.png")
    panel("k [h/Mpc]", "P(k) at z=0 over HMCode2020", 0.03)
    of_pairs = power.ratio.reshape(-1, 2, len(power.k)).mean(axis=1)
    plt.semilogx(power.k, of_pairs.T, color="C0", alpha=0.3, lw=1)
    plt.semilogx(power.k, of_pairs.mean(axis=0), "o-", color="C0")
    save(folder / "gravity_power.png")
    figure, axes = plt.subplots(1, len(COLUMNS) - 1, figsize=(11, 3.6), sharey=True, layout="constrained")
    for axis, column in zip(axes, [name for name in COLUMNS if "Bhattacharya" not in name], strict=True):
        axis.axhspan(0.9, 1.1, color="0.92")
        for factor, counts in counted.items():
            axis.plot(counts.size, counts.found[column] / counts.expected[column], "o-", ms=4, label=f"mesh {factor}x")
        axis.set_xscale("log")
        axis.set_ylim(0, 1.5)
        axis.set_title(column, fontsize=9)
        axis.set_xlabel("particles in a halo, at least")
    axes[0].set_ylabel("halos found over expected")
    axes[0].legend()
    figure.savefig(folder / "gravity_halos.png", dpi=150)
    plt.close(figure)


def panel(x: str, y: str, limit: float) -> None:
    """An empty figure with a band of what is allowed."""
    plt.figure(figsize=(5.5, 3.8))
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
    power = power_of(pair_boxes(arguments.quick, 4, 2))
    print_power(power)
    counted = {}
    for factor in MESH_FACTORS:
        counted[factor] = counts_of(pair_boxes(arguments.quick, 2, factor))
        print_counts(factor, counted[factor])
    if arguments.figures is not None:
        draw(grown, power, counted, arguments.figures)
    commit = provenance()["commit"]
    print(json.dumps({"benchmark": "gravity", "commit": commit, "rows": rows(grown, power, counted)}))


if __name__ == "__main__":
    main()

"""Are the halos right? Ours beside CompaSO's in AbacusSummit's box, and those of our own boxes beside theory.

    python -m benchmarks.halos [--quick] [--figures docs] [--data ../shared/data]

First, halos of the same particles: CompaSO (Hadzhiyska et al. 2022) finds spheres within which the density is that of
virialisation, 116 times critical at z=0, and lets them compete for particles. So friends-of-friends groups (b = 0.2),
which bridge, must be more than its halos, and spheres of 200 times critical less; spheres of its own density stand
beside it like with like. Halos match when centres are within half the R200c that the CompaSO mass would have.

Then boxes of our own, in pairs of fixed amplitudes and opposite phases: M200c as found and as repaired (`sim.repair`),
the same found again in the particles that the repair moved, all over Tinker08 for 200c; the density around the halos;
and P(k) over HMCode2020, whose level at k < 1 h/Mpc is that of such small boxes.
"""

from __future__ import annotations

import argparse
import json
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
from colossus.cosmology import cosmology as colossus
from colossus.lss import mass_function
from matplotlib.axes import Axes
from numpy.typing import NDArray
from scipy.integrate import cumulative_trapezoid
from scipy.spatial import cKDTree

from configs import Box, Cosmology, provenance
from sim import friends, halos, nbody, profiles, snapshot, spectra
from sim.cosmology import particle_mass
from sim.halos import Catalog
from sim.power import nonlinear_power
from sim.repair import repaired, resolution_of
from sim.spheres import Spheres
from sim.units import RHO_CRITICAL

Array = NDArray[np.float64]
Positions = NDArray[np.float32]
DATA = Path(os.environ.get("DARKGLASS_DATA", Path(__file__).resolve().parents[2] / "shared" / "data"))
ABACUS = Path("nbody") / "abacus_n64" / "mini_n64_l32_z0.npz"
PLANCK = Cosmology(omega_m=0.3152, omega_b=0.0493, h=0.6736, n_s=0.9649, sigma8=0.81)
VIRIAL = 116.2
"""Density of a CompaSO halo over critical: 200 / (18 pi^2) of Bryan & Norman 1998 for omega_m = 0.3152."""
KINDS = ("FOF", "200c", "virial")
DEFINITIONS = {"200c": "200c", "virial": "vir"}
"""What colossus calls a kind."""
SIZES = np.array([20, 30, 50, 70, 100, 150, 200, 300, 500, 700, 1000])
COMPLETE = SIZES >= 50
"""CompaSO's catalogue begins at 35 particles."""
BOX_SIZES = (50.0, 64.0)
MESH_FACTORS = (2, 3)
STAGES = ("as found", "repaired", "found again")
ALLOWED = 0.15
"""How far counts of halos of 300 particles may be off Tinker08, on top of Poisson."""
K_EDGES = np.geomspace(0.5, 12, 13)
X_EDGES = np.geomspace(0.05, 2, 16)
STACKED = (300, 2000)
"""Particles within R200c of the halos that are stacked."""
N_MESH = 320


@dataclass(frozen=True)
class Matched:
    """CompaSO halos of more than 100 particles that we found too: offset over R200c, our masses over theirs."""

    n: int
    bridged: int
    size: Array
    offset: Array
    ratio: dict[str, Array]


@dataclass(frozen=True)
class Compared:
    """Halos of more than SIZES particles in AbacusSummit's box, and those that match."""

    theirs: Array
    ours: dict[str, Array]
    tinker: dict[str, Array]
    matched: Matched


@dataclass(frozen=True)
class Repaired:
    """Of all boxes of one mesh: counts over SIZES, densities over NFW (boxes, X), P over HMCode2020 (boxes, K)."""

    counts: dict[str, Array]
    expected: Array
    density: dict[str, Array]
    power: dict[str, Array]

    def beyond_poisson(self, stage: str, size: int) -> float:
        """How much more than its Poisson error the ratio of found to expected is off, 0 if it is not."""
        i = int(np.searchsorted(SIZES, size))
        off = abs(self.counts[stage][i] / self.expected[i] - 1)
        return max(0.0, float(off - self.expected[i] ** -0.5))


def compared(path: Path) -> Compared:
    """Our halos beside CompaSO's."""
    box = snapshot.read(path)
    matter = box.particles["dark_matter"]
    mass = float(np.ravel(matter.mass)[0])
    with np.load(path, allow_pickle=False) as data:
        n, center = data["halo_N"].astype(float), data["halo_x_unitbox"] % 1 * box.box_size
    found, virial = (
        halos.find(matter.pos, mass, box.box_size, omega_m=box.omega_m, critical_density=RHO_CRITICAL * density / 200)
        for density in (200, VIRIAL)
    )
    virial = ordered_like(virial, found)
    ours = {"FOF": found.n_particles.astype(float), "200c": found.m200c / mass, "virial": virial.m200c / mass}
    tinker = {name: expected_counts(mass, box.box_size, definition) for name, definition in DEFINITIONS.items()}
    group = friends.group_labels(matter.pos, box.box_size, 0.2 * box.box_size / len(matter.pos) ** (1 / 3))
    _, nearest = cKDTree(matter.pos, boxsize=box.box_size).query(center)
    matched = matches(n, center, mass, found, ours, np.bincount(group)[group[nearest]])
    return Compared(above(n), {name: above(sizes) for name, sizes in ours.items()}, tinker, matched)


def ordered_like(catalog: Catalog, other: Catalog) -> Catalog:
    """Its rows in the order of those of `other`, with the same centres."""
    rows = np.empty(len(catalog), np.int64)
    rows[np.lexsort(other.center.T)] = np.lexsort(catalog.center.T)
    return Catalog(**{name: column[rows] if np.ndim(column) else column for name, column in vars(catalog).items()})


def above(n: Array) -> Array:
    """How many exceed each of SIZES."""
    return np.asarray((n[:, None] > SIZES).sum(axis=0), np.float64)


def matches(
    n: Array, center: Array, mass: float, found: Catalog, ours: dict[str, Array], group: NDArray[np.int64]
) -> Matched:
    """Each CompaSO halo of more than 100 particles and our nearest; `group` is the size of our group at its centre."""
    center, group, n = center[n > 100], group[n > 100], n[n > 100]
    radius = np.cbrt(n * mass / (800 / 3 * np.pi * RHO_CRITICAL))
    distance, nearest = cKDTree(found.center, boxsize=found.box_size).query(center)
    good = distance < 0.5 * radius
    bridged = int(np.count_nonzero(~good & (group > n)))
    ratio = {name: (sizes[nearest] / n)[good] for name, sizes in ours.items()}
    return Matched(len(n), bridged, n[good], (distance / radius)[good], ratio)


def expected_counts(mass: float, box_size: float, definition: str) -> Array:
    """Halos above SIZES times `mass` after Tinker et al. 2008."""
    parameters = {"flat": True, "H0": 100 * PLANCK.h, "Om0": PLANCK.omega_m, "Ob0": PLANCK.omega_b}
    colossus.setCosmology("here", **parameters, sigma8=PLANCK.sigma8, ns=PLANCK.n_s, relspecies=False, persistence="")
    log_m = np.linspace(np.log(SIZES[0] * mass), np.log(3e16), 2000)
    density = mass_function.massFunction(np.exp(log_m), 0.0, mdef=definition, model="tinker08", q_out="dndlnM")
    beyond = cumulative_trapezoid(density[::-1], -log_m[::-1], initial=0)[::-1]
    return np.asarray(np.interp(np.log(SIZES * mass), log_m, beyond) * box_size**3)


def boxes(factor: int, quick: bool) -> list[Box]:
    """Pairs of opposite phases with fixed amplitudes, of 128^3 particles."""
    sizes, seeds = (BOX_SIZES[1:], (1,)) if quick else (BOX_SIZES, (1, 2))
    common = {"cosmology": PLANCK, "n_particles": 128, "mesh_factor": factor, "fixed_amplitude": True}
    pairs = [(size, seed, paired) for size in sizes for seed in seeds for paired in (False, True)]
    return [Box(**common, box_size=size, seed=seed, paired_phase=paired) for size, seed, paired in pairs]


def measured(runs: Sequence[Box]) -> Repaired:
    """Simulate every box and look at it before and after its repair."""
    each = [measured_one(box) for box in runs]
    counts, density, power = ({name: np.array([one[i][name] for one in each]) for name in each[0][i]} for i in range(3))
    expected = [expected_counts(particle_mass(box), box.box_size, "200c") for box in runs]
    return Repaired({name: rows.sum(axis=0) for name, rows in counts.items()}, np.sum(expected, axis=0), density, power)


def measured_one(box: Box) -> tuple[dict[str, Array], dict[str, Array], dict[str, Array]]:
    """Counts, densities and powers of one box, by stage."""
    for state in nbody.run(box):
        raw = state.pos
    mass, options = particle_mass(box), {"omega_m": box.cosmology.omega_m, "min_particles": 20}
    first = halos.find(raw, mass, box.box_size, **options)
    pos, mended = repaired(raw, mass, first, box.cosmology, resolution=resolution_of(box))
    again = halos.find(pos, mass, box.box_size, **options)
    print(f"  mesh {box.mesh_factor}x, {box.box_size:g} Mpc/h, seed {box.seed}: {len(mended)} halos", flush=True)
    counts = {name: above(one.m200c / mass) for name, one in zip(STAGES, (first, mended, again), strict=True)}
    sides = dict(zip(STAGES, (raw, pos), strict=False))
    density = {name: density_ratio(one, mended, mass, box) for name, one in sides.items()}
    return counts, density, {name: power_ratio(one, box) for name, one in sides.items()}


def density_ratio(pos: Positions, catalog: Catalog, mass: float, box: Box) -> Array:
    """Mean density in shells of X_EDGES around the halos of STACKED, over NFW and the mean density."""
    rows = (catalog.m200c > STACKED[0] * mass) & (catalog.m200c < STACKED[1] * mass)
    radius, n = catalog.r200c[rows], catalog.m200c[rows] / mass
    start, squares = Spheres.of(pos, box.box_size).squares(catalog.center[rows], 1.001 * X_EDGES[-1] * radius)
    x = np.sqrt(squares) / np.repeat(radius, np.diff(start))
    held = np.histogram(x, X_EDGES)[0]
    c = profiles.concentration(catalog.m200c[rows], 0.0)[:, None]
    model = np.diff(profiles.nfw_enclosed(X_EDGES, c), axis=1) + PLANCK.omega_m / 200 * np.diff(X_EDGES**3)
    return np.asarray(held / (n[:, None] * model).sum(axis=0))


def power_ratio(pos: Positions, box: Box) -> Array:
    """P without shot noise over HMCode2020 of the same modes, in the bins of K_EDGES."""
    shells = spectra.particle_power(pos, box.box_size, N_MESH)
    shot = (box.box_size / box.n_particles) ** 3
    theory = nonlinear_power(box.cosmology)(np.clip(shells.k, 1e-3, 20))
    weights = ((shells.pk - shot) * shells.n_modes, theory * shells.n_modes)
    power, expected = (np.histogram(shells.k, K_EDGES, weights=w)[0] for w in weights)
    return np.asarray(power / expected)


def print_compared(result: Compared) -> None:
    print("\nhalos of more than N particles in AbacusSummit's 32 Mpc/h, z=0")
    print("      N  CompaSO  Poisson" + "".join(f"{name:>9s}" for name in KINDS) + "  Tinker08 200c, virial")
    for i, size in enumerate(SIZES):
        ours = "".join(f"{result.ours[name][i]:9.0f}" for name in KINDS)
        theory = "".join(f"{result.tinker[name][i]:9.0f}" for name in KINDS[1:])
        print(f"{size:7d} {result.theirs[i]:8.0f} {result.theirs[i] ** 0.5:8.1f}{ours}      {theory}")
    one = result.matched
    print(f"\nof {one.n} CompaSO halos of more than 100 particles {len(one.size)} match; of the others")
    print(f"{one.bridged} lie inside a larger group of ours; median offset {np.median(one.offset):.3f} R200c")
    for name in KINDS:
        low, middle, high = np.percentile(one.ratio[name], [16, 50, 84])
        print(f"{name:>7s} over CompaSO mass: median {middle:.3f}, half of 16-84 % {(high - low) / 2:.3f}")


def print_repaired(factor: int, result: Repaired) -> None:
    print(f"\nhalos of more than N particles in M200c over Tinker08 200c, mesh {factor}x")
    print("      N  expected" + "".join(f"{name:>13s}" for name in STAGES) + "  Poisson")
    for i, size in enumerate(SIZES):
        ratios = "".join(f"{result.counts[name][i] / result.expected[i]:13.3f}" for name in STAGES)
        print(f"{size:7d} {result.expected[i]:9.0f}{ratios} {result.expected[i] ** -0.5:8.3f}")
    for title, axis, values in (
        ("P(k) over HMCode2020", K_EDGES, result.power),
        ("density over NFW", X_EDGES, result.density),
    ):
        print(f"\n{title}, mesh {factor}x\n" + f"{'':10s}" + "".join(f"{x:7.2f}" for x in middles(axis)))
        for name, rows in values.items():
            print(f"{name:10s}" + "".join(f"{x:7.2f}" for x in rows.mean(axis=0)))


def middles(edges: Array) -> Array:
    return np.asarray(np.sqrt(edges[1:] * edges[:-1]))


def compaso_rows(result: Compared) -> Iterator[dict[str, Any]]:
    i = int(np.searchsorted(SIZES, 100))
    for name in KINDS:
        off = abs(result.ours[name][i] - result.theirs[i]) / result.theirs[i] ** 0.5
        yield row(f"halos of more than 100 particles, {name} against CompaSO", off, 1, "Poisson errors")
    off = abs(float(np.median(result.matched.ratio["virial"])) - 1)
    yield row("virial mass over CompaSO mass, halo by halo, median", off, 0.05, "relative deviation")
    yield row("CompaSO halos without one of ours", 1 - len(result.matched.size) / result.matched.n, 0.1, "fraction")


def repaired_rows(factor: int, result: Repaired) -> Iterator[dict[str, Any]]:
    for stage in STAGES:
        name = f"halos of more than 300 particles, M200c {stage} over Tinker08, mesh {factor}x"
        yield row(name, result.beyond_poisson(stage, 300), ALLOWED, "relative deviation")


def row(name: str, worst: float, allowed: float, unit: str) -> dict[str, Any]:
    """One line of the result: above 1 the deviation is smaller than allowed."""
    values = {"name": name, "ours": round(float(worst), 4), "peer": allowed, "peer_name": "allowed"}
    return {**values, "ratio": round(allowed / max(float(worst), 1e-3), 3), "unit": unit}


def draw_compared(result: Compared, path: Path) -> None:
    """Counts, counts over CompaSO's, and masses of the halos that match."""
    figure, (top, middle, right) = plt.subplots(1, 3, figsize=(12.5, 4), layout="constrained")
    sizes, theirs = SIZES[COMPLETE], result.theirs[COMPLETE]
    top.errorbar(sizes, theirs, theirs**0.5, fmt="ko", ms=4, capsize=2, label="CompaSO")
    for i, name in enumerate(KINDS):
        ours = result.ours[name][COMPLETE]
        top.plot(sizes, ours, f"C{i}-", label=f"ours, {name}")
        middle.errorbar(sizes * (0.97 + 0.03 * i), ours / theirs, ours**0.5 / theirs, fmt=f"C{i}o-", ms=4, capsize=2)
    for style, name in (("C1:", "200c"), ("C2:", "virial")):
        top.plot(sizes, result.tinker[name][COMPLETE], style, label=f"Tinker08, {name}")
    middle.fill_between(sizes, 1 - theirs**-0.5, 1 + theirs**-0.5, color="0.9", lw=0)
    top.set(xscale="log", yscale="log", xlabel="particles, more than", ylabel="halos in (32 Mpc/h)$^3$")
    middle.set(xscale="log", ylim=(0.4, 1.7), xlabel="particles, more than", ylabel="halos, ours over CompaSO's")
    for i, name in ((1, "200c"), (2, "virial")):
        right.plot(result.matched.size, result.matched.ratio[name], f"C{i}.", label=f"ours, {name}")
    right.axhline(1, color="0.6", lw=1)
    right.set(xscale="log", ylim=(0.4, 1.6), xlabel="particles of the CompaSO halo", ylabel="mass, ours over CompaSO's")
    top.legend(fontsize=8)
    right.legend(fontsize=8)
    save(figure, path)


def draw_repaired(found: dict[int, Repaired], path: Path) -> None:
    """Counts, densities and powers before and after, a colour a mesh."""
    figure, (counts, density, power) = plt.subplots(1, 3, figsize=(12.5, 4), layout="constrained")
    counts.axhspan(1 - ALLOWED, 1 + ALLOWED, color="0.92", lw=0)
    for i, (factor, result) in enumerate(found.items()):
        for style, name in (("s:", "as found"), ("o-", "repaired"), ("^--", "found again")):
            ratio = result.counts[name] / result.expected
            error = np.sqrt(result.counts[name]) / result.expected
            shifted, label = SIZES * (1 + 0.03 * i), f"mesh {factor}x, {name}"
            counts.errorbar(shifted, ratio, error, fmt=f"C{i}{style}", ms=4, capsize=2, lw=1.2, label=label)
        for axis, edges, values in ((density, X_EDGES, result.density), (power, K_EDGES, result.power)):
            for style, name in (("s:", "as found"), ("o-", "repaired")):
                with_error(axis, middles(edges), values[name], f"C{i}{style}")
    counts.set(xscale="log", ylim=(0, 1.5), xlabel="particles in M200c, more than", ylabel="halos over Tinker08 200c")
    density.set(xscale="log", ylim=(0, 1.8), xlabel="r / R200c", ylabel="density over NFW and the mean")
    power.set(xscale="log", ylim=(0, 1.3), xlabel="k [h/Mpc]", ylabel="P(k) over HMCode2020")
    for axis in (density, power):
        axis.axhline(1, color="0.6", lw=1)
    counts.legend(fontsize=7, ncols=2, loc="upper center")
    save(figure, path)


def with_error(axis: Axes, x: Array, rows: Array, style: str) -> None:
    """The mean of the pairs of boxes, and its error."""
    rows = rows.reshape(-1, 2, len(x)).mean(axis=1)
    error = rows.std(axis=0) / np.sqrt(max(len(rows) - 1, 1))
    axis.errorbar(x, rows.mean(axis=0), error, fmt=style, ms=4, capsize=2, lw=1.2)


def save(figure: Any, path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=150)
    plt.close(figure)


def main() -> None:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.halos", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--quick", action="store_true", help="one pair of boxes a mesh instead of four")
    parser.add_argument("--figures", type=Path, help="folder of halos_*.png")
    parser.add_argument("--data", type=Path, default=DATA, help="folder of real data")
    arguments = parser.parse_args()
    lines: list[dict[str, Any]] = []
    if (arguments.data / ABACUS).is_file():
        catalogs = compared(arguments.data / ABACUS)
        print_compared(catalogs)
        lines += compaso_rows(catalogs)
        if arguments.figures is not None:
            draw_compared(catalogs, arguments.figures / "halos_compaso.png")
    else:
        print(f"no comparison with CompaSO: {arguments.data / ABACUS} is missing (set DARKGLASS_DATA or --data)")
    found = {}
    for factor in MESH_FACTORS:
        found[factor] = measured(boxes(factor, arguments.quick))
        print_repaired(factor, found[factor])
        lines += repaired_rows(factor, found[factor])
    if arguments.figures is not None:
        draw_repaired(found, arguments.figures / "halos_m200c.png")
    print(json.dumps({"benchmark": "halos", "commit": provenance()["commit"], "rows": lines}))


if __name__ == "__main__":
    main()

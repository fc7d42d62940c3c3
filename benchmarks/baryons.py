"""How much power do our baryons take away? Mean S(k) of several boxes beside HMCode2020 with feedback.

    python -m benchmarks.baryons [--quick]

Runs dark-matter boxes of 50 Mpc/h (pairs of fixed amplitude and opposite phase), gives them baryons, and compares
S(k) = P_hydro / P_dmo, in space and on projected maps, with the band that HMCode2020 spans between log10 T_AGN = 7.6
and 8.0. Both sides of our ratio have repaired halos, so S(k) is baryonic alone. `ratio` is the distance from the
middle of the band, 7.8, to its edge over that to our mean: above 1 is inside.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numba import njit
from numpy.typing import NDArray

from configs import Baryons, Box, Cosmology, provenance
from sim import halos, maps, nbody, spectra
from sim.baryons import Counterpart, Tracer, displaced
from sim.cosmology import particle_mass
from sim.power import nonlinear_power

Array = NDArray[np.float64]

COSMOLOGY = Cosmology(omega_m=0.3152, omega_b=0.0493, h=0.6736, n_s=0.9649, sigma8=0.81)
BOX_SIZE = 50.0
FEEDBACK = (7.6, 7.8, 8.0)
K = np.array([0.3, 0.5, 1, 2, 3, 5, 8])
N_MESH = 256


@dataclass(frozen=True)
class Measured:
    """S(k) of one box in space and on its three maps, and what it took."""

    space: Array
    maps: Array
    n_halos: int
    n_particles: int
    seconds: float


def boxes(n_boxes: int, n_particles: int) -> list[Box]:
    """Pairs of boxes: seeds 1, 1, 2, 2, ... with the phases of the second turned by pi."""
    common = {"cosmology": COSMOLOGY, "box_size": BOX_SIZE, "n_particles": n_particles, "fixed_amplitude": True}
    return [Box(**common, seed=1 + i // 2, paired_phase=bool(i % 2)) for i in range(n_boxes)]


def measured(box: Box, baryons: Baryons, seed: int) -> Measured:
    """Simulate `box`, give it baryons and compare the power of both sides."""
    for state in nbody.run(box):
        last = state
    mass = particle_mass(box)
    catalog = halos.find(last.pos, mass, box.box_size, omega_m=COSMOLOGY.omega_m, min_particles=50)
    start = time.process_time()
    sides = displaced(last.pos, mass, catalog, COSMOLOGY, baryons, box.box_size, seed=seed)
    seconds = time.process_time() - start
    matter = Tracer(sides.dmo_pos, np.full(len(last.pos), mass, np.float32))
    return Measured(
        in_space(species(sides), [matter], box.box_size),
        on_maps(species(sides), [matter], box.box_size),
        len(catalog),
        len(last.pos),
        seconds,
    )


def species(sides: Counterpart) -> list[Tracer]:
    return [sides.dark_matter, sides.gas, sides.stars]


def in_space(hydro: Sequence[Tracer], dmo: Sequence[Tracer], box_size: float) -> Array:
    """S at `K` from particles painted in three dimensions."""
    return at_k(spectra.suppression(density(hydro, box_size), density(dmo, box_size), box_size, edges=edges()))


def on_maps(hydro: Sequence[Tracer], dmo: Sequence[Tracer], box_size: float) -> Array:
    """S at `K`, the mean over the maps along the three axes."""
    return np.mean(
        [
            at_k(
                spectra.suppression(projected(hydro, box_size, i), projected(dmo, box_size, i), box_size, edges=edges())
            )
            for i in range(3)
        ],
        axis=0,
    )


def edges() -> Array:
    return np.geomspace(2 * np.pi / BOX_SIZE * 1.9, 12, 15)


def at_k(ratio: spectra.Ratio) -> Array:
    return np.interp(np.log(K), np.log(ratio.k), ratio.value)


def projected(tracers: Sequence[Tracer], box_size: float, axis: int) -> Array:
    return np.sum([maps.project(one.pos, one.mass, box_size, 2 * N_MESH, axis) for one in tracers], axis=0, dtype=float)


def density(tracers: Sequence[Tracer], box_size: float) -> Array:
    """Mass on a mesh by cloud-in-cell."""
    mesh = np.zeros((N_MESH,) * 3)
    for one in tracers:
        _paint(mesh, one.pos, one.mass, N_MESH / box_size)
    return mesh


@njit(cache=True)
def _paint(mesh, pos, mass, scale):  # type: ignore[no-untyped-def]
    n = len(mesh)
    for p in range(len(pos)):
        x, y, z = pos[p, 0] * scale, pos[p, 1] * scale, pos[p, 2] * scale
        i, j, k = int(x), int(y), int(z)
        for corner in range(8):
            a, b, c = corner >> 2, corner >> 1 & 1, corner & 1
            weight = (1 - abs(x - i - a)) * (1 - abs(y - j - b)) * (1 - abs(z - k - c))
            mesh[(i + a) % n, (j + b) % n, (k + c) % n] += mass[p] * weight


def band() -> dict[float, Array]:
    """S at `K` of HMCode2020 at each log10 T_AGN."""
    without = nonlinear_power(COSMOLOGY)(K)
    return {heat: nonlinear_power(COSMOLOGY, 0.0, heat)(K) / without for heat in FEEDBACK}


def rows(runs: Sequence[Measured], peer: dict[float, Array]) -> list[dict[str, object]]:
    """One line a wave number and kind of field."""
    weak, middle, strong = (peer[heat] for heat in FEEDBACK)
    return [
        {
            "name": f"S(k={k:g}) {kind}",
            "ours": round(float(ours), 4),
            "peer": round(float(middle[i]), 4),
            "peer_name": "HMCode2020 log10 T_AGN 7.8",
            "ratio": round(inside(ours, weak[i], middle[i], strong[i]), 2),
            "unit": "1",
        }
        for kind in ("space", "maps")
        for i, (k, ours) in enumerate(zip(K, np.mean([getattr(run, kind) for run in runs], axis=0), strict=True))
    ]


def inside(ours: float, weak: float, middle: float, strong: float) -> float:
    """From the middle of the band: the distance to its edge over that to `ours`, in the same direction."""
    edge = weak if ours > middle else strong
    return float((edge - middle) / (ours - middle))


def table(runs: Sequence[Measured], peer: dict[float, Array]) -> str:
    """The means, their errors and the band, a column a wave number."""
    lines = {"k [h/Mpc]": K} | {f"HMCode2020 {heat}": values for heat, values in peer.items()}
    for kind in ("space", "maps"):
        values = np.array([getattr(run, kind) for run in runs])
        lines[f"ours, {kind}"] = values.mean(axis=0)
        lines["  error of the mean"] = values.std(axis=0) / np.sqrt(max(len(runs) - 1, 1))
    return "\n".join(f"{name:22}" + "".join(f"{value:8.3f}" for value in row) for name, row in lines.items())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="two boxes of 64^3 particles instead of eight of 128^3")
    quick = parser.parse_args().quick
    runs = []
    for i, box in enumerate(boxes(2, 64) if quick else boxes(8, 128)):
        runs.append(measured(box, Baryons(), seed=i))
        pace = f"{runs[-1].n_particles} particles in {runs[-1].seconds:.1f} CPU-s"
        print(f"box {i}: {runs[-1].n_halos} halos, {pace}", flush=True)
    peer = band()
    print(table(runs, peer))
    print(json.dumps({"benchmark": "baryons", "commit": provenance()["commit"], "rows": rows(runs, peer)}))


if __name__ == "__main__":
    main()

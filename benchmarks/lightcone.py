"""Does the convergence on the light cone have the power that theory gives it, and what do baryons take away?

python -m benchmarks.lightcone [--quick] [--figures docs]. Pairs of boxes of fixed amplitude and opposite phase, each
seen from several places, give as many maps of the convergence of galaxies at z=1; their mean C(l) is set beside
Limber's integral of HMCode2020. Nothing is divided out: the CIC of the planes and the bilinear sampling (column
"planes": what they leave of Limber's integral, with the finite depth of the planes) and the noise of the particles
(column "noise") are shown as they are. A map resolves l where 90 % of the integral comes from modes between twice the
fundamental of the box and half of the particles' Nyquist frequency. A last run paints baryons on one map's planes.
"""

from __future__ import annotations

import argparse
import json
import time
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.ticker import NullFormatter
from numpy.typing import NDArray

from configs import Baryons, Box, Cosmology, Lightcone, provenance
from sim import lightcone, limber, nbody
from sim.baryons import Counterpart, displaced
from sim.convergence import of_plane
from sim.cosmology import particle_mass
from sim.efficiency import sources_of
from sim.lightcone import cone_of
from sim.limber import AngularPower
from sim.nbody import State
from sim.sides import resolved

Array = NDArray[np.float64]
Suppression = tuple[Array, Array, dict[float, Array]]
PLANCK = Cosmology(omega_m=0.3152, omega_b=0.0493, h=0.6736, n_s=0.9649, sigma8=0.81)
ALLOWED = 0.05
RESOLVED = 0.9
"""Share of Limber's integral that a map must hold at an l that it resolves."""
NYQUIST_SHARE = 0.5
TICKS = (200, 500, 1000, 2000, 5000)
N_VIEWS, N_SHIFTS = 4, 16
"""Light cones a box, and maps a light cone: a box holds a few rare halos, and a map shows a part of each plane."""
EDGES = (1.5, 2.5, 3.5, 4.5, 5.5, 7, 9, 11.5, 14.5, 18, 23, 29, 36, 45)
"""Of bins in l, in units of the fundamental mode of the field."""
LOST = 5000
"""Multipole from which the maps of a box of 128 Mpc/h have lost more than two fifths of their power to the mesh."""
ZOOM = 0.25
"""Share of the side of the field that is shown with and without baryons."""
HEATING = (7.6, 7.8, 8.0)
"""log10 T_AGN of the baryonic HMCode2020 beside which our suppression is drawn."""


@dataclass(frozen=True)
class Spectra:
    """C(l) of the maps of each box (boxes, maps, bins), and what is expected at the same l (bins,)."""

    ell: Array
    cl: Array
    limber: Array
    planes: Array
    noise: Array
    resolved: NDArray[np.bool_]

    @property
    def mean(self) -> Array:
        return self.cl.mean(axis=(0, 1))

    @property
    def ratio(self) -> Array:
        """Mean over boxes and maps, over Limber."""
        return self.mean / self.limber

    @property
    def error(self) -> Array:
        """Of `ratio`, from the scatter of the boxes: the maps of a box share its halos."""
        of_boxes = self.cl.mean(axis=1)
        return of_boxes.std(axis=0, ddof=1) / np.sqrt(len(of_boxes)) / self.limber


def boxes(n: int, n_pairs: int) -> list[Box]:
    """Pairs of opposite phase: n Mpc/h with n^3 particles on a 3x mesh, in a field as wide as the box at z=1."""
    cone = Lightcone(field_deg=3.0 * n / 128, n_pixels=4 * n, plane_depth=n / 2, plane_pixels=12 * n, z_source=1.0)
    template = Box(
        cosmology=PLANCK,
        box_size=float(n),
        n_particles=n,
        mesh_factor=3,
        n_steps=40,
        seed=0,
        fixed_amplitude=True,
        lightcone=cone,
    )
    updates = [{"seed": seed, "paired_phase": paired} for seed in range(n_pairs) for paired in (False, True)]
    return [template.model_copy(update=update) for update in updates]


def views(box: Box) -> list[Box]:
    """The same box seen from several places."""
    cone = cone_of(box)
    seeds = range(N_VIEWS * box.seed, N_VIEWS * (box.seed + 1))
    return [box.model_copy(update={"lightcone": cone.model_copy(update={"seed": seed})}) for seed in seeds]


def maps(box: Box) -> Array:
    """Convergence maps of one run, (N_VIEWS * N_SHIFTS, n_pixels, n_pixels)."""
    begin, cone = time.perf_counter(), cone_of(box)
    kappa = np.zeros((N_VIEWS, N_SHIFTS, cone.n_pixels, cone.n_pixels))
    seconds = 0.0
    for state in nbody.run(box):
        start = time.perf_counter()
        for i, view in enumerate(views(box)):
            add_planes(kappa[i], state, view)
        seconds += time.perf_counter() - start
    what = f"seed {box.seed}, paired {box.paired_phase}"
    took = f"{time.perf_counter() - begin:.0f} s, of it {N_VIEWS * N_SHIFTS} maps {seconds:.0f} s"
    print(f"  {what}: {took}", flush=True)
    return kappa.reshape(-1, cone.n_pixels, cone.n_pixels)


def add_planes(kappa: Array, state: State, view: Box) -> None:
    """Add the planes that are made from `state` to maps (N_SHIFTS, p, p): the first of them is that of `view`.

    In the others each repetition of the box is shifted once more across the line of sight, by whole pixels of planes.
    """
    for plane in lightcone.due(view, state.step):
        found = lightcone.contrast(replace(state, box=view), plane)
        if found is None:
            continue
        rng = np.random.default_rng((cone_of(view).seed, plane.repetition))
        shifts = rng.integers(len(found[0]), size=(N_SHIFTS, 2))
        for each, shift in zip(kappa, [(0, 0), *shifts.tolist()[1:]], strict=True):
            each += of_plane(view, plane, np.roll(found[0], shift, (0, 1)))


def power_of(box: Box, kappas: Array) -> list[AngularPower]:
    """C(l) of the maps (n, p, p) of a box."""
    field = cone_of(box).field_deg
    return [limber.measured(kappa, field, np.array(EDGES) * 360 / field) for kappa in kappas]


def compare(box: Box, found: list[list[AngularPower]]) -> Spectra:
    """The spectra of the maps of each box beside theory."""
    ell, sources = found[0][0].ell, sources_of(box)
    power = limber.nonlinear(PLANCK, sources.farthest)
    expected = limber.expected(ell, box, power)
    theory = limber.limber(ell, sources, power)
    fundamental_k, nyquist = 2 * np.pi / box.box_size, np.pi * box.n_particles / box.box_size

    def held(k: Array, z: float) -> Array:
        return np.where((k > 2 * fundamental_k) & (k < NYQUIST_SHARE * nyquist), power(k, z), 0)

    resolved = limber.limber(ell, sources, held) > RESOLVED * theory
    cl = np.array([[each.cl for each in of_box] for of_box in found])
    return Spectra(ell, cl, theory, expected.signal / theory, expected.noise / theory, resolved)


def painted(box: Box) -> tuple[Array, Array]:
    """The convergence of one box without and with baryons: of repaired halos both."""
    without, after = np.zeros((2, cone_of(box).n_pixels, cone_of(box).n_pixels))
    begin = time.perf_counter()
    for state in nbody.run(box):
        planes = lightcone.due(box, state.step)
        if not planes:
            continue
        sides, mass = counterpart(state), particle_mass(box)
        tracers = [(each.pos, each.mass) for each in (sides.dark_matter, sides.gas, sides.stars)]
        for plane in planes:
            without += of_plane(box, plane, lightcone.contrast_of([(sides.dmo_pos, mass)], plane, box))
            after += of_plane(box, plane, lightcone.contrast_of(tracers, plane, box))
    print(f"  with baryons: {time.perf_counter() - begin:.0f} s", flush=True)
    return without, after


def counterpart(state: State) -> Counterpart:
    """Baryons on the halos of a state, at its time: half a step from that of a plane at most, on both sides."""
    box, mass, z = state.box, particle_mass(state.box), max(state.redshift, 0.0)
    pos, catalog = resolved(state.pos, mass, box, Baryons(), redshift=z, seed=box.seed)
    return displaced(pos, mass, catalog, box.cosmology, Baryons(), box.box_size, redshift=z, seed=box.seed)


def suppression(box: Box, without: Array, after: Array) -> Suppression:
    """The multipoles, C(l) with over without baryons, and the same of HMCode2020 for each of HEATING."""
    field, sources = cone_of(box).field_deg, sources_of(box)
    edges = np.geomspace(360 / field, 30000, 20)
    below, above = (limber.measured(kappa, field, edges) for kappa in (without, after))
    matter = limber.limber(below.ell, sources, limber.nonlinear(PLANCK, sources.farthest))
    heated = {
        t: limber.limber(below.ell, sources, limber.nonlinear(PLANCK, sources.farthest, t)) / matter for t in HEATING
    }
    return below.ell, above.cl / below.cl, heated


def print_spectra(result: Spectra) -> None:
    n_boxes, n_maps, _ = result.cl.shape
    print(f"\nC(l) of {n_maps} maps of each of {n_boxes} boxes over Limber's integral of HMCode2020; * resolved")
    print("      l       C(l)  over Limber   error   planes    noise")
    rows = zip(result.ell, result.mean, result.ratio, result.error, strict=True)
    for i, (ell, cl, ratio, error) in enumerate(rows):
        mark = "*" if result.resolved[i] else " "
        tail = f"{result.planes[i]:8.3f} {result.noise[i]:8.4f} {mark}"
        print(f"{ell:7.0f}  {cl:.3e}  {ratio:11.3f} {error:7.3f} {tail}")


def print_suppression(ell: Array, ratio: Array, heated: dict[float, Array]) -> None:
    print("\nC(l) with baryons over without; HMCode2020 at log10 T_AGN = " + ", ".join(map(str, heated)))
    for i, each in enumerate(ell):
        print(f"{each:7.0f}  {ratio[i]:7.3f}   " + "".join(f"{model[i]:8.3f}" for model in heated.values()))


def rows(result: Spectra) -> list[dict[str, Any]]:
    """The worst deviation over the resolved range beside what it may be."""
    used = result.resolved
    worst = float(np.abs(result.ratio[used] - 1).max())
    low, high = result.ell[used].min(), result.ell[used].max()
    return [
        {
            "name": f"C(l) over Limber of HMCode2020, {len(result.cl)} boxes, l = {low:.0f} to {high:.0f}",
            "ours": round(worst, 4),
            "peer": ALLOWED,
            "peer_name": "allowed",
            "ratio": round(ALLOWED / max(worst, 1e-3), 3),
            "unit": "relative deviation",
        }
    ]


def draw_spectra(result: Spectra, path: Path) -> None:
    figure, (top, bottom) = plt.subplots(
        2, 1, sharex=True, figsize=(5.5, 5.2), height_ratios=(2, 1), constrained_layout=True
    )
    ell, scale = result.ell, result.ell * (result.ell + 1) / (2 * np.pi)
    top.loglog(ell, scale * result.limber, "k-", label="Limber, HMCode2020")
    top.loglog(ell, scale * result.limber * (result.planes + result.noise), "k--", lw=1, label="what planes show of it")
    mean, error = result.ratio * result.limber, result.error * result.limber
    top.errorbar(ell, scale * mean, scale * error, fmt="C0o", ms=4, label=f"maps of {len(result.cl)} boxes")
    top.loglog(ell, scale * result.limber * result.noise, "C7:", label="noise of the particles, if random")
    top.set_ylabel(r"$\ell(\ell+1)\,C_\ell^{\kappa\kappa}/2\pi$")
    top.legend(fontsize=8)
    bottom.axhspan(1 - ALLOWED, 1 + ALLOWED, color="0.9")
    bottom.axvspan(ell[result.resolved].min(), ell[result.resolved].max(), color="C0", alpha=0.08)
    bottom.errorbar(ell, result.ratio, result.error, fmt="C0o", ms=4)
    bottom.semilogx(ell, result.planes + result.noise, "k--", lw=1)
    bottom.xaxis.set_minor_formatter(NullFormatter())
    bottom.set_xticks(TICKS, [f"{tick}" for tick in TICKS])
    bottom.set(ylim=(0.6, 1.3), xlabel=r"multipole $\ell$ (shaded: resolved)", ylabel="over Limber")
    save(figure, path)


def draw_map(box: Box, kappa: Array, path: Path) -> None:
    figure, axes = plt.subplots(figsize=(6.2, 5.2), constrained_layout=True)
    show(figure, axes, box, kappa, f"convergence of galaxies at z = {cone_of(box).z_source:g}")
    save(figure, path)


def draw_baryons(
    box: Box, sides: tuple[Array, Array], result: tuple[Array, Array, dict[float, Array]], path: Path
) -> None:
    figure, (left, middle, right) = plt.subplots(1, 3, figsize=(14, 4.2), constrained_layout=True)
    for axes, kappa, title in ((left, sides[0], "dark matter only"), (middle, sides[1], "with baryons")):
        show(figure, axes, box, kappa[zoomed(sides[0])], title, share=ZOOM)
    ell, ratio, heated = result
    right.axhline(1, color="0.8")
    right.axvspan(LOST, ell[-1], color="0.95", label="below the mesh")
    for t, model in heated.items():
        right.semilogx(ell, model, "--", label=f"HMCode2020, $\\log_{{10}} T_{{AGN}}$ = {t}")
    right.semilogx(ell, ratio, "ko-", ms=4, label="one map, baryons of sim/baryons")
    right.set(xlabel=r"multipole $\ell$", ylabel=r"$C_\ell$ with baryons / without", ylim=(0.7, 1.1))
    right.legend(fontsize=8, loc="lower left")
    save(figure, path)


def zoomed(kappa: Array) -> tuple[slice, slice]:
    """ZOOM of the map, around its highest pixel where the edges allow."""
    n, half = len(kappa), round(ZOOM * len(kappa) / 2)
    middle = np.clip(np.unravel_index(np.argmax(kappa), kappa.shape), half, n - half)
    return slice(middle[0] - half, middle[0] + half), slice(middle[1] - half, middle[1] + half)


def show(figure: Any, axes: Any, box: Box, kappa: Array, title: str, share: float = 1) -> None:
    """A map with its angles and a colour bar."""
    side = cone_of(box).field_deg * share
    extent = (-side / 2, side / 2, -side / 2, side / 2)
    image = axes.imshow(kappa, origin="lower", extent=extent, cmap="magma", vmin=-0.03, vmax=0.09)
    axes.set(xlabel="degree", ylabel="degree", title=title)
    figure.colorbar(image, ax=axes, label=r"$\kappa$ (dimensionless)", extend="both")


def save(figure: Any, path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=150, bbox_inches="tight")
    plt.close(figure)


def spectra_of(all_boxes: list[Box]) -> tuple[Spectra, Array]:
    """The spectra of all maps of all boxes, and the first map."""
    found, first = [], None
    for box in all_boxes:
        kappas = maps(box)
        found.append(power_of(box, kappas))
        first = kappas[0] if first is None else first
    assert first is not None
    return compare(all_boxes[0], found), first


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.lightcone", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="one pair of 64^3 particles, no baryons")
    parser.add_argument("--figures", type=Path, help="folder of convergence.png, lightcone_cl.png, kappa_baryons.png")
    parser.add_argument("--particles", type=int, default=128, help="along a side, as many as Mpc/h; 64 when quick")
    parser.add_argument("--pairs", type=int, default=3, help="pairs of boxes; one when quick")
    arguments = parser.parse_args()
    all_boxes = boxes(64, 1) if arguments.quick else boxes(arguments.particles, arguments.pairs)
    result, first = spectra_of(all_boxes)
    print_spectra(result)
    if not arguments.quick:
        box = boxes(128, 1)[0]
        sides = painted(box)
        shown = suppression(box, *sides)
        print_suppression(*shown)
        if arguments.figures is not None:
            draw_baryons(box, sides, shown, arguments.figures / "kappa_baryons.png")
    if arguments.figures is not None:
        draw_map(all_boxes[0], first, arguments.figures / "convergence.png")
        draw_spectra(result, arguments.figures / "lightcone_cl.png")
    print(json.dumps({"benchmark": "lightcone", "commit": provenance()["commit"], "rows": rows(result)}))


if __name__ == "__main__":
    main()

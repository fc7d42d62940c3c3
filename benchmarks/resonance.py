"""Why does sharpening the force of a fine mesh add power? Plane waves on the particle lattice, scheme by scheme.

python -m benchmarks.resonance [--quick] [--figures docs]. Particles on a lattice that a wave displaces by u carry,
beside the wave at k, its sidebands at k + G, G the reciprocal lattice, all with the displacement u, and the force of
a sideband pushes the lattice just as that of the wave does. A mesh of 2 cells a particle samples at twice the smallest
G: its sidebands lie at the Nyquist frequency of the mesh, where k - G and k + G are one mode. A continuous medium, and
linear theory, have none: there the force is u.

- rate: growth d ln u / d ln a (Einstein-de Sitter) that the force D u of a small wave gives, (sqrt(1 + 24 D) - 1) / 4
  (Joyce & Marcos 2007, astro-ph/0505009), 1 in linear theory. `exact` is that of point masses, by Ewald's sum.
- share: how much of D comes from modes that the particles do not have, beyond their own Nyquist frequency.
- amplitude: the rate over the size of u, at one k.
- power: P(k) at z=0 over that of a 4x mesh, default scheme, from the same initial conditions with the same steps.
"""

from __future__ import annotations

import argparse
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from numpy.typing import NDArray

from benchmarks.force import DEFAULT, Engine, Scheme, box_of, exact
from configs import Box, provenance
from sim import nbody, spectra
from sim.mesh import SUPPORT, paint, read

Array = NDArray[np.float64]
SCHEMES = [
    DEFAULT,
    Scheme(laplacian="seven_point"),
    Scheme(laplacian="thirteen_point"),
    Scheme(gradient="spectral"),
    Scheme(deconvolve=True),
    Scheme(laplacian="seven_point", deconvolve=True),
    Scheme(gradient="spectral", deconvolve=True),
    Scheme(assignment="tsc"),
]
MESH_FACTORS = (1, 2, 3)
SMALL = 0.01
"""Displacement in particle spacings that counts as small."""
LIMITS = {0.3: 0.01, 0.6: 0.05}
"""How far P(k) may be from that of a 4x mesh below these shares of the particle Nyquist frequency."""


@dataclass(frozen=True)
class Wave:
    """A displacement u sin(k q) along x of a lattice with spacing 1; `offset` is its place in a mesh cell."""

    n_particles: int
    i_mode: int
    amplitude: float = SMALL
    offset: float = 0.5

    @property
    def k(self) -> float:
        """In units of the particle Nyquist frequency."""
        return 2 * self.i_mode / self.n_particles

    def lattice(self, mesh_factor: int) -> Array:
        n = self.n_particles
        return np.indices((n, n, n)).reshape(3, -1).T + self.offset / mesh_factor

    @property
    def shift(self) -> Array:
        """Along x, (n^3,): the zero of the wave lies between two particles."""
        x = np.repeat(np.arange(self.n_particles), self.n_particles**2) + 0.5
        return self.amplitude * np.sin(np.pi * self.k * x)

    def displaced(self, mesh_factor: int) -> Array:
        return self.lattice(mesh_factor) + self.shift[:, None] * [1.0, 0.0, 0.0]


def rate(d: Array | float) -> Array:
    """Growth d ln u / d ln a of a wave whose force is d u."""
    return (np.sqrt(np.maximum(0, 1 + 24 * np.asarray(d))) - 1) / 4


def response(scheme: Scheme, wave: Wave, mesh_factor: int) -> float:
    """D: the force of the engine along the displacement, over it."""
    engine = Engine.of(box_of(scheme, wave.n_particles, mesh_factor))
    force = engine.force(wave.displaced(mesh_factor))[:, 0]
    return float(force @ wave.shift / (wave.shift @ wave.shift))


def exact_response(wave: Wave, n_targets: int = 1) -> float:
    """D of point masses: the force on the `n_targets` most displaced particles of a line along x."""
    n = wave.n_particles
    pos, line = wave.displaced(1), np.arange(n) * n**2
    targets = line[np.argsort(-np.abs(wave.shift[line]))[:n_targets]]
    force = np.empty(n_targets)
    for i, target in enumerate(targets):
        others = np.delete(pos, target, axis=0)
        force[i] = exact(pos[target] - others, float(n), 1.0)[:, 0].sum()
    u = wave.shift[targets]
    return float(force @ u / (u @ u))


def shares(scheme: Scheme, wave: Wave, mesh_factor: int) -> tuple[float, float]:
    """D of the modes up to the particle Nyquist frequency along every axis, and of those beyond it.

    The scheme once more, in double precision between the engine's painting and reading: their sum is `response`.
    """
    n, size = wave.n_particles * mesh_factor, float(wave.n_particles)
    pos = (wave.displaced(mesh_factor) % size).astype(np.float32) % np.float32(size)
    modes = np.fft.rfftn(paint(pos, size, n, scheme.assignment).astype(np.float64))  # type: ignore[arg-type]
    force = modes * _kernel(scheme, n, mesh_factor)
    index = np.ix_(*[np.abs(np.fft.fftfreq(n) * n)] * 2, np.arange(n // 2 + 1))
    own = np.maximum(np.maximum(index[0], index[1]), index[2]) <= wave.n_particles / 2
    meshes = (np.fft.irfftn(part, s=(n, n, n), axes=(0, 1, 2)) for part in (force * own, force * ~own))
    forces = [read(mesh.astype(np.float32), pos, size, scheme.assignment) for mesh in meshes]  # type: ignore[arg-type]
    first, second = (float(each.astype(np.float64) @ wave.shift / (wave.shift @ wave.shift)) for each in forces)
    return first, second


def _kernel(scheme: Scheme, n: int, mesh_factor: int) -> NDArray[np.complex128]:
    """What takes counts to the force along x: gradient over Laplacian over windows, on a mesh of n^3 cells."""
    phases = np.ix_(*[2 * np.pi * np.fft.fftfreq(n)] * 2, 2 * np.pi * np.arange(n // 2 + 1) / n)
    k2 = sum(_square(p, scheme.laplacian) for p in phases)
    k2[0, 0, 0] = 1
    x = phases[0]
    slope = x if scheme.gradient == "spectral" else (8 * np.sin(x) - np.sin(2 * x)) / 6
    kernel = 1j * slope * mesh_factor**2 / k2
    for p in phases:
        kernel = kernel * np.sinc(p / (2 * np.pi)) ** (-2.0 * SUPPORT[scheme.assignment] * scheme.deconvolve)
        if scheme.gradient == "spectral":
            kernel = np.where(np.isclose(np.abs(p), np.pi), 0, kernel)
    kernel[0, 0, 0] = 0
    return np.asarray(kernel)


def _square(phase: Array, laplacian: str) -> Array:
    """Minus the second difference of a wave, over the wave, of cells of size 1."""
    second = 2 * np.sin(phase / 2)
    return {"spectral": phase**2, "seven_point": second**2, "thirteen_point": second**2 + second**4 / 12}[laplacian]


def modes_of(n_particles: int) -> list[int]:
    return [1, *range(2, n_particles // 2, 2)]


@dataclass(frozen=True)
class Rates:
    """Growth rates of small waves at k [particle Nyquist frequency], by scheme and mesh factor."""

    k: Array
    mesh: dict[tuple[Scheme, int], Array]
    k_exact: Array
    exact: Array


def rates(n_particles: int, n_exact: int) -> Rates:
    waves = [Wave(n_particles, i) for i in modes_of(n_particles)]
    found = {
        (scheme, factor): rate(np.array([response(scheme, wave, factor) for wave in waves]))
        for factor in MESH_FACTORS
        for scheme in SCHEMES
    }
    points = [Wave(n_exact, i) for i in modes_of(n_exact)]
    reference = rate(np.array([exact_response(wave) for wave in points]))
    return Rates(np.array([wave.k for wave in waves]), found, np.array([wave.k for wave in points]), reference)


def offset_rates(n_particles: int) -> dict[Scheme, list[float]]:
    """At a quarter of k_Ny on a 2x mesh, with the lattice at centres of mesh cells and at mesh points."""
    waves = [Wave(n_particles, n_particles // 8, offset=offset) for offset in (0.5, 0.0)]
    return {scheme: [float(rate(response(scheme, wave, 2))) for wave in waves] for scheme in SCHEMES}


def sideband_shares(n_particles: int) -> dict[Scheme, Array]:
    """D from beyond the particle Nyquist frequency on a 2x mesh, over k."""
    return {
        scheme: np.array([shares(scheme, Wave(n_particles, i), 2)[1] for i in modes_of(n_particles)])
        for scheme in SCHEMES
    }


@dataclass(frozen=True)
class Amplitudes:
    """Rates of a wave of a quarter of the particle Nyquist frequency over its displacement in spacings."""

    amplitude: Array
    mesh: dict[Scheme, Array]
    exact: Array


def amplitudes(n_particles: int) -> Amplitudes:
    """A lattice of 2x: the wave stays far from crossing (u k < 1)."""
    sizes = np.array([0.01, 0.03, 0.1, 0.2, 0.3, 0.5, 0.7, 1.0])
    waves = [Wave(n_particles, n_particles // 8, size) for size in sizes]
    found = {scheme: rate(np.array([response(scheme, wave, 2) for wave in waves])) for scheme in SCHEMES}
    small = [Wave(16, 2, size) for size in sizes]
    return Amplitudes(sizes, found, rate(np.array([exact_response(wave, 16) for wave in small])))


@dataclass(frozen=True)
class Power:
    """P(k) over that of a 4x mesh at k [particle Nyquist frequency], by scheme and mesh factor."""

    k: Array
    ratio: dict[tuple[Scheme, int], Array]


def power(n_particles: int) -> Power:
    """Boxes of 2 Mpc/h a particle to z=0."""
    reference = _final_power(DEFAULT, n_particles, 4)
    ratio = {
        (scheme, factor): _final_power(scheme, n_particles, factor).pk / reference.pk
        for factor in (2, 3)
        for scheme in SCHEMES
    }
    return Power(reference.k / (np.pi / 2), ratio)


def _final_power(scheme: Scheme, n_particles: int, mesh_factor: int) -> spectra.Spectrum:
    template = box_of(scheme, n_particles, mesh_factor)
    box = template.model_copy(update={"box_size": 2.0 * n_particles, "seed": 11, "fixed_amplitude": True})
    *_, state = nbody.run(Box.model_validate(box.model_dump()))
    edges = spectra.log_edges(box.box_size, n_particles, 12)
    return spectra.particle_power(state.pos, box.box_size, 2 * n_particles, edges=edges)


def print_rates(found: Rates) -> None:
    shown = [int(np.abs(found.k - k).argmin()) for k in (0.125, 0.25, 0.5, 0.75, 0.9)]
    print("\ngrowth rate of a small plane wave over linear theory, less 1 [%]; k / k_Ny of the particles")
    print(f"{'':46s}" + "".join(f"{found.k[i]:8.3f}" for i in shown))
    for (scheme, factor), values in found.mesh.items():
        print(f"  {factor}x {scheme.name:42s}" + "".join(f"{100 * (values[i] - 1):8.2f}" for i in shown))
    nearest = [int(np.abs(found.k_exact - found.k[i]).argmin()) for i in shown]
    print(f"  {'point masses, exact':45s}" + "".join(f"{100 * (found.exact[i] - 1):8.2f}" for i in nearest))


def print_offsets(found: dict[Scheme, list[float]], side: dict[Scheme, Array], k: Array) -> None:
    i = int(np.abs(k - 0.25).argmin())
    print("\n2x mesh, k = k_Ny / 4 [%]: share of sidebands in D; rate less 1 at cell centres, at mesh points")
    for scheme, (centres, points) in found.items():
        values = side[scheme][i], centres - 1, points - 1
        print(f"  {scheme.name:45s}" + "".join(f"{100 * value:8.2f}" for value in values))


def print_amplitudes(found: Amplitudes) -> None:
    print("\n2x mesh, k = k_Ny / 4: rate less 1 [%] over the displacement in particle spacings")
    print(f"{'':47s}" + "".join(f"{size:8.2f}" for size in found.amplitude))
    for name, values in [*((s.name, v) for s, v in found.mesh.items()), ("point masses, exact", found.exact)]:
        print(f"  {name:45s}" + "".join(f"{100 * (value - 1):8.2f}" for value in values))


def print_power(found: Power) -> None:
    print("\nP(k) at z=0 over that of a 4x mesh, less 1 [%]; k / k_Ny of the particles")
    print(f"{'':49s}" + "".join(f"{k:8.3f}" for k in found.k))
    for (scheme, factor), ratio in found.ratio.items():
        print(f"  {factor}x {scheme.name:44s}" + "".join(f"{100 * (value - 1):8.2f}" for value in ratio))


def rows(found: Rates, powers: Power) -> list[dict[str, Any]]:
    """Growth rates beside those of point masses, P(k) beside what it may be."""
    half, half_exact = found.k <= 0.5, found.k_exact <= 0.5
    reference = float(np.abs(found.exact[half_exact] - 1).max())
    growth = [
        _row(f"{factor}x {scheme.name}: growth rate, k <= .5 k_Ny", values[half], reference, "point masses")
        for (scheme, factor), values in found.mesh.items()
    ]
    return growth + [
        _row(f"{factor}x {scheme.name}: P(k), k < {limit} k_Ny", ratio[powers.k < limit], allowed, "allowed")
        for (scheme, factor), ratio in powers.ratio.items()
        for limit, allowed in LIMITS.items()
    ]


def _row(name: str, values: Array, peer: float, peer_name: str) -> dict[str, Any]:
    worst = float(np.abs(values - 1).max())
    ratio = round(peer / max(worst, 1e-5), 3)
    return {
        "name": name,
        "ours": round(worst, 5),
        "peer": round(peer, 5),
        "peer_name": peer_name,
        "ratio": ratio,
        "unit": "relative deviation",
    }


def draw(found: Rates, side: dict[Scheme, Array], sizes: Amplitudes, powers: Power, path: Path) -> None:
    """Rates on three meshes; sidebands, amplitudes and P(k) on the 2x mesh."""
    _, panels = plt.subplots(2, 3, figsize=(13, 7.5), layout="constrained")
    for i, scheme in enumerate(SCHEMES):
        style = {"color": f"C{i}", "lw": 2 if scheme == DEFAULT else 1, "label": scheme.name}
        for panel, factor in zip(panels[0], MESH_FACTORS, strict=True):
            panel.plot(found.k, 100 * (found.mesh[scheme, factor] - 1), **style)
        panels[1, 0].plot(found.k, 100 * side[scheme], **style)
        panels[1, 1].semilogx(sizes.amplitude, 100 * (sizes.mesh[scheme] - 1), **style)
        panels[1, 2].semilogx(powers.k, 100 * (powers.ratio[scheme, 2] - 1), **style)
        panels[1, 2].semilogx(powers.k, 100 * (powers.ratio[scheme, 3] - 1), color=f"C{i}", lw=1, ls=":")
    for panel, factor in zip(panels[0], MESH_FACTORS, strict=True):
        panel.plot(found.k_exact, 100 * (found.exact - 1), "k--", lw=1, label="point masses, exact")
        _frame(panel, f"mesh {factor}x", "growth rate of a wave - 1 [%]", (-30, 30))
    panels[1, 1].semilogx(sizes.amplitude, 100 * (sizes.exact - 1), "k--", lw=1)
    _frame(panels[1, 0], "mesh 2x: force of the sidebands", "share of the force of linear theory [%]", (-10, 40))
    _frame(panels[1, 1], "mesh 2x, $k = k_{Ny} / 4$", "growth rate of a wave - 1 [%]", (-4, 12))
    _frame(panels[1, 2], "z=0, mesh 2x (dotted 3x) over 4x", "P(k) ratio - 1 [%]", (-20, 20))
    panels[1, 1].set_xlabel("displacement [particle spacings]")
    panels[0, 2].legend(fontsize=6, loc="lower left")
    path.parent.mkdir(parents=True, exist_ok=True)
    plt.savefig(path, dpi=150, bbox_inches="tight")
    plt.close()


def _frame(panel: Axes, title: str, label: str, limits: tuple[float, float]) -> None:
    panel.axhline(0, color="0.8", lw=1, zorder=0)
    panel.set(title=title, ylabel=label, ylim=limits, xlabel="$k / k_{Ny}$ of the particles")


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.resonance", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="16^3 and 32^3 particles")
    parser.add_argument("--figures", type=Path, help="folder of force_resonance.png")
    arguments = parser.parse_args()
    n_lattice, n_exact, n_box = (16, 16, 32) if arguments.quick else (32, 32, 64)
    found, side = rates(n_lattice, n_exact), sideband_shares(n_lattice)
    print_rates(found)
    print_offsets(offset_rates(n_lattice), side, found.k)
    sizes = amplitudes(n_lattice)
    print_amplitudes(sizes)
    powers = power(n_box)
    print_power(powers)
    if arguments.figures is not None:
        draw(found, side, sizes, powers, arguments.figures / "force_resonance.png")
    print(json.dumps({"benchmark": "resonance", "commit": provenance()["commit"], "rows": rows(found, powers)}))


if __name__ == "__main__":
    main()

"""How S(k) answers each baryon parameter: of the painter over that of the simulations it is to replace.

    python -m benchmarks.response [--checkpoint FOLDER] [--pairs CONFIG.yaml] [--simulations N] [--figures FOLDER]

On held-out boxes each parameter in turn is moved by an eighth of the range it was trained on, down and up, once through
the baryon model and once through the painter. Scores compare the slopes dS/dtheta(k), k < 10 h/Mpc: the slope of one on
the other (1: as strong), and their correlation (1: the same shape). The strongest parameters come first.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import matplotlib
import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray
from rich.console import Console
from rich.table import Table

from configs import Baryons, Pairs, load, provenance, resolve
from learn.figures import INK, STYLE
from learn.predict import Predictor
from sim.baryons import displaced
from sim.maps import project
from sim.shards import read_manifest
from sim.sides import Record, drawn, params_vector, read_output, read_record, resolved
from sim.spectra import log_edges, power

Array = NDArray[np.float64]

STEP = 1 / 8  # of the trained range, to each side
K_MAX = 10.0
N_BINS = 14
ALLOWED = 0.2
DPI = 130


Maps = Callable[[Baryons], tuple[Array, Array, Array]]
"""Baryons -> dark matter and total maps (axes, P, P), and the parameters of the painter."""


@dataclass(frozen=True)
class Response:
    """dS over the step of a parameter at each k, (simulations, K): of the simulated and of the painted maps."""

    name: str
    step: float
    simulated: Array
    painted: Array

    @property
    def strength(self) -> float:
        """Rms over k of the mean answer of the simulations."""
        return float(np.sqrt(np.mean(self.simulated.mean(axis=0) ** 2)))

    @property
    def slope(self) -> float:
        """Least-squares factor between the mean answers: 1 is as strong."""
        return slope_of(self.simulated, self.painted)

    @property
    def slope_error(self) -> float:
        """Jackknife over simulations; 0 of a single one."""
        n = len(self.simulated)
        without = [slope_of(*(np.delete(x, i, axis=0) for x in (self.simulated, self.painted))) for i in range(n)]
        return float(np.sqrt((n - 1) * np.var(without))) if n > 1 else 0.0

    @property
    def correlation(self) -> float:
        """Cosine between the mean answers: 1 is the same shape."""
        x, y = self.simulated.mean(axis=0), self.painted.mean(axis=0)
        return float((x * y).sum() / np.sqrt((x * x).sum() * (y * y).sum()))


def slope_of(simulated: Array, painted: Array) -> float:
    """Least-squares factor between the means over simulations of answers (simulations, K)."""
    x, y = simulated.mean(axis=0), painted.mean(axis=0)
    return float((x * y).sum() / (x * x).sum())


@dataclass(frozen=True)
class Held:
    """A held-out simulation, whose halos are found and repaired once."""

    config: Pairs
    name: str
    record: Record

    @classmethod
    def of(cls, config: Pairs, name: str) -> Held:
        return cls(config, name, read_record(config.simulations / name))

    @property
    def box_size(self) -> float:
        return self.record.box.box_size

    def prepared(self) -> tuple[Baryons, Maps]:
        """Its baryons, and its maps as a function of them."""
        config, folder, box = self.config, self.config.simulations / self.name, self.record.box
        matter = read_output(folder, box, config.redshift).particles["dark_matter"]
        mass = float(np.ravel(matter.mass)[0])
        baryons = drawn(self.name, config, self.record.camels)
        pos, catalog = resolved(matter.pos, mass, box, baryons, redshift=config.redshift, seed=0)

        def maps(changed: Baryons) -> tuple[Array, Array, Array]:
            sides = displaced(
                pos, mass, catalog, box.cosmology, changed, box.box_size, redshift=config.redshift, seed=0
            )
            species = [(side.pos, side.mass) for side in (sides.dark_matter, sides.gas, sides.stars)]
            total = [sum(self.view(axis, *one) for one in species) for axis in config.axes]
            dark = [self.view(axis, sides.dmo_pos, mass) for axis in config.axes]
            return np.array(dark), np.array(total), params_vector(box.cosmology, changed, config.redshift)

        return baryons, maps

    def view(self, axis: int, pos: NDArray, mass: object) -> Array:
        return project(pos, mass, self.box_size, self.config.n_pixels, axis)


def suppression(total: Array, dark: Array, box_size: float) -> Array:
    """Mean S(k) of maps (axes, P, P)."""
    edges = log_edges(box_size, total.shape[-1], N_BINS)
    spectra = [[power(each, box_size, edges=edges) for each in maps] for maps in (total, dark)]
    k = spectra[0][0].k
    ratio = np.mean([one.pk for one in spectra[0]], axis=0) / np.mean([one.pk for one in spectra[1]], axis=0)
    return ratio[k < K_MAX]


def wavenumbers(config: Pairs, box_size: float) -> Array:
    """The k of `suppression` [h/Mpc]."""
    edges = log_edges(box_size, config.n_pixels, N_BINS)
    noise = np.random.default_rng(0).random((config.n_pixels, config.n_pixels))
    k = power(noise, box_size, edges=edges).k
    return k[k < K_MAX]


def answers(held: Held, painter: Predictor) -> Iterator[tuple[str, float, Array, Array]]:
    """(parameter, step, simulated dS, painted dS) for every varied parameter of one simulation."""
    baryons, maps = held.prepared()
    for name, (low, high) in held.config.vary.items():
        half = (high - low) * STEP
        middle = float(np.clip(getattr(baryons, name), low + half, high - half))
        found: list[tuple[Array, Array]] = []
        for value in (middle - half, middle + half):
            dark, total, params = maps(Baryons.model_validate(baryons.model_dump() | {name: value}))
            painted = painter(dark.astype(np.float32), np.tile(params, (len(dark), 1)))[:, 0]
            found.append(tuple(suppression(one, dark, held.box_size) for one in (total, painted)))  # type: ignore[arg-type]
        (low_true, low_painted), (high_true, high_painted) = found
        yield name, 2 * half, high_true - low_true, high_painted - low_painted


def responses(config: Pairs, names: Sequence[str], painter: Predictor, console: Console) -> list[Response]:
    """Of every varied parameter, the strongest first."""
    found: dict[str, list[tuple[float, Array, Array]]] = {}
    for name in names:
        for parameter, step, true, painted in answers(Held.of(config, name), painter):
            found.setdefault(parameter, []).append((step, true, painted))
        console.print(f"{name}: {len(found)} parameters moved down and up")
    every = [
        Response(parameter, rows[0][0], *(np.array([row[i] for row in rows]) for i in (1, 2)))
        for parameter, rows in found.items()
    ]
    return sorted(every, key=lambda one: -one.strength)


def figure(found: Sequence[Response], k: Array) -> Figure:
    """dS(k) of each parameter, simulated and painted."""
    with matplotlib.rc_context(STYLE):
        drawing = Figure(figsize=(11, 6.2), layout="constrained")
        grid = drawing.subplots(2, -(-len(found) // 2), sharex=True, squeeze=False)
        for axes, one in zip(grid.ravel(), found, strict=False):
            axes.axhline(0, color=INK, lw=0.5)
            for values, color, label in ((one.simulated, INK, "simulated"), (one.painted, "#d1495b", "painted")):
                mean, error = values.mean(axis=0), values.std(axis=0) / np.sqrt(max(len(values) - 1, 1))
                axes.fill_between(k, mean - error, mean + error, color=color, alpha=0.2, lw=0)
                axes.plot(k, mean, color=color, label=label)
            axes.set(xscale="log", title=f"{one.name} + {one.step:.2g}", xlabel="k [h/Mpc]", ylabel="ΔS")
        grid[0, 0].legend()
    return drawing


def rows_of(found: Sequence[Response]) -> list[dict[str, object]]:
    """A row a parameter: ratio is the error that is allowed over the one found."""
    return [
        {
            "name": f"response {one.name}",
            "ours": float(one.painted.mean()),
            "peer": float(one.simulated.mean()),
            "peer_name": "the baryon model",
            "slope": one.slope,
            "slope_error": one.slope_error,
            "correlation": one.correlation,
            "ratio": ALLOWED / max(abs(one.slope - 1), 1e-6),
            "unit": "mean change of S",
        }
        for one in found
    ]


def table_of(found: Sequence[Response], n_simulations: int) -> Table:
    title = f"Answer of S(k < {K_MAX:g} h/Mpc) to baryon parameters, {n_simulations} held-out boxes, strongest first"
    table = Table("parameter", "step", "simulated", "painted", "slope", "same shape", title=title)
    for one in found:
        means = (f"{one.simulated.mean():+.4f}", f"{one.painted.mean():+.4f}")
        table.add_row(
            one.name, f"{one.step:.3g}", *means, f"{one.slope:.2f} ± {one.slope_error:.2f}", f"{one.correlation:.3f}"
        )
    return table


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--checkpoint", type=Path, default=Path("out/painter/run/final"))
    parser.add_argument("--pairs", default="configs/pairs/painter.yaml", help="how the painter's maps were made")
    parser.add_argument("--simulations", type=int, default=4, help="held-out boxes")
    parser.add_argument("--quick", action="store_true", help="one box")
    parser.add_argument("--figures", type=Path, help="folder of painter_response.png")
    arguments = parser.parse_args()
    config = load(Pairs, arguments.pairs)
    names = read_manifest(config.out).split["test"][: 1 if arguments.quick else arguments.simulations]
    console = Console()
    found = responses(config, names, Predictor.load(resolve(arguments.checkpoint)), console)
    console.print(table_of(found, len(names)))
    if arguments.figures is not None:
        arguments.figures.mkdir(parents=True, exist_ok=True)
        k = wavenumbers(config, Held.of(config, names[0]).box_size)
        figure(found, k).savefig(arguments.figures / "painter_response.png", dpi=DPI)
    print(json.dumps({"benchmark": "response", "commit": provenance()["commit"], "rows": rows_of(found)}))


if __name__ == "__main__":
    main()

"""Is a cutout right? Columns of a uniform box, rotations, a rolled box, mass, and an isolated halo.

    python -m benchmarks.geometry [--quick] [--figures docs]

`peer` is the law: columns of a turned uniform box at the mean density, second moments of a turned axis 1/3, no change
under a roll, the mass of the box, the projected NFW profile (Bartelmann 1996). Beside it the figure shows what copying
faces 10 Mpc/h deep and uniform Euler angles give (benchmarks/peers/faces.py). ratio: by how much `ours` is within
what is asked: above 1 is inside.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

import matplotlib
import numpy as np
from numpy.typing import NDArray
from scipy.spatial.transform import Rotation

from benchmarks.peers.faces import tiled
from configs import provenance
from sim import profiles, rotations
from sim.blocks import Blocks
from sim.cutouts import Windows, cutouts
from sim.units import RHO_CRITICAL

matplotlib.use("agg")
from matplotlib import pyplot as plt
from matplotlib.axes import Axes

Array = NDArray[np.float64]
Row = dict[str, Any]

BOX_SIZE = 50.0
CENTER = np.array([3.0, 47.0, 21.0])
N_COLUMNS, N_TURNS = 64, 8
MASS, CONCENTRATION = 1e14, 6.0
RADIUS = (3 * MASS / (800 * np.pi * RHO_CRITICAL)) ** (1 / 3)


def glass(n: int) -> NDArray[np.float32]:
    """A lattice of n^3 particles, each moved within its cell: nearly uniform at every scale that is looked at."""
    cells = np.indices((n, n, n)).reshape(3, -1).T
    jitter = np.random.default_rng(1).uniform(0.25, 0.75, cells.shape)
    return np.mod((cells + jitter) * (BOX_SIZE / n), BOX_SIZE).astype(np.float32)


def columns(pos: NDArray[np.float32]) -> Array:
    """Density of each column (N_COLUMNS, N_COLUMNS) of turned cutouts over the mean: the mean over turns."""
    windows = Windows((BOX_SIZE,), N_COLUMNS, BOX_SIZE)
    maps = cutouts(Blocks.of(pos, 1.0, BOX_SIZE), np.tile(CENTER, (N_TURNS, 1)), turns(N_TURNS), windows)[:, 0]
    return np.asarray(maps.mean(axis=0, dtype=float) * N_COLUMNS**2 / len(pos))


def turns(n: int) -> Array:
    return np.array([rotations.named("geometry", i) for i in range(n)])


def columns_of_faces(pos: NDArray[np.float32]) -> Array:
    """The same when only faces of the box are copied."""
    around, _ = tiled(pos, np.ones(len(pos), np.float32), CENTER, BOX_SIZE)
    total = np.zeros((N_COLUMNS, N_COLUMNS))
    for turn in turns(N_TURNS):
        turned = around @ turn.T.astype(np.float32)
        inside = turned[(abs(turned) < BOX_SIZE / 2).all(axis=1)]
        edges = np.linspace(-BOX_SIZE / 2, BOX_SIZE / 2, N_COLUMNS + 1)
        total += np.histogram2d(inside[:, 0], inside[:, 1], bins=(edges, edges))[0]
    return total / N_TURNS * N_COLUMNS**2 / len(pos)


def moments(n: int) -> tuple[Array, Array]:
    """Mean squares of the components of the three turned axes (9,): of our rotations, and of uniform Euler angles."""
    ours = (np.array([rotations.named("moments", i) for i in range(n)]) ** 2).mean(axis=0)
    angles = np.random.default_rng(2).uniform(0, 2 * np.pi, (n, 3))
    euler = (Rotation.from_euler("xyz", angles).as_matrix() ** 2).mean(axis=0)
    return ours.ravel(), euler.ravel()


def halo(n: int) -> tuple[Array, Array, Array]:
    """Radii over R200c, and surface density in rings over M200c / R200c^2: of a cut NFW halo, and of its formula."""
    rng = np.random.default_rng(3)
    way = rng.standard_normal((n, 3))
    # Far beyond R200c, so that the line of sight sees the whole of an untruncated profile near the centre.
    outer = 20.0
    fraction = (np.arange(n) + 0.5) / n * profiles.nfw_enclosed(outer, CONCENTRATION)
    r = profiles.nfw_radius(fraction, CONCENTRATION) * RADIUS
    pos = np.mod(CENTER + r[:, None] * way / np.linalg.norm(way, axis=1, keepdims=True), BOX_SIZE)
    each = MASS * float(profiles.nfw_enclosed(outer, CONCENTRATION)) / n
    windows = Windows((6.25,), 512, BOX_SIZE)
    blocks = Blocks.of(pos.astype(np.float32), each, BOX_SIZE)
    image = cutouts(blocks, CENTER, turns(1)[0], windows)[0, 0].astype(float)
    at = (np.arange(512) + 0.5) * windows.pixel_size - 3.125
    x = np.hypot(*np.meshgrid(at, at)).ravel() / RADIUS
    edges = np.geomspace(0.05, 2.0, 16)
    ring = np.digitize(x, edges) - 1
    inside = (ring >= 0) & (ring < len(edges) - 1)
    area = np.bincount(ring[inside]) * (windows.pixel_size / RADIUS) ** 2
    found = np.bincount(ring[inside], image.ravel()[inside]) / MASS / area
    expected = np.bincount(ring[inside], surface_density(x[inside])) / np.bincount(ring[inside])
    return np.sqrt(edges[1:] * edges[:-1]), found, expected


def surface_density(x: Array) -> Array:
    """Of an NFW halo at projected radius x R200c, over M200c / R200c^2 (Bartelmann 1996, eq. 7)."""
    s, c = CONCENTRATION * np.asarray(x, float), CONCENTRATION
    inner = np.where(s < 1, s, 0.5)
    outer = np.where(s > 1, s, 2.0)
    low = 1 - 2 / np.sqrt(1 - inner**2) * np.arctanh(np.sqrt((1 - inner) / (1 + inner)))
    high = 1 - 2 / np.sqrt(outer**2 - 1) * np.arctan(np.sqrt((outer - 1) / (1 + outer)))
    f = np.where(abs(s - 1) < 1e-6, 1 / 3, np.where(s < 1, low, high) / np.where(abs(s - 1) < 1e-6, 1, s**2 - 1))
    return np.asarray(c**2 / (np.log1p(c) - c / (1 + c)) / (2 * np.pi) * f)


def rolled(n: int) -> float:
    """Largest change of any pixel, over the mean, when the box and the centre are moved alike."""
    pos = np.round(glass(n) * 1024) / 1024
    roll = np.array([13.25, 40.5, 7.125])
    windows = Windows((6.25, 12.5, 25.0, 50.0), 64, BOX_SIZE)
    one = cutouts(Blocks.of(pos.astype(np.float32), 1.0, BOX_SIZE), CENTER, turns(1)[0], windows)
    moved = np.mod(pos + roll, BOX_SIZE).astype(np.float32)
    other = cutouts(Blocks.of(moved, 1.0, BOX_SIZE), np.mod(CENTER + roll, BOX_SIZE), turns(1)[0], windows)
    return float(abs(one - other).max() / one.mean())


def mass_kept(n: int) -> float:
    """Relative error of the mass of a cutout that is not turned."""
    pos, mass = glass(n), np.random.default_rng(4).uniform(1e9, 1e12, n**3).astype(np.float32)
    widest = cutouts(Blocks.of(pos, mass, BOX_SIZE), CENTER, np.eye(3), Windows((BOX_SIZE,), 256, BOX_SIZE))
    return float(abs(widest.sum(dtype=float) / mass.sum(dtype=float) - 1))


def row(name: str, error: float, asked: float) -> Row:
    """A law: `ours` is the largest departure from it, `peer` what is allowed."""
    ratio = round(asked / max(error, 1e-12), 2)
    return {"name": name, "ours": float(f"{error:.3g}"), "peer": asked, "peer_name": "law", "ratio": ratio, "unit": "1"}


def figure(
    path: Path, grids: tuple[Array, Array], second: tuple[Array, Array], profile: tuple[Array, ...], rows: list[Row]
) -> None:
    """Columns of faces alone and of ours, moments of axes, the profile, and each departure from its law."""
    fig, panels = plt.subplots(1, 5, figsize=(19, 3.7), layout="constrained")
    for axes, grid, title in ((panels[0], grids[1], "faces copied"), (panels[1], grids[0], "this cutout")):
        extent = (-BOX_SIZE / 2, BOX_SIZE / 2, -BOX_SIZE / 2, BOX_SIZE / 2)
        image = axes.imshow(grid.T, origin="lower", extent=extent, vmin=0.75, vmax=1.25, cmap="RdBu_r")
        axes.set(title=f"{title}: {grid.min():.2f} to {grid.max():.2f}", xlabel="x [Mpc/h]", ylabel="y [Mpc/h]")
    fig.colorbar(image, ax=panels[1], label="column of a turned uniform box / mean")
    draw_moments(panels[2], second)
    draw_profile(panels[3], profile)
    draw_laws(panels[4], rows)
    fig.savefig(path, dpi=130)
    plt.close(fig)


def draw_moments(axes: Axes, second: tuple[Array, Array]) -> None:
    names = [f"{a}{b}" for a in "xyz" for b in "xyz"]
    axes.axhline(1 / 3, color="0.6", lw=0.8)
    axes.plot(names, second[1], "s", color="#8d8d99", label="uniform Euler angles")
    axes.plot(names, second[0], "o", color="#d1495b", label="this rotation")
    axes.set(title="second moments of turned axes", ylabel="mean square of a component", ylim=(0.22, 0.6))
    axes.legend(frameon=False, loc="upper left")


def draw_profile(axes: Axes, profile: tuple[Array, ...]) -> None:
    x, found, expected = profile
    axes.axhspan(-2, 2, color="0.9", lw=0)
    axes.axhline(0, color="0.6", lw=0.8)
    axes.semilogx(x, 100 * (found / expected - 1), "o-", color="#d1495b")
    axes.set(title="isolated NFW halo", xlabel="R / R200c", ylabel="Σ / NFW − 1 [%]", ylim=(-6, 6))


def draw_laws(axes: Axes, rows: list[Row]) -> None:
    """How far within what is allowed each law is kept."""
    names = [one["name"].split(",")[0] for one in rows]
    axes.barh(names, [one["ours"] / one["peer"] for one in rows], color="#2f86c4")
    axes.axvline(1, color="0.3", lw=1)
    axes.set(xscale="log", xlim=(1e-6, 3), xlabel="departure / allowed", title="laws")
    axes.invert_yaxis()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="fewer particles and rotations")
    parser.add_argument("--figures", type=Path, help="folder of cutouts_geometry.png")
    arguments = parser.parse_args()
    n, n_turns, n_halo = (96, 5_000, 1_000_000) if arguments.quick else (160, 40_000, 8_000_000)
    pos = glass(n)
    grids = columns(pos), columns_of_faces(pos)
    second, profile = moments(n_turns), halo(n_halo)
    sigma, off = float(np.sqrt(4 / 45 / n_turns)), float(abs(second[0] - 1 / 3).max())
    rows = [
        row("columns of a uniform box, worst", float(abs(grids[0] - 1).max()), 0.02),
        row("second moments of an axis, 3 sigma", off, 3 * sigma),
        row("cutout of a rolled box, worst pixel", rolled(96), 1e-3),
        row("mass without rotation", mass_kept(96), 1e-6),
        row("isolated NFW halo, R > 0.05 R200c", float(abs(profile[1] / profile[2] - 1)[profile[0] < 1].max()), 0.02),
    ]
    for one in rows:
        print(f"{one['name']:<45}{one['ours']:>10.2g}  allowed {one['peer']:.2g}")
    worst = f"columns {grids[1].min():.3f} to {grids[1].max():.3f}"
    print(f"faces alone: {worst}; Euler angles: second moments off by {abs(second[1] - 1 / 3).max():.3f}")
    if arguments.figures:
        figure(arguments.figures / "cutouts_geometry.png", grids, second, profile, rows)
    print(json.dumps({"benchmark": "geometry", "commit": provenance()["commit"], "rows": rows}))


if __name__ == "__main__":
    main()

"""The picture of a reconstruction: image, model and residual; source, its standard deviation, and convergence."""

from __future__ import annotations

from typing import Any

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import AsinhNorm, ListedColormap, LogNorm, Normalize
from matplotlib.figure import Figure

from learn.figures import STYLE
from learn.lenses.gallery import MOST_SIGMA, brightest, draw_panel, stretch
from learn.lenses.inverter import Floats
from learn.lenses.reconstruction import Reconstruction
from learn.mass.figure import LIGHT, OWN
from learn.mass.maps import maps
from sim.images.observation import Mask
from sim.lensing.critical import critical_curves
from sim.lensing.posterior import Draws, best

VEIL = "#9aa0ab"
BARS = (0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0)
"""Lengths of the scale bar [arcsec]: the longest that is at most a third of the field."""
KAPPA = (0.1, 10.0)
"""Ends of the scale of convergence."""
LETTERS = 150
MARGINS = {"left": 0.02, "right": 0.94, "bottom": 0.07, "top": 0.87, "wspace": 0.36, "hspace": 0.28}


def diagnostic(made: Reconstruction) -> Figure:
    """Image and model share a stretch; residuals are in standard deviations of the noise."""
    with matplotlib.rc_context(STYLE):
        figure = Figure(figsize=(10.8, 6.9))
        grid = figure.subplots(2, 3, gridspec_kw=MARGINS)
        draw_images(grid[0], made)
        draw_source(grid[1, 0], made)
        draw_error(grid[1, 1], made)
        draw_convergence(grid[1, 2], made)
        figure.suptitle(heading(made), fontsize=9.5)
    return figure


def heading(made: Reconstruction) -> str:
    """Name, Einstein radius, and the flags by name."""
    radius, chi2 = made.record["theta_e"], made.record["chi2"]
    first = f"{made.name}: θE {radius['value']:.3f} ± {radius['error']:.3f}″, reduced χ² {chi2:.2f}"
    flags = ", ".join(name.replace("_", " ") for name in made.record["flags"])
    return "\n".join([first, f"look at: {flags}" if flags else "no flags"])[: 2 * LETTERS]


def draw_images(row: Any, made: Reconstruction) -> None:
    """Image, model and residual."""
    image = np.where(made.seen.mask, made.seen.image, 0.0).astype(np.float32)
    model, norm = made.found.model[0], stretch(image, made.found.model[0])
    sigma = Normalize(-MOST_SIGMA, MOST_SIGMA)
    draw(row[0], image, "magma", norm, made.half, "image", made.seen.unit)
    draw(row[1], model, "magma", norm, made.half, "model", made.seen.unit)
    title = f"residual, reduced χ² {made.record['chi2']:.2f}"
    draw(row[2], made.found.residual[0], "RdBu_r", sigma, made.half, title, "standard deviations")
    for axes in (row[0], row[2]):
        veil(axes, made.seen.mask, made.half)


def draw_source(axes: Axes, made: Reconstruction) -> None:
    """With a scale bar."""
    values, half = made.found.source[0], made.source_half
    draw(axes, values, "magma", stretch(values, values), half, "source", f"{made.seen.unit} an image pixel")
    length = max((one for one in BARS if one <= 2 * half / 3), default=BARS[0])
    start, height = -0.9 * half, -0.88 * half
    axes.plot([start, start + length], [height, height], color=LIGHT, lw=2)
    axes.text(start + length / 2, height + 0.04 * half, f"{length:g}″", color=LIGHT, ha="center", va="bottom")


def draw_error(axes: Axes, made: Reconstruction) -> None:
    values = made.found.source_error[0]
    norm = Normalize(0, brightest(values))
    draw(axes, values, "viridis", norm, made.source_half, "its standard deviation", f"{made.seen.unit} an image pixel")


def draw_convergence(axes: Axes, made: Reconstruction) -> None:
    """With the tangential critical curve and the circle of the Einstein radius."""
    lens = best(made.lens)
    kappa = maps(made.lens, lens).kappa.astype(np.float32)
    draw(axes, kappa, "cividis", LogNorm(*KAPPA, clip=True), made.half, "convergence", "κ")
    x, y = center(lens)
    for curve in critical_curves(lens.mass, (x, y), made.half):
        if curve.kind == "tangential":
            axes.plot(*curve.points.T, color=LIGHT, lw=1.3)
    angle, radius = np.linspace(0, 2 * np.pi, 200), made.record["theta_e"]["value"]
    axes.plot(x + radius * np.cos(angle), y + radius * np.sin(angle), color=OWN, lw=1.1, ls=(0, (4, 2)))
    axes.set(xlim=(-made.half, made.half), ylim=(-made.half, made.half))
    axes.set_xlabel("white: critical curve; blue: θE", fontsize=7)


def center(lens: Draws) -> tuple[float, float]:
    x, y = lens.center
    return float(x), float(y)


def draw(axes: Axes, values: Floats, colors: str, norm: Normalize, half: float, title: str, unit: str) -> None:
    """A panel with its colour bar."""
    draw_panel(axes, values, colors, norm, half)
    bar = axes.figure.colorbar(axes.images[0], ax=axes, fraction=0.046, pad=0.02, label=unit)
    bar.ax.tick_params(labelsize=7)
    if isinstance(norm, AsinhNorm):
        ticks = decades(norm)
        bar.set_ticks(ticks, labels=[f"{tick:g}".replace("-", "−") for tick in ticks])
    axes.set_title(title)


def decades(norm: AsinhNorm) -> list[float]:
    """Powers of ten within a scale, beyond where it is linear, of both signs, and 0."""
    low, high = float(norm.vmin or 0), float(norm.vmax or 0)
    first, last = np.ceil(np.log10(norm.linear_width)), np.floor(np.log10(high))
    outer = [float(10.0**n) for n in np.arange(first, last + 1)]
    return [one for one in (*(-one for one in reversed(outer)), 0.0, *outer) if low <= one <= high]


def veil(axes: Axes, mask: Mask, half: float) -> None:
    """Over pixels that are not used."""
    if not mask.all():
        shade = np.ma.masked_where(mask, np.ones(mask.shape))
        extent = (-half, half, -half, half)
        axes.imshow(shade, origin="lower", cmap=ListedColormap([VEIL]), extent=extent, interpolation="none")

"""The pictures of a judgement of inference machines, by name, as PNG."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import NullLocator

from learn.figures import COLORS, INK, RULE, STYLE
from learn.lenses.calibration import PIXELS, WHOLE
from learn.lenses.findings import Findings
from learn.lenses.gallery import gallery
from learn.names import PAINTER
from learn.portfolio import png

TITLES: Mapping[str, str] = {
    "gallery": "The first system of each family",
    "einstein": "Einstein radii of whole lenses: error against the true one",
    "coverage": "Coverage: how often the truth is in the central interval of the draws",
    "iterations": "Error against the number of iterations",
}
COURSES = {
    "source_mse": "mean squared error of source pixels",
    "theta_central": "half the central 68 % of θE / true θE − 1",
    "chi2": "median reduced χ²",
}
NOMINAL = np.linspace(0.05, 0.95, 19)
N_COLUMNS = 3
MOST_ERROR = 0.2
"""Where the axis of errors of Einstein radii ends; what is beyond is drawn at its end."""


def pictures(findings: Findings, metrics: Mapping[str, Any]) -> dict[str, bytes]:
    """All of them."""
    with matplotlib.rc_context(STYLE):
        return {
            "gallery": png(gallery(findings.shown, title="images and models share a scale, and so do both sources")),
            "einstein": png(einstein_figure(findings)),
            "coverage": png(coverage_figure(findings)),
            "iterations": png(iterations_figure(metrics)),
        }


def einstein_figure(findings: Findings) -> Figure:
    """A panel a family: relative error against the true radius, with the standard deviation of the network's draws."""
    names = list(dict.fromkeys(findings.families))
    n_columns = min(N_COLUMNS, len(names))
    n_rows = -(-len(names) // n_columns)
    figure = Figure(figsize=(3.6 * n_columns, 2.7 * n_rows + 0.3), layout="constrained")
    grid = figure.subplots(n_rows, n_columns, sharex=True, sharey=True, squeeze=False).ravel()
    for axes, name in zip(grid, names, strict=False):
        draw_radii(axes, findings, name)
    for axes in grid[len(names) :]:
        axes.set_axis_off()
    return figure


def draw_radii(axes: Axes, findings: Findings, family: str) -> None:
    """3 % shaded."""
    which = np.array(findings.families) == family
    true, found, error = (x[which] for x in (findings.radii.true, findings.radii.found, findings.radii.error))
    off = np.clip(found / true - 1, -MOST_ERROR, MOST_ERROR)
    axes.axhspan(-0.03, 0.03, color=RULE, alpha=0.3, lw=0)
    axes.axhline(0, color=INK, lw=0.8)
    axes.errorbar(true, off, error / true, fmt="o", ms=3, lw=0.8, color=COLORS[PAINTER])
    limits = (-1.05 * MOST_ERROR, 1.05 * MOST_ERROR)
    axes.set(title=family.replace("_", " "), xlabel="true θE [arcsec]", ylabel="θE / true θE − 1", ylim=limits)
    axes.label_outer()


def coverage_figure(findings: Findings) -> Figure:
    """A panel a kind of draws; calibrated errors lie on the diagonal, too small ones below it."""
    figure = Figure(figsize=(4.6 * len(findings.places), 4.8), layout="constrained")
    grid = figure.subplots(1, len(findings.places), squeeze=False)[0]
    for axes, (kind, places) in zip(grid, findings.places.items(), strict=True):
        axes.plot([0, 1], [0, 1], color=INK, lw=0.8)
        for name, color in zip(places.counts, matplotlib.colormaps["tab10"].colors, strict=False):  # type: ignore[attr-defined]
            width = 2.2 if name in (WHOLE, PIXELS) else 1.2
            axes.plot(NOMINAL, [places.share(name, p) for p in NOMINAL], color=color, lw=width, label=name)
        n_systems = len(places.counts[WHOLE])
        axes.set(title=f"{kind}, {n_systems} systems", xlabel="nominal", ylabel="found", xlim=(0, 1), ylim=(0, 1))
        axes.set_aspect("equal")
    grid[0].legend(fontsize=7)
    return figure


def iterations_figure(metrics: Mapping[str, Any]) -> Figure:
    """A panel a score; the line across is the number of iterations of the training, or that was asked for."""
    figure = Figure(figsize=(3.5 * len(COURSES), 3.2), layout="constrained")
    steps = [row["n_iterations"] for row in metrics["course"]]
    for axes, (name, label) in zip(figure.subplots(1, len(COURSES)), COURSES.items(), strict=True):
        values, errors = ([row[name][key] for row in metrics["course"]] for key in ("value", "standard_error"))
        axes.errorbar(steps, values, errors, fmt="o-", ms=4, color=COLORS[PAINTER])
        axes.axvline(metrics["subject"]["n_iterations"], color=RULE, lw=0.8)
        axes.set(xlabel="iterations", ylabel=label, yscale="log")
        axes.xaxis.set_minor_locator(NullLocator())
        axes.set_xticks(steps, labels=[str(n) for n in steps])
    return figure

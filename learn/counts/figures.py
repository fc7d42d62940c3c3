"""Halos drawn: boxes seen through, and curves of every method beside the truth, a column a channel.

Knows nothing of files and nothing of pages; text is Unicode, never mathtext.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from itertools import pairwise
from typing import Any

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

from configs.count_evaluation import TRUTH
from learn.counts.curves import Curves
from learn.figures import INK, RULE, STYLE, wavenumber_axis

PALETTE = ("#d1495b", "#8a4fa3", "#2f86c4", "#3f9b5f", "#b08a3e", "#8d8d99", "#4b6a88", "#a0522d")
DASHES: tuple[Any, ...] = ("-", (0, (7, 1.5)), (0, (5, 1.5)), (0, (5, 1.5, 1, 1.5)), (0, (2, 3)), (0, (1, 1.2)))
MAX_LINES = len(PALETTE)
LEAST_SHARE = 1e-6
"""Of cells, below which a bar of the counts is noise."""
Draw = Callable[[Axes, Curves, int, Mapping[str, str]], None]


def spectra_figure(found: Curves, *, title: str) -> Figure:
    """Power with its parts, ratios, correlation, transfer function and stochasticity."""
    rows: tuple[Draw, ...] = (
        draw_power,
        ratio_of("ratio", "P / P(truth)"),
        ratio_of("two_halo_ratio", "two-halo part / truth"),
        ratio_of("transfer", "T = √(P / P(truth))"),
        draw_correlation,
        draw_stochasticity,
    )
    return panels(found, rows, title=title)


def shapes_figure(found: Curves, *, title: str) -> Figure:
    """Counts in cells and bispectrum."""
    return panels(found, (draw_pdf, draw_bispectrum), title=title)


def panels(found: Curves, rows: tuple[Draw, ...], *, title: str) -> Figure:
    """A row a quantity, a column a channel."""
    with matplotlib.rc_context(STYLE):
        n = len(found.channels)
        figure = Figure(figsize=(1.5 + 3.1 * n, 0.8 + 2.5 * len(rows)), layout="constrained")
        grid = figure.subplots(len(rows), n, squeeze=False, sharey="row")
        colors = colors_of(found)
        for draw, line in zip(rows, grid, strict=True):
            for i, axes in enumerate(line):
                draw(axes, found, i, colors)
                axes.tick_params(labelleft=i == 0)
                axes.set_ylabel(axes.get_ylabel() if i == 0 else "")
        for above, below in pairwise(grid):
            if above[0].get_xlabel() == below[0].get_xlabel():
                hide_labels(above)
        for axes, channel in zip(grid[0], found.channels, strict=True):
            axes.set_title(channel)
        figure.suptitle(f"{title}\n{found.caption}", fontsize=10)
        figure.legend(*grid[0, 0].get_legend_handles_labels(), loc="outside lower center", ncols=6)
    return figure


def hide_labels(line: NDArray) -> None:
    """Leave the axis below to those that share it."""
    for axes in line:
        axes.set_xlabel("")
        axes.tick_params(labelbottom=False, which="both")


def mass_function_figure(found: Mapping[str, Curves], *, title: str) -> Figure:
    """Halos of each bin over the true ones, a panel a data set."""
    with matplotlib.rc_context(STYLE):
        figure = Figure(figsize=(1.5 + 3.2 * len(found), 3.6), layout="constrained")
        every = figure.subplots(1, len(found), squeeze=False, sharey=True)[0]
        for axes, (name, curves) in zip(every, found.items(), strict=True):
            draw_mass_function(axes, curves)
            axes.set_title(name)
            axes.label_outer()
        figure.suptitle(title, fontsize=10)
        figure.legend(*every[0].get_legend_handles_labels(), loc="outside lower center", ncols=6)
    return figure


def colors_of(found: Curves) -> dict[str, str]:
    """A colour a method, ink for the truth."""
    names = [name for name in found.methods if name != TRUTH]
    return {TRUTH: INK, **{name: PALETTE[i % MAX_LINES] for i, name in enumerate(names)}}


def draw_power(axes: Axes, found: Curves, i: int, colors: Mapping[str, str]) -> None:
    """P(k) as lines, its two-halo part dotted; the shot noise of the truth as a level."""
    for name, color in colors.items():
        curve = found.methods[name]
        draw_line(axes, found.k, curve["power"][i], name, color, found)
        axes.plot(found.k, positive(curve["two_halo"][i][0]), color=color, ls=":", lw=1.2)
    if found.shot[i] > 0:
        axes.axhline(found.shot[i], color=RULE, lw=1)
    axes.set(yscale="log", ylabel="P [(Mpc/h)³]\n(dots: less V/N, the level)")
    wavenumber_axis(axes, found.k)


def ratio_of(key: str, label: str) -> Draw:
    """How a ratio to the truth is drawn: 5 % shaded."""

    def draw(axes: Axes, found: Curves, i: int, colors: Mapping[str, str]) -> None:
        axes.axhspan(0.95, 1.05, color=RULE, alpha=0.25, lw=0)
        axes.axhline(1, color=INK, lw=0.8)
        for name, color in colors.items():
            if name != TRUTH:
                draw_line(axes, found.k, found.methods[name][key][i], name, color, found)
        axes.set(ylim=(0.5, 1.5), ylabel=label)
        wavenumber_axis(axes, found.k)

    return draw


def draw_correlation(axes: Axes, found: Curves, i: int, colors: Mapping[str, str]) -> None:
    """r(k) with the true halos."""
    for name, color in colors.items():
        if name != TRUTH:
            draw_line(axes, found.k, found.methods[name]["correlation"][i], name, color, found)
    axes.set(ylim=(-0.1, 1.02), ylabel="r with the true halos")
    wavenumber_axis(axes, found.k)


def draw_stochasticity(axes: Axes, found: Curves, i: int, colors: Mapping[str, str]) -> None:
    """P (1 - r²) with the density in units of the Poisson value."""
    axes.axhline(1, color=INK, lw=0.5, ls=":")
    for name, color in colors.items():
        draw_line(axes, found.k, found.methods[name]["stochasticity"][i], name, color, found)
    axes.set(ylim=(0, 3), ylabel="P(1 − r²) / (V/N)")
    wavenumber_axis(axes, found.k)


def draw_pdf(axes: Axes, found: Curves, i: int, colors: Mapping[str, str]) -> None:
    """Share of cells with n halos, zeros included."""
    for name, color in colors.items():
        mean = found.methods[name]["pdf"][i][0]
        shown = mean > LEAST_SHARE
        axes.plot(np.flatnonzero(shown), mean[shown], color=color, ls=line_of(name, found), marker=".", label=name)
    axes.set(yscale="log", xlabel="halos in a cell", ylabel="share of cells")
    axes.grid(alpha=0.6)


def draw_bispectrum(axes: Axes, found: Curves, i: int, colors: Mapping[str, str]) -> None:
    """Reduced Q(k) of equilateral triangles."""
    for name, color in colors.items():
        draw_line(axes, found.rings, found.methods[name]["bispectrum"][i], name, color, found)
    axes.set(ylabel="Q, equilateral")
    wavenumber_axis(axes, found.rings)


def draw_mass_function(axes: Axes, found: Curves) -> None:
    """Painted over true numbers of every bin, all halos left out."""
    colors, bins = colors_of(found), np.arange(1, len(found.channels))
    truth = found.number[TRUTH][1:, 0, 0]
    axes.axhspan(0.95, 1.05, color=RULE, alpha=0.25, lw=0)
    for name, color in colors.items():
        values = found.number[name][1:, :, 0].T  # (3, bins)
        mean, low, high = np.divide(values, truth, out=np.full_like(values, np.nan), where=truth > 0)
        axes.fill_between(bins, low, high, color=color, alpha=0.2, lw=0)
        axes.plot(bins, mean, color=color, ls=line_of(name, found), marker=".", label=name)
    axes.set_xticks(bins, labels=[name.removeprefix("halos_").replace("_", "–") for name in found.channels[1:]])
    axes.set(ylim=(0, 2), xlabel="log₁₀ M200c", ylabel="halos / true halos")


def draw_line(axes: Axes, x: NDArray, values: NDArray, name: str, color: str, found: Curves) -> None:
    """A mean over its interval, (3, X)."""
    mean, low, high = values
    axes.fill_between(x, low, high, color=color, alpha=0.18, lw=0)
    axes.plot(x, mean, color=color, ls=line_of(name, found), lw=1.5, label=name)


def line_of(name: str, found: Curves) -> Any:
    """The dashes of a method; the truth has none."""
    names = [one for one in found.methods if one != TRUTH]
    return "-" if name == TRUTH else DASHES[names.index(name) % len(DASHES)]


def positive(values: NDArray) -> NDArray:
    """`values`, nan where a logarithmic axis has no place for them."""
    return np.where(values > 0, values, np.nan)

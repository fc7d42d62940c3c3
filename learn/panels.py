"""One figure a statistic: the truth in ink, every method in its colour, a column a channel.

Knows nothing of files and nothing of pages; text is Unicode, as in `figures`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import NullLocator
from numpy.typing import NDArray

from learn.curves import Curves, Shape
from learn.figures import COLORS, INK, RULE, STYLE, by_method, draw_band, draw_truth, error_axis, wavenumber_axis
from learn.names import BLANK, PAINTER
from learn.scores.coverage import NOMINAL, QUANTITIES, coverage

Array = NDArray[np.float64]
Draw = Callable[[Axes, Shape, int, list[tuple[str, Array]]], None]

MARKS = {PAINTER: "o", "identity": "s", "amplitude filter": "D", "pixel lookup": "^"}


def statistic_figure(draw: Draw, curves: Curves, name: str, *, title: str, note: str | None = None) -> Figure:
    """One panel a channel; the uniform map, which has no structure, is left out. note: what the lines and bands are."""
    shape = curves.shapes[name]
    with matplotlib.rc_context(STYLE):
        figure = Figure(figsize=(11, 4.4), layout="constrained")
        every = figure.subplots(1, len(curves.channels), sharey=True, squeeze=False)[0]
        for i, axes in enumerate(every):
            drawn = shape.error if draw is draw_scattering else shape.painted
            draw(axes, shape, i, shown(curves, drawn[:, :, i]))
            axes.set_title(str(curves.channels[i]))
            axes.label_outer()
        _finish(figure, every[0], f"{title}\n{note or curves.caption}")
    return figure


def counts_figure(draw: Draw, curves: Curves, name: str, *, title: str, least: float) -> Figure:
    """As `statistic_figure`, and below each panel the error of the methods where the truth is at `least` that."""
    shape = curves.shapes[name]
    with matplotlib.rc_context(STYLE):
        figure = Figure(figsize=(11, 6.4), layout="constrained")
        size: Any = {"height_ratios": (3, 2), "sharex": "col", "sharey": "row"}
        grid = figure.subplots(2, len(curves.channels), squeeze=False, **size)
        for i, (upper, lower) in enumerate(grid.T):
            draw(upper, shape, i, shown(curves, shape.painted[:, :, i]))
            error_axis(lower, "N / N(truth) − 1")
            errors = np.where(shape.truth[0, i] >= least, shape.error[:, :, i], np.nan)
            draw_errors(lower, upper.get_xlabel(), shape, shown(curves, errors))
            upper.set_title(str(curves.channels[i]))
            for axes in (upper, lower):
                axes.label_outer()
        _finish(figure, grid[0, 0], f"{title}\n{curves.caption}")
    return figure


def minkowski_figure(curves: Curves) -> Figure:
    """A row a functional, a column a channel, the columns of a row on one scale."""
    shape = curves.shapes["minkowski"]
    labels = ("V₀: area fraction", "V₁: length / 4 area [h/Mpc]", "V₂: Euler number / area [h²/Mpc²]")
    with matplotlib.rc_context(STYLE):
        figure = Figure(figsize=(11, 8.4), layout="constrained")
        grid = figure.subplots(3, len(curves.channels), sharex=True, sharey="row", squeeze=False)
        for row, label, functional in zip(grid, labels, range(3), strict=True):
            for i, axes in enumerate(row):
                for name, values in shown(curves, shape.painted[:, :, i, functional]):
                    draw_band(axes, shape.axis, values, name)
                draw_truth(axes, shape.axis, shape.truth[:, i, functional])
                axes.set(xlabel="threshold [σ of the true smoothed logs]", ylabel=label)
                axes.grid(alpha=0.6)
                axes.label_outer()
        for axes, channel in zip(grid[0], curves.channels, strict=True):
            axes.set_title(str(channel))
        _finish(figure, grid[0, 0], f"Minkowski functionals\n{curves.caption}")
    return figure


def coverage_figure(curves: Curves) -> Figure:
    """How often the truth has each place among the draws, a row a quantity; level is calibrated."""
    with matplotlib.rc_context(STYLE):
        figure = Figure(figsize=(11, 7.6), layout="constrained")
        grid = figure.subplots(len(QUANTITIES), len(curves.channels), sharex=True, sharey="row", squeeze=False)
        for row, quantity, counts in zip(grid, QUANTITIES, curves.places, strict=True):
            for axes, channel, of_channel in zip(row, curves.channels, counts, strict=True):
                draw_places(axes, of_channel)
                found = ", ".join(f"{100 * coverage(of_channel, n):.0f} % in the {100 * n:.0f} %" for n in NOMINAL)
                axes.set_title(f"{channel}, {quantity}\n{found} interval", fontsize=9)
                axes.set(ylabel="times the expected")
                axes.label_outer()
        for axes in grid[-1]:
            axes.set(xlabel="draws below the truth / draws")
        figure.suptitle(
            "Where the truth lies among the draws: level is calibrated, a valley too narrow, a hill too wide",
            fontsize=10,
        )
    return figure


def draw_places(axes: Axes, counts: Array) -> None:
    """The histogram of the places of the truth, (D + 1,), over what a calibrated model would have."""
    n = len(counts)
    expected = counts.sum() / n or 1.0
    axes.bar(np.linspace(0, 1, n), counts / expected, width=0.9 / (n - 1), color=COLORS[PAINTER], alpha=0.8)
    axes.axhline(1, color=INK, lw=0.8)
    axes.grid(axis="y", alpha=0.6)


def draw_pdf(axes: Axes, shape: Shape, i: int, methods: list[tuple[str, Array]]) -> None:
    """The distribution of the pixels."""
    for name, values in methods:
        draw_band(axes, shape.axis, positive(values), name)
    draw_truth(axes, shape.axis, positive(shape.truth[:, i]))
    last = np.flatnonzero(shape.truth[0].sum(axis=0) > 0)[-1]
    axes.set(yscale="log", ylim=(1e-4, 30), xlim=(0, shape.axis[last] + 0.2))
    axes.set(xlabel="log₁₀(1 + Σ / mean)", ylabel="share of the pixels a decade")
    axes.grid(alpha=0.6)


def draw_peaks(axes: Axes, shape: Shape, i: int, methods: list[tuple[str, Array]]) -> None:
    """The number of peaks of each height in a simulation."""
    for name, values in methods:
        draw_band(axes, shape.axis, positive(values), name)
    draw_truth(axes, shape.axis, positive(shape.truth[:, i]))
    axes.set(yscale="log", ylim=(0.3, None), xlabel="height [σ of the true smoothed logs]", ylabel="peaks a simulation")
    axes.grid(alpha=0.6)


def draw_errors(axes: Axes, label: str, shape: Shape, methods: list[tuple[str, Array]]) -> None:
    """The relative error of every method along the axis of the statistic, which `label` names."""
    for name, values in methods:
        draw_band(axes, shape.axis, values, name)
    axes.set(xlabel=label)
    axes.grid(alpha=0.6)


def draw_bispectrum(axes: Axes, shape: Shape, i: int, methods: list[tuple[str, Array]]) -> None:
    """Q(k) of equilateral triangles."""
    for name, values in methods:
        draw_band(axes, shape.axis, values, name)
    draw_truth(axes, shape.axis, shape.truth[:, i])
    axes.set(ylabel="Q = B(k, k, k) / 3 P²")
    axes.set_yscale("symlog", linthresh=1)
    wavenumber_axis(axes, shape.axis)


def draw_scattering(axes: Axes, shape: Shape, _i: int, methods: list[tuple[str, Array]]) -> None:
    """The error of each coefficient."""
    error_axis(axes, "S / S(truth) − 1")
    draw_errors(axes, "scale, or pair of scales [log₂ pixels]", shape, methods)
    n_scales = round((np.sqrt(1 + 8 * len(shape.axis)) - 1) / 2)
    pairs = [f"{first},{second}" for second in range(n_scales) for first in range(second)]
    axes.axvline(n_scales - 0.5, color=INK, lw=0.5)
    axes.set_xticks(shape.axis, labels=[str(j) for j in range(n_scales)] + pairs, rotation=90, fontsize=7)


def draw_apertures(axes: Axes, shape: Shape, _i: int, methods: list[tuple[str, Array]]) -> None:
    """Median and central 68 % of the discs, each method beside the next."""
    error_axis(axes, "M / M(truth) − 1")
    known = np.flatnonzero(np.isfinite(shape.truth[0, :, 0]).any(axis=0))
    for at, (name, values) in enumerate(methods):
        low, middle, high = values[0][:, known] - 1  # (3 quantiles, radii) of the mean over simulations
        x = np.arange(len(known)) + (at - (len(methods) - 1) / 2) * 0.15
        bars = np.stack([middle - low, high - middle])
        style: Any = {"fmt": MARKS.get(name, "v"), "ms": 5, "lw": 1.6, "color": COLORS[name], "label": name}
        axes.errorbar(x, middle, yerr=bars, **style)
    axes.set_xticks(np.arange(len(known)), labels=[f"{shape.axis[one]:g}" for one in known])
    axes.xaxis.set_minor_locator(NullLocator())
    axes.set(xlabel="radius [Mpc/h]", xlim=(-0.6, len(known) - 0.4))
    for edge in np.arange(len(known) - 1) + 0.5:
        axes.axvline(edge, color=RULE, lw=0.5)
    axes.grid(axis="y", alpha=0.6)


def shown(curves: Curves, bands: NDArray) -> list[tuple[str, Array]]:
    """Every method with structure and its bands (3, ...), the painter last; bands (3, M, ...)."""
    return [pair for pair in by_method(curves.methods, bands) if pair[0] != BLANK]


def positive(values: Array) -> Array:
    """What a logarithmic axis can show; the rest is not drawn."""
    return np.where(values > 0, values, np.nan)


def _finish(figure: Figure, first: Axes, title: str) -> None:
    figure.suptitle(title, fontsize=10)
    handles, labels = first.get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=len(labels))

"""Curves of k drawn: ratios, correlations and suppressions of every method beside the truth."""

from __future__ import annotations

from typing import Any

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import NullLocator
from numpy.typing import NDArray

from learn.curves import Curves
from learn.figures import INK, STYLE, by_method, draw_band, draw_truth, error_axis, wavenumber_axis
from learn.names import BLANK

CORRELATION_LIMITS = (-0.2, 1.0)
"""The same in every panel, so that channels can be compared: curves that leave them leave the panel."""
NEAR_ONE = 1e-4
"""Where the axis of r ends: 1 - r smaller than this cannot be told from 0."""


def draw_ratio(axes: Axes, curves: Curves, i_channel: int) -> None:
    """P/P_true - 1 of every method for one channel: linear within 10 %, logarithmic beyond; 5 % shaded."""
    for name, values in by_method(curves.methods, curves.ratio[:, :, i_channel]):
        draw_band(axes, curves.k, values - 1, name)
    error_axis(axes, "P / P(truth) − 1")
    wavenumber_axis(axes, curves.k)


def draw_correlation(axes: Axes, curves: Curves, i_channel: int) -> None:
    """r(k) of every method for one channel, on an axis logarithmic in 1 - r: what is near 1 can be told apart."""
    for name, values in by_method(curves.methods, curves.correlation[:, :, i_channel]):
        draw_band(axes, curves.k, values, name)
    axes.set_yscale("function", functions=(_from_correlation, _to_correlation))
    axes.set(ylim=CORRELATION_LIMITS, ylabel="r with the truth")
    ticks = (0, 0.5, 0.9, 0.99, 0.999, 1)
    axes.yaxis.set_minor_locator(NullLocator())
    axes.set_yticks(ticks, labels=[f"{tick:g}" for tick in ticks])
    wavenumber_axis(axes, curves.k)


def draw_suppression(axes: Axes, curves: Curves) -> None:
    """S(k) of the truth and of every method that paints structure."""
    axes.axhline(1, color=INK, lw=0.5, ls=":")
    shown = [pair for pair in by_method(curves.methods, curves.suppression) if pair[0] != BLANK]
    for name, values in shown:
        draw_band(axes, curves.k, values, name)
    draw_truth(axes, curves.k, curves.true_suppression)
    axes.set(ylabel="S = P(total) / P(input)")
    wavenumber_axis(axes, curves.k)


def spectra_figure(draw: Any, curves: Curves, *, title: str) -> Figure:
    """One panel a channel on shared axes: `draw` is draw_ratio or draw_correlation."""
    with matplotlib.rc_context(STYLE):
        figure = Figure(figsize=(11, 4.2), layout="constrained")
        every = figure.subplots(1, len(curves.channels), sharey=True, squeeze=False)[0]
        for i_channel, axes in enumerate(every):
            draw(axes, curves, i_channel)
            axes.set_title(str(curves.channels[i_channel]))
            axes.label_outer()
        figure.suptitle(f"{title}\n{curves.caption}", fontsize=10)
        figure.legend(*every[0].get_legend_handles_labels(), loc="outside lower center", ncols=6)
    return figure


def suppression_figure(curves: Curves) -> Figure:
    """S(k) with its legend."""
    with matplotlib.rc_context(STYLE):
        figure = Figure(figsize=(6.4, 4.6), layout="constrained")
        axes = figure.subplots()
        draw_suppression(axes, curves)
        axes.set_title(f"Suppression of the total matter in projection\n{curves.caption}")
        axes.legend()
    return figure


def _from_correlation(r: NDArray) -> NDArray:
    return -np.log10(np.maximum(1 - np.asarray(r, float), 0) + NEAR_ONE)


def _to_correlation(y: NDArray) -> NDArray:
    return 1 + NEAR_ONE - 10.0 ** -np.asarray(y, float)

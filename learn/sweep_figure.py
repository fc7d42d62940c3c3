"""The drawing of a sweep: parallel axes, a line a trial in the colour of its metric, and bars of importance."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import Normalize
from matplotlib.figure import Figure

from configs.space import Distribution
from learn.figures import COLORS, INK, RULE, STYLE
from learn.names import PAINTER
from learn.sweep import Trial, short, written

Mode = Literal["min", "max"]
MIN_ROWS = 5
"""Bars are not thicker than with so many."""
BEST_COLOR = COLORS[PAINTER]


def sweep_figure(
    trials: Sequence[Trial],
    distributions: Mapping[str, Distribution],
    importance: Mapping[str, float],
    *,
    metric: str,
    mode: Mode,
) -> Figure:
    """One figure: `trials` the best first; `importance` by key, empty for none. ValueError without a metric."""
    judged = [trial for trial in trials if trial.metric is not None]
    if not judged:
        raise ValueError("sweep: expected a trial with a metric, found none")
    with matplotlib.rc_context(STYLE):
        figure = Figure(figsize=(3.4 + 1.9 * (len(distributions) + 1), 4.6), layout="constrained")
        lines, bars = figure.subplots(1, 2, width_ratios=[1.25 * (len(distributions) + 1), 1.7])
        draw_lines(lines, judged, distributions, metric, mode)
        draw_importance(bars, importance, list(distributions), n_trials=len(judged))
        stopped = sum(trial.status == "stopped" for trial in judged)
        figure.suptitle(f"{len(judged)} trials, {stopped} stopped early (thin)", fontsize=10)
    return figure


def draw_lines(
    axes: Axes, trials: Sequence[Trial], distributions: Mapping[str, Distribution], metric: str, mode: Mode
) -> None:
    """A vertical axis a key and one for the metric, the good end of which is up; the best line is the thick one."""
    scores = np.array([trial.metric for trial in trials], float)
    norm = metric_scale(scores)
    heights = [1 - norm(s) if mode == "min" else norm(s) for s in scores]
    colors = matplotlib.colormaps["viridis"]
    for i in reversed(range(len(trials))):
        y = [height(distributions[key], trials[i].values[key]) for key in distributions] + [float(heights[i])]
        color, width = (BEST_COLOR, 2.4) if i == 0 else (colors(0.95 * heights[i]), 1.3)
        axes.plot(range(len(y)), y, color=color, lw=0.6 if trials[i].status == "stopped" else width, marker="o", ms=2.5)
    for x, distribution in enumerate(distributions.values()):
        draw_axis(axes, x, ticks(distribution))
    draw_axis(axes, len(distributions), metric_ticks(norm, mode))
    names = [*(key.replace(".", "\n") for key in distributions), f"{metric}\n(good is up)"]
    axes.set_xticks(range(len(names)), labels=names)
    axes.set(yticks=[], xlim=(-0.25, len(distributions) + 0.55), ylim=(-0.06, 1.06))
    axes.tick_params(length=0)
    axes.spines[:].set_visible(False)


def draw_axis(axes: Axes, x: int, labels: Mapping[float, str]) -> None:
    """A vertical rule at `x` with labels at heights."""
    axes.plot([x, x], [0, 1], color=INK, lw=0.7, zorder=0.5)
    box = {"facecolor": "white", "alpha": 0.75, "edgecolor": "none", "pad": 0.6}
    for y, label in labels.items():
        axes.plot([x - 0.02, x], [y, y], color=INK, lw=0.7, zorder=3)
        axes.text(x + 0.03, y, label, va="center", ha="left", fontsize=7.5, color=INK, bbox=box, zorder=4)


def draw_importance(axes: Axes, importance: Mapping[str, float], keys: Sequence[str], *, n_trials: int) -> None:
    """A bar a key, the longest on top."""
    axes.spines[["top", "right", "left"]].set_visible(False)
    axes.tick_params(axis="y", length=0)
    if not importance:
        few = f"{n_trials} trials: too few\nto say what mattered"
        why = "one value is drawn:\nnothing to compare" if len(keys) == 1 else few
        axes.set(xticks=[], yticks=[])
        axes.text(0.5, 0.5, why, ha="center", transform=axes.transAxes)
        return
    ordered = sorted(keys, key=lambda key: importance.get(key, 0.0))
    shares = [importance.get(key, 0.0) for key in ordered]
    axes.barh([key.replace(".", "\n") for key in ordered], shares, color=COLORS["amplitude filter"], height=0.5)
    room = max(0.0, (MIN_ROWS - len(keys)) / 2)
    axes.set(xlim=(0, 1.2 * max([*shares, 1e-9])), ylim=(-0.5 - room, len(keys) - 0.5 + room))
    axes.set_xlabel("share of importance")
    axes.set_title("what mattered (PED-ANOVA,\nbetter half of the trials)")
    for y, share in enumerate(shares):
        axes.text(share, y, f" {100 * share:.0f} %", va="center", fontsize=8)
    axes.grid(axis="x", color=RULE, alpha=0.6)
    axes.set_axisbelow(True)


def height(distribution: Distribution, value: Any) -> float:
    """Where a value lies on its axis, 0 to 1."""
    if distribution.kind == "choice":
        n = len(distribution.values)
        return distribution.values.index(value) / (n - 1) if n > 1 else 0.5
    scale = np.log if distribution.kind == "loguniform" else float
    low, high, at = (float(scale(x)) for x in (*distribution.values, value))
    return (at - low) / (high - low)


def ticks(distribution: Distribution) -> dict[float, str]:
    """Labels of an axis by height: each choice, else both ends and what lies between."""
    if distribution.kind == "choice":
        return {height(distribution, value): written(value) for value in distribution.values}
    low, high = distribution.values
    middle = float(np.sqrt(low * high)) if distribution.kind == "loguniform" else (low + high) / 2
    inner = int(middle) if distribution.kind == "randint" else float(f"{middle:.2g}")
    return {height(distribution, value): short(value) for value in (low, inner, high)}


def metric_scale(scores: Any) -> Normalize:
    """From the best to the worst, but an outlier does not squeeze the others: beyond three times the middle half."""
    low, high = float(np.min(scores)), float(np.max(scores))
    first, third = np.percentile(scores, [25, 75])
    reach = 3 * float(third - first)
    if reach > 0:
        low, high = max(low, float(first) - reach), min(high, float(third) + reach)
    return Normalize(low, high if high > low else low + max(abs(low), 1e-12), clip=True)


def metric_ticks(norm: Normalize, mode: Mode) -> dict[float, str]:
    values = np.linspace(float(norm.vmin or 0), float(norm.vmax or 0), 5)
    return {float(1 - norm(v) if mode == "min" else norm(v)): f"{v:.3g}" for v in values}

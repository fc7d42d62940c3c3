"""The page of a judgement of halos and its pictures: one HTML file with every score, figure and definition in it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

from learn.figures import COLORS, INK, STYLE, density_scale, draw_bar, draw_map, error_axis, wavenumber_axis
from learn.halos.boxes import METHODS, NO_BARYONS, TRUE_HALOS, JudgedBox
from learn.halos.measures import CHANNELS, QUANTITIES, Measures
from learn.halos.scores import BASELINE, BY_MASS, BY_NAME, MODEL, MODEL_MEAN, SCORES, THEIRS, HaloScore
from learn.page import embedded, rendered
from learn.panels import draw_places
from learn.portfolio import png
from learn.scores.coverage import NOMINAL, coverage

Array = NDArray[np.float64]
Drawn = Mapping[str, Sequence[Measures]]

SHADES = {
    MODEL: COLORS["painter"],
    MODEL_MEAN: COLORS["painter mean"],
    BASELINE: COLORS["pixel lookup"],
    TRUE_HALOS: COLORS["amplitude filter"],
    NO_BARYONS: COLORS["identity"],
}
BOX_SCORES = {
    "error_k5": "P(k < 5), error",
    "bias_k5": "its bias",
    "error_k10": "P(k < 10), error",
    "bias_k10": "its bias",
    "mass": "mass",
}
TITLES = {
    "boxes": "Power spectra of whole boxes with the halos pasted in",
    "profiles": "Stacked profiles",
    "masses": "Projected mass within R200c",
    "ranks": "Where the truth lies among the draws",
    "sample": "A halo to look at",
}


def page(metrics: Mapping[str, Any], pictures: Mapping[str, bytes]) -> str:
    """The page; every name from outside is escaped."""
    return rendered(
        "halos",
        metrics=metrics,
        scores=SCORES,
        channels={channel: cells(metrics["rows"], channel) for channel in metrics["channels"]},
        coverages=[(channel, shares(metrics["rows"], channel)) for channel in metrics["channels"]],
        nominal=[f"{quantity}, {100 * share:.0f} %" for quantity in QUANTITIES for share in NOMINAL],
        masses=[(row, [plain(row[name], BY_NAME[name]) for name in BY_MASS]) for row in metrics["by_mass"]],
        mass_scores=[BY_NAME[name].heading for name in BY_MASS],
        box_scores=list(BOX_SCORES.values()),
        boxes=[(row, [text(row[name]) for name in BOX_SCORES]) for row in metrics["box_rows"]],
        pictures=[(name, TITLES[name], embedded(pictures[name])) for name in TITLES if name in pictures],
        own=(MODEL, MODEL_MEAN),
        theirs=THEIRS,
    )


def cells(rows: Sequence[Mapping[str, Any]], channel: str) -> list[tuple[str, list[str]]]:
    """Of each method of a channel its scores as text."""
    return [(row["method"], [text(row[one.name], one) for one in SCORES]) for row in rows if row["channel"] == channel]


def text(one: Mapping[str, float | None] | None, score: HaloScore | None = None) -> str:
    """93.1 ± 2.0 %; a dash where there is none. Without a score a percentage."""
    if one is None or one["value"] is None:
        return "–"
    factor, digits, unit = (100, 1, " %") if score is None or score.is_percent else (1, 2, "")
    error = one["standard_error"]
    spread = "" if error is None else f" ± {factor * error:.{digits}f}"
    return f"{factor * one['value']:.{digits}f}{spread}{unit}".replace("-", "−")


def plain(value: float | None, score: HaloScore) -> str:
    """As `text`, of a number without an error."""
    return text({"value": value, "standard_error": None}, score)


def shares(rows: Sequence[Mapping[str, Any]], channel: str) -> list[str]:
    """What the draws of the model cover, as text."""
    row = next(row for row in rows if row["channel"] == channel and row["method"] == MODEL)
    names = [f"coverage_{100 * share:.0f}_{quantity}" for quantity in QUANTITIES for share in NOMINAL]
    return ["–" if row[name] is None else f"{100 * row[name]['value']:.0f} %" for name in names]


def pictures(
    drawn: Drawn, truth: Sequence[Measures], counts: Array, edges: Array, *, sample: Mapping[str, Array]
) -> dict[str, bytes]:
    """All of them, as PNG."""
    return {
        "profiles": png(profiles_figure(drawn, truth, edges)),
        "masses": png(masses_figure(drawn, truth)),
        "ranks": png(ranks_figure(counts.sum(axis=0))),
        "sample": png(sample_figure(sample)),
    }


def panels(n_rows: int, height: float, **options: Any) -> tuple[Figure, NDArray]:
    """A column a channel."""
    figure = Figure(figsize=(3.2 * len(CHANNELS), height), layout="constrained")
    return figure, figure.subplots(n_rows, len(CHANNELS), squeeze=False, **options)


def profiles_figure(drawn: Drawn, truth: Sequence[Measures], edges: Array) -> Figure:
    """Ratio of the stacked profiles to the true one, with the 16th to 84th percentile of one draw a halo."""
    radii, whole = np.sqrt(edges[1:] * edges[:-1]), Measures.stacked(list(truth))
    with matplotlib.rc_context(STYLE):
        figure, grid = panels(1, 3.8, sharey=True)
        for i, (axes, channel) in enumerate(zip(grid[0], CHANNELS, strict=True)):
            for method, measures in drawn.items():
                draw_profile(axes, radii, Measures.stacked(list(measures)).profile[:, i], whole.profile[:, i], method)
            error_axis(axes, "Σ / Σ(truth) − 1")
            axes.set(xscale="log", xlabel="r / R200c", title=channel.replace("_", " "))
            axes.axvline(1, color=INK, lw=0.5, ls=":")
            axes.label_outer()
        figure.suptitle(
            "Lines: stacks over the true stack; band: 16th to 84th percentile of one draw a halo", fontsize=10
        )
        figure.legend(*grid[0, 0].get_legend_handles_labels(), loc="outside lower center", ncols=3)
    return figure


def draw_profile(axes: Axes, radii: Array, own: Array, truth: Array, method: str) -> None:
    """Own and truth (n, R)"""
    true_stack = truth.sum(axis=0)
    held = true_stack > 0
    stack = np.divide(own.sum(axis=0), true_stack, out=np.full(len(radii), np.nan), where=held)
    if method == MODEL:
        each = np.divide(own, truth, out=np.full(own.shape, np.nan), where=truth > 0)
        known = np.isfinite(each).any(axis=0)
        low, high = np.nanpercentile(each[:, known], [16, 84], axis=0)
        axes.fill_between(radii[known], low - 1, high - 1, color=SHADES[method], alpha=0.2, lw=0)
    axes.plot(radii, stack - 1, color=SHADES[method], lw=1.8, label=method)


def masses_figure(drawn: Drawn, truth: Sequence[Measures]) -> Figure:
    """Mass of one draw against the true one, a point a halo; the diagonal is the truth."""
    whole = Measures.stacked(list(truth))
    with matplotlib.rc_context(STYLE):
        figure, grid = panels(1, 3.8)
        for i, (axes, channel) in enumerate(zip(grid[0], CHANNELS, strict=True)):
            true = whole.mass[:, i]
            for method in (BASELINE, MODEL):
                own = Measures.stacked(list(drawn[method])).mass[:, i]
                seen = (true > 0) & (own > 0)
                axes.plot(true[seen], own[seen], ".", ms=3, alpha=0.6, color=SHADES[method], label=method)
            axes.axline((1e12, 1e12), slope=1, color=INK, lw=0.8)
            axes.set(xscale="log", yscale="log", xlabel="true M(<R200c) [M☉/h]", title=channel.replace("_", " "))
            if (true > 0).any():
                ends = (0.5 * true[true > 0].min(), 2 * true.max())
                axes.set(xlim=ends, ylim=ends)
        grid[0, 0].set(ylabel="drawn M(<R200c) [M☉/h]")
        figure.legend(*grid[0, 0].get_legend_handles_labels(), loc="outside lower center", ncols=2)
    return figure


def ranks_figure(counts: Array) -> Figure:
    """How often the truth has each place among the draws, counts (quantities, 4, D + 1); level is calibrated."""
    with matplotlib.rc_context(STYLE):
        figure, grid = panels(len(QUANTITIES), 5.6, sharex=True)
        for row, quantity, of_quantity in zip(grid, QUANTITIES, counts, strict=True):
            for axes, channel, one in zip(row, CHANNELS, of_quantity, strict=True):
                draw_places(axes, one)
                found = ", ".join(f"{100 * coverage(one, n):.0f} % in the {100 * n:.0f} %" for n in NOMINAL)
                axes.set_title(f"{channel.replace('_', ' ')}, {quantity}\n{found}", fontsize=8)
        for axes in grid[-1]:
            axes.set(xlabel="draws below the truth / draws")
        figure.suptitle("Level is calibrated, a valley too narrow, a hill too wide", fontsize=10)
    return figure


def boxes_figure(boxes: Sequence[JudgedBox]) -> Figure:
    """P / P(truth) - 1 by method, a panel a channel: the mean over the boxes, and their standard deviation."""
    with matplotlib.rc_context(STYLE):
        figure, grid = panels(1, 4.0, sharey=True)
        for i, (axes, channel) in enumerate(zip(grid[0], CHANNELS, strict=True)):
            for method in reversed([name for name in METHODS if i < boxes[0].ratio[name].shape[1]]):
                each = np.array([one.ratio[method][:, i].mean(axis=0) - 1 for one in boxes])  # (boxes, K)
                mean, std = each.mean(axis=0), each.std(axis=0)
                axes.fill_between(boxes[0].k, mean - std, mean + std, color=SHADES[method], alpha=0.2, lw=0)
                axes.plot(boxes[0].k, mean, color=SHADES[method], lw=1.8, label=method)
            error_axis(axes, "P / P(truth) − 1")
            wavenumber_axis(axes, boxes[0].k)
            axes.set_title(channel.replace("_", " "))
            axes.label_outer()
        figure.suptitle(f"{len(boxes)} boxes: mean and standard deviation", fontsize=10)
        figure.legend(*grid[0, 0].get_legend_handles_labels(), loc="outside lower center", ncols=len(METHODS))
    return figure


def sample_figure(sample: Mapping[str, Array]) -> Figure:
    """A row a channel: the truth, a draw and the mean profile on one scale."""
    shown = [name for name in ("truth", MODEL, BASELINE) if name in sample]
    with matplotlib.rc_context(STYLE):
        figure = Figure(figsize=(3.4 * len(shown) + 0.8, 3.1 * len(CHANNELS)), layout="constrained")
        size: Any = {"width_ratios": [*[1] * len(shown), 0.05]}
        for i, row in enumerate(figure.subplots(len(CHANNELS), len(shown) + 1, squeeze=False, **size)):
            maps = [sample[name][i] for name in shown]
            if not any(one.any() for one in maps):
                for axes in row:
                    axes.set_axis_off()
                continue
            scale = density_scale(*maps, channel=CHANNELS[i])
            for axes, name, one in zip(row, shown, maps, strict=False):
                image = draw_map(axes, one, float(len(one)), scale)
                axes.set(title=f"{name}: {CHANNELS[i].replace('_', ' ')}", xlabel="", ylabel="")
            draw_bar(row[-1], image, scale, vertical=True)
            row[-1].set_ylabel("mass a pixel [M☉/h]")
    return figure

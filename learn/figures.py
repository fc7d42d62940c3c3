"""Maps and curves drawn on matplotlib axes: shared colour scales, one style, one colour a method.

Knows nothing of files and nothing of pages; text is Unicode, never mathtext, so that an SVG keeps it as text.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import Colormap, LogNorm, Normalize, SymLogNorm
from matplotlib.figure import Figure
from matplotlib.image import AxesImage
from matplotlib.ticker import FixedLocator, FuncFormatter, LogLocator, NullFormatter, NullLocator
from numpy.typing import NDArray

from learn.names import BLANK, PAINTER, PAINTER_MEAN

INK = "#16181d"
RULE = "#b9bdc6"
COLORS = {
    PAINTER: "#d1495b",
    PAINTER_MEAN: "#8a4fa3",
    "identity": "#8d8d99",
    "amplitude filter": "#2f86c4",
    "pixel lookup": "#3f9b5f",
    BLANK: "#b08a3e",
}
DASHES: dict[str, Any] = {
    PAINTER: "-",
    PAINTER_MEAN: (0, (7, 1.5)),
    "identity": (0, (1, 1.2)),
    "amplitude filter": (0, (5, 1.5)),
    "pixel lookup": (0, (5, 1.5, 1, 1.5)),
    BLANK: (0, (2, 3)),
}
STYLE: Any = {
    "text.color": INK,
    "axes.labelcolor": INK,
    "axes.edgecolor": INK,
    "xtick.color": INK,
    "ytick.color": INK,
    "axes.linewidth": 0.7,
    "axes.titlesize": 10,
    "font.size": 9,
    "font.family": "DejaVu Sans",
    "grid.color": RULE,
    "grid.linewidth": 0.5,
    "legend.frameon": False,
    "svg.fonttype": "none",
    "svg.hashsalt": "darkglass",
}
UNIT = "M☉/h / (Mpc/h)²"
COLORMAPS = {"dmo": "magma", "total": "magma", "dark_matter": "magma", "gas": "viridis", "stars": "cividis"}
DECADES = 4
"""The faintest pixel that has a colour of its own, below the brightest; stars fill few pixels."""
MAX_DIFFERENCE = 99.9
"""Percentile of |difference| at the ends of the diverging scale."""
RATIO_LIMITS = (-1.3, 12.0)
"""The same in every panel, so that channels can be compared: curves that leave them leave the panel."""


@dataclass(frozen=True)
class Scale:
    """Which value has which colour: share one among the panels that are to be compared."""

    norm: Normalize
    colormap: Colormap
    label: str
    ticks: tuple[float, ...]


def density_scale(*maps: NDArray, channel: str = "total") -> Scale:
    """Logarithmic scale from the 1st to the 99.95th percentile of all `maps` together, at most 4 decades."""
    pixels = np.concatenate([values.ravel() for values in maps])
    positive = pixels[pixels > 0]
    if not positive.size:
        raise ValueError(f"{channel} maps: expected a positive pixel, found none")
    high = float(np.percentile(positive, 99.95))
    low = max(float(np.percentile(positive, 1)), high * 10.0**-DECADES)
    if not low < high:
        low, high = 0.5 * high, 2 * high
    colormap = matplotlib.colormaps[COLORMAPS[channel]]
    norm = LogNorm(low, high, clip=True)
    return Scale(norm, colormap.with_extremes(bad=colormap(0.0)), f"Σ [{UNIT}]", _log_ticks(low, high))


def difference_scale(*differences: NDArray) -> Scale:
    """Diverging scale shared by `differences`, linear within 3 % of its ends and logarithmic beyond."""
    size = np.abs(np.concatenate([values.ravel() for values in differences]))
    end = float(np.percentile(size, MAX_DIFFERENCE)) or float(size.max()) or 1.0
    inner = 10.0 ** np.floor(np.log10(0.03 * end))
    norm = SymLogNorm(inner, linscale=0.5, vmin=-end, vmax=end, clip=True)
    label = f"ΔΣ [{UNIT}], linear within ±{scientific(float(inner))}"
    outer = [10.0**n for n in range(round(np.log10(inner)) + 1, int(np.floor(np.log10(end))) + 1)]
    ticks = (*(-tick for tick in reversed(outer)), 0.0, *outer)
    return Scale(norm, matplotlib.colormaps["RdBu_r"], label, ticks)


def draw_map(axes: Axes, density: NDArray, box_size: float, scale: Scale) -> AxesImage:
    """One map with its axes in Mpc/h: the first index runs to the right, as x."""
    extent = (0, box_size, 0, box_size)
    image = axes.imshow(
        density.T, origin="lower", extent=extent, cmap=scale.colormap, norm=scale.norm, interpolation="none"
    )
    axes.set(xlabel="x [Mpc/h]", ylabel="y [Mpc/h]")
    return image


def draw_bar(axes: Axes, image: AxesImage, scale: Scale, *, vertical: bool = False) -> None:
    """The colour bar of `scale` in `axes`; pointed ends mean that pixels lie beyond."""
    orientation = "vertical" if vertical else "horizontal"
    bar = axes.figure.colorbar(image, cax=axes, orientation=orientation, extend="both")
    bar.set_ticks(list(scale.ticks), labels=[scientific(tick) for tick in scale.ticks])
    bar.ax.minorticks_off()
    bar.set_label(scale.label)


def error_axis(axes: Axes, label: str) -> None:
    """The axis of relative errors: linear within 10 %, logarithmic beyond; 5 % shaded."""
    axes.axhspan(-0.05, 0.05, color=RULE, alpha=0.25, lw=0)
    axes.axhline(0, color=INK, lw=0.8)
    axes.set_yscale("symlog", linthresh=0.1, linscale=1.6)
    axes.set(ylim=RATIO_LIMITS, ylabel=label)
    ticks = (-1, -0.1, -0.05, 0, 0.05, 0.1, 1, 10)
    axes.yaxis.set_minor_locator(NullLocator())
    axes.set_yticks(ticks, labels=[percent(tick) for tick in ticks])


def by_method(methods: NDArray[np.str_], bands: NDArray) -> list[tuple[str, NDArray]]:
    """(name, (3, ...)) of each method, the painter last so that it lies on top."""
    pairs = [(str(name), bands[:, i]) for i, name in enumerate(methods)]
    return sorted(pairs, key=lambda pair: pair[0] == PAINTER)


def draw_band(axes: Axes, x: NDArray, values: NDArray, name: str) -> None:
    """The mean of a method as a line in its colour, over its interval: values (3, K)."""
    mean, low, high = values
    color = COLORS[name]
    axes.fill_between(x, low, high, color=color, alpha=0.2, lw=0)
    axes.plot(x, mean, color=color, ls=DASHES[name], lw=2.2 if name == PAINTER else 1.4, label=name)


def draw_truth(axes: Axes, x: NDArray, values: NDArray) -> None:
    """The truth as a line in ink over its interval: values (3, K)."""
    mean, low, high = values
    axes.fill_between(x, low, high, color=INK, alpha=0.15, lw=0)
    axes.plot(x, mean, color=INK, lw=1.6, label="truth")


def wavenumber_axis(axes: Axes, k: NDArray) -> None:
    """The logarithmic axis of k, the same in every panel."""
    low, high = k[0] * 0.93, k[-1] * 1.07
    axes.set(xscale="log", xlim=(low, high), xlabel="k [h/Mpc]")
    ticks = [tick for tick in (0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 50) if low <= tick <= high]
    axes.xaxis.set(major_locator=FixedLocator(ticks), major_formatter=FuncFormatter(lambda x, _: f"{x:g}"))
    axes.xaxis.set_minor_formatter(NullFormatter())
    axes.grid(alpha=0.6)


def maps_figure(
    dmo: NDArray, painted: NDArray, truth: NDArray, box_size: float, *, channels: tuple[str, ...], title: str
) -> Figure:
    """A row a channel: input, painted and true on one scale, painted minus true on a diverging one."""
    with matplotlib.rc_context(STYLE):
        figure = Figure(figsize=(13, 3.2 * len(channels) + 0.4), layout="constrained")
        grid = figure.subplots(len(channels), 6, width_ratios=[1, 1, 1, 0.05, 1, 0.05], squeeze=False)
        for row, channel, one, other in zip(grid, channels, painted, truth, strict=True):
            _draw_row(row, dmo, one, other, box_size, channel)
        figure.suptitle(title, fontsize=10)
    return figure


def painted_figure(dmo: NDArray, painted: NDArray, box_size: float, *, channels: tuple[str, ...], title: str) -> Figure:
    """One row: the input (H, W) and the painted channels (c, H, W); input and total share a scale."""
    with matplotlib.rc_context(STYLE):
        figure = Figure(figsize=(4.1 * (1 + len(channels)), 4.6), layout="constrained")
        panels, bars = figure.subplots(2, 1 + len(channels), height_ratios=[1, 0.04], squeeze=False)
        shared = density_scale(dmo, painted[channels.index("total")])
        scales = [
            shared,
            *(
                shared if name == "total" else density_scale(x, channel=name)
                for name, x in zip(channels, painted, strict=True)
            ),
        ]
        names = ("dark matter only", *(f"painted {name}" for name in channels))
        for axes, bar, name, density, scale in zip(panels, bars, names, (dmo, *painted), scales, strict=True):
            draw_bar(bar, draw_map(axes, density, box_size, scale), scale)
            axes.set_title(name)
        figure.suptitle(title, fontsize=10)
    return figure


def scientific(value: float) -> str:
    """10¹², 3×10¹¹, −10⁹: as short as it is exact to one digit."""
    if value == 0:
        return "0"
    exponent = int(np.floor(np.log10(abs(value)) + 1e-9))
    mantissa = round(abs(value) / 10.0**exponent)
    power = "10" + str(exponent).translate(str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹"))
    return ("−" if value < 0 else "") + (power if mantissa == 1 else f"{mantissa}×{power}")


def percent(value: float) -> str:
    """+5 %, −100 %, 0."""
    return "0" if value == 0 else f"{100 * value:+.0f} %".replace("-", "−")


def _draw_row(row: NDArray, dmo: NDArray, painted: NDArray, truth: NDArray, box_size: float, channel: str) -> None:
    shares_scale = channel == "total"
    scale = density_scale(painted, truth, *([dmo] if shares_scale else []), channel=channel)
    difference = difference_scale(painted - truth)
    draw_map(row[0], dmo, box_size, scale if shares_scale else density_scale(dmo, channel="dmo"))
    draw_map(row[1], painted, box_size, scale)
    draw_bar(row[3], draw_map(row[2], truth, box_size, scale), scale, vertical=True)
    draw_bar(row[5], draw_map(row[4], painted - truth, box_size, difference), difference, vertical=True)
    titles = ("input", f"painted {channel}", f"true {channel}", "painted − true")
    for axes, title in zip(row[[0, 1, 2, 4]], titles, strict=True):
        axes.set_title(title)
    for axes in (row[1], row[2], row[4]):
        axes.set(ylabel="")


def _log_ticks(low: float, high: float) -> tuple[float, ...]:
    """Powers of ten between the limits, with 3 x 10^n as well if they are few."""
    subs = (1.0,) if np.log10(high / low) > 3 else (1.0, 3.0)
    ticks = LogLocator(subs=subs, numticks=20).tick_values(low, high)
    return tuple(float(tick) for tick in ticks if low <= tick <= high)

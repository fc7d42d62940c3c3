"""The steps of a preparation, a panel each, in units of the noise on one stretch; then noise, psf and lens light."""

from __future__ import annotations

import math
import textwrap
from collections.abc import Sequence
from dataclasses import dataclass

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import AsinhNorm, ListedColormap, LogNorm, Normalize
from matplotlib.figure import Figure
from matplotlib.patches import Circle
from numpy.typing import NDArray

from learn.figures import STYLE
from sim.images import corners
from sim.images.observation import Mask, Observation

COLUMNS = 4
LETTERS = 40
"""Of a line of a title."""
LINEAR = 3.0
"""Deviations of the noise up to which brightness is drawn as it is; its logarithm beyond."""
TICKS = (-3.0, 0.0, 3.0, 10.0, 30.0, 100.0, 300.0, 1000.0, 3000.0)
DEEP = 1e-5
"""Of the peak of a point spread function, the faintest that has a colour."""
MASKED, MARK = "#2f86c4", "#3f9b5f"


@dataclass(frozen=True)
class Panel:
    """A picture, what its colours mean, and what is drawn over it: pixels that are not used, a centre, a circle."""

    title: str
    picture: NDArray
    norm: Normalize
    label: str
    colormap: str = "magma"
    mask: Mask | None = None
    circle: tuple[float, float, float] | None = None


def preparation_figure(every: Sequence[Observation]) -> Figure:
    """Of the observation after each step."""
    panels = _panels(every)
    n_rows = math.ceil(len(panels) / COLUMNS)
    with matplotlib.rc_context(STYLE):
        figure = Figure(figsize=(3.7 * COLUMNS, 3.7 * n_rows + 0.6), layout="constrained")
        axes = figure.subplots(n_rows, COLUMNS, squeeze=False).ravel()
        for one, panel in zip(axes, panels, strict=False):
            _draw(one, panel)
        for one in axes[len(panels) :]:
            one.set_axis_off()
        figure.suptitle(_heading(every[-1]), fontsize=10)
    return figure


def _heading(seen: Observation) -> str:
    texts = [f"{step.name}: {step.text}" for step in seen.history if step.name == "units"]
    warned = [f"warning: {text}" for text in seen.warnings]
    return "\n".join([f"{seen.name} {seen.band}", *texts, *warned])


def _panels(every: Sequence[Observation]) -> list[Panel]:
    """One a step, but for units, which change the numbers and not the picture."""
    rms, norm = _background(every), _stretch(every)
    panels = []
    for one in every:
        step = one.history[-1].name
        if step != "units":
            panels += _of_step(step, one, rms, norm, 1.0 if one.known("units") else _factor(every))
    return panels


def _of_step(step: str, one: Observation, rms: float, norm: Normalize, factor: float) -> list[Panel]:
    title = f"{step}: {one.history[-1].text}"
    if step == "psf" and one.psf is not None:
        peak = float(one.psf.max())
        return [Panel(title, np.maximum(one.psf, DEEP * peak), LogNorm(DEEP * peak, peak), "", "viridis")]
    if step == "noise" and one.noise is not None:
        return [Panel(title, one.noise / rms, LogNorm(), "noise / background", "viridis", one.mask)]
    if step == "normalize":
        return [Panel(title, one.image, _own(one.image), "normalised", mask=one.mask)]
    picture = factor * one.image / rms / float(one.known("frame").get("RATIO", 1.0)) ** 2
    shown = Panel(title, picture, norm, "brightness / background", mask=one.mask, circle=_circle(step, one))
    if step != "light" or one.lens_light is None:
        return [shown]
    return [Panel("light: the fit", one.lens_light / rms, norm, "brightness / background"), shown, _residual(one)]


def _residual(one: Observation) -> Panel:
    left = corners.unlit(one) / one.sigma
    return Panel("what the fit leaves, over the noise", left, Normalize(-5, 5), "residual / noise", "RdBu_r", one.mask)


def _circle(step: str, one: Observation) -> tuple[float, float, float] | None:
    """Where one looks: a small one at the centre, or the ring."""
    if one.center is None or step not in ("center", "ring"):
        return None
    radius = float(one.known("ring").get("RINGRAD", len(one.image) / 30))
    return (*one.center, radius)


def _background(every: Sequence[Observation]) -> float:
    """The scatter of the sky, or the noise where that has none."""
    last = every[-1]
    return float(last.known("sky").get("SKYRMS", 0.0)) or float(np.median(every[0].image.std())) or 1.0


def _factor(every: Sequence[Observation]) -> float:
    return float(every[-1].known("units").get("UNITFACT", 1.0))


def _stretch(every: Sequence[Observation]) -> Normalize:
    seen = next((one for one in every if one.history[-1].name == "sky"), every[-1])
    bright = float(np.percentile(seen.image[seen.mask], 99.9)) / _background(every)
    return AsinhNorm(LINEAR, vmin=-LINEAR, vmax=max(bright, 3 * LINEAR))


def _own(picture: NDArray) -> Normalize:
    low, high = np.percentile(picture, [1, 99.5])
    return Normalize(low, max(high, low + 1e-12))


def _draw(axes: Axes, panel: Panel) -> None:
    image = axes.imshow(panel.picture, origin="lower", cmap=panel.colormap, norm=panel.norm, interpolation="none")
    bar = axes.figure.colorbar(image, ax=axes, fraction=0.046, pad=0.02, label=panel.label)
    if isinstance(panel.norm, AsinhNorm):
        shown = [tick for tick in TICKS if tick <= (panel.norm.vmax or 0)]
        bar.set_ticks(shown, labels=[f"{tick:g}" for tick in shown])
    axes.set_title(textwrap.fill(panel.title, LETTERS), fontsize=7.5)
    if panel.mask is not None and not panel.mask.all():
        veil = np.ma.masked_where(panel.mask, np.ones(panel.mask.shape))
        axes.imshow(veil, origin="lower", cmap=ListedColormap([MASKED]), alpha=0.6, interpolation="none")
    if panel.circle is not None:
        x, y, radius = panel.circle
        axes.add_patch(Circle((x, y), radius, fill=False, color=MARK, lw=1.2))

"""The six panels of an analysed lens: convergence, magnification, times, mean convergence, mass, and its ring."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.colorbar import Colorbar
from matplotlib.colors import LogNorm, SymLogNorm
from matplotlib.figure import Figure
from matplotlib.image import AxesImage
from matplotlib.ticker import FuncFormatter, MaxNLocator
from numpy.typing import NDArray

from learn.figures import INK, RULE, STYLE
from learn.mass.analysis import Analysis
from learn.mass.latex import caption
from learn.mass.maps import Maps
from learn.mass.profiles import Columns, around, profiles
from learn.mass.sightings import Sighting

Array = NDArray[np.float64]

LIGHT, RED, OWN, OTHER, YELLOW = "#e8e8ee", "#d1495b", "#2f86c4", "#3f9b5f", "#f2c14e"
MAGNIFICATIONS = (1.0, 100.0)
"""Linear below the first, the ends of the scale at the second."""
MARKS = {"minimum": "v", "saddle": "X", "maximum": "^"}
NAMES = {"points": "critical curve", "caustic": "caustic"}
RING = (
    ("kappa_over_mean", OTHER, "kappa_m2", "κ"),
    ("alpha_r_over_mean", OWN, "alpha_m2", "radial deflection"),
)
N_LEVELS = 28


def mass_figure(analysis: Analysis, seen: Maps) -> Figure:
    """One page."""
    with matplotlib.rc_context(STYLE):
        figure = Figure(figsize=(14, 8.6), layout="constrained")
        panels = figure.subplots(2, 3)
        columns = profiles(analysis)
        draw_convergence(panels[0, 0], analysis, seen)
        draw_magnification(panels[0, 1], analysis, seen)
        draw_surface(panels[0, 2], analysis, seen)
        draw_mean(panels[1, 0], analysis, columns)
        draw_mass(panels[1, 1], analysis, columns)
        draw_ring(panels[1, 2], analysis)
        figure.suptitle(caption(analysis), fontsize=11)
    return figure


def draw_convergence(axes: Axes, analysis: Analysis, seen: Maps) -> None:
    low, high = np.percentile(seen.kappa[seen.kappa > 0], (1, 99.8))
    image = draw_sky(axes, seen.kappa, analysis, cmap="magma", norm=LogNorm(low, high, clip=True))
    bar = draw_bar(axes, image, "κ")
    ticks = [tick for tick in (0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 50) if low <= tick <= high]
    bar.set_ticks(ticks, labels=[f"{tick:g}" for tick in ticks])
    bar.minorticks_off()
    draw_curves(axes, analysis, "points", LIGHT)
    angle, (x, y), theta_e = np.linspace(0, 2 * np.pi, 200), analysis.center, analysis["theta_e"].value.value
    circle = x + theta_e * np.cos(angle), y + theta_e * np.sin(angle)
    axes.plot(*circle, color=OWN, lw=1.2, ls=(0, (4, 2)), label="mean κ = 1")
    axes.set_title("convergence")
    axes.legend(loc="lower left", facecolor=INK, labelcolor="white", frameon=True, edgecolor=INK, fontsize=8)


def draw_magnification(axes: Axes, analysis: Analysis, seen: Maps) -> None:
    linear, end = MAGNIFICATIONS
    norm = SymLogNorm(linear, vmin=-end, vmax=end, clip=True)
    image = draw_sky(axes, seen.magnification, analysis, cmap="RdBu", norm=norm)
    ticks = (-100, -10, -1, 0, 1, 10, 100)
    bar = draw_bar(axes, image, "magnification, negative at saddles")
    bar.set_ticks(ticks, labels=[f"{tick}".replace("-", "−") for tick in ticks])
    draw_curves(axes, analysis, "points", INK)
    draw_curves(axes, analysis, "caustic", RED)
    if analysis.source is not None:
        axes.plot(*analysis.source, "*", ms=11, mfc=YELLOW, mec=INK, label="source")
    axes.set_title("magnification")
    axes.legend(loc="lower left", facecolor="white", framealpha=0.8, frameon=True, edgecolor=RULE, fontsize=8)


def draw_surface(axes: Axes, analysis: Analysis, seen: Maps) -> None:
    """Times of arrival with the images in their extrema, or the potential where no source is told of."""
    sky_axes(axes, analysis)
    axes.set_aspect("equal")
    surface, label = times(analysis, seen)
    heights = saddles(analysis, surface)
    top = 1.6 * heights[-1] if heights else float(np.quantile(surface, 0.9))
    levels = np.linspace(float(surface.min()), max(top, float(np.quantile(surface, 0.5))), N_LEVELS)
    filled = axes.contourf(seen.x, seen.y, surface, levels=levels, cmap="cividis", extend="max")
    draw_bar(axes, filled, label).locator = MaxNLocator(8)
    axes.contour(seen.x, seen.y, surface, heights or levels, colors=[LIGHT], linewidths=0.9, linestyles="solid")
    for i, one in enumerate(analysis.sightings, start=1):
        draw_image(axes, i, one, analysis.center)
    told = "time of arrival: ▾ minima, ✖ saddles, ▴ maxima"
    axes.set_title("lensing potential, no source being told of" if analysis.source is None else told)


def draw_image(axes: Axes, i: int, seen: Sighting, center: tuple[float, float]) -> None:
    """Its mark, and its number and delay outside of it."""
    x, y = seen.x.value.value, seen.y.value.value
    axes.plot(x, y, marker=MARKS[seen.kind], ms=9, mfc=RED, mec="white", ls="none")
    late = "" if seen.delay is None or i == 1 else f"  +{seen.delay.value.value:.3g} d"
    away = np.arctan2(y - center[1], x - center[0])
    place = (22 * np.cos(away), 18 * np.sin(away))
    box: Any = {"facecolor": "white", "alpha": 0.85, "edgecolor": "none", "pad": 1.2}
    side: Any = {"ha": "left" if np.cos(away) > 0 else "right", "va": "center"}
    axes.annotate(f"{i}{late}", (x, y), xytext=place, textcoords="offset points", fontsize=8, bbox=box, **side)


def draw_mean(axes: Axes, analysis: Analysis, columns: Columns) -> None:
    draw_profile(axes, columns, "mean_kappa", OWN, "mean κ within")
    draw_profile(axes, columns, "kappa", OTHER, "κ on the circle")
    axes.axhline(1, color=INK, lw=0.7, ls=":")
    draw_theta_e(axes, analysis, at="bottom")
    radius_axes(axes, analysis)
    height_axes(axes, columns, ("mean_kappa", "kappa"), analysis)
    axes.set(ylabel="convergence", title="radial profile")
    axes.legend(loc="upper right", facecolor="white", framealpha=0.9, frameon=True, edgecolor="none")


def draw_mass(axes: Axes, analysis: Analysis, columns: Columns) -> None:
    """In solar masses, or in the unit that needs no distance."""
    name, label = "mass_msun", "projected mass within [M☉]"
    if analysis.distances is None:
        name, label = "mass_arcsec2", "mass within [Σ(crit) arcsec²]"
    draw_profile(axes, columns, name, OWN, None)
    draw_theta_e(axes, analysis, at="top")
    radius_axes(axes, analysis)
    height_axes(axes, columns, (name,), analysis)
    axes.set(ylabel=label, title="enclosed mass")


def draw_ring(axes: Axes, analysis: Analysis) -> None:
    """Convergence and radial deflection on the Einstein ring, over their means."""
    columns = around(analysis)
    for name, color, key, label in RING:
        amplitude = f"{label}: m = 2 of {100 * analysis[key].value.value:.2g} %"
        draw_profile(axes, columns, name, color, amplitude, x="angle_deg")
    axes.axhline(1, color=INK, lw=0.7, ls=":")
    axes.set(xlim=(0, 360), xticks=range(0, 361, 60), xlabel="angle from x [°]", ylabel="over its mean")
    axes.set_title("on the circle of the Einstein radius")
    axes.margins(y=0.25)
    axes.legend(loc="upper right")
    axes.grid(alpha=0.6)


def draw_profile(
    axes: Axes, columns: Columns, name: str, color: str, label: str | None, *, x: str = "radius_arcsec"
) -> None:
    """A line, and the band of the draws if there is one."""
    if f"{name}_low" in columns:
        axes.fill_between(columns[x], columns[f"{name}_low"], columns[f"{name}_high"], color=color, alpha=0.3, lw=0)
    axes.plot(columns[x], columns[name], color=color, lw=1.6, label=label)


def draw_theta_e(axes: Axes, analysis: Analysis, *, at: str) -> None:
    """A line with its band, and the number at the top or the bottom, on the side where profiles are not."""
    measure = analysis["theta_e"]
    interval = measure.interval
    if interval is not None:
        axes.axvspan(interval.low.value, interval.high.value, color=RED, alpha=0.2, lw=0)
    axes.axvline(measure.value.value, color=RED, lw=1.2)
    value, up, down, _ = measure.shown()
    text = f"θE = {value}″" + (f"\n+{up} −{down}" if up else "")
    style: Any = {"color": RED, "va": at, "ha": "right", "transform": axes.get_xaxis_transform()}
    axes.text(measure.value.value * 0.93, 0.97 if at == "top" else 0.03, text, **style)


def draw_sky(axes: Axes, values: Array, analysis: Analysis, **style: Any) -> AxesImage:
    half = analysis.model.field / 2
    image = axes.imshow(values, origin="lower", extent=(-half, half, -half, half), interpolation="none", **style)
    sky_axes(axes, analysis)
    return image


def draw_bar(axes: Axes, image: Any, label: str) -> Colorbar:
    return axes.figure.colorbar(image, ax=axes, label=label, extend="both", pad=0.02)


def draw_curves(axes: Axes, analysis: Analysis, which: str, color: str) -> None:
    """Critical curves or their caustics, those that are not tangential dashed; one label for all of a kind."""
    labelled = set()
    for curve in analysis.curves:
        if which == "points" and curve.kind == "cut":
            continue
        label = (
            NAMES[which] if curve.kind == "tangential" else "cut" if curve.kind == "cut" else f"radial {NAMES[which]}"
        )
        dash: Any = "-" if curve.kind == "tangential" else (0, (3, 1.5))
        told = "_" + label if label in labelled else label
        axes.plot(*getattr(curve, which).T, color=color, lw=1.3, ls=dash, label=told)
        labelled.add(label)


def sky_axes(axes: Axes, analysis: Analysis) -> None:
    half = analysis.model.field / 2
    axes.set(xlim=(-half, half), ylim=(-half, half), xlabel="x [arcsec]", ylabel="y [arcsec]")


def radius_axes(axes: Axes, analysis: Analysis) -> None:
    """Logarithmic from a pixel to the side of the field, with kpc on top where distances are known."""
    plain = FuncFormatter(lambda value, _: f"{value:g}")
    axes.set(xscale="log", xlim=(analysis.model.pixel_size, analysis.model.field), xlabel="radius [arcsec]")
    axes.xaxis.set_major_formatter(plain)
    axes.grid(alpha=0.6)
    if analysis.distances is not None:
        top = axes.secondary_xaxis("top", functions=scaled(float(analysis.distances.length(1.0).to_value("kpc"))))
        top.set_xlabel("radius [kpc]")
        top.xaxis.set_major_formatter(plain)


def scaled(by: float) -> tuple[Callable[[Any], Any], Callable[[Any], Any]]:
    """There and back."""
    return lambda value: value * by, lambda value: value / by


def height_axes(axes: Axes, columns: Columns, names: tuple[str, ...], analysis: Analysis) -> None:
    """Logarithmic, of what is drawn within the limits of the radii."""
    radius = columns["radius_arcsec"]
    inside = (radius > analysis.model.pixel_size) & (radius < analysis.model.field)
    values = np.concatenate([columns[name][inside] for name in names])
    values = values[values > 0]
    axes.set(yscale="log", ylim=(values.min() / 1.5, values.max() * 1.5))


def times(analysis: Analysis, seen: Maps) -> tuple[Array, str]:
    """The surface whose extrema are images, above its lowest image, and its name with the unit."""
    if analysis.arrivals is None or analysis.source is None:
        return seen.potential, "ψ [arcsec²]"
    x, y = analysis.source
    surface = ((seen.x - x) ** 2 + (seen.y - y) ** 2) / 2 - seen.potential
    above = surface - (float(analysis.arrivals.best.fermat[0]) if len(analysis.sightings) else surface.min())
    if analysis.distances is None:
        return above, "Fermat potential above image 1 [arcsec²]"
    return analysis.distances.delay(above).to_value("day"), "delay after image 1 [d]"


def saddles(analysis: Analysis, surface: Array) -> list[float]:
    """Heights of the contours of a surface of times that cross themselves, rising."""
    if analysis.arrivals is None:
        return []
    best, distances = analysis.arrivals.best, analysis.distances
    heights = [
        float(one - best.fermat[0]) for one, kind in zip(best.fermat, best.kinds, strict=True) if kind == "saddle"
    ]
    found = heights if distances is None else [float(distances.delay(one).to_value("day")) for one in heights]
    return sorted(float(one) for one in found if one < surface.max())

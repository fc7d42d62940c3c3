"""The six panels of an analysed lens: convergence, magnification, time surface, mean convergence, mass, and its ring."""

from __future__ import annotations

from typing import Any

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import LogNorm, SymLogNorm
from matplotlib.figure import Figure
from matplotlib.image import AxesImage
from numpy.typing import NDArray

from learn.figures import INK, RULE, STYLE
from learn.mass.analysis import Analysis
from learn.mass.latex import caption
from learn.mass.maps import Maps
from learn.mass.profiles import Columns, around, profiles

Array = NDArray[np.float64]

CRITICAL, CAUSTIC, OWN, OTHER = "#e8e8ee", "#d1495b", "#2f86c4", "#3f9b5f"
MAGNIFICATIONS = (1.0, 100.0)
"""Linear below the first, the ends of the scale at the second."""
MARKS = {"minimum": "v", "saddle": "X", "maximum": "^"}
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
    axes.figure.colorbar(image, ax=axes, label="κ", extend="both", pad=0.02)
    draw_curves(axes, analysis, "points", CRITICAL)
    circle = np.linspace(0, 2 * np.pi, 200)
    theta_e = analysis["theta_e"].value.value
    x, y = analysis.center
    style: Any = {"color": OWN, "lw": 1.2, "ls": (0, (4, 2)), "label": "mean κ = 1"}
    axes.plot(x + theta_e * np.cos(circle), y + theta_e * np.sin(circle), **style)
    axes.set_title("convergence")
    legend(axes)


def draw_magnification(axes: Axes, analysis: Analysis, seen: Maps) -> None:
    linear, end = MAGNIFICATIONS
    norm = SymLogNorm(linear, vmin=-end, vmax=end, clip=True)
    image = draw_sky(axes, seen.magnification, analysis, cmap="RdBu", norm=norm)
    bar = axes.figure.colorbar(image, ax=axes, label="magnification, signed", extend="both", pad=0.02)
    bar.set_ticks([-100, -10, -1, 0, 1, 10, 100], labels=["−100", "−10", "−1", "0", "1", "10", "100"])
    draw_curves(axes, analysis, "points", INK)
    draw_curves(axes, analysis, "caustic", CAUSTIC)
    draw_source(axes, analysis)
    axes.set_title("magnification")
    legend(axes)


def draw_surface(axes: Axes, analysis: Analysis, seen: Maps) -> None:
    """Times of arrival with the images in their extrema, or the potential where no source is told of."""
    source = analysis.source
    surface = seen.potential if source is None else fermat(seen, source)
    levels = np.quantile(surface, np.linspace(0, 0.9, N_LEVELS))
    axes.contourf(seen.x, seen.y, surface, levels=np.unique(levels), cmap="cividis", extend="max")
    axes.contour(seen.x, seen.y, surface, levels=saddles(analysis) or np.unique(levels), colors=[CRITICAL], linewidths=0.9)
    for i, one in enumerate(analysis.sightings, start=1):
        style: Any = {"marker": MARKS[one.kind], "ms": 9, "mfc": CAUSTIC, "mec": "white", "ls": "none"}
        axes.plot(one.x.value.value, one.y.value.value, **style)
        late = "" if one.delay is None or i == 1 else f"  +{one.delay.value.value:.3g} d"
        place = (one.x.value.value, one.y.value.value)
        box = {"facecolor": "white", "alpha": 0.8, "edgecolor": "none", "pad": 1.2}
        axes.annotate(f"{i}{late}", place, xytext=(8, 8), textcoords="offset points", fontsize=8, bbox=box)
    title = "lensing potential (no source is told of)" if source is None else "Fermat potential: ▾ minima, ✖ saddles"
    axes.set(title=title, aspect="equal")
    sky_axes(axes, analysis)


def draw_mean(axes: Axes, analysis: Analysis, columns: Columns) -> None:
    draw_profile(axes, columns, "mean_kappa", OWN, "mean κ within")
    draw_profile(axes, columns, "kappa", OTHER, "κ on the circle")
    axes.axhline(1, color=INK, lw=0.7, ls=":")
    draw_theta_e(axes, analysis)
    radius_axes(axes, analysis, columns)
    axes.set(yscale="log", ylabel="convergence", title="radial profile")
    axes.legend(loc="upper right")


def draw_mass(axes: Axes, analysis: Analysis, columns: Columns) -> None:
    """In solar masses, or in the unit that needs no distance."""
    if analysis.distances is None:
        area = np.pi * columns["radius_arcsec"] ** 2
        own = {name.replace("mean_kappa", "mass_msun"): values * area for name, values in columns.items() if name.startswith("mean")}
        columns, label = {**columns, **own}, "mass within [Σ(crit) arcsec²]"
    else:
        label = "projected mass within [M☉]"
    draw_profile(axes, columns, "mass_msun", OWN, None)
    draw_theta_e(axes, analysis)
    radius_axes(axes, analysis, columns)
    axes.set(yscale="log", ylabel=label, title="enclosed mass")


def draw_ring(axes: Axes, analysis: Analysis) -> None:
    """Convergence and radial deflection on the Einstein ring, over their means."""
    columns = around(analysis)
    for name, color, key, label in (
        ("kappa", OTHER, "kappa_m2", "κ"),
        ("alpha_r_arcsec", OWN, "alpha_m2", "radial deflection"),
    ):
        mean = columns[name].mean()
        scaled = {"angle_deg": columns["angle_deg"], **{k: v / mean for k, v in columns.items() if k.startswith(name)}}
        amplitude = f"{label}: m = 2 of {100 * analysis[key].value.value:.2g} %"
        draw_profile(axes, scaled, name, color, amplitude, x="angle_deg")
    axes.axhline(1, color=INK, lw=0.7, ls=":")
    axes.set(xlim=(0, 360), xticks=range(0, 361, 60), xlabel="angle from x [°]", ylabel="over its mean")
    axes.set_title("on the circle of the Einstein radius")
    axes.margins(y=0.2)
    axes.legend(loc="upper right")
    axes.grid(alpha=0.6)


def draw_profile(axes: Axes, columns: Columns, name: str, color: str, label: str | None, *, x: str = "radius_arcsec") -> None:
    """A line, and the band of the draws if there is one."""
    if f"{name}_low" in columns:
        axes.fill_between(columns[x], columns[f"{name}_low"], columns[f"{name}_high"], color=color, alpha=0.3, lw=0)
    axes.plot(columns[x], columns[name], color=color, lw=1.6, label=label)


def draw_theta_e(axes: Axes, analysis: Analysis) -> None:
    measure = analysis["theta_e"]
    interval = measure.interval
    if interval is not None:
        axes.axvspan(interval.low.value, interval.high.value, color=CAUSTIC, alpha=0.2, lw=0)
    axes.axvline(measure.value.value, color=CAUSTIC, lw=1.2)
    value, up, down, _ = measure.shown()
    text = f'θE = {value}″' + (f"\n  +{up} −{down}" if up else "")
    axes.text(measure.value.value * 1.06, 0.03, text, transform=axes.get_xaxis_transform(), color=CAUSTIC, va="bottom")


def draw_sky(axes: Axes, values: Array, analysis: Analysis, **style: Any) -> AxesImage:
    half = analysis.model.field / 2
    image = axes.imshow(values, origin="lower", extent=(-half, half, -half, half), interpolation="none", **style)
    sky_axes(axes, analysis)
    return image


def sky_axes(axes: Axes, analysis: Analysis) -> None:
    half = analysis.model.field / 2
    axes.set(xlim=(-half, half), ylim=(-half, half), xlabel="x [arcsec]", ylabel="y [arcsec]")


def radius_axes(axes: Axes, analysis: Analysis, columns: Columns) -> None:
    """Logarithmic in arcsec, with kpc on top where distances are known."""
    radius = columns["radius_arcsec"]
    axes.set(xscale="log", xlim=(radius[0], radius[-1]), xlabel="radius [arcsec]")
    axes.xaxis.set_major_formatter(matplotlib.ticker.FuncFormatter(lambda x, _: f"{x:g}"))
    axes.grid(alpha=0.6)
    if analysis.distances is not None:
        scale = float(analysis.distances.length(1.0).to_value("kpc"))
        top = axes.secondary_xaxis("top", functions=(lambda r: r * scale, lambda r: r / scale))
        top.set_xlabel("kpc")
        top.xaxis.set_major_formatter(matplotlib.ticker.FuncFormatter(lambda x, _: f"{x:g}"))


def draw_curves(axes: Axes, analysis: Analysis, which: str, color: str) -> None:
    """Critical curves, or their caustics: one label for all of a kind."""
    word = "critical curve" if which == "points" else "caustic"
    shown = [curve for curve in analysis.curves if not (which == "points" and curve.kind == "cut")]
    for i, curve in enumerate(shown):
        dash = "-" if curve.kind == "tangential" else (0, (3, 1.5))
        axes.plot(*getattr(curve, which).T, color=color, lw=1.3, ls=dash, label=word if i == 0 else None)


def draw_source(axes: Axes, analysis: Analysis) -> None:
    if analysis.source is not None:
        axes.plot(*analysis.source, "*", ms=11, mfc="#f2c14e", mec=INK, label="source")


def legend(axes: Axes) -> None:
    axes.legend(loc="lower left", facecolor="white", framealpha=0.8, frameon=True, edgecolor=RULE, fontsize=8)


def fermat(seen: Maps, source: tuple[float, float]) -> Array:
    return ((seen.x - source[0]) ** 2 + (seen.y - source[1]) ** 2) / 2 - seen.potential


def saddles(analysis: Analysis) -> list[float]:
    """Heights of the contours that cross themselves, rising."""
    if analysis.arrivals is None:
        return []
    best = analysis.arrivals.best
    return sorted(float(height) for height, kind in zip(best.fermat, best.kinds, strict=True) if kind == "saddle")

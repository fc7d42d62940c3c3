"""The pictures of a judgement of fields, by name, as PNG: held-out fields in ink, every method in its colour."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import NullLocator
from numpy.typing import NDArray

from learn.fields.baselines import GAUSSIAN, LOG_NORMAL, TRAINING
from learn.fields.findings import HELD_OUT, SAMPLES, Findings
from learn.fields.fit import slopes
from learn.fields.scores import thirds
from learn.figures import COLORS, INK, RULE, STYLE, density_scale, draw_map, error_axis, wavenumber_axis
from learn.names import PAINTER
from learn.portfolio import png
from learn.samples_figure import samples_figure
from learn.scores.bootstrap import band

Array = NDArray[np.float64]
SEED = 0
SHADES = {
    SAMPLES: COLORS[PAINTER],
    GAUSSIAN: COLORS["identity"],
    LOG_NORMAL: COLORS["amplitude filter"],
    TRAINING: COLORS["pixel lookup"],
    HELD_OUT: INK,
}
LABELS = {
    "power": ("k [h/Mpc]", "P [(Mpc/h)ⁿ]"),
    "pdf": ("log₁₀(density / mean)", "probability density"),
    "peaks": ("height [σ of the smoothed held-out logs]", "peaks a field"),
    "bispectrum": ("k [h/Mpc]", "Q"),
}
FUNCTIONALS = {
    2: ("V₀: area fraction", "V₁: length / 4 area [h/Mpc]", "V₂: Euler number / area [h²/Mpc²]"),
    3: (
        "V₀: volume fraction",
        "V₁: area / 6 volume [h/Mpc]",
        "V₂: mean curvature / 3π volume [h²/Mpc²]",
        "V₃: Euler number / volume [h³/Mpc³]",
    ),
}
TITLES: Mapping[str, str] = {
    "fields": "Held-out fields and samples of the same parameters",
    "tiling": "Samples three times three: borders that cannot be found are periodic",
    "power": "Mean power spectra",
    "variance": "Variance of the power spectra over that of held-out fields",
    "response": "Response of P to the parameters",
    "evaluations": "Error of P against the number of network evaluations",
    "pdf": "Distribution of the pixels",
    "peaks": "Peaks of the smoothed fields",
    "minkowski": "Minkowski functionals of the smoothed fields",
    "bispectrum": "Reduced bispectrum of equilateral triangles",
    "neighbours": "Likeness to the nearest training field",
}


def pictures(findings: Findings, metrics: Mapping[str, Any]) -> dict[str, bytes]:
    """All of them."""
    drawn: dict[str, Callable[[], Figure]] = {
        "fields": partial(fields_figure, findings),
        "tiling": partial(tiling_figure, findings),
        "power": partial(power_figure, findings),
        "variance": partial(panel, partial(draw_variance, findings)),
        "response": partial(response_figure, findings),
        "evaluations": partial(panel, partial(draw_trades, findings, metrics)),
        "pdf": partial(panel, partial(draw_curves, findings, "pdf")),
        "peaks": partial(panel, partial(draw_curves, findings, "peaks")),
        "minkowski": partial(minkowski_figure, findings),
        "bispectrum": partial(panel, partial(draw_curves, findings, "bispectrum")),
        "neighbours": partial(panel, partial(draw_neighbours, findings)),
    }
    with matplotlib.rc_context(STYLE):
        return {name: png(draw()) for name, draw in drawn.items()}


def panel(draw: Callable[[Axes], None]) -> Figure:
    """One panel with its legend."""
    figure = Figure(figsize=(6.6, 4.6), layout="constrained")
    axes = figure.subplots()
    draw(axes)
    axes.legend()
    return figure


def fields_figure(findings: Findings) -> Figure:
    """Two samples, two held-out fields and one of each baseline, on one scale."""
    title = "projections along the axes" if findings.about.n_dims == 3 else "maps on one scale"
    twice = (SAMPLES, HELD_OUT)
    groups = {name: fields[: 2 if name in twice else 1, None] for name, fields in findings.shown.items()}
    return samples_figure(groups, findings.about, title=title)


def tiling_figure(findings: Findings) -> Figure:
    """A held-out field and a sample, each three times three."""
    figure = Figure(figsize=(9.6, 5.0), layout="constrained")
    shown = {name: np.tile(findings.shown[name][0], (3, 3)) for name in (HELD_OUT, SAMPLES)}
    scale = density_scale(*shown.values())
    for axes, (name, tiles) in zip(figure.subplots(1, 2), shown.items(), strict=True):
        draw_map(axes, tiles, 3 * findings.about.box_size, scale)
        axes.set_title(name)
    return figure


def power_figure(findings: Findings) -> Figure:
    """Mean P(k), and its ratio to that of held-out fields."""
    figure = Figure(figsize=(6.6, 6.8), layout="constrained")
    upper, lower = figure.subplots(2, 1, sharex=True, height_ratios=(3, 2))
    draw_curves(findings, "power", upper)
    upper.set(yscale="log", xlabel="")
    truth = findings.measured[HELD_OUT]["power"]
    for name, measured in findings.measured.items():
        if name != HELD_OUT:
            draw_band(lower, findings.axes["power"], ratios(measured["power"], truth) - 1, name)
    error_axis(lower, "P / P(held out) − 1")
    wavenumber_axis(lower, findings.axes["power"])
    upper.legend()
    return figure


def ratios(own: Array, truth: Array) -> Array:
    """Mean over simulations of own over that of truth, (3, K): value and 68 % interval, simulations drawn together."""
    rng = np.random.default_rng(SEED)
    picks = [rng.integers(len(own), size=len(own)) for _ in range(300)]
    drawn = [own[pick].mean(0) / truth[pick].mean(0) for pick in picks]
    return np.stack([own.mean(0) / truth.mean(0), *np.percentile(drawn, [16, 84], axis=0)])


def draw_curves(findings: Findings, name: str, axes: Axes) -> None:
    """One statistic of every method."""
    for method, measured in findings.measured.items():
        found = band(measured[name], seed=SEED)
        draw_band(axes, findings.axes[name], np.stack([found.mean, found.low, found.high]), method)
    axes.set(xlabel=LABELS[name][0], ylabel=LABELS[name][1].replace("ⁿ", "²³"[findings.about.n_dims - 2]))
    if name in ("power", "bispectrum"):
        wavenumber_axis(axes, findings.axes[name])
    if name == "pdf":
        axes.set(yscale="log", ylim=(1e-3, None))


def draw_band(axes: Axes, x: Array, values: Array, name: str) -> None:
    """A mean as a line over its interval: values (3, K)."""
    mean, low, high = values
    width = 2.0 if name in (SAMPLES, HELD_OUT) else 1.2
    axes.fill_between(x, low, high, color=SHADES[name], alpha=0.18, lw=0)
    axes.plot(x, mean, color=SHADES[name], lw=width, ls="-" if width == 2.0 else "--", label=name)


def draw_variance(findings: Findings, axes: Axes) -> None:
    """Of every method but the held-out fields; 15 % shaded."""
    truth = spread(findings.measured[HELD_OUT])
    axes.axhspan(0.85, 1.15, color=RULE, alpha=0.3, lw=0)
    axes.axhline(1, color=INK, lw=0.8)
    for name, measured in findings.measured.items():
        if name != HELD_OUT:
            axes.plot(findings.axes["power"], spread(measured) / truth, color=SHADES[name], label=name)
    wavenumber_axis(axes, findings.axes["power"])
    axes.set(yscale="log", ylabel="var P / var P(held out)")


def spread(measured: Mapping[str, Array]) -> Array:
    """Variance of P(k) over all maps, (K,)."""
    return np.asarray(measured["power_squared"].mean(0) - measured["power"].mean(0) ** 2)


def response_figure(findings: Findings) -> Figure:
    """A column a parameter: the slope of ln P with bootstrap intervals; below it P of samples, by ranges of it."""
    names = findings.about.param_names or ("none",)
    figure = Figure(figsize=(5.0 * len(names), 7.4), layout="constrained")
    upper, lower = figure.subplots(2, len(names), squeeze=False, sharex=True, sharey="row")
    rng, n = np.random.default_rng(SEED), len(findings.params)
    picks = [rng.integers(n, size=n) for _ in range(200)]
    for i, (axes, name) in enumerate(zip(upper, names, strict=True)):
        for method in (SAMPLES, LOG_NORMAL, HELD_OUT) if findings.params.shape[1] else ():
            logs = findings.measured[method]["log_power"]
            found = slopes(findings.params, logs)[i]
            drawn = np.array([slopes(findings.params[pick], logs[pick])[i] for pick in picks])
            known = drawn[np.isfinite(drawn).all(1)]
            if np.isfinite(found).all() and len(known):
                interval = np.percentile(known, [16, 84], axis=0)
                draw_band(axes, findings.axes["power"], np.stack([found, *interval]), method)
        wavenumber_axis(axes, findings.axes["power"])
        axes.set(title=name, ylabel=f"d ln P / d ln {name}")
        axes.label_outer()
        if axes.has_data():
            axes.legend()
    for i, name in enumerate(findings.about.param_names):
        draw_thirds(findings, i, name, lower[i])
    return figure


def draw_thirds(findings: Findings, i: int, name: str, axes: Axes) -> None:
    """P of samples over that of held-out fields, in three ranges of a parameter."""
    found = thirds(findings.measured[SAMPLES], findings.measured[HELD_OUT], findings.params[:, i])
    for one, color in zip(found, COLORS.values(), strict=False):
        label = f"{name} {one['low']:.3g} to {one['high']:.3g}"
        axes.plot(findings.axes["power"], np.array(one["ratio"]) - 1, color=color, label=label)
    error_axis(axes, "P / P(held out) − 1")
    wavenumber_axis(axes, findings.axes["power"])
    axes.label_outer()
    axes.legend()


def draw_trades(findings: Findings, metrics: Mapping[str, Any], axes: Axes) -> None:
    """Error of P against that of the same samples after very many steps (lines), and of held-out fields (dots)."""
    for kind, color in zip(sorted({trade.sampler for trade in findings.trades}), COLORS.values(), strict=False):
        own = [trade for trade in findings.trades if trade.sampler == kind]
        n = [trade.n_evaluations for trade in own]
        axes.plot(n, [trade.of_limit for trade in own], color=color, marker="o", label=f"{kind}, of its limit")
        axes.plot(n, [trade.of_truth for trade in own], color=color, marker=".", ls=":", label=f"{kind}, of held-out")
    axes.axhline(0.02, color=INK, lw=0.8)
    axes.axvline(metrics["subject"]["n_evaluations"], color=RULE, lw=0.8)
    axes.set(xscale="log", yscale="log", xlabel="network evaluations a sample", ylabel="mean |P ratio − 1|")
    axes.xaxis.set_minor_locator(NullLocator())
    numbers = sorted({trade.n_evaluations for trade in findings.trades})
    axes.set_xticks(numbers, labels=[str(n) for n in numbers])


def minkowski_figure(findings: Findings) -> Figure:
    """A panel a functional."""
    labels = FUNCTIONALS[findings.about.n_dims]
    figure = Figure(figsize=(4 * len(labels), 4.2), layout="constrained")
    for i, (axes, label) in enumerate(zip(figure.subplots(1, len(labels)), labels, strict=True)):
        for method, measured in findings.measured.items():
            found = band(measured["minkowski"][:, i], seed=SEED)
            draw_band(axes, findings.axes["minkowski"], np.stack([found.mean, found.low, found.high]), method)
        axes.set(xlabel="threshold [σ of the smoothed held-out logs]", title=label)
    axes.legend()
    return figure


def draw_neighbours(findings: Findings, axes: Axes) -> None:
    """Histograms of the highest correlation with a training field."""
    values = np.concatenate(list(findings.likeness.values()))
    edges = np.linspace(values.min() - 1e-3, values.max() + 1e-3, 25).tolist()
    for name, found in findings.likeness.items():
        axes.hist(found, edges, density=True, histtype="step", lw=1.8, color=SHADES[name], label=name)
    axes.set(xlabel="highest correlation with a training field, rolled, turned or mirrored", ylabel="density")

"""Figures of the baryon benchmark: S(k) beside its peers, what halos hold, and the answer to each parameter."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import matplotlib as mpl

mpl.use("Agg")

import matplotlib.pyplot as plt
import numpy as np
from numpy.typing import NDArray

from benchmarks.hydro import fractions, theory
from benchmarks.hydro.boxes import COSMOLOGY, K
from benchmarks.hydro.fractions import EDGES, RADII, Fractions
from benchmarks.hydro.responses import CAMELS, Response

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from benchmarks.baryons import Measured

Array = NDArray[np.float64]

LABELS = {
    "log10_m_c": r"$\log_{10} M_{\rm c}$",
    "mu": r"$\mu$ at $\log_{10} M_{\rm c} = 13$",
    "theta_ej": r"$\theta_{\rm ej}$",
    "theta_co": r"$\theta_{\rm co}$",
    "gamma": r"$\gamma$",
    "delta": r"$\delta$",
    "n_star": r"$N_{\ast}$",
    "log10_m_star": r"$\log_{10} M_{\ast}$",
    "eta": r"$\eta$",
    "inner_gas": "inner gas",
    "A_SN1": r"CAMELS $A_{\rm SN1}$",
    "A_SN2": r"CAMELS $A_{\rm SN2}$",
    "A_AGN1": r"CAMELS $A_{\rm AGN1}$",
    "A_AGN2": r"CAMELS $A_{\rm AGN2}$",
}


def draw(found: Measured, answers: Sequence[Response], peer: dict[float, Array], folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    draw_suppression(found, peer, folder / "baryons_sk.png")
    draw_fractions(fractions.resolved(found.halos), folder / "baryons_fractions.png")
    draw_responses(answers, folder / "baryons_response.png")


def draw_suppression(found: Measured, peer: dict[float, Array], path: Path) -> None:
    figure, (left, right) = plt.subplots(1, 2, figsize=(10, 4), sharey=True, layout="constrained")
    left.fill_between(K, peer[7.6], peer[8.0], color="0.88", label=r"HMCode2020, $\log_{10} T_{\rm AGN}$ 7.6 to 8.0")
    left.plot(K, peer[7.8], color="0.6", label="HMCode2020, 7.8")
    points(left, found.today, "C0", "o", f"ours, mean of {len(found.today)} boxes")
    points(left, found.potential, "C3", "s", "second model (potential)")
    left.set_title(r"$z = 0$")
    points(right, found.earlier, "C0", "o", "ours")
    expected = theory.spk(*fractions.baryon_fractions(found.earlier_halos))
    k = K[: len(expected)]
    right.fill_between(k, 0.97 * expected, 1.03 * expected, color="C1", alpha=0.25, lw=0)
    right.plot(k, expected, color="C1", label=r"SP(k) of our baryon fractions, $\pm 3$ %")
    right.set_title(r"$z = 0.125$")
    left.set_ylabel(r"$S(k) = P_{\rm hydro} / P_{\rm dmo}$")
    for axes in (left, right):
        axes.axhline(1, color="0.5", lw=0.8)
        by_wave_number(axes)
        axes.set(xlabel=r"$k$ [$h$/Mpc]", ylim=(0.72, 1.03))
        axes.legend(loc="lower left", fontsize=8)
    save(figure, path)


def points(axes: Axes, values: Array, color: str, marker: str, label: str) -> None:
    """Every box as a thin line, the mean with its error."""
    axes.plot(K, values.T, color=color, alpha=0.15, lw=0.7)
    error = values.std(axis=0) / np.sqrt(max(len(values) - 1, 1))
    axes.errorbar(K, values.mean(axis=0), error, fmt=f"{marker}-", color=color, ms=4, label=label)


def draw_fractions(found: Fractions, path: Path) -> None:
    figure, axes = plt.subplots(2, 2, figsize=(10, 5.6), sharex=True, height_ratios=(2, 1), layout="constrained")
    middle = 10 ** ((np.log10(EDGES[1:]) + np.log10(EDGES[:-1])) / 2)
    for (upper, lower), name in zip(axes.T, ("gas", "stars"), strict=True):
        for j, color in enumerate(("C0", "C2")):
            got, expected = getattr(found, name)[:, j], getattr(found, f"expected_{name}")[:, j]
            upper.plot(found.mass, got / found.mass, ".", color=color, ms=2, alpha=0.25, rasterized=True)
            upper.plot(middle, fractions.binned(found, got, found.mass), "o", color=color, ms=5, label=RADII[j])
            upper.plot(middle, fractions.binned(found, expected, found.mass), color=color, lw=1)
            lower.plot(middle, fractions.binned(found, got, expected), "o-", color=color, ms=4)
        upper.axhline(COSMOLOGY.baryon_fraction, color="0.5", lw=0.8, ls="--")
        upper.set(xscale="log", xlim=(EDGES[0], EDGES[-1]), ylabel=rf"$M_{{\rm {name}}} / M_{{200\rm c}}$")
        upper.set_ylim(0, {"gas": 0.17, "stars": 0.06}[name])
        lower.axhspan(0.95, 1.05, color="0.9")
        lower.set(xlabel=r"$M_{200\rm c}$ [$M_\odot/h$]", ylabel="found / profiles", ylim=(0.88, 1.12))
    axes[0, 0].legend(title="inside; lines: the profiles", loc="upper left", fontsize=8, title_fontsize=8, framealpha=1)
    save(figure, path)


def draw_responses(answers: Sequence[Response], path: Path) -> None:
    columns = 5
    rows = -(-len(answers) // columns)
    figure, panels = plt.subplots(
        rows, columns, figsize=(12, 2.3 * rows), sharex=True, sharey=True, layout="constrained"
    )
    for axes, one in zip(panels.ravel(), answers, strict=False):
        for value, values, color in zip((one.low, one.high), one.values, ("C0", "C3"), strict=True):
            axes.plot(K, values, "o-", color=color, ms=3, label=f"{value:g}")
        axes.axhline(1, color="0.6", lw=0.7)
        axes.set_title(LABELS[one.name] + ("" if one.is_right else " (against what is published)"), fontsize=9)
        axes.legend(fontsize=7, loc="lower left")
        by_wave_number(axes)
        axes.set_ylim(0.66, 1.2)
        axes.set_facecolor("0.97" if one.name in CAMELS else "white")
    for axes in panels.ravel()[len(answers) :]:
        axes.set_axis_off()
    figure.supxlabel(r"$k$ [$h$/Mpc]", fontsize=10)
    figure.supylabel(r"$S(k)$", fontsize=10)
    save(figure, path)


def by_wave_number(axes: Axes) -> None:
    """A logarithmic axis of k with labels that do not touch."""
    axes.set_xscale("log")
    axes.set_xticks([0.3, 1, 3, 8], labels=["0.3", "1", "3", "8"])
    axes.set_xticks([], minor=True)


def save(figure: plt.Figure, path: Path) -> None:
    figure.savefig(path, dpi=150)
    plt.close(figure)

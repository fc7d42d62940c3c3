"""What a box with its halos pasted in leaves to read: a table of halos, one of spectra, a summary and two figures.

Spectra are means over the views; their scatter is that over realisations. Knows nothing of how maps are made.
"""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import h5py
import matplotlib
import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray

from configs import provenance
from configs.files import replacing
from learn.figures import COLORS, INK, STYLE, density_scale, draw_bar, draw_map, error_axis, wavenumber_axis
from learn.halos.bind import Job
from learn.halos.measures import CHANNELS
from learn.halos.pasted import BOUND, DMO, PASTED, TRUTH, Measured
from learn.portfolio import png

Array = NDArray[np.float64]
Spectra = Mapping[str, Array]

WAVENUMBERS = (5.0, 10.0)
"""Errors of P(k) are means over the bins up to these [h/Mpc]."""
NAMES = {
    DMO: "dark matter only",
    TRUTH: "hydrodynamic",
    PASTED: "pasted",
    BOUND: "true halos pasted",
}
SHADES = {DMO: COLORS["identity"], TRUTH: INK, PASTED: COLORS["painter"], BOUND: COLORS["amplitude filter"]}


def write(job: Job, measured: Sequence[Measured], seconds: float) -> dict[str, Any]:
    """Write everything to `job.config.out` and return what summary.json holds."""
    k, spectra = measured[0].k, averaged(measured)
    summary = summarised(job, measured, k, spectra, seconds)
    contents = {
        "halos.csv": table([row for one in measured for row in one.rows]),
        "spectra.csv": table(list(spectrum_rows(k, measured[0].n_modes, spectra))),
        "summary.json": (json.dumps(summary, indent=1, allow_nan=False) + "\n").encode(),
        "power.png": png(power_figure(k, spectra, title=f"{job.host.name}, mean of {len(measured)} projections")),
        "maps.png": png(maps_figure(job.config.out / f"{measured[0].view.name}.hdf5", title=job.host.name)),
    }
    for name, content in contents.items():
        with replacing(job.config.out / name) as temporary:
            temporary.write_bytes(content)
    return summary


def averaged(measured: Sequence[Measured]) -> dict[str, Array]:
    """Means over the views of each kind of spectra: (R, C, K)."""
    return {name: np.mean([one.spectra[name] for one in measured], axis=0) for name in measured[0].spectra}


def summarised(job: Job, measured: Sequence[Measured], k: Array, spectra: Spectra, seconds: float) -> dict[str, Any]:
    """The numbers that a box is judged by, and what it is."""
    return {
        **provenance(),
        "config": json.loads(job.config.model_dump_json()),
        "box": {"name": job.host.name, "box_size": job.host.box_size, "parameters": dict(job.host.params)},
        "n_halos": len(job.host.halos),
        "n_pixels": job.n_pixels,
        "n_stamps": sum(len(one.rows) for one in measured) * job.config.n_realizations,
        "seconds": round(seconds, 3),
        "power_error": errors(k, spectra),
        "halo_mass_ratio": mass_ratios([row for one in measured for row in one.rows]),
    }


def errors(k: Array, spectra: Spectra) -> dict[str, dict[str, dict[str, float]]]:
    """Mean |P / P_hydro - 1| of the mean over realisations, by what, channel and largest k; nothing without a truth."""
    if TRUTH not in spectra:
        return {}
    truth = spectra[TRUTH][0]
    found: dict[str, dict[str, dict[str, float]]] = {}
    for name in (DMO, PASTED, BOUND):
        for i, channel in enumerate(CHANNELS[: spectra[name].shape[1]]):
            ratio = spectra[name][:, i].mean(axis=0) / truth[i]
            known = {f"k<{top:g}": np.abs(ratio[k < top] - 1) for top in WAVENUMBERS if (k < top).any()}
            values = {key: float(error.mean()) for key, error in known.items() if np.isfinite(error).all()}
            found.setdefault(name, {})[channel] = values
    return found


def mass_ratios(rows: Sequence[Mapping[str, float]]) -> dict[str, float]:
    """Mean over true mean of the projected masses within R200c, by channel; nothing without a truth."""
    names = [channel for channel in CHANNELS[1:] if rows and f"{channel}_true" in rows[0]]
    sums = {name: [sum(row[f"{name}_{kind}"] for row in rows) for kind in ("mean", "true")] for name in names}
    return {name: drawn / true for name, (drawn, true) in sums.items() if true > 0}


def spectrum_rows(k: Array, n_modes: NDArray[np.int64], spectra: Spectra) -> list[dict[str, Any]]:
    """A row a channel and bin: k [h/Mpc] and P(k) [(Mpc/h)^2] of everything there is."""
    rows = []
    for i, channel in enumerate(CHANNELS):
        for j, at in enumerate(k):
            row: dict[str, Any] = {"channel": channel, "k": at, "n_modes": int(n_modes[j])}
            row[DMO] = spectra[DMO][0, 0, j]
            row |= {name: spectra[name][0, i, j] for name in (TRUTH, BOUND) if name in spectra}
            row |= {PASTED: spectra[PASTED][:, i, j].mean(), f"{PASTED}_std": spectra[PASTED][:, i, j].std()}
            rows.append(row)
    return rows


def table(rows: Sequence[Mapping[str, Any]]) -> bytes:
    """Rows as CSV with a line of names; nothing at all without rows."""
    text = io.StringIO()
    if rows:
        writer = csv.DictWriter(text, list(rows[0]), lineterminator="\n")
        writer.writeheader()
        for row in rows:
            writer.writerow({key: f"{x:.8g}" if isinstance(x, float) else x for key, x in row.items()})
    return text.getvalue().encode()


def power_figure(k: Array, spectra: Spectra, *, title: str) -> Figure:
    """A panel a channel: over the truth where there is one, else over the dark matter alone."""
    reference = TRUTH if TRUTH in spectra else DMO
    with matplotlib.rc_context(STYLE):
        figure = Figure(figsize=(12, 4.2), layout="constrained")
        every = figure.subplots(1, len(CHANNELS), sharey=True, squeeze=False)[0]
        for i, (axes, channel) in enumerate(zip(every, CHANNELS, strict=True)):
            below = spectra[reference][0, min(i, spectra[reference].shape[1] - 1)]
            for name in (DMO, BOUND, PASTED):
                if name in spectra and name != reference and i < spectra[name].shape[1]:
                    ratio = spectra[name][:, i] / below - 1
                    mean, std = ratio.mean(axis=0), ratio.std(axis=0)
                    axes.fill_between(k, mean - std, mean + std, color=SHADES[name], alpha=0.25, lw=0)
                    axes.plot(k, mean, color=SHADES[name], lw=1.8, label=NAMES[name])
            error_axis(axes, f"P / P({NAMES[reference]}) − 1")
            wavenumber_axis(axes, k)
            axes.set_title(channel.replace("_", " "))
            axes.label_outer()
        figure.suptitle(f"{title}; band: standard deviation of the realisations", fontsize=10)
        figure.legend(*every[0].get_legend_handles_labels(), loc="outside lower center", ncols=4)
    return figure


def maps_figure(path: Path, *, title: str) -> Figure:
    """A row a channel: the dark matter alone, the first realisation and, where there is one, the truth."""
    with h5py.File(path, "r") as file:
        known = [name for name in (DMO, PASTED, TRUTH) if name in file]
        columns = {name: file[name][0] if name == PASTED else file[name][:] for name in known}
        box_size = float(file.attrs["box_size"])
    with matplotlib.rc_context(STYLE):
        figure = Figure(figsize=(4 * len(columns) + 0.6, 3.6 * len(CHANNELS)), layout="constrained")
        size: Any = {"width_ratios": [*[1] * len(columns), 0.05]}
        for i, row in enumerate(figure.subplots(len(CHANNELS), len(columns) + 1, squeeze=False, **size)):
            shown = [columns[DMO][0], *(maps[i] for name, maps in columns.items() if name != DMO)]
            compared = shown if i < 2 else shown[1:]
            if not any(one.any() for one in compared):
                for axes in row:
                    axes.set_axis_off()
                continue
            scale, own = density_scale(*compared, channel=CHANNELS[i]), density_scale(shown[0], channel="dmo")
            for j, (axes, name, one) in enumerate(zip(row, columns, shown, strict=False)):
                image = draw_map(axes, one, box_size, own if i > 1 and j == 0 else scale)
                axes.set_title(NAMES[name] if j == 0 else f"{NAMES[name]}: {CHANNELS[i].replace('_', ' ')}")
            draw_bar(row[-1], image, scale, vertical=True)
        figure.suptitle(title, fontsize=10)
    return figure


def words(summary: Mapping[str, Any]) -> str:
    """What was made, and how well, in lines."""
    made = f"{summary['n_stamps']} stamps of {summary['n_halos']} halos on {summary['n_pixels']}^2 pixels"
    lines = [f"{summary['config']['out']}: {made} in {summary['seconds']:.1f} s"]
    for name, channels in summary["power_error"].items():
        each = {channel: " ".join(f"{key} {x:.2%}" for key, x in one.items()) for channel, one in channels.items()}
        found = "; ".join(f"{channel} {text}" for channel, text in each.items() if text)
        lines.append(f"  P(k) of {NAMES[name]} against {NAMES[TRUTH]}, mean error: {found}")
    ratios = ", ".join(f"{name} {ratio:.3f}" for name, ratio in summary["halo_mass_ratio"].items())
    return "\n".join(lines + ([f"  mass within R200c over the true one: {ratios}"] if ratios else []))

"""A look at a set of cutouts: some halos of it, on both sides, in every window."""

from __future__ import annotations

from pathlib import Path

import matplotlib
import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray

from configs.files import replacing
from learn.figures import STYLE, UNIT, Scale, density_scale, draw_bar, draw_map, scientific
from sim.samples import TARGET_CHANNELS, Manifest, Samples, read_manifest, read_shard

N_HALOS = 3
CHANNELS = {"dark_matter": "total", "gas": "gas", "stars": "stars"}
"""The colours of each target, by the channel of whole-box maps that has them."""


def write_preview(folder: Path) -> Path | None:
    """Draw a finished set of maps as preview.png in its folder; None for cubes and for a set without samples."""
    manifest = read_manifest(folder)
    if manifest.n_dims != 2 or not manifest.shards:
        return None
    path = folder / "preview.png"
    with replacing(path) as temporary:
        preview_figure(manifest, folder).savefig(temporary, dpi=110)
    return path


def preview_figure(manifest: Manifest, folder: Path) -> Figure:
    """The heaviest halos of the first simulations, a row each: all windows of the dark matter, then the targets."""
    rows = [heaviest(read_shard(folder / name).samples) for name in first_files(manifest)]
    n_windows = len(manifest.scales)
    with matplotlib.rc_context(STYLE):
        figure = Figure(figsize=(1.9 * (n_windows + 3), 2.0 * len(rows) + 1.2), layout="constrained")
        grid = figure.subplots(len(rows) + 1, n_windows + 3, height_ratios=[1] * len(rows) + [0.06], squeeze=False)
        columns = [[density(maps, manifest) for maps in column] for column in zip(*rows, strict=True)]
        scales = [density_scale(*columns[0]), *(density_scale(*column) for column in columns[1:n_windows])]
        scales += [
            density_scale(*column, channel=CHANNELS[name])
            for name, column in zip(TARGET_CHANNELS, columns[n_windows:], strict=True)
        ]
        for i, (column, scale) in enumerate(zip(columns, scales, strict=True)):
            draw_column(grid[:, i], column, manifest.scales[i] if i < n_windows else manifest.scales[0], scale)
        titles = [f"DMO, {scale:g} Mpc/h" for scale in manifest.scales] + ["hydro dark matter", "gas", "stars"]
        for axes, title in zip(grid[0], titles, strict=True):
            axes.set_title(title, fontsize=9)
        shown = f"the heaviest halo of {len(rows)} simulations, z = {manifest.redshift:g}; Σ [{UNIT}]"
        figure.suptitle(f"{manifest.words()}\n{shown}")
    return figure


def first_files(manifest: Manifest) -> list[str]:
    """The first shard of the first simulations."""
    first = {entry.simulation: entry.file for entry in reversed(manifest.shards)}
    return [first[name] for name in sorted(first)][:N_HALOS]


def heaviest(samples: Samples) -> list[NDArray[np.float32]]:
    """The windows of dark matter, then the targets, of the heaviest halo of a shard."""
    i = int(np.argmax(samples.halo_mass))
    return [samples.condition[i], *samples.large_scale[i], *samples.target[i]]


def density(maps: NDArray[np.float32], manifest: Manifest) -> NDArray[np.float64]:
    """Surface density [Msun/h / (Mpc/h)^2]; the mean over the fine pixels is that of any window."""
    return np.asarray(maps, np.float64) / manifest.pixel_size**2


def draw_column(axes: NDArray, maps: list[NDArray[np.float64]], side: float, scale: Scale) -> None:
    """Maps below each other on one scale, and its bar."""
    for one, values in zip(axes[:-1], maps, strict=True):
        image = draw_map(one, values, side, scale)
        one.set(xlabel="", ylabel="", xticks=[], yticks=[])
    draw_bar(axes[-1], image, scale)
    ticks = [tick for tick in scale.ticks if np.isclose(np.log10(tick) % 1, 0)]
    axes[-1].set_xticks(ticks, labels=[scientific(tick) for tick in ticks], fontsize=7)
    axes[-1].set_xlabel("")

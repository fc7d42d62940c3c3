"""A look at simulated lenses: some of a set, or of each of several sets; their sources, images and exposures."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import AsinhNorm
from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine
from numpy.typing import NDArray

from configs.files import replacing
from learn.figures import STYLE
from sim.lens_fits import read_pairs
from sim.lens_shards import Images, Manifest, lens_sets, read_manifest, read_shard
from sim.lensing.truth import Truths

N_ACROSS = 4
"""Systems beside each other."""
N_ROWS = 4
"""Rows of a set that is shown alone."""
COLUMNS = ("source", "without noise", "observed")
COLORMAP = "inferno"
PADS: Any = {"w_pad": 0.01, "h_pad": 0.02, "wspace": 0.0, "hspace": 0.0}
TITLE = "Simulated lenses: Einstein radius, magnification; sides of source field and image"


@dataclass(frozen=True)
class Row:
    """Systems of a set beside each other."""

    label: str
    images: Images
    truths: Truths


def write_lens_preview(folder: Path) -> Path:
    """Draw a finished set of lenses, or a row of each of the sets in `folder`, as preview.png in it."""
    path = folder / "preview.png"
    with replacing(path) as temporary:
        lens_figure(rows_of(lens_sets(folder))).savefig(temporary, dpi=110)
    return path


def rows_of(sets: Sequence[Path]) -> list[Row]:
    """One row a set, or several of one."""
    n = N_ACROSS * (1 if len(sets) > 1 else N_ROWS)
    found = [(read_manifest(folder), folder) for folder in sets]
    return [row for manifest, folder in found for row in split(manifest, *first(folder, manifest, n))]


def first(folder: Path, manifest: Manifest, n: int) -> tuple[Images, Truths]:
    """The first `n` systems, or as many as the first part has."""
    part = manifest.parts[0]
    if manifest.config["format"] == "fits":
        return read_pairs(folder, range(part.start, min(part.start + n, part.stop)))
    return read_shard(folder / part.files[0], n)


def split(manifest: Manifest, images: Images, truths: Truths) -> list[Row]:
    """Rows of `N_ACROSS`."""
    starts = range(0, len(truths), N_ACROSS)
    slices = [slice(start, start + N_ACROSS) for start in starts]
    return [
        Row(manifest.family, {name: values[one] for name, values in images.items()}, truths.take(one)) for one in slices
    ]


def lens_figure(rows: Sequence[Row]) -> Figure:
    """A row of systems each: source, image without noise and exposure, the latter two on one scale."""
    with matplotlib.rc_context(STYLE):
        width = N_ACROSS * len(COLUMNS)
        figure = Figure(figsize=(1.32 * width, 1.55 * len(rows) + 0.6), layout=ConstrainedLayoutEngine(**PADS))
        grid = figure.subplots(len(rows), width, squeeze=False)
        for axes, row in zip(grid, rows, strict=True):
            draw_row(axes, row)
        for axes, title in zip(grid[0], COLUMNS * N_ACROSS, strict=True):
            axes.set_title(title, fontsize=8)
        figure.suptitle(TITLE, fontsize=10)
    return figure


def draw_row(axes: NDArray, row: Row) -> None:
    axes[0].set_ylabel(row.label)
    for i, panels in enumerate(axes.reshape(N_ACROSS, len(COLUMNS))):
        if i < len(row.truths):
            draw_system(panels, {name: values[i] for name, values in row.images.items()}, row.truths, i)
    for panel in axes:
        panel.set(xticks=[], yticks=[])
        panel.set_frame_on(bool(panel.images))


def draw_system(panels: NDArray, images: Images, truths: Truths, i: int) -> None:
    """Linear to twice the noise and logarithmic beyond."""
    noise = float(np.median(images["noise_map"]))
    seen = AsinhNorm(2 * noise, vmin=-2 * noise, vmax=max(float(images["noiseless"].max()), 5 * noise))
    bright = float(images["source"].max())
    scales = (AsinhNorm(0.05 * bright, vmin=0, vmax=bright), seen, seen)
    sides = truths["source_field"][i], *[truths["pixel_size"][i] * images["image"].shape[-1]] * 2
    for axes, name, norm, side in zip(panels, ("source", "noiseless", "image"), scales, sides, strict=True):
        axes.imshow(images[name], origin="lower", cmap=COLORMAP, norm=norm, interpolation="none")
        label(axes, f"{side:.1f}″", "right")
    label(panels[1], f"{truths['theta_e'][i]:.2f}″ ×{truths['magnification'][i]:.1f}", "left")


def label(axes: Axes, text: str, side: str) -> None:
    x = 0.04 if side == "left" else 0.96
    axes.text(x, 0.04, text, transform=axes.transAxes, color="white", fontsize=6.5, ha=side)

"""Systems beside what an inversion makes of them: images, residuals and sources as pictures.

Knows nothing of files.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import AsinhNorm, Normalize
from matplotlib.figure import Figure
from numpy.typing import NDArray

from learn.data import Batch
from learn.figures import STYLE
from learn.lenses.inverter import Floats, Inversion, Inverter
from learn.methods.rim import core

if TYPE_CHECKING:  # it brings lenstronomy, and every training imports this
    from learn.sources.lenses import LensSource

TITLES = ("image", "model", "residual [σ]", "true source", "source found", "its standard deviation")
MOST_SIGMA = 5.0
FAINTEST = 0.03
"""Of the brightest pixel, below which the scale of an image is linear."""


@dataclass(frozen=True)
class Shown:
    """One system: images and residual (n, n), sources (m, m), and half the sides of both fields [arcsec]."""

    name: str
    image: Floats
    model: Floats
    residual: Floats
    truth: Floats
    found: Floats
    error: Floats
    half: float
    source_half: float


def look(source: LensSource, inverter: Inverter, index: int, name: str) -> Shown:
    """A system as a machine inverts it."""
    batch, (_, truths) = source.read([index]), source.truths([index])
    pixel_size = truths["pixel_size"].astype(np.float32)
    found = inverter(*given(batch, inverter.psf_side), pixel_size)
    return shown(name, batch, found, float(pixel_size[0]), 0)


def given(batch: Batch, psf_side: int) -> tuple[Floats, Floats, Floats]:
    """Images and noise (B, n, n) of a batch, and kernels (B, k, k) with a middle."""
    image, noise, psf = batch.inputs.unbind(1)
    return image.numpy(), noise.numpy(), core(psf, psf_side).numpy()


def shown(name: str, batch: Batch, found: Inversion, pixel_size: float, i: int) -> Shown:
    """The i-th system of a batch; `pixel_size` [arcsec]."""
    image, truth = batch.inputs[i, 0].numpy(), batch.targets[i, 0].numpy()
    halves = (len(image) * pixel_size / 2, len(found.source[i]) * float(found.source_pixel[i]) / 2)
    pictures = (image, found.model[i], found.residual[i], truth, found.source[i], found.source_error[i])
    return Shown(name, *pictures, *halves)


def gallery(systems: Sequence[Shown], *, title: str) -> Figure:
    """A row a system; image and model share a scale, and so do both sources."""
    with matplotlib.rc_context(STYLE):
        figure = Figure(figsize=(2.1 * len(TITLES), 2.15 * len(systems) + 0.6), layout="constrained")
        grid = figure.subplots(len(systems), len(TITLES), squeeze=False)
        for row, system in zip(grid, systems, strict=True):
            draw_row(row, system)
        for axes, name in zip(grid[0], TITLES, strict=True):
            axes.set_title(name)
        figure.suptitle(title, fontsize=10)
    return figure


def draw_row(row: NDArray[np.object_], system: Shown) -> None:
    """Images in the field of the camera, sources in their own."""
    seen, sources = stretch(system.image, system.model), stretch(system.truth, system.found)
    residuals, errors = Normalize(-MOST_SIGMA, MOST_SIGMA), Normalize(0, brightest(system.error))
    panels = (
        (system.image, "magma", seen, system.half),
        (system.model, "magma", seen, system.half),
        (system.residual, "RdBu_r", residuals, system.half),
        (system.truth, "magma", sources, system.source_half),
        (system.found, "magma", sources, system.source_half),
        (system.error, "viridis", errors, system.source_half),
    )
    for axes, (values, colors, norm, half) in zip(row, panels, strict=True):
        draw_panel(axes, values, colors, norm, half)
    row[0].set_ylabel(system.name.replace("_", " "))


def draw_panel(axes: Axes, values: Floats, colors: str, norm: Normalize, half: float) -> None:
    """With the field's own ends as its ticks."""
    extent = (-half, half, -half, half)
    axes.imshow(values, origin="lower", cmap=colors, norm=norm, extent=extent, interpolation="none")
    axes.set_xticks([-half, half], labels=[f"−{half:.1f}″", f"{half:.1f}″"])
    axes.set_yticks([])
    axes.tick_params(length=0, labelsize=7)


def stretch(reference: Floats, other: Floats) -> Normalize:
    """Up to the brightest pixel of the reference, with which both are shown; linear where it is faint."""
    high = brightest(reference)
    low = min(0.0, float(np.percentile(reference, 1)), float(np.percentile(other, 1)))
    return AsinhNorm(FAINTEST * high, vmin=max(low, -high), vmax=high)


def brightest(image: Floats) -> float:
    """Above 0 whatever is there."""
    return max(float(image.max()), float(np.finfo(np.float32).tiny))

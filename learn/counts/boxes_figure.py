"""Boxes of halos seen through."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import matplotlib
import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray

from learn.figures import STYLE


def boxes_figure(density: NDArray, halos: Mapping[str, NDArray], cell_size: float, *, title: str) -> Figure:
    """A slab of a box: density (D, H, W), then halos (C, D, H, W) of all bins by what they are, on one scale."""
    depth = max(1, len(density) // 8)
    slabs = {name: of_bins.sum(axis=0)[:depth].sum(axis=0) for name, of_bins in halos.items()}
    top = max(float(slab.max()) for slab in slabs.values()) or 1.0
    images = {"density, log₁₀": np.log10(np.maximum(density[:depth].mean(axis=0), 1e-2))} | slabs
    extent = (0, density.shape[1] * cell_size, 0, density.shape[2] * cell_size)
    with matplotlib.rc_context(STYLE):
        figure = Figure(figsize=(3.83 * len(images), 4.2), layout="constrained")
        line = figure.subplots(1, len(images))
        for i, (axes, (name, image)) in enumerate(zip(line, images.items(), strict=True)):
            scale: dict[str, Any] = {"cmap": "viridis", "vmin": 0, "vmax": top} if i else {"cmap": "magma"}
            drawn = axes.imshow(image.T, origin="lower", extent=extent, interpolation="none", **scale)
            axes.set(title=name, xlabel="y [Mpc/h]", ylabel="z [Mpc/h]" if not i else "")
            figure.colorbar(drawn, ax=axes, shrink=0.8)
        figure.suptitle(f"{title}: a slab {depth * cell_size:.3g} Mpc/h deep", fontsize=10)
    return figure

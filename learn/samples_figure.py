"""Fields side by side on one colour scale: simulated ones and samples. Cubes are seen as their middle slice."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import matplotlib
from matplotlib.figure import Figure
from numpy.typing import NDArray

from learn.data import About
from learn.figures import COLORMAPS, STYLE, density_scale, draw_bar, draw_map


def samples_figure(groups: Mapping[str, NDArray], about: About, *, title: str) -> Figure:
    """A row a channel; groups: fields (n, C, P, P) or (n, C, P, P, P) by what they are called."""
    columns = [(name, slice_of(one)) for name, fields in groups.items() for one in fields]
    with matplotlib.rc_context(STYLE):
        size = (2.6 * len(columns) + 0.9, 2.7 * len(about.target_channels) + 0.5)
        figure = Figure(figsize=size, layout="constrained")
        widths = [*[1] * len(columns), 0.06]
        grid = figure.subplots(len(about.target_channels), len(widths), width_ratios=widths, squeeze=False)
        for i, (row, channel) in enumerate(zip(grid, about.target_channels, strict=True)):
            fields = [one[i] for _, one in columns]
            scale = density_scale(*fields, channel=channel if channel in COLORMAPS else "total")
            scale = replace(scale, label=f"{channel} [{about.target_unit or about.unit}]")
            for axes, (name, _), field in zip(row, columns, fields, strict=False):
                image = draw_map(axes, field, about.pixel_size * len(field), scale)
                axes.set_title(name)
                axes.label_outer()
            draw_bar(row[-1], image, scale, vertical=True)
        figure.suptitle(title, fontsize=10)
    return figure


def slice_of(field: NDArray) -> NDArray:
    """(C, P, P) of a map, or of the middle of a cube."""
    return field if field.ndim == 3 else field[:, field.shape[1] // 2]

"""Maps and curves as SVG that takes its colours and fonts from the page around it, in light and in dark.

Knows figures; nothing of files, of pages or of where a map is from. The pixels of a map are a PNG inside the SVG.
"""

from __future__ import annotations

import html
import io
import re
from collections.abc import Callable

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray
from PIL import Image

from learn.figures import INK, RULE, STYLE, Scale, draw_bar, draw_map

MAX_PIXELS = 200
"""Longest side of a map on a page: what a panel can show, and what keeps a report small."""

MAP_SIZE = (3.6, 4.15)
MAP_BOX, BAR_BOX = (
    (0.135, 0.255, 0.83, 0.72),
    (0.135, 0.118, 0.83, 0.029),
)  # left, bottom, width, height: the map is square
CURVE_SIZE, WIDE_CURVE_SIZE = (3.5, 3.0), (5.4, 3.8)


def map_panel(density: NDArray, box_size: float, scale: Scale, *, label: str) -> str:
    """One map (H, W) with axes in Mpc/h and the bar of its `scale`; `label` is read to who cannot see it."""
    with matplotlib.rc_context(STYLE):
        figure = Figure(figsize=MAP_SIZE)
        image = draw_map(figure.add_axes(MAP_BOX), shrunk(density), box_size, scale)
        draw_bar(figure.add_axes(BAR_BOX), image, scale)
        return svg(figure, label=label)


def curve_panel(draw: Callable[[Axes], None], *, label: str, size: tuple[float, float] = CURVE_SIZE) -> str:
    """One set of axes filled by `draw`; `label` is read to who cannot see it, `size` is in inches of 9 pt text."""
    with matplotlib.rc_context(STYLE):
        figure = Figure(figsize=size, layout="constrained")
        draw(figure.subplots())
        return svg(figure, label=label)


def svg(figure: Figure, *, label: str) -> str:
    """`figure` as an inline SVG as wide as its parent; its ink and rules are the page's, its ids are `label`'s own."""
    buffer = io.StringIO()
    with matplotlib.rc_context(STYLE | {"svg.hashsalt": label}):
        figure.savefig(
            buffer, format="svg", transparent=True, metadata=dict.fromkeys(("Creator", "Date", "Format", "Type"))
        )
    text = buffer.getvalue()
    text = text[text.index("<svg") :]
    text = re.sub(r"<metadata>.*?</metadata>", "", text, flags=re.DOTALL)
    text = re.sub(r'<g id="[^"]*"', "<g", text)
    text = text.replace(INK, "currentColor").replace(RULE, "var(--rule)").replace("'DejaVu Sans'", "var(--sans)")
    head, body = text.split(">", 1)
    size = re.search(r'viewBox="[^"]*"', head)
    assert size is not None
    opening = f'<svg xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink" {size[0]}'
    return f'{opening} role="img" aria-label="{html.escape(label)}">{body}'


def swatch(color: str, dashes: object) -> str:
    """A short line as `figures` draws it, for the legend of a page."""
    width = 3 if dashes == "-" else 2
    pattern = "" if isinstance(dashes, str) else " ".join(f"{length * width:g}" for length in dashes[1])  # type: ignore[index]
    line = f'<line x1="0" y1="5" x2="30" y2="5" stroke="{color}" stroke-width="{width}" stroke-dasharray="{pattern}"/>'
    return f'<svg width="30" height="10" aria-hidden="true">{line}</svg>'


def shrunk(density: NDArray, longest: int = MAX_PIXELS) -> NDArray[np.float32]:
    """The map averaged over areas so that its longest side is at most `longest` pixels; its mean stays."""
    height, width = density.shape
    factor = min(1.0, longest / max(height, width))
    if factor == 1.0:
        return density.astype(np.float32)
    image = Image.fromarray(density.astype(np.float32))
    size = (max(1, round(width * factor)), max(1, round(height * factor)))
    return np.asarray(image.resize(size, Image.Resampling.BOX))

"""The pictures of an evaluation, by name, as PNG."""

from __future__ import annotations

import io
from collections.abc import Callable, Mapping
from functools import partial

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray

from learn import curve_figures, figures, panels
from learn.curves import Curves

DPI = 130
TITLES: Mapping[str, str] = {
    "power": "Power of painted over true maps",
    "correlation": "Correlation of painted with true maps",
    "suppression": "Suppression of the total matter",
    "pdf": "Distribution of the pixels",
    "peaks": "Peaks of the smoothed maps",
    "minkowski": "Minkowski functionals",
    "bispectrum": "Reduced bispectrum of equilateral triangles",
    "scattering": "Wavelet scattering coefficients",
    "apertures": "Masses in discs around the true peaks",
    "coverage": "Calibration of the draws",
    "maps": "A map to look at",
}
LEAST = {"pdf": 0.01, "peaks": 5.0}
"""Density of pixels, and number of peaks a simulation, below which an error is noise."""
DISCS = "points: median of the discs, bars: their central 68 %"


def pictures(
    curves: Curves, maps: tuple[NDArray, NDArray, NDArray], box_size: float, *, simulation: str
) -> dict[str, bytes]:
    """All of them; that of the coverage only where there are draws. maps: input (P, P), painted, true (C, P, P)."""
    drawn = {name: png(draw()) for name, draw in _shapes(curves).items()}
    title = f"{simulation}, its first map; maps that are compared share a scale"
    channels = tuple(map(str, curves.channels))
    return drawn | {"maps": png(figures.maps_figure(*maps, box_size, channels=channels, title=title))}


def png(figure: Figure) -> bytes:
    """`figure` as a file."""
    buffer = io.BytesIO()
    figure.savefig(buffer, dpi=DPI, format="png")
    return buffer.getvalue()


def _shapes(curves: Curves) -> dict[str, Callable[[], Figure]]:
    """How each figure of curves is made."""
    one = partial(panels.statistic_figure, curves=curves)
    counts = partial(panels.counts_figure, curves=curves)
    spectra = partial(curve_figures.spectra_figure, curves=curves)
    found: dict[str, Callable[[], Figure]] = {
        "power": partial(spectra, curve_figures.draw_ratio, title=TITLES["power"]),
        "correlation": partial(spectra, curve_figures.draw_correlation, title=TITLES["correlation"]),
        "suppression": partial(curve_figures.suppression_figure, curves),
        "pdf": partial(counts, panels.draw_pdf, name="pdf", title=TITLES["pdf"], least=LEAST["pdf"]),
        "peaks": partial(counts, panels.draw_peaks, name="peaks", title=TITLES["peaks"], least=LEAST["peaks"]),
        "minkowski": partial(panels.minkowski_figure, curves),
        "bispectrum": partial(one, panels.draw_bispectrum, name="bispectrum", title=TITLES["bispectrum"]),
        "scattering": partial(one, panels.draw_scattering, name="scattering", title=TITLES["scattering"]),
        "apertures": partial(
            one, panels.draw_apertures, name="apertures", title=TITLES["apertures"], note=f"{DISCS}; {curves.sample}"
        ),
    }
    if np.any(curves.places):
        found["coverage"] = partial(panels.coverage_figure, curves)
    return found

"""The PDF of an analysis: its figure, then its quantities and what they are of."""

from __future__ import annotations

import textwrap
from pathlib import Path

import matplotlib
from matplotlib.backends.backend_pdf import PdfPages
from matplotlib.figure import Figure

from configs.files import replacing
from learn.figures import INK, RULE, STYLE
from learn.mass.analysis import Analysis
from learn.mass.latex import caption
from learn.mass.measure import Measure

SUPERSCRIPTS = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")
PAGE = (8.27, 11.69)
"""A4 [inch]."""
TOP, LINE = 0.93, 0.0215
COLUMNS = (0.08, 0.72, 0.74)


def write_pdf(path: Path, analysis: Analysis, figure: Figure) -> None:
    """Two pages, without a date: the same analysis is the same file."""
    with replacing(path) as temporary, PdfPages(temporary, metadata={"CreationDate": None}) as pages:
        pages.savefig(figure)
        pages.savefig(table_page(analysis))


def table_page(analysis: Analysis) -> Figure:
    """A line a quantity, then what was assumed."""
    with matplotlib.rc_context(STYLE):
        page = Figure(figsize=PAGE)
        page.text(COLUMNS[0], TOP + 0.02, caption(analysis), fontsize=10, weight="bold")
        step = min(LINE, (TOP - 0.2) / max(1, len(analysis.measures)))
        for i, measure in enumerate(analysis.measures):
            y = TOP - 0.02 - i * step
            page.text(COLUMNS[0], y, measure.label, fontsize=8)
            page.text(COLUMNS[1], y, number(measure), fontsize=8, ha="right")
            page.text(COLUMNS[2], y, measure.value.unit.to_string("unicode"), fontsize=8)
        low = TOP - 0.02 - len(analysis.measures) * step
        page.add_artist(matplotlib.lines.Line2D((COLUMNS[0], 0.92), (low + 0.4 * step, low + 0.4 * step), color=RULE))
        page.text(COLUMNS[0], low, wrapped(assumptions(analysis)), fontsize=8, va="top", color=INK, linespacing=1.5)
    return page


def number(measure: Measure) -> str:
    """1.380 +0.027 −0.027 ×10¹¹, without its unit."""
    value, up, down, exponent = measure.shown()
    errors = f"  +{up} −{down}" if up else ""
    power = f"  ×10{str(exponent).translate(SUPERSCRIPTS)}" if exponent else ""
    return f"{value}{errors}{power}".replace("-", "−")


def assumptions(analysis: Analysis) -> list[str]:
    """What a reader has to know of the numbers."""
    parts = ", ".join(component.kind for component in analysis.model.components)
    told = [f"Mass model: {parts}; the centre of the lens is that of the first mass."]
    told.append("Errors are those of the mass model alone: redshifts and cosmology are taken to be certain.")
    if analysis.drawn_rings is None:
        told[-1] = "The model tells of no errors, so there are none."
    if analysis.distances is None:
        told.append("Without both redshifts there are no masses.")
    if analysis.at_bound:
        told.append(f"At the end of their range, so that errors say too little: {', '.join(analysis.at_bound)}.")
    lost = max(measure.n_lost for measure in analysis.measures)
    if lost:
        told.append(f"Draws that have not every quantity: up to {lost}.")
    return told


def wrapped(sentences: list[str]) -> str:
    return "\n".join(line for sentence in sentences for line in textwrap.wrap(sentence, 110))

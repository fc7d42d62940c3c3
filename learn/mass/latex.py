"""The quantities of an analysis as tables in LaTeX, which need no package."""

from __future__ import annotations

from collections.abc import Sequence

from astropy.units import UnitBase

from learn.mass.analysis import Analysis
from learn.mass.measure import Measure
from learn.mass.sightings import Sighting

ESCAPES = {"_": r"\_", "%": r"\%", "&": r"\&", "#": r"\#"}


def latex(analysis: Analysis) -> str:
    """A fragment for \\input: a tabular of quantities, and one of images if there are some."""
    lines = [rf"% {escaped(caption(analysis))}", *_quantities(analysis.quantities)]
    if analysis.sightings:
        lines += ["", *_images(analysis.sightings)]
    return "\n".join(lines) + "\n"


def caption(analysis: Analysis) -> str:
    """What the numbers are."""
    model = analysis.model
    where = f" at z = {model.z_lens:g}, source at z = {model.z_source:g}" if analysis.distances is not None else ""
    universe = f"; {analysis.cosmology}" if analysis.distances is not None else ""
    errors = "; medians and 68 % intervals" if analysis.drawn_rings is not None else ""
    return f"{model.name}{where}{universe}{errors}"


def number(measure: Measure) -> str:
    r"""$1.38^{+0.02}_{-0.03} \times 10^{11}$, without its unit."""
    value, up, down, exponent = measure.shown()
    errors = f"^{{+{up}}}_{{-{down}}}" if up else ""
    power = rf" \times 10^{{{exponent}}}" if exponent else ""
    return f"${value}{errors}{power}$"


def unit(of: UnitBase) -> str:
    """As astropy writes it, empty for a number."""
    text = of.to_string("latex_inline")
    return "" if text == "$\\mathrm{}$" else text


def escaped(text: str) -> str:
    return "".join(ESCAPES.get(letter, letter) for letter in text)


def _quantities(measures: Sequence[Measure]) -> list[str]:
    body = [rf"{one.symbol} & {number(one)} & {unit(one.value.unit)} \\" for one in measures]
    return [r"\begin{tabular}{lrl}", r"\hline", r"quantity & value & unit \\", r"\hline", *body, *_END]


def _images(seen: Sequence[Sighting]) -> list[str]:
    names = [f"{one.symbol} {unit(one.value.unit)}".strip() for one in seen[0].measures]
    body = [rf"{i} & {one.kind} & {' & '.join(map(number, one.measures))} \\" for i, one in enumerate(seen, start=1)]
    head = rf"image & kind & {' & '.join(names)} \\"
    return [rf"\begin{{tabular}}{{ll{'r' * len(names)}}}", r"\hline", head, r"\hline", *body, *_END]


_END = (r"\hline", r"\end{tabular}")

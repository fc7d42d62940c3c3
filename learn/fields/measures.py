"""What is measured of a set of maps, simulation by simulation, so that simulations can be drawn with replacement."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from learn.fields.sets import FieldSet, Maps
from learn.scores.bispectrum import EquilateralBispectrum
from learn.scores.geometry import Geometry
from learn.scores.minkowski import MinkowskiFunctionals
from learn.scores.peaks import PeakCounts
from learn.scores.shells import Shells
from learn.scores.views import Reference, Views, contrast_modes

Array = NDArray[np.float64]
Measured = Mapping[str, Array]
"""By name, (S, ...): means over the fields of each simulation."""

PDF_EDGES = np.linspace(-2.0, 2.5, 91)
"""Of log10(density / mean of the held-out fields); what lies beyond is in the first and the last bin."""


@dataclass(frozen=True)
class Yardstick:
    """The scales that the held-out maps set for everybody."""

    geometry: Geometry
    shells: Shells
    reference: Reference
    bispectrum: EquilateralBispectrum

    @classmethod
    def of(cls, truth: FieldSet, geometry: Geometry, shells: Shells, *, smoothing: float) -> Yardstick:
        reference = Reference.of(truth.every()[:, None], geometry, smoothing=smoothing)
        return cls(geometry, shells, reference, EquilateralBispectrum(geometry))

    @property
    def axes(self) -> Mapping[str, Array]:
        """What the last axis of each measurement is."""
        return {
            "power": self.shells.k,
            "pdf": 0.5 * (PDF_EDGES[1:] + PDF_EDGES[:-1]),
            "peaks": PeakCounts().axis,
            "minkowski": MinkowskiFunctionals().axis,
            "bispectrum": self.bispectrum.axis,
        }

    def measure(self, fields: FieldSet) -> Measured:
        """Everything, of every simulation."""
        return stacked([self.of_maps(maps) for maps in fields.fields])

    def of_maps(self, maps: Maps) -> Measured:
        """Of the maps (n, P, P) of one simulation."""
        views = Views(maps[:, None], self.reference)
        return {
            **of_powers(self.powers(maps)),
            **of_pixels(maps, float(self.reference.level[0])),
            "peaks": PeakCounts().measure(views)[0] / len(maps),
            "minkowski": MinkowskiFunctionals().measure(views)[0],
            "bispectrum": self.bispectrum.measure(views)[0],
        }

    def powers(self, maps: Maps) -> Array:
        """P(k) of each of maps (n, P, P) [(Mpc/h)^2], (n, K)."""
        modes = contrast_modes(maps, self.geometry)
        return self.shells.power(modes, modes)


def stacked(rows: Sequence[Measured]) -> Measured:
    """The measurements of every simulation, from those of each."""
    return {name: np.stack([row[name] for row in rows]) for name in rows[0]}


def of_powers(power: Array) -> Measured:
    """From P(k) of each field of a simulation, (n, K)."""
    logs = np.log(power)
    return {
        "power": power.mean(0),
        "power_squared": (power**2).mean(0),
        "log_power": logs.mean(0),
        "log_power_squared": (logs**2).mean(0),
    }


def of_pixels(fields: Maps, level: float) -> Measured:
    """What is told of maps (n, P, P) or cubes (n, P, P, P) by their pixels and the next ones alone."""
    across, inside = jumps(fields)
    return {
        "pdf": pdf(fields, level),
        "jump_across": across,
        "jump_inside": inside,
        "density": fields.mean(dtype=np.float64),
        "empty": (fields <= 0).mean(),
    }


def pdf(fields: Maps, level: float) -> Array:
    """Probability density of log10(pixel / level), (bins,)."""
    with np.errstate(divide="ignore"):
        logs = np.log10(np.maximum(fields, 0) / level)
    centers = 0.5 * (PDF_EDGES[1:] + PDF_EDGES[:-1])
    return np.histogram(np.clip(logs, centers[0], centers[-1]), PDF_EDGES, density=True)[0]


def jumps(fields: Maps) -> tuple[Array, Array]:
    """Mean |difference of the logarithms| of neighbours, over the borders of maps or cubes (n, ...) and inside them."""
    logs = np.log1p(np.maximum(fields, 0) / fields.mean(dtype=np.float64))
    steps = [np.moveaxis(np.abs(np.roll(logs, -1, axis) - logs), axis, 0) for axis in range(1, logs.ndim)]
    return np.mean([step[-1] for step in steps]), np.mean([step[:-1] for step in steps])

"""The images of a source as quantities: where each is, how magnified and how late."""

from __future__ import annotations

from dataclasses import dataclass

from astropy import units
from astropy.units import Quantity
from torch import Tensor

from learn.mass.measure import Measure
from sim.lensing.arrivals import Arrivals
from sim.lensing.distances import Distances
from sim.lensing.images import Kind


@dataclass(frozen=True)
class Sighting:
    """An image, which is an extremum of the time of arrival or a saddle; its delay is None without distances."""

    kind: Kind
    x: Measure
    y: Measure
    magnification: Measure
    delay: Measure | None

    @property
    def measures(self) -> tuple[Measure, ...]:
        every = (self.x, self.y, self.magnification, self.delay)
        return tuple(one for one in every if one is not None)


def sightings(seen: Arrivals | None, distances: Distances | None, *, is_certain: bool) -> tuple[Sighting, ...]:
    """In the order of arrival."""
    if seen is None:
        return ()
    return tuple(_sighting(i, seen, distances, is_certain) for i in range(len(seen.best.x)))


def _sighting(i: int, seen: Arrivals, distances: Distances | None, is_certain: bool) -> Sighting:
    def measure(name: str, label: str, symbol: str, value: Tensor, draws: Tensor, unit: units.UnitBase) -> Measure:
        drawn = None if is_certain else draws[:, i].numpy() * unit
        return Measure(f"image_{i + 1}_{name}", f"image {i + 1}: {label}", symbol, float(value[i]) * unit, drawn)

    best = seen.best
    x = measure("x", "x", "$x$", best.x, seen.x, units.arcsec)
    y = measure("y", "y", "$y$", best.y, seen.y, units.arcsec)
    size = measure("magnification", "magnification", r"$\mu$", best.magnification, seen.magnification, units.one)
    late = None if distances is None else _delay(i, seen, distances, is_certain)
    return Sighting(best.kinds[i], x, y, size, late)


def _delay(i: int, seen: Arrivals, distances: Distances, is_certain: bool) -> Measure:
    value: Quantity = distances.delay(float(seen.best.fermat[i] - seen.best.fermat[0]))
    draws = None if is_certain else distances.delay(seen.fermat[:, i].numpy())
    return Measure(f"image_{i + 1}_delay", f"image {i + 1}: delay after image 1", r"$\Delta t$", value, draws)

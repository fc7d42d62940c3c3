"""What a lens model says of its lens: radii, masses, profiles, critical curves, images and delays, with errors.

Values are those of the best parameters, errors are from draws of the posterior; distances are taken to be certain.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from configs.lens_model import LensModel
from configs.mass_analysis import MassAnalysis
from learn.mass.measure import Measure
from learn.mass.quantities import measured
from learn.mass.sightings import Sighting, sightings
from sim.lensing.arrivals import Arrivals, arrivals, source_of
from sim.lensing.critical import Curve, critical_curves
from sim.lensing.distances import Distances, cosmology_of
from sim.lensing.posterior import Draws, best, drawn, is_certain
from sim.lensing.rings import Rings, rings

N_RADII = 41
OUTERMOST = 2.0
"""Radius of the profiles, in sides of the field."""
ROOM = 2.5
"""Einstein radii around the centre within which critical curves and images are looked for."""


@dataclass(frozen=True)
class Analysis:
    """Of a model: its rings and images at the best parameters and in the draws, and what is measured on them.

    drawn_rings is None when no parameter has an error; `half` [arcsec] is half the side of the square, around the
    origin, that curves and images are within.
    """

    model: LensModel
    cosmology: str
    distances: Distances | None
    lens: Draws
    rings: Rings
    drawn_rings: Rings | None
    curves: tuple[Curve, ...]
    arrivals: Arrivals | None
    quantities: tuple[Measure, ...]
    sightings: tuple[Sighting, ...]
    half: float

    @property
    def measures(self) -> tuple[Measure, ...]:
        """Every quantity, those of images too."""
        return (*self.quantities, *(measure for sighting in self.sightings for measure in sighting.measures))

    @property
    def center(self) -> tuple[float, float]:
        """Of the lens [arcsec]."""
        x, y = self.lens.center
        return float(x), float(y)

    @property
    def at_bound(self) -> list[str]:
        """Parameters that a fit has left at the end of their range, so that their errors say too little."""
        return [f"{name} of component {i + 1}" for i, name, one in self.model.parameters() if one.at_bound]

    @property
    def source(self) -> tuple[float, float] | None:
        """At the best parameters [arcsec]; None if the model tells of none."""
        if self.arrivals is None:
            return None
        x, y = source_of(self.model, self.lens)
        return float(x), float(y)

    def has(self, key: str) -> bool:
        """Whether a quantity could be measured."""
        return any(measure.key == key for measure in self.measures)

    def __getitem__(self, key: str) -> Measure:
        return next(measure for measure in self.measures if measure.key == key)


def analyse(model: LensModel, config: MassAnalysis) -> Analysis:
    """ValueError for a model that is no strong lens within its field."""
    distances, lens, radii = distances_of(model, config.cosmology), best(model), radii_of(model)
    own, certain = rings(lens, radii), is_certain(model)
    refuse_weak(model, own)
    draws = lens if certain else drawn(model, config.n_draws, np.random.default_rng(config.seed))
    others = None if certain else rings(draws, radii)
    x, y = (float(side) for side in lens.center)
    half = max(model.field / 2, max(abs(x), abs(y)) + ROOM * float(own.theta_e))
    seen = arrivals(model, lens, draws, half)
    return Analysis(
        model=model,
        cosmology=config.cosmology,
        distances=distances,
        lens=lens,
        rings=own,
        drawn_rings=others,
        curves=tuple(critical_curves(lens.mass, (x, y), half)),
        arrivals=seen,
        quantities=tuple(measured(own, others, distances)),
        sightings=sightings(seen, distances, is_certain=certain),
        half=half,
    )


def distances_of(model: LensModel, cosmology: str) -> Distances | None:
    """None unless both redshifts are known."""
    if model.z_lens is None or model.z_source is None:
        return None
    return Distances.of(model.z_lens, model.z_source, cosmology_of(cosmology))


def radii_of(model: LensModel) -> Tensor:
    """Of the profiles [arcsec], (N_RADII,), from a quarter of a pixel."""
    ends = np.log10([model.pixel_size / 4, OUTERMOST * model.field])
    return torch.logspace(float(ends[0]), float(ends[1]), N_RADII, dtype=torch.float64)


def refuse_weak(model: LensModel, own: Rings) -> None:
    """Of the mean convergence and of the tangential eigenvalue, which both have to cross."""
    if not torch.isfinite(own.theta_e).all():
        inside = f"{float(own.radii[0]):.3g} and {float(own.radii[-1]):.3g} arcsec"
        raise ValueError(f"{model.name}: expected a mean convergence that falls to 1 between {inside}, it does not")
    if not torch.isfinite(own.theta_critical).all():
        raise ValueError(f"{model.name}: expected a tangential critical curve all around the centre, found none")

"""The steps of a preparation in their order, each a function from an observation to one with one step more."""

from __future__ import annotations

from collections.abc import Iterator

from configs.observing import Prepare
from sim.images.center import centered, ringed
from sim.images.checks import checked
from sim.images.light import modelled
from sim.images.masks import masked
from sim.images.noise import mapped
from sim.images.normalize import normalized
from sim.images.observation import Observation
from sim.images.points import pointed
from sim.images.psf import placed
from sim.images.resample import framed
from sim.images.sky import subtracted
from sim.images.units import converted


def steps(seen: Observation, config: Prepare) -> Iterator[Observation]:
    """The observation as it was read, then after every step that is taken."""
    yield seen
    for step in (checked, converted):
        yield (seen := step(seen))
    yield (seen := subtracted(seen, config))
    yield (seen := mapped(seen))
    for chosen in (placed, centered, masked, pointed, modelled):
        if (after := chosen(seen, config)) is not seen:
            yield (seen := after)
    if config.center == "ring":
        yield (seen := ringed(seen))
    for chosen in (framed, normalized):
        if (after := chosen(seen, config)) is not seen:
            yield (seen := after)


def prepared(seen: Observation, config: Prepare) -> Observation:
    """After the last step."""
    *_, last = steps(seen, config)
    return last

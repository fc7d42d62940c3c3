"""The sky: its level and scatter where a frame is emptiest, and whether that is sky or the light of galaxies."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from astropy.stats import sigma_clip
from numpy.typing import NDArray

from configs.observing import Prepare
from sim.images.observation import Array, Mask, Observation, radii

CLIP = 3.0
TRUNCATED = math.sqrt(1 - 2 * CLIP * math.exp(-(CLIP**2) / 2) / math.sqrt(2 * math.pi) / math.erf(CLIP / math.sqrt(2)))
"""Standard deviation of a Gaussian of width 1 that is cut at +-CLIP."""
OUTER = 0.25
"""Part of the frame, farthest from its middle, in which the sky is measured."""
MAX_STEP = 3.5
"""Errors by which the quarter next to it may be brighter, if what is measured is sky."""
MODE_ERROR = math.sqrt(9 * math.pi / 2 + 4 - 12)
"""Of 3 median - 2 mean (Pearson's mode), in those of the mean of a Gaussian."""


@dataclass(frozen=True)
class Level:
    """In the unit of the image."""

    mode: float
    error: float
    rms: float


def level(values: NDArray[np.float64]) -> Level:
    """Clipped at 3 sigma; the mode is 3 median - 2 mean, and its error that of a median."""
    kept = np.asarray(sigma_clip(values, sigma=CLIP, maxiters=20, masked=False, copy=True))
    rms = float(kept.std()) / TRUNCATED
    mode = 3 * float(np.median(kept)) - 2 * float(kept.mean())
    return Level(mode, MODE_ERROR * rms / math.sqrt(kept.size), rms)


def measured(seen: Observation) -> tuple[Level, float]:
    """Of the outer quarter of the frame; and by how many errors the quarter next to it is the brighter one."""
    radius = radii(seen.image.shape, seen.middle)
    outside = _farthest(radius, seen.mask, OUTER)
    next_to = _farthest(radius, seen.mask, 2 * OUTER) & ~outside
    outer, inner = level(seen.image[outside]), level(seen.image[next_to])
    return outer, (inner.mode - outer.mode) / math.hypot(inner.error, outer.error, 1e-300)


def subtracted(seen: Observation, config: Prepare) -> Observation:
    """Without the sky that is measured or given. What is measured stays in the history if nothing is subtracted."""
    found, step = measured(seen)
    is_flat = step < MAX_STEP
    numbers = {"SKYMODE": found.mode, "SKYERR": found.error, "SKYRMS": found.rms, "SKYSTEP": step}
    told = f"{found.mode:.3g} +- {found.error:.1g} in the outer quarter, rms {found.rms:.3g}"
    if config.sky == "measure" or (config.sky == "auto" and is_flat):
        return _without(seen, found.mode, f"subtracted {told}", numbers)
    if config.sky == "auto":
        why = f"nothing subtracted: {told}, falls outwards by {step:.1f} errors: light, not sky"
        return _without(seen, 0.0, why, numbers)
    return _without(seen, config.sky, f"subtracted {config.sky:g} as given; {told}", numbers)


def _without(seen: Observation, sky: float, text: str, numbers: dict[str, float]) -> Observation:
    return seen.after("sky", text, {"SKYLEVEL": sky, **numbers}, image=seen.image - sky)


def _farthest(radius: Array, mask: Mask, part: float) -> Mask:
    """The used pixels that are farther out than all but `part` of the frame; all of the frame if none is used."""
    far = radius >= np.quantile(radius, 1 - part)
    return far & mask if (far & mask).any() else far
